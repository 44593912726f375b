// Operators' operations outlive everything between the answer and the agent's word: they are in the registry meanwhile.
import test from 'ava';
import { bagOf, formatResources } from '../../src/resources/index.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { FakeAgent } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';
import { SlowStore } from '../support/slow-store.js';

const big = { cpus: 4, mem: 4096 };
const reserved = { cpus: 2, 'cpus(ads,dynamic)': 2, mem: 4096 };
const call = {
  type: 'RESERVE',
  agentId: 'M-S0',
  resources: { cpus: 2 },
  reservation: { role: 'ads' },
} as const;

function intents(rig: MasterRig): number {
  return rig.store.load('intent/').length;
}

function total(rig: MasterRig): string {
  return formatResources(bagOf(rig.master.views.agents()[0]?.total ?? {}));
}

function ended(agent: FakeAgent): string[] {
  return agent.got('ACKNOWLEDGE_OPERATION').map(event => event.uuid);
}

test('nothing is done or said of it before it is durable; the agent forgets it after the registry has', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store });
  const agent = rig.connectAgent();
  agent.register(big);
  store.sync();
  const answers: unknown[] = [];
  rig.master.operate(call, problems => answers.push(problems));
  rig.settle();
  t.deepEqual([answers, agent.got('APPLY_OPERATION'), total(rig)], [[], [], formatResources(bagOf(big))]);
  store.sync();
  t.deepEqual(answers, [[]]);
  t.is(total(rig), formatResources(bagOf(reserved)));
  const { uuid } = agent.operated();
  t.deepEqual(ended(agent), []);
  t.is(intents(rig), 1);
  store.sync();
  t.deepEqual(ended(agent), [uuid]);
  t.is(intents(rig), 0);
  t.is(rig.master.view.intents.size, 0);
});

test('what it needs may be taken while it is being written: then nothing is done and nothing kept', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store });
  rig.connectAgent().register(big);
  const scheduler = rig.connectScheduler();
  scheduler.subscribe();
  store.sync();
  rig.settle();
  const answers: (string | undefined)[] = [];
  rig.master.operate({ ...call, resources: { cpus: 4 } }, problems => answers.push(problems[0]?.code));
  scheduler.launch(task('a'));
  store.sync();
  store.sync();
  t.deepEqual(answers, ['INSUFFICIENT_RESOURCES']);
  t.is(intents(rig), 0);
});

test('an agent that disconnected before it heard of it is told when it is back', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  t.deepEqual(rig.operate(call), []);
  const { uuid } = agent.last('APPLY_OPERATION');
  agent.disconnect();
  const back = rig.agent(big, { agentId: 'M-S0' });
  t.is(back.last('APPLY_OPERATION').uuid, uuid, 'the same operation, which the agent would know');
  t.is(total(rig), formatResources(bagOf(reserved)));
  back.operated();
  t.deepEqual(ended(back), [uuid]);
});

test('an agent that has done it, and was not heard, is not told again', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  rig.operate(call);
  const { uuid, produced } = agent.last('APPLY_OPERATION');
  agent.disconnect();
  const operations = [{ agentId: 'M-S0', uuid, state: 'OPERATION_FINISHED' as const, converted: produced }];
  const back = rig.agent(reserved, { agentId: 'M-S0', operations });
  t.deepEqual(back.got('APPLY_OPERATION'), []);
  t.is(total(rig), formatResources(bagOf(reserved)));
  back.raw({ type: 'OPERATION_STATUS', status: operations[0] });
  t.deepEqual(ended(back), [uuid]);
  t.is(intents(rig), 0);
});

test('several of one agent are sent again by the next master, each in its turn; those of removed agents are forgotten', t => {
  const rig = new MasterRig();
  rig.agent(big);
  rig.agent(big);
  rig.operate(call);
  rig.operate({ ...call, reservation: { role: 'web' } });
  rig.operate({ ...call, agentId: 'M-S1' });
  rig.master.close();
  const next = new MasterRig({ masterId: 'N', store: rig.store, clock: rig.clock });
  t.is(next.master.view.intents.size, 3);
  const back = next.agent(big, { agentId: 'M-S0' });
  t.deepEqual(
    back.got('APPLY_OPERATION').map(event => event.produced),
    [{ 'cpus(ads,dynamic)': 2 }, { 'cpus(web,dynamic)': 2 }],
  );
  for (const { uuid } of back.got('APPLY_OPERATION')) back.operated('OPERATION_FINISHED', uuid);
  t.is(intents(next), 1);
  next.operate({ type: 'MARK_AGENT_GONE', agentId: 'M-S1' });
  t.is(intents(next), 0);
});

test('what somebody runs on is not taken from under it: the operation waits until that has ended', t => {
  const rig = new MasterRig();
  rig.agent(big);
  rig.operate({ ...call, resources: { cpus: 4 } });
  rig.master.close();
  const next = new MasterRig({ masterId: 'N', store: rig.store, clock: rig.clock });
  const scheduler = next.scheduler();
  const id = scheduler.frameworkId;
  const back = next.agent(big, {
    agentId: 'M-S0',
    tasks: [{ frameworkId: id, task: task('a'), state: 'TASK_RUNNING' }],
  });
  t.deepEqual(back.got('APPLY_OPERATION'), []);
  t.is(intents(next), 1);
  back.disconnect();
  const free = next.agent(big, { agentId: 'M-S0' });
  t.deepEqual(free.got('APPLY_OPERATION'), []);
  free.status(id, 'a', 'TASK_DROPPED');
  t.is(free.got('APPLY_OPERATION').length, 1);
});

test('a limit that was set while the agent was away stands: the reservation is made when there is room again', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  rig.agent(big);
  rig.operate(call);
  agent.disconnect();
  // Its resources leave the pool, and what was reserved of them with it.
  rig.advance(100_000);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 1 } }] }), []);
  const back = rig.agent(big, { agentId: 'M-S0' });
  t.deepEqual(back.got('APPLY_OPERATION'), []);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 2 } }] }), []);
  t.is(back.got('APPLY_OPERATION').length, 1);
  t.is(total(rig), formatResources(bagOf(reserved)));
});

test('an operator sees what becomes of an operation: under way, waiting and for what, and how it ended', t => {
  const rig = new MasterRig({ options: { operationOutcomesMax: 2 } });
  const agent = rig.agent(big);
  const told: string[] = [];
  rig.master.views.subscribe(event => {
    if (event.type !== 'OPERATION_UPDATED') return;
    const { uuid, state, message = '' } = event.operation;
    told.push(`${uuid} ${state} ${message}`.trim());
  });
  const ask = (of: OperatorCall): string => {
    let uuid = '';
    rig.master.operate(of, (problems, operation) => {
      t.deepEqual(problems, []);
      uuid = operation ?? '';
    });
    rig.settle();
    return uuid;
  };
  const first = ask(call);
  const { uuid, consumed, produced } = agent.last('APPLY_OPERATION');
  t.is(first, uuid, 'the answer says what to look for');
  const of = { uuid, type: 'RESERVE', agentId: 'M-S0', consumed, produced, askedAtMs: rig.clock.wallMs() } as const;
  t.deepEqual(rig.master.views.operations(), [{ ...of, state: 'OPERATION_PENDING' }]);
  rig.advance(1_000);
  agent.operated('OPERATION_FAILED');
  const failed = { ...of, state: 'OPERATION_FAILED', message: 'no', endedAtMs: rig.clock.wallMs() } as const;
  t.deepEqual(rig.master.views.operations(), [failed]);
  t.deepEqual(told, [`${uuid} OPERATION_PENDING`, `${uuid} OPERATION_FAILED no`]);
  // The agent has no reservation; it says so itself.
  agent.raw({ type: 'UPDATE_RESOURCES', resources: big });

  const second = ask(call);
  agent.disconnect();
  t.regex(rig.master.views.operations()[1]?.message ?? '', /^agent M-S0 is not connected/);
  // Its resources leave the pool, and a limit is set that leaves no room for the reservation.
  rig.agent(big);
  rig.advance(100_000);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 1 } }] }), []);
  const back = rig.agent(big, { agentId: 'M-S0' });
  const waiting = rig.master.views.operations()[1];
  t.is(waiting?.state, 'OPERATION_PENDING');
  t.regex(waiting?.message ?? '', /role ads may have 1 cpus|limit/);
  t.is(told.at(-1), `${second} OPERATION_PENDING ${waiting?.message}`);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads' }] }), []);
  t.is(rig.master.views.operations()[1]?.message, undefined, 'it is sent');
  back.operated();
  t.is(rig.master.views.operations()[1]?.state, 'OPERATION_FINISHED');

  const third = ask({ ...call, agentId: 'M-S1' });
  rig.operate({ type: 'MARK_AGENT_GONE', agentId: 'M-S1' });
  t.deepEqual(
    rig.master.views.operations().map(each => [each.uuid, each.state]),
    [
      [second, 'OPERATION_FINISHED'],
      [third, 'OPERATION_GONE_BY_OPERATOR'],
    ],
    'the oldest outcome is forgotten',
  );
  t.deepEqual(rig.master.views.state().operations, rig.master.views.operations());
  rig.checkBooks();
});

test('a record of an operation that cannot be read stops the start', t => {
  const rig = new MasterRig();
  rig.store.write([{ key: 'intent/x', value: { agentId: 'A', kind: 'RESERVE', consumed: { cpus: -1 } } }], () => {});
  rig.settle();
  t.throws(() => new MasterRig({ store: rig.store, clock: rig.clock }), { code: 'STORE_DAMAGED' });
});
