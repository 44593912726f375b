// Ids that were launched under a master of before: while its agents are away nobody knows whether such a task runs, and it is not launched again.
import test from 'ava';
import type { AgentTask } from '../../src/protocol/agent-api.js';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';

const big = { cpus: 4, mem: 4096 };
const again = { unlessRunning: true };

const listed = (frameworkId: string, taskId: string): AgentTask => ({
  frameworkId,
  task: task(taskId),
  state: 'TASK_RUNNING',
});

/** A master that runs a on the first of two agents, and its successor, to which only the other has come back. */
function failedOver(): { next: MasterRig; id: string; first: string } {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING');
  const other = rig.agent(big);
  rig.master.close();
  const next = new MasterRig({ clock: rig.clock, store: rig.store, masterId: 'N' });
  next.agent(big, { agentId: other.agentId });
  return { next, id, first: agent.agentId };
}

test('an id of before is not launched again while its task may come back; who says that ids are new, or is new, does not wait', t => {
  const { next, id, first } = failedOver();
  const scheduler = next.scheduler({ id });
  next.advance(100_000);
  const problems = scheduler.launch(task('a', undefined, again), task('b', undefined, { unlessRunning: false }));
  t.like(problems[0], { path: 'accept.operations[0].tasks[0].taskId', code: 'AGENTS_RECOVERING' });
  t.is(
    problems[0]?.message,
    '"a" may be running: 1 agent has not come back to this master yet; they are waited for 500 s more',
  );
  t.deepEqual(
    scheduler.updates.map(status => [status.taskId, status.state, status.reason]),
    [['a', 'TASK_DROPPED', 'AGENTS_RECOVERING']],
  );
  next.advance(1000);
  t.like(
    scheduler.accept([scheduler.offer.id], [{ type: 'LAUNCH_GROUP', tasks: [task('a', undefined, again)] }], 0)[0],
    {
      code: 'AGENTS_RECOVERING',
    },
  );
  next.advance(1000);
  const wrong = { ...task('a', {}, again) };
  scheduler.launch(wrong);
  t.is(scheduler.states('a').at(-1), 'TASK_ERROR', 'what can never be is not tried again');

  scheduler.call({ type: 'SUPPRESS' });
  scheduler.call({ type: 'DECLINE', offerIds: scheduler.offers.map(offer => offer.id) });
  const stranger = next.scheduler();
  next.advance(10_000);
  t.deepEqual(stranger.launch(task('a', undefined, again)), []);
  stranger.call({ type: 'SUPPRESS' });

  const back = next.agent(big, { agentId: first, tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual(back.got('KILL'), []);
  scheduler.clear();
  scheduler.call({ type: 'REVIVE' });
  next.advance(10_000);
  scheduler.launch(task('a', undefined, again), task('c', undefined, again));
  t.deepEqual(scheduler.states('a'), ['TASK_ERROR'], 'it runs');
  t.deepEqual(scheduler.states('c'), []);
});

test('frameworks of before hear behind SUBSCRIBED how many agents are away, with each heartbeat, and at once when they are back', t => {
  const { next, id, first } = failedOver();
  const scheduler = next.scheduler({ id });
  const stranger = next.scheduler();
  t.deepEqual(
    scheduler.events.slice(0, 2).map(({ type }) => type),
    ['SUBSCRIBED', 'HEARTBEAT'],
  );
  t.deepEqual(scheduler.got('HEARTBEAT'), [{ type: 'HEARTBEAT', agentsExpected: 1 }]);
  t.deepEqual(stranger.got('HEARTBEAT'), [{ type: 'HEARTBEAT' }], 'it has no tasks of before');
  next.advance(15_000);
  t.deepEqual(scheduler.last('HEARTBEAT'), { type: 'HEARTBEAT', agentsExpected: 1 });
  scheduler.clear();
  next.agent(big, { agentId: first, tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual(scheduler.got('HEARTBEAT'), [{ type: 'HEARTBEAT' }]);
  scheduler.call({ type: 'RECONCILE', tasks: [] });
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING'], 'what it has brought is known by then');
});

test('an agent that is given up is waited for no longer', t => {
  const { next, id } = failedOver();
  const scheduler = next.scheduler({ id });
  next.advance(599_000);
  scheduler.clear();
  next.advance(1000);
  t.deepEqual(scheduler.last('HEARTBEAT'), { type: 'HEARTBEAT' });
  next.advance(10_000);
  t.deepEqual(scheduler.launch(task('a', undefined, again)), []);
});
