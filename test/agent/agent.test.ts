// Stories of one agent and its master under virtual time: statuses until they are acknowledged, registration, silence, and how it ends.
import test from 'ava';
import { isTerminal } from '../../src/protocol/task-state.js';
import { closeCodes } from '../../src/transport/transport.js';
import { agentId, AgentRig, framework, frameworkId, masterInfo, task } from '../support/agent-rig.js';
import type { StoreChange } from '../../src/store/store.js';
import { must } from '../../src/base/assert.js';
import { storeThat } from '../support/stub-store.js';

const week = 7 * 86_400_000;
const killingFramework = { ...framework, capabilities: ['TASK_KILLING_STATE'] as const };

test('unacknowledged statuses come again after 10 s, 20 s, 40 s; the next waits for its turn', t => {
  const rig = new AgentRig({ acknowledges: false });
  rig.launch([task('a')]);
  rig.clock.advance(30_000);
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_RUNNING', 'TASK_RUNNING']);
  t.is(new Set(rig.statuses('a').map(status => status.uuid)).size, 1);
  rig.containers.of('a').exit(0);
  rig.clock.advance(1000);
  t.is(rig.calls('STATUS_UPDATE').at(-1)?.latestState, 'TASK_FINISHED', 'the master learns of the end soon');
  t.is(rig.last('a').state, 'TASK_RUNNING', 'the framework hears things in order');
  rig.acknowledge(rig.last('a'));
  t.is(rig.last('a').state, 'TASK_FINISHED');
  rig.acknowledge(rig.last('a'));
  const said = rig.said.length;
  rig.clock.advance(3_600_000);
  t.is(rig.said.length, said, 'what is acknowledged is over');
});

test('when a scheduler of their framework subscribes, unacknowledged statuses come at once, and retries begin anew', t => {
  const rig = new AgentRig({ acknowledges: false });
  rig.launch([task('a'), task('b')]);
  rig.clock.advance(31_000);
  const uuids = rig.statuses('a').map(({ uuid }) => uuid);
  t.is(uuids.length, 3);
  rig.tell({ type: 'UPDATE_FRAMEWORK', framework: { ...framework, id: 'fw-of-others' } });
  t.is(rig.statuses('a').length, 3);
  rig.tell({ type: 'UPDATE_FRAMEWORK', framework });
  t.deepEqual([rig.statuses('a').length, rig.statuses('b').length], [4, 4]);
  t.deepEqual(new Set(rig.statuses('a').map(({ uuid }) => uuid)), new Set(uuids));
  rig.clock.advance(9_999);
  t.is(rig.statuses('a').length, 4);
  rig.clock.advance(1);
  t.is(rig.statuses('a').length, 5);
});

test('foreign, early and repeated acknowledgements change nothing', t => {
  const rig = new AgentRig({ acknowledges: false });
  rig.launch([task('a')]);
  const running = rig.last('a');
  rig.containers.of('a').exit(0);
  rig.acknowledge({ ...running, uuid: 'someone-else' });
  rig.acknowledge(running, 'fw-2');
  t.deepEqual(rig.states('a'), ['TASK_RUNNING']);
  rig.acknowledge(running);
  rig.acknowledge(running);
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
  t.is(rig.agent.view().tasks.length, 1);
  rig.acknowledge(rig.last('a'));
  t.is(rig.agent.view().tasks.length, 0);
  t.like(rig.agent.view().completedTasks[0], { id: 'a', state: 'TASK_FINISHED' });
});

test('a broken session loses nothing: the agent registers with what it has, and every unacknowledged status comes at once', t => {
  const rig = new AgentRig({ acknowledges: false });
  rig.launch([task('runs'), task('ends')], undefined, killingFramework);
  rig.acknowledge(rig.last('runs'));
  rig.disconnect();
  rig.containers.of('ends').exit(3);
  rig.clock.advance(25_000);
  const before = rig.said.length;
  rig.register();
  const [register, ...updates] = rig.said.slice(before);
  t.like(register, { type: 'REGISTER', agentId, more: false, frameworks: [killingFramework], executors: [] });
  t.deepEqual(
    register?.type === 'REGISTER' ? register.tasks.map(({ task: { taskId }, state }) => [taskId, state]) : [],
    [
      ['runs', 'TASK_RUNNING'],
      ['ends', 'TASK_FAILED'],
    ],
  );
  t.is(updates.length, 1);
  t.like(updates[0], { type: 'STATUS_UPDATE', latestState: 'TASK_FAILED', status: { state: 'TASK_RUNNING' } });
});

test('tasks the master has and the agent lacks are dropped, once; those it has are not touched', t => {
  const rig = new AgentRig({ acknowledges: false });
  rig.launch([task('here')]);
  rig.disconnect();
  const lost = { frameworkId: 'fw-9', taskId: 'lost' };
  rig.register([{ frameworkId, taskId: 'here' }, lost]);
  t.like(rig.last('lost'), { state: 'TASK_DROPPED', reason: 'RECONCILIATION', source: 'AGENT' });
  t.true(rig.states('here').every(state => state === 'TASK_RUNNING'));
  // Before the acknowledgement the session breaks again.
  rig.disconnect();
  rig.register([lost]);
  t.deepEqual(rig.states('lost'), ['TASK_DROPPED', 'TASK_DROPPED']);
  t.is(new Set(rig.statuses('lost').map(({ uuid }) => uuid)).size, 1);
  const register = rig.calls('REGISTER').at(-1);
  t.deepEqual(
    register?.tasks.map(entry => entry.task.taskId),
    ['here'],
    'what never was here is not registered',
  );
  rig.acknowledge(rig.last('lost'), 'fw-9');
  t.is(rig.agent.view().completedTasks.length, 0);
});

test('a kill of a task nobody knows is answered, a repeated kill of an ended one is not', t => {
  const rig = new AgentRig({ acknowledges: false });
  rig.kill('ghost');
  t.like(rig.last('ghost'), { state: 'TASK_DROPPED' });
  rig.launch([task('a')]);
  rig.containers.of('a').exit(0);
  rig.kill('a');
  t.deepEqual(rig.states('a'), ['TASK_RUNNING']);
});

// Registration and the master

test('a registration travels in parts, frameworks first, each task once', t => {
  const rig = new AgentRig({ options: { registerPartBytes: 4000 }, info: { resources: { cpus: 100, mem: 9999 } } });
  const many = Array.from({ length: 60 }, (_, i) =>
    task(`t-${i}`, { resources: { cpus: 0.1 }, data: 'x'.repeat(200) }),
  );
  rig.launch(many);
  rig.disconnect();
  const before = rig.said.length;
  rig.connect();
  const parts = rig.said.slice(before).map(call => (call.type === 'REGISTER' ? call : undefined));
  t.true(parts.length > 3);
  t.deepEqual(
    parts.map(part => part?.more),
    parts.map((_, i) => i < parts.length - 1),
  );
  t.deepEqual(
    parts.map(part => part?.part),
    parts.map((_, i) => (i === 0 ? undefined : i)),
  );
  t.true(parts.every(part => JSON.stringify(part).length < 4500));
  t.is(parts[0]?.frameworks.length, 1);
  t.deepEqual(
    parts.flatMap(part => part?.tasks.map(entry => entry.task.taskId) ?? []),
    many.map(one => one.taskId),
  );
});

test('pings are answered; a master that falls silent is left for a new session, tasks run on', t => {
  const rig = new AgentRig();
  rig.launch([task('a')]);
  for (let i = 0; i < 10; i += 1) {
    rig.clock.advance(15_000);
    rig.tell({ type: 'PING' });
  }
  t.is(rig.calls('PONG').length, 10);
  t.deepEqual(rig.reconnects, []);
  rig.clock.advance(74_999);
  t.true(rig.agent.registered);
  rig.clock.advance(1);
  t.deepEqual(rig.reconnects, ['nothing heard for 75000 ms']);
  t.false(rig.agent.registered);
  t.is(rig.containers.live.length, 1);
});

test('a master that never answers a registration is given up too', t => {
  const rig = new AgentRig({ registers: false });
  rig.connect();
  rig.tell({ type: 'LAUNCH', framework, tasks: [task('early')] });
  t.is(rig.containers.launched.length, 0, 'nothing is done before the registration');
  rig.clock.advance(75_000);
  t.is(rig.reconnects.length, 1);
});

test('the agent’s id is kept before work is taken, and known to its next process', t => {
  const written: { onDurable: (error?: Error) => void; changes: readonly StoreChange[] }[] = [];
  const records: { key: string; value: unknown }[] = [];
  const store = storeThat(
    (changes, onDurable) => void written.push({ changes, onDurable }),
    () => records,
  );
  const rig = new AgentRig({ deps: { store } });
  t.false(rig.agent.registered);
  t.deepEqual(
    must(written[0], 'write')
      .changes.map(({ key }) => key)
      .toSorted(),
    ['agent/attributes', 'agent/boot', 'agent/id', 'agent/resources'],
  );
  rig.launch([task('a')]);
  rig.tell({
    type: 'REGISTERED',
    agentId,
    master: masterInfo,
    pingTimeoutMs: 15_000,
    reconcile: [{ frameworkId, taskId: 'lost' }],
  });
  rig.tell({ type: 'PING' });
  t.deepEqual([rig.containers.launched.length, rig.calls('PONG').length, rig.states('lost')], [0, 1, []]);
  written[0]?.onDurable();
  rig.settle();
  t.true(rig.agent.registered);
  t.deepEqual([rig.containers.launched.length, rig.states('lost')], [0, []], 'the launch is not on disk');
  written[1]?.onDurable();
  rig.settle();
  written[2]?.onDurable();
  rig.settle();
  t.deepEqual(
    [rig.states('a'), rig.states('lost')],
    [['TASK_RUNNING'], ['TASK_DROPPED']],
    'what came meanwhile is done now',
  );

  records.push({ key: 'agent/id', value: agentId });
  const next = new AgentRig({ deps: { store } });
  written.at(-1)?.onDurable();
  t.is(next.calls('REGISTER')[0]?.agentId, agentId);

  records.pop();
  const errors: string[] = [];
  const broken = new AgentRig({
    deps: { store, outcomes: { onFatal: error => errors.push(`${error.code}: ${error.message}`) } },
  });
  written.at(-1)?.onDurable(new Error('disk full'));
  t.deepEqual(errors, ['STORE_FAILED: what the agent does could not be kept: disk full']);
  t.true(broken.connectionClosed);
});

test('a refused agent stops trying and says why; its tasks run on', t => {
  const refusals: unknown[] = [];
  const rig = new AgentRig({ deps: { outcomes: { onRefused: problems => refusals.push(problems) } } });
  rig.launch([task('a')]);
  rig.disconnect();
  rig.connect();
  const problems = [{ path: '', code: 'AGENT_REFUSED' as const, message: 'gone' }];
  rig.tell({ type: 'REFUSED', problems });
  t.deepEqual(refusals, [problems]);
  t.true(rig.connectionClosed);
  t.is(rig.containers.live.length, 1);
  let done = false;
  rig.agent.shutdown(() => (done = true));
  rig.settle();
  t.deepEqual([done, rig.containers.live.length], [true, 0], 'its owner can still end them');
});

test('the tasks of a removed framework are ended and told to the master once; others are left alone', t => {
  const rig = new AgentRig({ acknowledges: false, script: { onKill: 'stubborn' } });
  const other = { ...framework, id: 'fw-2' };
  rig.launch([task('a'), task('done')]);
  rig.launch([task('b')], undefined, other);
  rig.containers.of('done').exit(0);
  rig.tell({ type: 'SHUTDOWN_FRAMEWORK', frameworkId });
  rig.launch([task('more')]);
  rig.clock.advance(3000);
  t.like(rig.last('a'), { state: 'TASK_KILLED', reason: 'FRAMEWORK_REMOVED' });
  t.is(rig.last('a').uuid, undefined, 'nobody is left to acknowledge');
  // Its first status was never acknowledged, so that its end had to wait; the master gives back what it held only when it hears of it.
  t.like(rig.last('done'), { state: 'TASK_FINISHED', exitCode: 0, uuid: undefined });
  t.is(rig.last('b').state, 'TASK_RUNNING');
  t.is(rig.last('more').state, 'TASK_DROPPED');
  const told = rig.statuses('a').length;
  rig.clock.advance(3_600_000);
  t.is(rig.statuses('a').length, told);
  t.deepEqual(
    rig.agent.view().tasks.map(({ id }) => id),
    ['b'],
  );
});

test('sandboxes go after a week, the oldest first', t => {
  const rig = new AgentRig();
  rig.launch([task('a'), task('b')]);
  rig.containers.of('b').exit(0);
  rig.clock.advance(86_400_000);
  rig.containers.of('a').exit(0);
  rig.clock.advance(week - 86_400_000 - 1);
  t.deepEqual(rig.removed, []);
  rig.clock.advance(1);
  t.deepEqual(rig.removed, [rig.containers.of('b').spec.sandbox]);
  rig.clock.advance(86_400_000);
  t.deepEqual(rig.removed, [rig.containers.of('b').spec.sandbox, rig.containers.of('a').spec.sandbox]);
});

test('only so many completed tasks are kept for the view', t => {
  const rig = new AgentRig({ options: { completedTasksMax: 4 }, script: { runMs: 10 } });
  for (let i = 0; i < 20; i += 1) {
    rig.launch([task(`t-${i}`)]);
    rig.clock.advance(20);
  }
  const kept = rig.agent.view().completedTasks.map(({ id }) => id);
  t.true(kept.length >= 4 && kept.length <= 5);
  t.is(kept.at(-1), 't-19');
});

test('an agent that shuts down ends its tasks, tells how, unregisters and is done when the master lets it go', t => {
  const rig = new AgentRig({ script: { onKill: 'stubborn' } });
  rig.launch([task('a'), task('b', { killPolicy: { gracePeriodMs: 10_000 } })]);
  const done: boolean[] = [];
  rig.agent.shutdown(isGone => done.push(isGone));
  rig.launch([task('late')]);
  t.like(rig.last('late'), { state: 'TASK_DROPPED', reason: 'AGENT_SHUT_DOWN' });
  rig.clock.advance(9999);
  t.like(rig.last('a'), { state: 'TASK_KILLED', reason: 'AGENT_SHUT_DOWN' });
  t.is(rig.calls('UNREGISTER').length, 0);
  rig.clock.advance(1);
  t.deepEqual(
    rig.said.slice(-2).map(call => call.type),
    ['STATUS_UPDATE', 'UNREGISTER'],
  );
  t.deepEqual(done, []);
  rig.disconnect(closeCodes.normal);
  t.deepEqual(done, [true]);
  t.true(rig.connectionClosed);
  t.is(rig.clock.pending, 0);
});

test('an agent does not take its UNREGISTER for heard when the master ends meanwhile, or says nothing', t => {
  const shutDown = (): { rig: AgentRig; done: boolean[] } => {
    const rig = new AgentRig();
    const done: boolean[] = [];
    // Asked twice, it unregisters once.
    for (const _ of [1, 2]) rig.agent.shutdown(isGone => done.push(isGone));
    t.is(rig.calls('UNREGISTER').length, 1);
    t.deepEqual(done, []);
    return { rig, done };
  };
  const ending = shutDown();
  ending.rig.disconnect(closeCodes.goingAway);
  t.deepEqual(ending.done, [false, false]);
  t.true(ending.rig.connectionClosed);

  const silent = shutDown();
  silent.rig.clock.advance(4999);
  t.deepEqual(silent.done, []);
  silent.rig.clock.advance(1);
  t.deepEqual(silent.done, [false, false]);
  t.is(silent.rig.clock.pending, 0);

  const closed = shutDown();
  closed.rig.agent.close();
  t.deepEqual(closed.done, [false, false]);
});

test('the master can end the agent; an agent without tasks is done at once', t => {
  const ended: string[] = [];
  const rig = new AgentRig({ deps: { outcomes: { onShutdown: message => ended.push(message) } } });
  rig.launch([task('a')]);
  rig.tell({ type: 'SHUTDOWN', message: 'marked gone' });
  t.deepEqual(ended, []);
  rig.settle();
  t.deepEqual(ended, ['marked gone']);
  t.is(rig.containers.live.length, 0);
  t.is(rig.calls('UNREGISTER').length, 0);
  const done: boolean[] = [];
  rig.agent.shutdown(isGone => done.push(isGone));
  rig.agent.leave(() => done.push(true));
  rig.settle();
  t.deepEqual(done, [false, true], 'whoever ends it afterwards is answered');

  const idle = new AgentRig();
  let gone = false;
  idle.agent.shutdown(() => (gone = true));
  idle.disconnect(closeCodes.normal);
  t.true(gone);
});

test('a closed agent leaves its containers running and no timer behind', t => {
  const rig = new AgentRig({ acknowledges: false });
  const probe = { type: 'TCP' as const, port: 31_000 };
  rig.launch([task('a', { healthCheck: { probe }, check: { probe }, maxCompletionTimeMs: 1000 }), task('b')]);
  rig.containers.of('b').exit(0);
  t.true(rig.clock.pending > 4);
  rig.agent.close();
  t.is(rig.clock.pending, 0);
  rig.clock.advance(week);
  t.is(rig.containers.live.length, 1);
  t.deepEqual(rig.removed, []);
});

test('the view tells who it is, what runs, where, and what is in use', t => {
  const rig = new AgentRig();
  rig.launch([task('a', { labels: { tier: 'web' } })]);
  const view = rig.agent.view();
  t.like(view, { id: agentId, hostname: 'box-1', registered: true, master: masterInfo, used: { cpus: 0.5, mem: 64 } });
  t.like(view.tasks[0], {
    id: 'a',
    frameworkId,
    state: 'TASK_RUNNING',
    labels: { tier: 'web' },
    sandbox: rig.containers.of('a').spec.sandbox,
  });
  rig.containers.of('a').exit(0);
  rig.settle();
  rig.launch([task('a')]);
  t.deepEqual(
    rig.agent.tasks('a').map(({ state, sandbox }) => [state, sandbox]),
    [
      ['TASK_RUNNING', rig.containers.launched[1]?.spec.sandbox],
      ['TASK_FINISHED', rig.containers.launched[0]?.spec.sandbox],
    ],
  );
  t.deepEqual(rig.agent.tasks('b'), []);
  t.deepEqual(structuredClone(view), JSON.parse(JSON.stringify(view)) as typeof view, 'plain data');
});

test('a thousand tasks in and out leave nothing behind', t => {
  const rig = new AgentRig({ script: { runMs: 5 }, info: { resources: { cpus: 1000, mem: 1_000_000 } } });
  for (let i = 0; i < 1000; i += 1) rig.launch([task(`t-${i}`)]);
  rig.clock.advance(60_000);
  for (let i = 0; i < 1000; i += 1) t.true(isTerminal(rig.last(`t-${i}`).state));
  t.deepEqual(rig.agent.view().used, {});
  t.is(rig.agent.view().tasks.length, 0);
  // What is left on the clock: one timer of sandboxes, one of silence, at most one of resends.
  t.true(rig.clock.pending <= 3, `${rig.clock.pending} timers`);
});
