// Stories of a framework's own executor: a real driver and a real agent over sessions of a network in virtual time.
import test from 'ava';
import { closeCodes } from '../../src/transport/transport.js';
import { must } from '../../src/base/assert.js';
import { ProfferError } from '../../src/base/errors.js';
import type { Problem } from '../../src/base/errors.js';
import { executorSettings } from '../../src/executor/executor-settings.js';
import type { ExecutorInfo } from '../../src/protocol/entities.js';
import { codecs, frameBounds } from '../../src/protocol/codec.js';
import type { ExecutorCall, ExecutorEvent } from '../../src/protocol/executor-api.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { Peer } from '../../src/transport/peer.js';
import { agentId, AgentRig, framework, frameworkId, task } from '../support/agent-rig.js';
import { executor, ExecutorRig, own } from '../support/executor-rig.js';

test('the first task starts its executor, the next goes to the same one, and reports are the executor’s', t => {
  const rig = ExecutorRig.running();
  const { spec } = rig.containers.of('worker');
  t.is(spec.sandbox, `/work/frameworks/${frameworkId}/executors/worker/${spec.containerId}`);
  t.like(spec.env, { PROFFER_AGENT_ENDPOINT: 'ws://agent:5051/v1/executor', CPUS: '0.1', MEM: '32' });
  rig.launch([own('b')]);
  rig.clock.advance(100);
  t.deepEqual(rig.heard, [`registered at ${agentId}`, 'launch a', 'launch b']);
  t.is(rig.containers.launched.length, 1);
  t.deepEqual(rig.agent.view().used, { cpus: 1.1, mem: 160 });

  rig.driver.update({ taskId: 'a', state: 'TASK_FINISHED', message: 'all done', data: 'Zm9v' });
  rig.clock.advance(100);
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
  t.like(rig.last('a'), { source: 'EXECUTOR', executorId: 'worker', agentId, message: 'all done', data: 'Zm9v' });
  t.is(rig.driver.unacknowledged, 0);
  t.deepEqual(rig.agent.view().used, { cpus: 0.6, mem: 96 });
  t.like(rig.agent.view().executors[0], { id: 'worker', state: 'REGISTERED' });
});

test('an executor outlives its agent process: it registers with the next one, with what it has to report', t => {
  const store = new MemoryStore(run => run());
  const rig = ExecutorRig.running({ deps: { store } });
  rig.launch([own('b', { role: 'web' })]);
  rig.clock.advance(100);
  rig.crash();
  rig.driver.update({ taskId: 'a', state: 'TASK_FINISHED' });
  rig.clock.advance(10 * 60_000);
  const next = new ExecutorRig({ before: rig, deps: { store } });
  t.like(next.agent.view().executors[0], { id: 'worker', state: 'REGISTERING' });
  next.clock.advance(3000);
  t.like(next.agent.view().executors[0], { id: 'worker', state: 'REGISTERED' });
  t.deepEqual([next.states('a'), next.states('b')], [['TASK_FINISHED'], []]);
  t.deepEqual(
    next.calls('REGISTER')[0]?.executors,
    [{ frameworkId, executor, role: 'ads' }],
    'it counts in the share of the task it was started for',
  );
  next.launch([own('c')]);
  next.clock.advance(100);
  t.deepEqual(next.states('c'), ['TASK_RUNNING']);
  t.is(next.containers.launched.length, 1, 'it is the same executor');
  t.deepEqual(
    rig.heard.filter(word => word.startsWith('launch')),
    ['launch a', 'launch b', 'launch c'],
  );
});

test('an executor that does not register again, or died with its agent, takes its tasks with it', t => {
  const store = new MemoryStore(run => run());
  const rig = ExecutorRig.running({ deps: { store } });
  rig.driver.stop();
  rig.crash();
  const next = new ExecutorRig({ before: rig, deps: { store } });
  next.clock.advance(14_999);
  t.deepEqual(next.states('a'), []);
  next.clock.advance(1);
  next.settle();
  t.like(next.last('a'), { state: 'TASK_FAILED', reason: 'EXECUTOR_REREGISTRATION_TIMEOUT' });
  next.launch([own('b')]);
  next.crash();
  next.containers.of('worker').exit(9);
  const last = new ExecutorRig({ before: next, deps: { store } });
  t.like(last.last('b'), { state: 'TASK_FAILED', reason: 'EXECUTOR_TERMINATED' });
  // Told twice, the second word might come after the launch of another executor of this id.
  t.deepEqual(last.calls('REGISTER').at(-1)?.executors, []);
  t.deepEqual(last.calls('EXECUTOR_EXITED'), []);
  t.deepEqual(last.agent.view().used, {});
});

test('an executor that does not register in time fails its tasks', t => {
  const rig = new ExecutorRig();
  rig.launch([own('a')]);
  rig.clock.advance(59_999);
  t.deepEqual(rig.states('a'), []);
  rig.clock.advance(1);
  t.like(rig.last('a'), { state: 'TASK_FAILED', reason: 'EXECUTOR_REGISTRATION_TIMEOUT' });
  t.like(rig.calls('EXECUTOR_EXITED')[0], { frameworkId, executorId: 'worker' });
  t.deepEqual(rig.agent.view().used, {});
});

test('an executor’s death is its tasks’ death, and a later task starts a new one', t => {
  const rig = ExecutorRig.running();
  rig.launch([own('b')]);
  rig.containers.of('worker').exit(1);
  rig.clock.advance(100);
  for (const id of ['a', 'b']) {
    t.like(rig.last(id), { state: 'TASK_FAILED', reason: 'EXECUTOR_TERMINATED' });
    t.is(rig.last(id).message, 'its executor exited with code 1');
  }
  t.deepEqual(rig.calls('EXECUTOR_EXITED'), [
    { type: 'EXECUTOR_EXITED', frameworkId, executorId: 'worker', status: 1 },
  ]);
  t.deepEqual(rig.agent.view().used, {});
  t.deepEqual(rig.agent.view().executors, []);
  rig.launch([own('c')]);
  t.is(rig.containers.launched.length, 2);
});

test('an executor that cannot start or has no memory says so for its tasks', t => {
  const rig = new ExecutorRig({ script: { starts: false } });
  rig.launch([own('a')]);
  rig.containers.of('worker').fail('FETCH_FAILED', 'no such file');
  rig.settle();
  t.like(rig.last('a'), { state: 'TASK_FAILED', reason: 'CONTAINER_LAUNCH_FAILED' });
  t.regex(rig.last('a').message ?? '', /no such file/);
  rig.launch([own('b')]);
  rig.containers.of('worker').started();
  rig.containers.of('worker').exitBySignal('SIGKILL', true);
  rig.settle();
  t.like(rig.last('b'), { state: 'TASK_FAILED', reason: 'CONTAINER_LIMITATION_MEMORY' });
});

test('kills go to the executor, again with a shorter grace; what it reports counts', t => {
  const rig = ExecutorRig.running();
  rig.kill('a', 20_000);
  rig.kill('a', 5000);
  rig.clock.advance(100);
  t.deepEqual(rig.heard.slice(2), ['kill a 20000', 'kill a 5000']);
  rig.driver.update({ taskId: 'a', state: 'TASK_KILLING' });
  rig.driver.update({ taskId: 'a', state: 'TASK_KILLED' });
  rig.clock.advance(100);
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']);
});

test('a kill before the executor registered ends the task; an executor without tasks is not needed', t => {
  const rig = new ExecutorRig();
  rig.launch([own('a'), own('b')]);
  rig.kill('a');
  t.like(rig.last('a'), { state: 'TASK_KILLED', reason: 'TASK_KILLED_DURING_LAUNCH' });
  t.is(rig.containers.live.length, 1);
  rig.startProgram();
  t.deepEqual(
    rig.launched.map(({ taskId }) => taskId),
    ['b'],
  );

  const idle = new ExecutorRig();
  idle.launch([own('a')]);
  idle.kill('a');
  t.is(idle.containers.live.length, 0);
  t.deepEqual(idle.agent.view().used, {});
});

test('messages pass both ways', t => {
  const rig = ExecutorRig.running();
  rig.tell({ type: 'MESSAGE', frameworkId, executorId: 'worker', data: 'aGk=' });
  rig.driver.message('aG8=');
  rig.clock.advance(100);
  t.is(rig.heard.at(-1), 'message aGk=');
  t.deepEqual(rig.calls('MESSAGE'), [{ type: 'MESSAGE', frameworkId, executorId: 'worker', data: 'aG8=' }]);
});

test('a shutdown asks first and then uses force', t => {
  const rig = ExecutorRig.running();
  rig.tell({ type: 'SHUTDOWN_EXECUTOR', frameworkId, executorId: 'worker' });
  rig.clock.advance(4999);
  t.is(rig.heard.at(-1), 'shutdown: the agent says so');
  t.is(rig.containers.live.length, 1);
  rig.launch([own('late')]);
  t.like(rig.last('late'), { state: 'TASK_DROPPED', reason: 'EXECUTOR_TERMINATED' });
  rig.clock.advance(1);
  t.is(rig.containers.live.length, 0);
  t.like(rig.last('a'), { state: 'TASK_FAILED', reason: 'EXECUTOR_TERMINATED' });
});

test('what was said while the session was broken arrives once it is back: reports, launches, kills', t => {
  const rig = ExecutorRig.running();
  rig.launch([own('b')]);
  rig.clock.advance(100);
  rig.network.reset('program', 'agent');
  rig.driver.update({ taskId: 'a', state: 'TASK_FINISHED' });
  rig.launch([own('c')]);
  rig.kill('b', 1000);
  rig.clock.advance(5000);
  t.is(rig.last('a').state, 'TASK_FINISHED');
  t.deepEqual(rig.states('b'), ['TASK_RUNNING']);
  const [registered, kill, launch, ...rest] = rig.heard.slice(3);
  t.deepEqual([registered, launch, rest], [`registered at ${agentId}`, 'launch c', []]);
  // What is left of the second.
  t.regex(kill ?? '', /^kill b \d{1,3}$/);
  t.is(rig.driver.unacknowledged, 0);
});

test('an acknowledgement that was lost makes the report come again, but not reach the framework twice', t => {
  const rig = ExecutorRig.running();
  rig.network.policy = (from, _to, message) =>
    from === 'agent' && (message as { type?: string }).type === 'ACKNOWLEDGED' ? { drop: true } : undefined;
  rig.driver.update({ taskId: 'a', state: 'TASK_FINISHED' });
  rig.clock.advance(100);
  t.is(rig.driver.unacknowledged, 1);
  rig.network.policy = undefined;
  // The next heartbeat shows that a message is missing.
  rig.tell({ type: 'PING' });
  rig.clock.advance(40_000);
  t.is(rig.driver.unacknowledged, 0);
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
});

test('an executor that stays away is given up, and its program told by its own driver', t => {
  const rig = ExecutorRig.running();
  rig.network.reset('program', 'agent');
  rig.clock.advance(1);
  rig.network.partition('program', 'agent');
  for (let i = 0; i < 5; i += 1) {
    rig.clock.advance(15_000);
    rig.tell({ type: 'PING' });
  }
  t.like(rig.last('a'), { state: 'TASK_FAILED', reason: 'EXECUTOR_REREGISTRATION_TIMEOUT' });
  rig.clock.advance(15 * 60_000);
  t.is(rig.heard.at(-1), 'shutdown: the agent was away for 900000 ms');
  rig.driver.stop();
});

test('a group reaches its executor whole', t => {
  const rig = new ExecutorRig();
  rig.launch([own('a'), own('b')], 'pod');
  rig.startProgram({
    onLaunchGroup: (tasks, groupId) => rig.heard.push(`${groupId}: ${tasks.map(one => one.taskId).join(',')}`),
  });
  t.deepEqual(rig.heard, [`registered at ${agentId}`, 'pod: a,b']);
  must(rig.driver, 'driver').update({ taskId: 'a', state: 'TASK_FAILED' });
  rig.clock.advance(100);
  t.is(rig.heard.at(-1), 'kill b 3000');
});

test('an executor that cannot be had refuses its task, and nothing of it is kept', t => {
  const refused = (rig: AgentRig, more: Partial<ExecutorInfo>): string => {
    rig.launch([own('a', { executor: { ...executor, ...more } })]);
    t.is(rig.containers.launched.length, 0);
    t.deepEqual(rig.agent.view().used, {});
    t.deepEqual(rig.agent.view().executors, []);
    const told = rig.calls('EXECUTOR_EXITED').map(({ executorId, status }) => [executorId, status]);
    t.deepEqual(told, more.executorId === undefined ? [['worker', -1]] : [], 'the master had booked it');
    return `${rig.last('a').state}: ${rig.last('a').message}`;
  };
  t.is(refused(new AgentRig(), {}), 'TASK_FAILED: the agent has no endpoint for executors');
  t.regex(refused(new ExecutorRig(), { resources: { cpus: 3.6 } }), /^TASK_DROPPED: .* cpus short by 0.1/);
  t.regex(refused(new ExecutorRig(), { executorId: '..' }), /^TASK_ERROR: the executor id ".."/);

  const group = new ExecutorRig();
  group.launch([own('a'), task('b', { resources: { cpus: 99 } })], 'pod');
  t.deepEqual(group.agent.view().executors, []);
  t.deepEqual(group.agent.view().used, {});
});

test('with its framework, or its agent, an executor ends', t => {
  for (const end of ['framework', 'agent'] as const) {
    const rig = ExecutorRig.running();
    let done = false;
    if (end === 'framework') rig.tell({ type: 'SHUTDOWN_FRAMEWORK', frameworkId });
    else rig.agent.shutdown(() => (done = true));
    rig.clock.advance(100);
    t.is(rig.heard.at(-1), 'shutdown: the agent says so');
    rig.containers.of('worker').exit(0);
    rig.clock.advance(100);
    t.like(rig.last('a'), {
      state: 'TASK_KILLED',
      reason: end === 'framework' ? 'FRAMEWORK_REMOVED' : 'AGENT_SHUT_DOWN',
    });
    if (end === 'agent') rig.disconnect(closeCodes.normal);
    t.is(done, end === 'agent');
  }
});

test('a closed agent waits for no executor', t => {
  const rig = ExecutorRig.running();
  rig.driver.stop();
  rig.agent.close();
  rig.clock.advance(10 * 60_000);
  t.is(rig.clock.pending, 0);
  t.is(rig.containers.live.length, 1);
});

test('wrong calls are answered and change nothing', t => {
  const rig = ExecutorRig.running();
  const errors: Problem[] = [];
  let closed = '';
  const peer: Peer<ExecutorEvent> = {
    id: 99,
    remote: 'stranger',
    send: event => {
      if (event.type === 'ERROR') errors.push(...event.problems);
    },
    close: (_code, reason) => (closed = reason),
  };
  const stranger = rig.agent.acceptExecutor(peer);
  const say = (call: ExecutorCall): void => stranger.onMessage(call);
  say({ type: 'MESSAGE', data: 'eA==' });
  const subscribe = { type: 'SUBSCRIBE' as const, unacknowledgedTasks: [], unacknowledgedUpdates: [] };
  say({ ...subscribe, frameworkId, executorId: 'nobody' });
  t.is(closed, 'unknown executor');
  say({ ...subscribe, frameworkId: 'fw-x', executorId: 'worker' });
  stranger.onInvalid([{ path: 'type', code: 'BAD_MESSAGE', message: 'no' }]);
  t.deepEqual(
    errors.map(({ path, code }) => `${code} ${path}`),
    ['NOT_SUBSCRIBED type', 'NOT_FOUND executorId', 'UNKNOWN_FRAMEWORK frameworkId', 'BAD_MESSAGE type'],
  );
  rig.driver.update({ taskId: 'a', state: 'TASK_LOST' as 'TASK_FAILED' });
  rig.driver.update({ taskId: 'not-mine', state: 'TASK_RUNNING' });
  rig.clock.advance(100);
  t.is(rig.heard.at(-1), 'error BAD_MESSAGE update.status.state');
  t.deepEqual(rig.states('a'), ['TASK_RUNNING']);
  t.deepEqual(rig.states('not-mine'), []);
  t.is(rig.agent.view().tasks.length, 1);
});

test('of two sessions of one executor the newer one counts', t => {
  const rig = ExecutorRig.running();
  const first = rig.driver;
  const second = rig.startProgram();
  t.is(rig.heard.filter(line => line.startsWith('registered')).length, 2);
  first.stop();
  rig.clock.advance(100);
  rig.kill('a');
  rig.clock.advance(100);
  second.update({ taskId: 'a', state: 'TASK_KILLED' });
  rig.clock.advance(100);
  t.is(rig.last('a').state, 'TASK_KILLED');
  t.is(rig.agent.view().executors[0]?.state, 'REGISTERED');
});

test('an executor started by hand hears of every variable that is wrong', t => {
  const error = t.throws(
    () => executorSettings({ PROFFER_AGENT_ENDPOINT: 'agent:5051', PROFFER_EXECUTOR_SHUTDOWN_GRACE_MS: 'soon' }),
    { instanceOf: ProfferError },
  );
  t.is(error?.code, 'USAGE');
  t.deepEqual(
    error?.problems.map(({ path }) => path),
    [
      'PROFFER_AGENT_ENDPOINT',
      'PROFFER_EXECUTOR_SHUTDOWN_GRACE_MS',
      'PROFFER_FRAMEWORK_ID',
      'PROFFER_EXECUTOR_ID',
      'PROFFER_AGENT_ID',
      'PROFFER_SANDBOX',
    ],
  );
  t.is(framework.id, frameworkId);
});

test('a drain passes through the executor: its tasks say why they were killed, and then it is ended, too', t => {
  const rig = ExecutorRig.running();
  rig.tell({ type: 'DRAIN', gracePeriodMs: 700 });
  rig.clock.advance(100);
  t.is(rig.heard.at(-1), 'kill a 700');
  rig.launch([own('late')]);
  t.like(rig.last('late'), { state: 'TASK_DROPPED', reason: 'AGENT_DRAINING' });
  rig.driver.update({ taskId: 'a', state: 'TASK_KILLED' });
  rig.clock.advance(100);
  t.like(rig.last('a'), { state: 'TASK_KILLED', reason: 'AGENT_DRAINING', source: 'EXECUTOR' });
  t.regex(rig.heard.at(-1) ?? '', /^shutdown/);
  t.true(rig.agent.view().draining, 'its container is still there');
  rig.containers.of('worker').exit(0);
  rig.clock.advance(100);
  t.false(rig.agent.view().draining);
  t.deepEqual(rig.agent.view().used, {});
});

test('an executor that runs on lent cpus goes with all its tasks', t => {
  const lent: ExecutorInfo = { ...executor, resources: { 'cpus{revocable}': 0.1, mem: 32 } };
  const rig = new ExecutorRig({
    deps: {
      estimator: { estimate: (_usage, answer) => answer({ cpus: 1 }) },
      qosController: {
        correct: ({ containers }, answer) =>
          answer(
            containers.filter(one => one.revocable).map(one => ({ containerId: one.containerId, message: 'busy' })),
          ),
      },
    },
  });
  rig.launch([{ ...own('a', { resources: { 'cpus{revocable}': 0.5 } }), executor: lent }]);
  rig.startProgram();
  rig.clock.advance(15_000);
  t.regex(rig.heard.at(-1) ?? '', /^shutdown/);
  rig.containers.of('worker').exit(0);
  rig.clock.advance(100);
  t.like(rig.last('a'), { state: 'TASK_GONE', reason: 'CONTAINER_PREEMPTED', message: 'busy' });
});

test('a volume belongs to the executor, whose container sees it, and not to its task', t => {
  const rig = new ExecutorRig();
  const volume = 'disk(ads,dynamic)[db:data]';
  const convert = (uuid: string, consumed: object, produced: object): void =>
    rig.tell({ type: 'APPLY_OPERATION', uuid, kind: 'CREATE', consumed: { ...consumed }, produced: { ...produced } });
  convert('1', { disk: 10 }, { 'disk(ads,dynamic)': 10 });
  convert('2', { 'disk(ads,dynamic)': 10 }, { [volume]: 10 });
  rig.launch([own('a', { resources: { [volume]: 10 } })]);
  t.like(rig.last('a'), { state: 'TASK_ERROR', reason: 'TASK_INVALID' });
  t.regex(rig.last('a').message ?? '', /must be among the resources of the executor/);
  rig.launch([{ ...own('b'), executor: { ...executor, resources: { cpus: 0.1, [volume]: 10 } } }]);
  t.like(rig.agent.view().volumes[0], { id: 'db', used: true });
});

test('what an executor says fits into the frames of its agent, also at the next registration', t => {
  const rig = ExecutorRig.running({ acknowledges: false });
  const errors: Problem[] = [];
  const executorPeer: Peer<ExecutorEvent> = {
    id: 99,
    remote: 'a program with a driver of its own',
    send: event => {
      if (event.type === 'ERROR') errors.push(...event.problems);
    },
    close: () => {},
  };
  const program = rig.agent.acceptExecutor(executorPeer);
  const none = { unacknowledgedTasks: [], unacknowledgedUpdates: [] };
  program.onMessage({ type: 'SUBSCRIBE', frameworkId, executorId: 'worker', ...none });
  const long = 'x'.repeat(frameBounds.bytesMax - 400);
  const said = { taskId: 'a', source: 'EXECUTOR', timestampMs: 0, exitCode: 3 } as const;
  program.onMessage({ type: 'UPDATE', status: { ...said, state: 'TASK_FINISHED', uuid: 'u-1', message: long } });
  program.onMessage({ type: 'MESSAGE', data: long });
  rig.acknowledge(rig.last('a'));
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
  t.like(rig.last('a'), { exitCode: 3, message: long.slice(0, 4096) });
  rig.disconnect();
  rig.register();
  t.is(rig.calls('REGISTER').length, 2);
  const encoder = codecs['proffer.v1.msgpack'].encoder();
  for (const call of rig.said) t.notThrows(() => encoder.encode([call], () => {}));
  t.like(errors, [{ path: 'message.data', code: 'BAD_MESSAGE' }]);
  t.deepEqual(rig.calls('MESSAGE'), []);
});

test('reports of thousands of tasks, or of long ones, arrive however long the agent was away', t => {
  const rig = ExecutorRig.running();
  const many = Array.from({ length: 1000 }, (_, i) => own(`t-${i}`, { resources: { cpus: 0.001 } }));
  rig.launch(many);
  rig.clock.advance(100);
  rig.network.reset('program', 'agent');
  rig.driver.update({ taskId: 'a', state: 'TASK_FINISHED', data: 'y'.repeat(frameBounds.bytesMax) });
  for (const { taskId } of many)
    rig.driver.update({ taskId, state: 'TASK_FINISHED', message: taskId.padEnd(1200, '.') });
  rig.clock.advance(60_000);
  t.is(rig.driver.unacknowledged, 0);
  for (const { taskId } of [own('a'), ...many]) t.is(rig.last(taskId).state, 'TASK_FINISHED');
  t.is(rig.heard.filter(word => word.startsWith('registered')).length, 2);
});

test('a report made while the program registers again arrives as well', t => {
  const rig = ExecutorRig.running();
  rig.network.policy = (from, _to, message) => {
    if (from === 'program' && (message as { type?: string }).type === 'SUBSCRIBE')
      rig.driver.update({ taskId: 'a', state: 'TASK_FINISHED' });
    return undefined;
  };
  rig.network.reset('program', 'agent');
  rig.clock.advance(5000);
  t.is(rig.last('a').state, 'TASK_FINISHED');
  t.is(rig.driver.unacknowledged, 0);
});
