// Tasks this master does not know, because its registry is older than they are or as it has forgotten them: nobody is told that they are unknown.
import test from 'ava';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { restoredMark } from '../../src/master/registry.js';
import type { AgentTask } from '../../src/protocol/agent-api.js';

const big = { cpus: 4, mem: 4096 };

const listed = (frameworkId: string, taskId: string): AgentTask => ({
  frameworkId,
  task: task(taskId),
  state: 'TASK_RUNNING',
});

test('the registry is older than the agents: their tasks are not called unknown while they may still come', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  scheduler.launch(task('a'));
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  rig.master.close();
  const next = new MasterRig({ clock: rig.clock, masterId: 'N' });
  const again = next.scheduler();
  const ask = (agentId: string): readonly string[] => {
    again.clear();
    again.call({ type: 'RECONCILE', tasks: [{ taskId: 'a', agentId }] });
    return again.states('a');
  };
  t.deepEqual([ask('M-S0'), ask('N-S7')], [[], ['TASK_UNKNOWN']], 'its own agents this master knows');
  next.advance(600_000);
  t.deepEqual(ask('M-S0'), ['TASK_UNKNOWN']);
});

test('a restored registry may not know the agent of a task: nobody is told that it is unknown before all had their time, whatever masters follow', t => {
  const rig = new MasterRig();
  const id = rig.scheduler().frameworkId;
  rig.master.close();
  // Restored from a copy that was made now; then an agent came, with a task of the framework.
  rig.store.write([restoredMark], () => {});
  const since = 'S-S0';
  const successor = (masterId: string): MasterRig =>
    new MasterRig({ clock: rig.clock, store: rig.store, masterId, options: { agentReregisterTimeoutMs: 100_000 } });
  const first = successor('N');
  first.advance(60_000);
  first.master.close();

  const next = successor('O');
  const scheduler = next.scheduler({ id });
  const stranger = next.scheduler();
  const ask = (who = scheduler): readonly string[] => {
    who.clear();
    who.call({ type: 'RECONCILE', tasks: [{ taskId: 'a' }] });
    who.call({ type: 'KILL', taskId: 'b' });
    return [...who.states('a'), ...who.states('b')];
  };
  t.deepEqual(scheduler.got('HEARTBEAT'), [{ type: 'HEARTBEAT', agentsExpected: 1 }]);
  t.deepEqual(stranger.got('HEARTBEAT'), [{ type: 'HEARTBEAT' }]);
  t.deepEqual([ask(), ask(stranger)], [[], ['TASK_UNKNOWN', 'TASK_UNKNOWN']], 'a new framework has no tasks of before');
  const { startedAtMs, restored } = next.master.views.state();
  t.is((restored?.untilMs ?? 0) - startedAtMs, 100_000);
  stranger.call({ type: 'SUPPRESS' });
  next.advance(50_000);
  t.deepEqual(ask(), [], 'the master before has waited for 60 s, and nobody knows who was there then');
  next.agent(big, { agentId: 'S-S9', frameworks: [] });
  next.advance(10_000);
  const problems = scheduler.launch(task('a', undefined, { unlessRunning: true }));
  t.regex(problems[0]?.message ?? '', /^"a" may be running: agents that came after the copy .* waited for 40 s more$/);

  next.agent(big, { agentId: since, tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual(ask(), ['TASK_RUNNING'], 'of b nobody can tell');
  scheduler.clear();
  next.advance(40_000);
  t.deepEqual(scheduler.got('HEARTBEAT').at(-1), { type: 'HEARTBEAT' });
  t.deepEqual(ask(), ['TASK_RUNNING', 'TASK_UNKNOWN']);
  t.is(next.master.views.state().restored, undefined);
  next.master.close();

  const last = successor('P');
  t.is(last.master.views.state().restored, undefined, 'one master has waited, and the registry says so');
});

test('what an agent brings back that its master has forgotten is told as well, and is not unknown before', t => {
  const rig = new MasterRig({ options: { unreachableTasksMax: 1 } });
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'), task('b'));
  for (const taskId of ['a', 'b']) agent.status(id, taskId, 'TASK_RUNNING');
  agent.disconnect();
  rig.advance(100_000);
  t.deepEqual([scheduler.states('a').at(-1), scheduler.states('b').at(-1)], ['TASK_UNREACHABLE', 'TASK_UNREACHABLE']);
  scheduler.clear();
  scheduler.call({ type: 'RECONCILE', tasks: [{ taskId: 'a' }] });
  t.deepEqual(scheduler.updates, []);
  rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a'), listed(id, 'b')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual([scheduler.states('a'), scheduler.states('b')], [['TASK_RUNNING'], ['TASK_RUNNING']]);
});

test('a task that is over for its framework ends when its lost agent returns, though many have ended since', t => {
  const rig = new MasterRig({ options: { completedTasksMax: 1 } });
  const agent = rig.agent(big);
  const scheduler = rig.scheduler({ checkpoint: false });
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'), task('b'));
  for (const taskId of ['a', 'b']) agent.status(id, taskId, 'TASK_RUNNING');
  agent.disconnect();
  t.deepEqual([scheduler.states('a').at(-1), scheduler.states('b').at(-1)], ['TASK_LOST', 'TASK_LOST']);
  rig.advance(100_000);
  scheduler.clear();
  const tasks = [listed(id, 'a'), listed(id, 'b')];
  const back = rig.agent(big, { agentId: 'M-S0', tasks, frameworks: [frameworkInfo({ id })] });
  t.deepEqual(
    back
      .got('KILL')
      .map(({ taskId }) => taskId)
      .toSorted(),
    ['a', 'b'],
  );
  t.deepEqual(scheduler.updates, [], 'nothing follows an end');
  for (const taskId of ['a', 'b']) back.status(id, taskId, 'TASK_KILLED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
});

test('a framework that ended while an agent was lost is over for that agent, though many have ended since', t => {
  const rig = new MasterRig({ options: { completedFrameworksMax: 1 } });
  const agent = rig.agent(big);
  const first = rig.scheduler();
  const id = first.frameworkId;
  first.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING');
  agent.disconnect();
  rig.advance(100_000);
  first.call({ type: 'TEARDOWN' });
  rig.scheduler().call({ type: 'TEARDOWN' });
  t.false(
    rig.master.views.completedFrameworks().some(view => view.id === id),
    'it is forgotten',
  );
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual(
    back.got('SHUTDOWN_FRAMEWORK').map(({ frameworkId }) => frameworkId),
    [id],
  );
  t.deepEqual(rig.master.views.frameworks(), []);
  const next = new MasterRig({ store: rig.store, masterId: 'N' });
  t.true(
    next.master.views.completedFrameworks().some(view => view.id === id),
    'also for the next master',
  );
  back.status(id, 'a', 'TASK_KILLED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
});
