// Statuses, acknowledgements, kills and reconciliation at the master.
import test from 'ava';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';

/** A rig with one agent and one framework that runs `ids`. */
function running(...ids: string[]): { rig: MasterRig; agent: FakeAgent; scheduler: FakeScheduler; id: string } {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 10, mem: 10_240 });
  const scheduler = rig.scheduler();
  scheduler.launch(...ids.map(each => task(each)));
  for (const each of ids) {
    agent.status(scheduler.frameworkId, each, 'TASK_RUNNING');
    scheduler.acknowledge(each);
  }
  scheduler.call({ type: 'SUPPRESS' });
  scheduler.clear();
  agent.clear();
  return { rig, agent, scheduler, id: rig.master.views.frameworks()[0]?.id ?? '' };
}

test('the newest state frees resources at once, while the framework gets the updates in order', t => {
  const { rig, agent, scheduler, id } = running('a');
  agent.status(id, 'a', 'TASK_RUNNING', { latest: 'TASK_FAILED', healthy: false });
  t.is(rig.master.views.tasks()[0]?.state, 'TASK_FAILED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
  scheduler.acknowledge('a');
  t.is(rig.master.views.tasks().length, 1, 'acknowledging RUNNING does not end it');
  agent.status(id, 'a', 'TASK_FAILED');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_FAILED']);
  scheduler.acknowledge('a');
  t.is(rig.master.views.completedTasks()[0]?.state, 'TASK_FAILED');
});

test('a resent update is forwarded again; one that steps back is dropped and acknowledged to the agent', t => {
  const { agent, scheduler, id } = running('a');
  const uuid = agent.status(id, 'a', 'TASK_KILLED');
  agent.status(id, 'a', 'TASK_KILLED', { uuid });
  t.deepEqual(scheduler.states('a'), ['TASK_KILLED', 'TASK_KILLED']);
  agent.status(id, 'a', 'TASK_RUNNING', { uuid: 'back' });
  agent.status(id, 'a', 'TASK_FINISHED', { uuid: 'other-end' });
  t.is(scheduler.updates.length, 2);
  t.deepEqual(
    agent.got('ACKNOWLEDGE').map(event => event.uuid),
    ['back', 'other-end'],
  );
});

test('a duplicate or foreign acknowledgement changes nothing', t => {
  const { rig, agent, scheduler, id } = running('a');
  const uuid = agent.status(id, 'a', 'TASK_FINISHED');
  scheduler.call({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'M-S0', uuid: 'foreign' });
  const stranger = rig.scheduler({}, { suppressedRoles: ['*'] });
  stranger.call({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'M-S0', uuid });
  t.is(rig.master.views.tasks().length, 1);
  t.deepEqual(
    agent.got('ACKNOWLEDGE').map(event => event.frameworkId),
    [stranger.frameworkId],
    'the agent knows no such task of that framework',
  );
  scheduler.call({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'M-S0', uuid });
  scheduler.call({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'M-S0', uuid });
  t.is(rig.master.views.tasks().length, 0);
  t.is(scheduler.ask({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'nobody', uuid })[0]?.code, 'UNKNOWN_AGENT');
  t.deepEqual(scheduler.got('ERROR'), []);
});

test('an acknowledgement for an agent that is away is dropped, so that the update comes again', t => {
  const { rig, agent, scheduler, id } = running('a');
  agent.status(id, 'a', 'TASK_FINISHED', { uuid: 'end' });
  agent.disconnect();
  scheduler.acknowledge('a');
  t.is(rig.master.views.tasks().length, 1);
});

test('updates of an ended or unknown framework are acknowledged by the master, and the framework is shut down there', t => {
  const { rig, agent } = running('a');
  agent.status('nobody', 'x', 'TASK_RUNNING', { uuid: 'u1' });
  t.deepEqual(
    agent.got('SHUTDOWN_FRAMEWORK').map(event => event.frameworkId),
    ['nobody'],
  );
  t.deepEqual(
    agent.got('ACKNOWLEDGE').map(event => event.uuid),
    ['u1'],
  );
  t.is(rig.master.views.tasks().length, 1);
});

test('of a task that the master does not know an agent can only say that it does not have it', t => {
  const { agent, scheduler, id } = running();
  const denials = [
    ['a', 'TASK_DROPPED', 'RECONCILIATION'],
    ['b', 'TASK_ERROR', 'TASK_INVALID'],
    ['c', 'TASK_LOST', 'AGENT_RESTARTED'],
  ] as const;
  for (const [taskId, state, reason] of denials) {
    agent.status(id, taskId, state, { reason });
    scheduler.acknowledge(taskId);
  }
  t.deepEqual(
    scheduler.updates.map(({ taskId, reason }) => [taskId, reason]),
    denials.map(([taskId, , reason]) => [taskId, reason]),
  );
  for (const state of ['TASK_RUNNING', 'TASK_FAILED', 'TASK_LOST'] as const)
    agent.status(id, 'd', state, { uuid: state });
  t.deepEqual(scheduler.states('d'), []);
  t.deepEqual(
    agent.got('ACKNOWLEDGE').map(event => event.taskId),
    ['a', 'b', 'c', 'd', 'd', 'd'],
  );
});

test('neither who had a task nor who had not tells its end once it is forgotten', t => {
  const rig = new MasterRig({ options: { completedTasksMax: 0 } });
  const agent = rig.agent({ cpus: 2, mem: 256 });
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  const uuid = agent.status(id, 'a', 'TASK_FINISHED');
  scheduler.acknowledge('a');
  agent.status(id, 'a', 'TASK_FINISHED', { uuid });
  rig.agent().status(id, 'a', 'TASK_FAILED');
  t.deepEqual(scheduler.states('a'), ['TASK_FINISHED']);
});

test('a task that a new master has not met does not end by the word of another agent', t => {
  const { rig, id } = running('a');
  rig.master.close();
  const next = new MasterRig({ clock: rig.clock, masterId: 'N' });
  const scheduler = next.scheduler({ id });
  next.agent().status(id, 'a', 'TASK_FAILED');
  t.deepEqual(scheduler.states('a'), []);
});

test('an agent cannot speak for a task of another agent', t => {
  const { rig, scheduler, id } = running('a');
  const liar = rig.agent();
  liar.status(id, 'a', 'TASK_FAILED');
  t.deepEqual(scheduler.states('a'), []);
  t.is(rig.master.views.tasks()[0]?.state, 'TASK_RUNNING');
});

test('while a framework is away its updates wait; the state still counts', t => {
  const { rig, agent, scheduler, id } = running('a');
  scheduler.disconnect();
  const uuid = agent.status(id, 'a', 'TASK_FINISHED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
  const next = rig.scheduler({ id }, { suppressedRoles: ['*'] });
  agent.status(id, 'a', 'TASK_FINISHED', { uuid });
  t.deepEqual(next.states('a'), ['TASK_FINISHED']);
  next.acknowledge('a');
  t.is(rig.master.views.tasks().length, 0);
});

test('KILL goes to the agent with its policy; of an unknown task it is answered like RECONCILE; with a wrong agent it is refused', t => {
  const { agent, scheduler, id } = running('a');
  scheduler.call({ type: 'KILL', taskId: 'a', killPolicy: { gracePeriodMs: 20 } });
  t.deepEqual(agent.got('KILL'), [{ type: 'KILL', frameworkId: id, taskId: 'a', killPolicy: { gracePeriodMs: 20 } }]);
  t.is(scheduler.ask({ type: 'KILL', taskId: 'a', agentId: 'M-S7' })[0]?.code, 'UNKNOWN_TASK');
  t.is(agent.got('KILL').length, 1);
  scheduler.call({ type: 'KILL', taskId: 'ghost', agentId: agentIdOf(agent) });
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state, u.reason]),
    [['ghost', 'TASK_GONE', 'RECONCILIATION']],
  );
});

test('a KILL while the agent is away is delivered when it returns', t => {
  const { rig, agent, scheduler, id } = running('a');
  agent.disconnect();
  scheduler.call({ type: 'KILL', taskId: 'a', killPolicy: { gracePeriodMs: 5 } });
  const back = rig.agent(
    { cpus: 10, mem: 10_240 },
    { agentId: 'M-S0', tasks: [{ frameworkId: id, task: task('a'), state: 'TASK_RUNNING' }] },
  );
  t.deepEqual(back.got('KILL'), [{ type: 'KILL', frameworkId: id, taskId: 'a', killPolicy: { gracePeriodMs: 5 } }]);
  t.true(
    back.events.findIndex(event => event.type === 'REGISTERED') < back.events.findIndex(event => event.type === 'KILL'),
  );
});

test('explicit reconciliation: the last state told, without uuid, with health and check; for others what is known of their agents', t => {
  const { rig, agent, scheduler, id } = running('a', 'b');
  agent.status(id, 'a', 'TASK_RUNNING', {
    healthy: true,
    check: { type: 'HTTP', statusCode: 200 },
    message: 'm',
    data: 'd',
  });
  agent.status(id, 'b', 'TASK_RUNNING', { latest: 'TASK_FINISHED' });
  scheduler.clear();
  scheduler.call({
    type: 'RECONCILE',
    tasks: [
      { taskId: 'a' },
      { taskId: 'b' },
      { taskId: 'x', agentId: 'M-S0' },
      { taskId: 'y', agentId: 'M-S9' },
      { taskId: 'of an earlier master', agentId: 'L-S0' },
      { taskId: 'z' },
    ],
  });
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state]),
    [
      ['a', 'TASK_RUNNING'],
      ['b', 'TASK_RUNNING'],
      ['x', 'TASK_GONE'],
      ['y', 'TASK_UNKNOWN'],
      ['z', 'TASK_UNKNOWN'],
    ],
  );
  for (const status of scheduler.updates) t.like(status, { reason: 'RECONCILIATION', source: 'MASTER' });
  t.true(scheduler.updates.every(status => status.uuid === undefined && status.data === undefined));
  t.like(scheduler.updates[0], { healthy: true, check: { type: 'HTTP', statusCode: 200 } });
  const plain = rig.scheduler({ capabilities: [] }, { suppressedRoles: ['*'] });
  plain.call({ type: 'RECONCILE', tasks: [{ taskId: 'x', agentId: 'M-S0' }, { taskId: 'y' }] });
  t.deepEqual(
    plain.updates.map(u => u.state),
    ['TASK_LOST', 'TASK_LOST'],
  );
});

test('implicit reconciliation: every known task once, ended ones until they are acknowledged', t => {
  const { rig, agent, scheduler, id } = running('a', 'b');
  const other = rig.scheduler({}, { suppressedRoles: ['*'] });
  agent.status(id, 'b', 'TASK_FINISHED', { uuid: 'end' });
  scheduler.clear();
  scheduler.call({ type: 'RECONCILE', tasks: [] });
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state]),
    [
      ['a', 'TASK_RUNNING'],
      ['b', 'TASK_FINISHED'],
    ],
  );
  other.call({ type: 'RECONCILE', tasks: [] });
  t.deepEqual(other.updates, [], 'nobody hears of others’ tasks');
  agent.status(id, 'b', 'TASK_FINISHED', { uuid: 'end' });
  scheduler.acknowledge('b');
  scheduler.clear();
  scheduler.call({ type: 'RECONCILE', tasks: [] });
  t.deepEqual(
    scheduler.updates.map(u => u.taskId),
    ['a'],
  );
});

test('messages go both ways between a framework and its executor; one that is too large is refused', t => {
  const { agent, scheduler, id } = running();
  scheduler.call({ type: 'MESSAGE', agentId: 'M-S0', executorId: 'e', data: 'to' });
  t.deepEqual(agent.last('MESSAGE'), { type: 'MESSAGE', frameworkId: id, executorId: 'e', data: 'to' });
  agent.raw({ type: 'MESSAGE', frameworkId: id, executorId: 'e', data: 'from' });
  t.deepEqual(scheduler.last('MESSAGE'), { type: 'MESSAGE', agentId: 'M-S0', executorId: 'e', data: 'from' });
  scheduler.call({ type: 'SHUTDOWN', agentId: 'M-S0', executorId: 'e' });
  t.deepEqual(agent.last('SHUTDOWN_EXECUTOR'), { type: 'SHUTDOWN_EXECUTOR', frameworkId: id, executorId: 'e' });
  t.regex(
    scheduler.ask({ type: 'MESSAGE', agentId: 'M-S0', executorId: 'e', data: 'x'.repeat(600_000) })[0]?.message ?? '',
    /at most|more than/,
  );
});

test('an operator kills by task id; one that several frameworks use must be named with its framework', t => {
  const { rig, agent, id } = running('a');
  const other = rig.scheduler();
  rig.agent();
  other.launch(task('a'));
  t.deepEqual(
    rig.operate({ type: 'KILL', taskId: 'a' }).map(p => p.code),
    ['AMBIGUOUS_TASK'],
  );
  t.deepEqual(rig.operate({ type: 'KILL', taskId: 'a', frameworkId: id, gracePeriodMs: 7 }), []);
  t.deepEqual(agent.got('KILL'), [{ type: 'KILL', frameworkId: id, taskId: 'a', killPolicy: { gracePeriodMs: 7 } }]);
  t.deepEqual(
    rig.operate({ type: 'KILL', taskId: 'nope' }).map(p => p.code),
    ['UNKNOWN_TASK'],
  );
  t.deepEqual(
    rig.operate({ type: 'KILL', taskId: 'a', frameworkId: 'nope' }).map(p => p.code),
    ['UNKNOWN_FRAMEWORK'],
  );
});

test('only the newest ended tasks of a framework are remembered', t => {
  const rig = new MasterRig({ options: { completedTasksMax: 3 } });
  const agent = rig.agent({ cpus: 10, mem: 10_240 });
  const scheduler = rig.scheduler();
  const ids = ['a', 'b', 'c', 'd', 'e'];
  scheduler.launch(...ids.map(id => task(id)));
  for (const id of ids) {
    agent.status(scheduler.frameworkId, id, 'TASK_FINISHED');
    scheduler.acknowledge(id);
  }
  t.deepEqual(
    rig.master.views.completedTasks().map(view => view.id),
    ['c', 'd', 'e'],
  );
});

function agentIdOf(agent: FakeAgent): string {
  return agent.rig.master.views.agents()[0]?.id ?? '';
}
