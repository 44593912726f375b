// What an agent process that was killed leaves to the next one on the machine: tasks run on and are taken over, ends meanwhile are told, statuses that
// nobody acknowledged come again. Under virtual time with fake containers; records are real.
import test from 'ava';
import { keys, readRecords } from '../../src/agent/records.js';
import { must } from '../../src/base/assert.js';
import { ProfferError } from '../../src/base/errors.js';
import type { TaskInfo } from '../../src/protocol/entities.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { Store } from '../../src/store/store.js';
import type { RigOptions } from '../support/agent-rig.js';
import { agentId, AgentRig, framework, frameworkId, task } from '../support/agent-rig.js';
import { SlowStore } from '../support/slow-store.js';

const minute = 60_000;

function diskOf(): MemoryStore {
  return new MemoryStore(run => run());
}

/** The next agent process after a SIGKILL of the one before. */
function next(before: AgentRig, store: Store, more: RigOptions = {}): AgentRig {
  before.crash();
  return new AgentRig({ before, ...more, deps: { store, ...more.deps } });
}

const keysOf = (store: Store): string[] => store.load('agent/').map(({ key }) => key);
const registered = (rig: AgentRig): Record<string, string> =>
  Object.fromEntries(rig.calls('REGISTER').flatMap(({ tasks }) => tasks.map(one => [one.task.taskId, one.state])));

test('kill -9: tasks run on under the same id; ends meanwhile are told with their codes, how one ended that nobody saw is not made up', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store } });
  const launchedAtMs = rig.clock.wallMs();
  rig.launch(['lives', 'fails', 'finishes', 'vanishes'].map(id => task(id)));
  rig.clock.advance(1000);
  rig.crash();
  rig.containers.of('fails').exit(7);
  rig.containers.of('finishes').exit(0);
  rig.containers.of('vanishes').vanish();

  const second = new AgentRig({ before: rig, deps: { store } });
  t.is(second.calls('REGISTER')[0]?.agentId, agentId);
  t.deepEqual(registered(second), {
    lives: 'TASK_RUNNING',
    fails: 'TASK_FAILED',
    finishes: 'TASK_FINISHED',
    vanishes: 'TASK_FAILED',
  });
  const times = second.calls('REGISTER')[0]?.tasks.map(one => one.launchedAtMs);
  t.deepEqual(times, [launchedAtMs, launchedAtMs, launchedAtMs, launchedAtMs], 'a master that knows nothing of them');
  t.deepEqual(second.states('lives'), [], 'that it runs was told and acknowledged');
  t.like(second.last('fails'), { state: 'TASK_FAILED', exitCode: 7 });
  t.like(second.last('finishes'), { state: 'TASK_FINISHED', exitCode: 0 });
  t.like(second.last('vanishes'), { state: 'TASK_FAILED', message: 'ended, its exit code is not known' });
  t.is(second.containers.launched.length, 4, 'nothing was started again');
  t.like(second.agent.view().used, { cpus: 0.5 });

  second.containers.of('lives').exit(3);
  second.settle();
  t.like(second.last('lives'), { state: 'TASK_FAILED', exitCode: 3 });
  t.deepEqual(
    keysOf(store),
    ['agent/attributes', 'agent/boot', 'agent/id', 'agent/resources'],
    'of tasks that are over nothing is kept',
  );
});

test('a status that was not acknowledged comes again with its uuid, in order, and once acknowledged no more', t => {
  const store = diskOf();
  const rig = new AgentRig({ acknowledges: false, deps: { store } });
  rig.launch([task('a'), task('b')]);
  const running = rig.last('a');
  rig.containers.of('a').exit(1);
  rig.settle();

  const second = next(rig, store, { acknowledges: false });
  t.deepEqual(registered(second), { a: 'TASK_FAILED', b: 'TASK_RUNNING' });
  t.deepEqual(second.states('a'), ['TASK_RUNNING']);
  t.is(second.last('a').uuid, running.uuid);
  t.is(
    second.calls('STATUS_UPDATE').find(({ status }) => status.taskId === 'a')?.latestState,
    'TASK_FAILED',
    'resources of the ended one are free',
  );
  second.acknowledge(running);
  second.acknowledge(second.last('b'));
  second.settle();

  const third = next(second, store);
  t.deepEqual([third.states('a'), third.states('b')], [['TASK_FAILED'], []]);
  const fourth = next(third, store);
  t.deepEqual([fourth.states('a'), registered(fourth)], [[], { b: 'TASK_RUNNING' }]);
});

test('nothing starts, is told or acknowledged before it is on disk; what a crash loses had no effect', t => {
  const store = new SlowStore();
  const sync = (rig: AgentRig): void => {
    for (rig.settle(); store.waiting > 0; rig.settle()) store.sync();
  };
  const rig = new AgentRig({ registers: false, acknowledges: false, deps: { store } });
  rig.register();
  sync(rig);
  rig.launch([task('a')]);
  t.is(rig.containers.launched.length, 0, 'the launch is not on disk');
  const start = (before: AgentRig): AgentRig => {
    const rig = next(before, store, { registers: false, acknowledges: false });
    sync(rig);
    rig.register();
    sync(rig);
    return rig;
  };
  store.crash(0);
  const second = start(rig);
  t.deepEqual(registered(second), {}, 'it was never launched');

  second.launch([task('b')]);
  store.sync();
  second.settle();
  t.is(second.containers.launched.length, 1);
  t.deepEqual(second.states('b'), [], 'that it runs is not on disk');
  store.crash(0);
  const third = start(second);
  t.deepEqual(third.states('b'), ['TASK_RUNNING'], 'the next process sees that it runs, and tells');
  third.acknowledge(third.last('b'));
  third.settle();
  store.crash(0);
  const fourth = start(third);
  t.deepEqual(
    fourth.statuses('b').map(({ uuid }) => uuid),
    [third.last('b').uuid],
    'an acknowledgement that was lost',
  );
});

test('a launch on disk that came to nothing is dropped, so that the framework may launch it elsewhere', t => {
  const store = new SlowStore();
  const sync = (rig: AgentRig): void => {
    for (rig.settle(); store.waiting > 0; rig.settle()) store.sync();
  };
  const rig = new AgentRig({ registers: false, deps: { store } });
  rig.register();
  sync(rig);
  rig.launch([task('a')]);
  // It made it to the disk; the process did not live to see that.
  store.crash(1);
  const second = next(rig, store, { registers: false });
  sync(second);
  second.register();
  sync(second);
  t.like(second.last('a'), { state: 'TASK_DROPPED', reason: 'AGENT_RESTARTED' });
  t.deepEqual(second.agent.view().used, {});
});

test('a kill under way goes on where it was: what ends is TASK_KILLED, and the grace period does not begin anew', t => {
  const store = diskOf();
  const rig = new AgentRig({ script: { onKill: 'stubborn' }, deps: { store } });
  rig.launch([task('a'), task('b')]);
  rig.kill('a', 10_000);
  rig.kill('b', 10_000);
  rig.clock.advance(4000);
  rig.crash();
  rig.containers.of('b').exit(0);
  const second = new AgentRig({ before: rig, deps: { store } });
  t.like(second.last('b'), { state: 'TASK_KILLED', exitCode: 0 });
  t.deepEqual(second.states('a'), []);
  t.deepEqual(rig.containers.of('a').kills, [10_000, 6000]);
  second.clock.advance(6000);
  t.like(second.last('a'), { state: 'TASK_KILLED', signal: 'SIGKILL' });
});

test('after a reboot tasks have failed, unless their end was recorded; nobody is signalled but who does still run', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store, bootId: 'monday' } });
  rig.launch([task('gone'), task('ended'), task('alive')]);
  rig.crash();
  rig.containers.of('gone').vanish();
  rig.containers.of('ended').exit(5);
  const second = new AgentRig({ before: rig, deps: { store, bootId: 'tuesday' } });
  t.is(second.calls('REGISTER')[0]?.agentId, agentId);
  t.like(second.last('gone'), { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED', message: 'agent host rebooted' });
  t.like(second.last('ended'), { state: 'TASK_FAILED', exitCode: 5 });
  t.like(second.last('alive'), { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED' });
  t.deepEqual([rig.containers.of('gone').kills, rig.containers.of('alive').kills], [[], [0]]);
  t.is(rig.containers.live.length, 0);
});

test('an agent that was away for longer than its recovery timeout ends its tasks; wall time that jumps does not count', t => {
  const store = diskOf();
  const at = (uptimeMs: number): RigOptions => ({ deps: { bootId: 'b', uptimeMs } });
  const rig = new AgentRig({ deps: { store, bootId: 'b', uptimeMs: 0 } });
  rig.launch([task('a')]);
  const second = next(rig, store, at(15 * minute));
  t.deepEqual([second.states('a'), rig.containers.live.length], [[], 1]);
  const third = next(second, store, at(31 * minute));
  t.like(third.last('a'), { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED' });
  t.regex(third.last('a').message ?? '', /away for 16m, longer than its recovery timeout of 15m/);
  t.is(rig.containers.live.length, 0);
});

test('an agent that lives writes down that it does, so that only its absence counts', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store, bootId: 'b', uptimeMs: 0 } });
  rig.launch([task('a')]);
  rig.clock.advance(60 * minute);
  const second = next(rig, store, { deps: { bootId: 'b', uptimeMs: 70 * minute } });
  t.deepEqual([second.states('a'), rig.containers.live.length], [[], 1]);
});

test('tasks of a framework that does not checkpoint end with the agent process', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store } });
  rig.launch([task('a')], undefined, { ...framework, checkpoint: false });
  const second = next(rig, store);
  t.like(second.last('a'), { state: 'TASK_GONE', reason: 'AGENT_RESTARTED' });
  t.is(rig.containers.live.length, 0);
});

test('a removed framework is ended by the next process, too, and nobody is asked to acknowledge', t => {
  const store = diskOf();
  const rig = new AgentRig({ script: { onKill: 'waits' }, deps: { store } });
  rig.launch([task('a')]);
  rig.tell({ type: 'SHUTDOWN_FRAMEWORK', frameworkId });
  rig.settle();
  const second = next(rig, store);
  t.deepEqual(registered(second), { a: 'TASK_RUNNING' });
  second.containers.of('a').exitBySignal('SIGTERM');
  second.settle();
  t.like(second.last('a'), { state: 'TASK_KILLED', reason: 'FRAMEWORK_REMOVED' });
  t.is(second.last('a').uuid, undefined);
  t.false(keysOf(store).some(key => key.includes(frameworkId)));
});

test('groups, checks and the longest run of a task go on', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store } });
  const checked: TaskInfo = task('g1', {
    maxCompletionTimeMs: 10 * minute,
    healthCheck: { probe: { type: 'HTTP', port: 80 }, delayMs: 0, intervalMs: 1000 },
  });
  rig.prober.answerHttp = () => ({ statusCode: 200 });
  rig.launch([checked, task('g2')], 'group');
  t.true(rig.last('g1').healthy);
  rig.clock.advance(4 * minute);
  const second = next(rig, store);
  const before = second.prober.https.length;
  second.clock.advance(minute);
  t.is(second.prober.https.length, before + 60, 'it is looked at');
  second.clock.advance(5 * minute - 1);
  t.is(second.containers.of('g1').kills.length, 0);
  second.clock.advance(1);
  t.deepEqual(second.containers.of('g1').kills, [3000]);
  second.register();
  t.like(second.last('g1'), { state: 'TASK_FAILED', reason: 'MAX_COMPLETION_TIME_REACHED', healthy: true });
  t.like(second.last('g2'), { state: 'TASK_KILLED', reason: 'TASK_GROUP_MEMBER_ENDED' });
});

test('another size or other attributes are refused with every difference; additive takes what only grew; cleanup takes anything', t => {
  const store = diskOf();
  const rig = new AgentRig({ info: { attributes: { rack: 'a', level: 3 } }, deps: { store } });
  rig.launch([task('a')]);
  rig.crash();
  const start = (info: RigOptions['info'], options: RigOptions['options'] = {}): AgentRig =>
    new AgentRig({ before: rig, info: info ?? {}, options, registers: false, deps: { store } });
  const less = { resources: { cpus: 2, mem: 4096, disk: 10_000, ports: [[31_000, 31_009]] as const } };
  const error = t.throws(() => start({ ...less, attributes: { rack: 'b', zone: 'z' } }), { instanceOf: ProfferError });
  t.is(error?.code, 'AGENT_RECONFIGURED');
  t.deepEqual(
    error?.problems.map(({ path, message }) => `${path} ${message}`),
    [
      'resources was "cpus:4;disk:10000;mem:4096;ports:[31000-31009]", and is "cpus:2;disk:10000;mem:4096;ports:[31000-31009]" now',
      'attributes.level was 3, and is not set now',
      'attributes.rack was "a", and is "b" now',
      'attributes.zone was not set, and is "z" now',
    ],
  );
  t.regex(error?.hint ?? '', /--reconfiguration-policy additive.*--recover cleanup/);
  const more = {
    resources: { cpus: 8, mem: 4096, disk: 10_000, ports: [[31_000, 31_020]] as const },
    attributes: { rack: 'a', level: 3, zone: 'z' },
  };
  t.throws(() => start(more), { code: 'AGENT_RECONFIGURED' });
  t.throws(() => start(less, { reconfigurationPolicy: 'additive' }), { code: 'AGENT_RECONFIGURED' });
  const grown = start(more, { reconfigurationPolicy: 'additive' });
  grown.register();
  t.deepEqual([grown.states('a'), grown.agent.view().resources['cpus']], [[], 8]);
  grown.crash();
  const again = start(more);
  again.register();
  t.is(again.calls('REGISTER')[0]?.agentId, agentId, 'what it grew to is what it is');
  again.crash();
  const cleaned = start({ ...less, attributes: {} }, { recover: 'cleanup' });
  cleaned.register();
  let gone: boolean | undefined;
  cleaned.agent.shutdown(isGone => (gone = isGone));
  cleaned.settle();
  t.like(cleaned.last('a'), { state: 'TASK_KILLED', reason: 'AGENT_SHUT_DOWN' });
  cleaned.clock.advance(5000);
  t.is(gone, false);
});

test('a rebooted machine that is another one now gets another id', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store, bootId: '1' } });
  rig.launch([task('a')]);
  const second = next(rig, store, { info: { resources: { cpus: 2 } }, deps: { bootId: '2' } });
  t.is(second.calls('REGISTER')[0]?.agentId, undefined);
  t.deepEqual(registered(second), {});
});

test('a record that cannot be understood is refused with its key; not strict, it is put aside and its task is lost', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store } });
  rig.launch([task('a'), task('b'), task('c')]);
  rig.crash();
  store.write([{ key: `agent/task/${frameworkId}/a`, value: { task: 7 } }], () => {});
  store.write([{ key: 'agent/weather', value: 'fine' }], () => {});
  const error = t.throws(() => new AgentRig({ before: rig, deps: { store } }), { instanceOf: ProfferError });
  t.is(error?.code, 'STORE_DAMAGED');
  t.regex(error?.message ?? '', /agent\/task\/fw-1\/a: task is 7, not of type object/);
  t.regex(error?.message ?? '', /agent\/weather: a later release may have written it/);
  t.regex(error?.hint ?? '', /--no-strict/);
  const second = new AgentRig({ before: rig, options: { strictRecovery: false }, deps: { store } });
  t.like(second.last('a'), { state: 'TASK_LOST', reason: 'AGENT_RESTARTED' });
  t.deepEqual(registered(second), { b: 'TASK_RUNNING', c: 'TASK_RUNNING' });
  t.deepEqual([...second.agent.sandboxes()].length, 2, 'what runs in another sandbox is for the caller to end');
  t.deepEqual(readRecords(store.load('agent/')).damaged, []);
  t.true(store.load('quarantine/').some(({ key }) => key === `quarantine/agent/task/${frameworkId}/a`));
});

test('tasks whose executor has no record that can be read are lost, too: nobody else would ever tell of them', t => {
  const store = diskOf();
  const options = { executorEndpoint: 'ws://agent/v1/executor' };
  const executor = { executorId: 'e', resources: { cpus: 0.1, mem: 32 }, command: { value: 'program' } };
  const rig = new AgentRig({ deps: { store }, options });
  rig.launch([task('inside', { executor }), task('beside')]);
  rig.crash();
  store.write([{ key: keys.executor(frameworkId, 'e'), value: { info: 7 } }], () => {});
  t.like(
    t.throws(() => new AgentRig({ before: rig, deps: { store }, options })),
    { code: 'STORE_DAMAGED' },
  );
  const second = new AgentRig({ before: rig, options: { ...options, strictRecovery: false }, deps: { store } });
  t.like(second.last('inside'), { state: 'TASK_LOST', reason: 'AGENT_RESTARTED', executorId: 'e' });
  t.deepEqual(second.states('beside'), []);
  t.like(second.agent.view().used, { cpus: 0.5 });
  second.clock.advance(minute);
  t.deepEqual(second.states('inside'), ['TASK_LOST'], 'told and acknowledged');
  t.false(keysOf(store).some(key => key.includes('inside')));
});

test('how long a task has run is told by the time since boot: wall time that is set ends none, nor lets it go on', t => {
  const store = diskOf();
  const lasting = task('a', { maxCompletionTimeMs: 60 * minute });
  const rig = new AgentRig({ deps: { store, bootId: 'b', uptimeMs: 0 } });
  rig.launch([lasting]);
  rig.clock.advance(10 * minute);
  const ahead = next(rig, store, { deps: { bootId: 'b', uptimeMs: 10 * minute }, wallSkewMs: 24 * 60 * minute });
  ahead.clock.advance(10 * minute);
  t.deepEqual(ahead.containers.of('a').kills, [], 'it has run for 20 minutes');
  const behind = next(ahead, store, { deps: { bootId: 'b', uptimeMs: 20 * minute }, wallSkewMs: -24 * 60 * minute });
  behind.clock.advance(40 * minute - 1);
  t.deepEqual(behind.containers.of('a').kills, []);
  behind.clock.advance(1);
  t.is(behind.containers.of('a').kills.length, 1);
  behind.register();
  t.like(behind.last('a'), { state: 'TASK_FAILED', reason: 'MAX_COMPLETION_TIME_REACHED' });
});

test('no master of before is believed by a later process: a later one is on disk before the agent registers with it', t => {
  const store = new SlowStore();
  const rig = new AgentRig({ registers: false, deps: { store } });
  t.is(rig.epochSeen, 0);
  rig.connect(5);
  rig.settle();
  t.deepEqual(rig.calls('REGISTER'), []);
  store.sync();
  t.is(rig.calls('REGISTER').length, 1);
  const second = next(rig, store, { registers: false });
  t.is(second.epochSeen, 5, 'also without an id yet');
  second.connect(4);
  second.settle();
  store.sync();
  t.is(next(second, store, { registers: false }).epochSeen, 5);

  const damaged = new MemoryStore(run => run());
  damaged.write([{ key: keys.epoch, value: 'five' }], () => {});
  t.throws(() => new AgentRig({ registers: false, deps: { store: damaged } }), { message: /an epoch is expected/ });
});

test('sandboxes of earlier processes are removed in their time', t => {
  const store = diskOf();
  const rig = new AgentRig({ deps: { store }, options: { gcDelayMs: 60 * minute } });
  rig.launch([task('a')]);
  const sandbox = must(rig.agent.tasks('a')[0]?.sandbox, 'sandbox');
  const formerSandboxes = [
    { path: sandbox, ageMs: 90 * minute },
    { path: '/work/young', ageMs: 20 * minute },
    { path: '/work/old', ageMs: 50 * minute },
    { path: '/work/over', ageMs: 90 * minute },
  ];
  const second = next(rig, store, { options: { gcDelayMs: 60 * minute }, deps: { formerSandboxes } });
  t.deepEqual(second.removed, ['/work/over']);
  second.clock.advance(10 * minute);
  t.deepEqual(second.removed, ['/work/over', '/work/old']);
  second.containers.of('a').exit(0);
  second.clock.advance(30 * minute);
  t.deepEqual(second.removed, ['/work/over', '/work/old', '/work/young']);
  second.clock.advance(30 * minute);
  t.deepEqual(second.removed.at(-1), sandbox);
});
