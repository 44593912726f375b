// What the master writes down, when it goes on, and what a later master reads.
import test from 'ava';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { agentInfo, frameworkInfo, MasterRig, task } from '../support/master-rig.js';

/** A store whose writes become durable when told to. */
function slowStore(): { store: MemoryStore; sync: () => void; keys: () => string[] } {
  let waiting: (() => void)[] = [];
  const store = new MemoryStore(run => waiting.push(run));
  const sync = (): void => {
    while (waiting.length > 0) {
      const now = waiting;
      waiting = [];
      for (const run of now) run();
    }
  };
  return { store, sync, keys: () => store.load('').map(record => record.key) };
}

test('a framework that comes back while its end is being written stays', t => {
  const { store, sync, keys } = slowStore();
  const rig = new MasterRig({ store });
  const first = rig.scheduler({ failoverTimeoutMs: 0 });
  sync();
  const id = first.frameworkId;
  first.disconnect();
  const second = rig.scheduler({ id, failoverTimeoutMs: 0 });
  sync();
  rig.settle();
  sync();
  t.is(second.closed, undefined);
  t.is(rig.master.views.frameworks()[0]?.state, 'ACTIVE');
  t.deepEqual(keys(), [`framework/${id}`]);
});

test('a TEARDOWN is answered when it is durable, and not before', t => {
  const { store, sync, keys } = slowStore();
  const rig = new MasterRig({ store });
  const scheduler = rig.scheduler();
  sync();
  scheduler.call({ type: 'TEARDOWN', callId: 1 });
  t.deepEqual([scheduler.got('ANSWERED'), scheduler.closed], [[], undefined]);
  sync();
  t.is(scheduler.got('ANSWERED').length, 1);
  t.is(scheduler.closed?.code, 1000);
  t.deepEqual(keys(), ['completed-framework/M-0000']);
});

test('an agent that returns while its unreachability is being written is unreachable first and then back', t => {
  const { store, sync } = slowStore();
  const rig = new MasterRig({ store });
  const agent = rig.agent({ cpus: 4, mem: 4096 }, { pong: false });
  const scheduler = rig.scheduler();
  sync();
  rig.settle();
  scheduler.launch(task('a'));
  const id = scheduler.frameworkId;
  agent.status(id, 'a', 'TASK_RUNNING');
  rig.advance(75_000);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING'], 'nothing is said before it is durable');
  const back = rig.connectAgent();
  back.register(
    { cpus: 4, mem: 4096 },
    { agentId: 'M-S0', tasks: [{ frameworkId: id, task: task('a'), state: 'TASK_RUNNING' }] },
  );
  t.deepEqual(back.got('REGISTERED'), []);
  sync();
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE', 'TASK_RUNNING']);
  t.is(back.got('REGISTERED').length, 1);
  t.is(agent.closed?.code, 1008);
  t.is(rig.master.views.agents()[0]?.liveness, 'REGISTERED');
});

test('a master that starts again waits for those it knows, refuses those who ended, and goes on counting', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const rig = new MasterRig({ store, clock });
  rig.agent();
  const kept = rig.scheduler({ failoverTimeoutMs: 7_200_000, name: 'kept' });
  const ended = rig.scheduler();
  const endedId = ended.frameworkId;
  ended.ask({ type: 'TEARDOWN' });
  rig.master.close();
  rig.advance(1_000);

  const next = new MasterRig({ store, clock });
  next.settle();
  t.deepEqual(
    next.master.views.frameworks().map(view => [view.name, view.state]),
    [['kept', 'RECOVERED']],
  );
  t.is(next.scheduler({ id: endedId }).last('ERROR').problems[0]?.code, 'FRAMEWORK_REMOVED');
  t.is(next.scheduler().frameworkId, 'M-0002', 'no id is given twice');
  t.is(next.agent().agentId, 'M-S1');
  next.advance(7_199_000);
  t.true(
    next.master.views.frameworks().some(view => view.id === kept.frameworkId),
    'the failover timeout holds from the start',
  );
  next.advance(2_000);
  t.false(next.master.views.frameworks().some(view => view.id === kept.frameworkId));
});

test('agents that are unreachable or gone are so for the next master, too', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  store.write(
    [
      { key: 'agent/X-S1', value: { epoch: 1, state: 'UNREACHABLE', info: agentInfo({ cpus: 1 }), sinceMs: 5 } },
      { key: 'agent/X-S2', value: { epoch: 1, state: 'GONE', sinceMs: 5 } },
    ],
    () => {},
  );
  const rig = new MasterRig({ store, clock });
  const scheduler = rig.scheduler();
  scheduler.call({
    type: 'RECONCILE',
    tasks: [
      { taskId: 'a', agentId: 'X-S1' },
      { taskId: 'b', agentId: 'X-S2' },
    ],
  });
  t.deepEqual(
    scheduler.updates.map(u => [u.state, u.unreachableTimeMs]),
    [
      ['TASK_UNREACHABLE', 5],
      ['TASK_GONE_BY_OPERATOR', undefined],
    ],
  );
  const ghost = rig.connectAgent();
  ghost.register({ cpus: 1 }, { agentId: 'X-S2' });
  t.is(ghost.last('SHUTDOWN').message, 'agent X-S2 was declared gone');
});

test('a record that cannot be read stops the start and is named', t => {
  const info = { ...frameworkInfo(), id: 'F' };
  for (const [key, value] of [
    ['framework/F', { epoch: 1 }],
    ['framework/G', { epoch: 1, info }],
    ['completed-framework/F', 'text'],
    ['agent/A', null],
    ['agent/A', { epoch: 1, state: 'DRAINING', info: agentInfo({ cpus: 1 }) }],
    ['agent/A', { epoch: 1, state: 'ADMITTED', info: agentInfo({ cpus: -1 }) }],
    ['weight/ads', { epoch: 1, weight: 2, since: 'a later release' }],
    ['principal/ops', { epoch: 1 }],
  ] as const) {
    const store = new MemoryStore(() => {});
    store.write([{ key, value }], () => {});
    const error = t.throws(() => new MasterRig({ store }), { name: 'ProfferError' });
    t.like(error, { code: 'STORE_DAMAGED', path: key });
  }
});
