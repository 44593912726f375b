// What a master lets go in time: agents long unreachable or gone, and what arrives late from processes that have ended.
import test from 'ava';
import { masterDefaults } from '../../src/master/options.js';
import { agentInfo, MasterRig, task } from '../support/master-rig.js';
import { SlowStore } from '../support/slow-store.js';

const big = { cpus: 4, mem: 4096 };
const day = 86_400_000;

function keysOf(rig: MasterRig): string[] {
  return rig.store.load('agent/').map(record => record.key);
}

test('an agent that has been unreachable for two weeks is forgotten, with its tasks; one that was for less is not', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big, { pong: false });
  const scheduler = rig.scheduler({ failoverTimeoutMs: 100 * day });
  scheduler.launch(task('a'));
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  rig.advance(80_000);
  rig.advance(day);
  rig.agent(big, { pong: false });
  rig.advance(13 * day - 1_000_000);
  t.deepEqual(keysOf(rig), ['agent/M-S0', 'agent/M-S1']);
  rig.advance(2_000_000);
  t.deepEqual(keysOf(rig), ['agent/M-S1']);
  t.deepEqual(
    rig.master.views.agents().map(view => view.id),
    ['M-S1'],
  );
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE', 'TASK_GONE']);
  t.is(rig.agent(big, { agentId: 'M-S0' }).agentId, 'M-S0', 'it is admitted as one that the registry lost');
});

test('nobody is told that an agent is forgotten before the registry has; one that comes back meanwhile is admitted', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store, options: { unreachableAgentsMax: 1 } });
  const sync = (): void => {
    store.sync();
    rig.settle();
  };
  const agent = rig.connectAgent();
  agent.register(big, { pong: false });
  const scheduler = rig.connectScheduler();
  scheduler.subscribe();
  sync();
  scheduler.launch(task('a'));
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  rig.advance(80_000);
  sync();
  rig.connectAgent().register(big, { pong: false });
  sync();
  rig.advance(80_000);
  store.sync(1);
  rig.settle();
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE']);
  const back = rig.connectAgent();
  back.register(big, { agentId: 'M-S0' });
  sync();
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE', 'TASK_GONE']);
  t.is(back.agentId, 'M-S0');
  t.deepEqual(keysOf(rig), ['agent/M-S0', 'agent/M-S1']);
});

test('an agent that is being admitted again is not forgotten: neither as the oldest of too many, nor by the clock', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store, options: { unreachableAgentsMax: 1, absentAgentsKeptMs: 600_000 } });
  const sync = (): void => {
    store.sync();
    rig.settle();
  };
  const [first, second] = [rig.connectAgent(), rig.connectAgent()];
  first.register(big, { pong: false, info: { hostname: 'one' } });
  sync();
  rig.advance(80_000);
  sync();
  second.register(big, { pong: false, info: { hostname: 'two' } });
  sync();
  rig.advance(80_000);
  t.is(store.waiting, 1, 'that the second is unreachable');
  const back = rig.connectAgent();
  back.register(big, { agentId: 'M-S0', pong: true, info: { hostname: 'one' } });
  sync();
  t.is(back.agentId, 'M-S0');
  t.deepEqual(
    store.load('agent/').map(({ key, value }) => [key, (value as { state: string }).state]),
    [
      ['agent/M-S0', 'ADMITTED'],
      ['agent/M-S1', 'UNREACHABLE'],
    ],
  );
  rig.advance(masterDefaults.forgetIntervalMs - rig.clock.now() - 10);
  const late = rig.connectAgent();
  late.register(big, { agentId: 'M-S1', info: { hostname: 'two' } });
  rig.advance(10);
  sync();
  t.is(late.agentId, 'M-S1');
  t.deepEqual(keysOf(rig), ['agent/M-S0', 'agent/M-S1']);
});

test('an agent that is on its way back is not given up, though pings of before are missed meanwhile', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store });
  const [agent, scheduler] = [rig.connectAgent(), rig.connectScheduler()];
  agent.register(big);
  scheduler.subscribe();
  store.sync();
  rig.settle();
  scheduler.launch(task('a'));
  const id = scheduler.frameworkId;
  agent.status(id, 'a', 'TASK_RUNNING');
  agent.disconnect();
  rig.advance(70_000);
  const back = rig.connectAgent();
  // The new version has to be written first.
  back.register(big, {
    agentId: 'M-S0',
    info: { version: '0.2.0' },
    tasks: [{ frameworkId: id, task: task('a'), state: 'TASK_RUNNING' }],
  });
  rig.advance(20_000);
  store.sync();
  rig.settle();
  t.is(back.agentId, 'M-S0');
  t.is(back.closed, undefined);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
  t.like(store.load('agent/')[0]?.value, { state: 'ADMITTED', info: { version: '0.2.0' } });
});

test('a recovered agent whose return breaks off when its time to come back ends is given up all the same', t => {
  const rig = new MasterRig();
  rig.agent(big);
  const store = new SlowStore();
  store.write(
    rig.store.load('').map(({ key, value }) => ({ key, value })),
    () => {},
  );
  store.sync();
  const next = new MasterRig({ store, clock: rig.clock, masterId: 'N' });
  next.advance(599_000);
  const back = next.connectAgent();
  back.register(big, { agentId: 'M-S0', info: { version: '0.2.0' } });
  next.advance(2_000);
  t.is(next.master.views.agents()[0]?.liveness, 'DISCONNECTED', 'it is there, but for the disk');
  back.disconnect();
  store.sync();
  next.settle();
  t.is(next.master.views.agents()[0]?.liveness, 'UNREACHABLE');
  t.like(store.load('agent/')[0]?.value, { state: 'UNREACHABLE' });
});

test('ids that were declared gone are refused for two weeks, here and by later masters, and only so many', t => {
  const options = { goneAgentsMax: 3 };
  const rig = new MasterRig({ options });
  for (let i = 0; i < 5; i += 1) {
    const { agentId } = rig.agent(big);
    t.deepEqual(rig.operate({ type: 'MARK_AGENT_GONE', agentId }), []);
    rig.advance(1_000);
  }
  rig.advance(masterDefaults.forgetIntervalMs);
  t.deepEqual(keysOf(rig), ['agent/M-S2', 'agent/M-S3', 'agent/M-S4']);
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock, options });
  next.advance(13 * day);
  const back = next.connectAgent();
  back.register(big, { agentId: 'M-S4' });
  t.is(back.last('SHUTDOWN').message, 'agent M-S4 was declared gone');
  next.advance(day);
  t.deepEqual(keysOf(next), []);
  t.is(next.master.view.goneAgents.size, 0);
});

test('a registration that arrives late, after a newer session of the agent has come and gone, makes no ghost', t => {
  const rig = new MasterRig();
  const ended = rig.connectAgent();
  const agent = rig.connectAgent();
  agent.register(big);
  agent.disconnect();
  ended.register(big, { agentId: 'M-S0' });
  t.deepEqual(ended.got('REGISTERED'), []);
  t.is(ended.closed?.reason, 'the agent registered over a newer connection');
  t.is(rig.master.views.agents()[0]?.liveness, 'DISCONNECTED');
  rig.advance(100_000);
  const later = rig.connectAgent();
  const last = rig.agent(big, { agentId: 'M-S0' });
  last.disconnect();
  rig.advance(100_000);
  later.register(big, { agentId: 'M-S0' });
  t.is(rig.master.views.agents()[0]?.liveness, 'UNREACHABLE');
  t.like(rig.store.load('agent/')[0]?.value, { state: 'UNREACHABLE' }, 'nor does the registry say so');
});

test('a subscription that arrives late holds no offers as a ghost', t => {
  const rig = new MasterRig();
  rig.agent(big);
  const ended = rig.connectScheduler();
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.disconnect();
  ended.subscribe({ id });
  t.is(ended.last('ERROR').problems[0]?.code, 'FAILED_OVER');
  t.is(rig.master.views.frameworks()[0]?.state, 'DISCONNECTED');
  t.deepEqual(rig.master.views.offers(), []);
  t.is(rig.scheduler({ id }).frameworkId, id, 'a new one takes over as ever');
});

test('after a scheduler took over, nothing that the one before said is done', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const first = rig.scheduler();
  first.launch(task('a'));
  const id = first.frameworkId;
  const uuid = agent.status(id, 'a', 'TASK_RUNNING');
  const second = rig.scheduler({ id });
  agent.clear();
  first.call({ type: 'KILL', taskId: 'a' });
  first.call({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'M-S0', uuid });
  first.call({ type: 'TEARDOWN' });
  t.deepEqual(agent.events, []);
  t.is(rig.master.views.frameworks()[0]?.state, 'ACTIVE');
  t.is(second.closed, undefined);
});

test('with the last quota the pause of a restarted master ends', t => {
  const rig = new MasterRig();
  rig.agent(big);
  rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 1 } }] });
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'N' });
  next.agent(big);
  const scheduler = next.scheduler();
  t.deepEqual(scheduler.offers, [], 'the agent of before is not back');
  t.deepEqual(next.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads' }] }), []);
  next.advance(1_000);
  t.is(scheduler.offers.length, 1);
});

test('an agent that registers again while a launch is on its way does not lose it', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  scheduler.launch(task('a'));
  // It had not read the launch yet.
  agent.register(big, { agentId: 'M-S0' });
  t.deepEqual(agent.last('REGISTERED').reconcile, [{ frameworkId: scheduler.frameworkId, taskId: 'a' }]);
  t.deepEqual(scheduler.states('a'), [], 'no word of a loss: the agent says what became of it');
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
});

test('a framework that is not back yet is seen with its tasks, and can be torn down', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const scheduler = rig.scheduler({ name: 'kept' });
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING');
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'N' });
  const back = next.agent(big, {
    agentId: 'M-S0',
    tasks: [{ frameworkId: id, task: task('a'), state: 'TASK_RUNNING' }],
  });
  t.like(next.master.views.frameworks()[0], { id, name: 'kept', state: 'RECOVERED', tasks: { TASK_RUNNING: 1 } });
  t.deepEqual(next.operate({ type: 'TEARDOWN', frameworkId: id }), []);
  t.deepEqual(
    back.got('SHUTDOWN_FRAMEWORK').map(event => event.frameworkId),
    [id],
  );
});

test('an executor is told what it was given, and is the same for its framework under the next master', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ 'cpus(ads)': 2, cpus: 2, mem: 1024 });
  const scheduler = rig.scheduler({ roles: ['ads'] });
  const executor = { executorId: 'e', command: { value: 'run' }, resources: { cpus: 0.5 } };
  const { command: _command, ...first } = task('a', { cpus: 1 }, { executor });
  scheduler.launch(first);
  const [sent] = agent.last('LAUNCH').tasks;
  t.deepEqual(sent?.executor?.resources, { 'cpus(ads)': 0.5 });
  const next = new MasterRig({ masterId: 'N', store: rig.store, clock: rig.clock });
  const back = next.connectAgent();
  const id = scheduler.frameworkId;
  back.raw({
    type: 'REGISTER',
    agentId: 'M-S0',
    agent: agentInfo({ 'cpus(ads)': 2, cpus: 2, mem: 1024 }),
    frameworks: [],
    tasks: [{ frameworkId: id, task: sent, state: 'TASK_RUNNING' }],
    executors: [{ frameworkId: id, executor: sent?.executor, role: 'ads' }],
    more: false,
  });
  const again = next.scheduler({ roles: ['ads'], id });
  t.deepEqual(next.master.views.agents()[0]?.used, { 'cpus(ads)': 1.5 });
  const { command: _other, ...second } = task('b', { cpus: 0.1 }, { executor });
  t.deepEqual(again.launch(second), []);
  t.deepEqual(again.states('b'), [], 'its description is that of the executor which runs');
  t.deepEqual(back.launched, ['b']);
});

test('a task that ended in the master’s name and was forgotten since is killed when its agent still has it, and nothing is left of it', t => {
  const rig = new MasterRig({ options: { completedTasksMax: 1 } });
  const agent = rig.agent();
  const scheduler = rig.scheduler({ checkpoint: false });
  const id = scheduler.frameworkId;
  const both = ['a', 'b'];
  for (const taskId of both) {
    scheduler.launch(task(taskId));
    agent.status(id, taskId, 'TASK_RUNNING');
    scheduler.acknowledge(taskId);
  }
  const { agentId } = agent;
  agent.disconnect();
  t.is(rig.master.views.completedTasks().length, 1);
  const tasks = both.map(taskId => ({ frameworkId: id, task: task(taskId), state: 'TASK_RUNNING' as const }));
  const back = rig.agent(undefined, { agentId, tasks });
  t.deepEqual(
    back.got('KILL').map(event => event.taskId),
    both,
  );
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 2, mem: 256 });
  t.deepEqual(rig.master.views.tasks(), []);
  back.disconnect();
  rig.advance(100_000);
  t.is(rig.master.views.agents()[0]?.liveness, 'UNREACHABLE');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
});
