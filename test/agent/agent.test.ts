// Stories of one agent: what it registers, runs, reports and ends, under virtual time. Numbers refer to nothing but themselves.
import test from 'ava';
import { must } from '../../src/base/assert.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import type { HealthCheckInfo, TaskInfo } from '../../src/protocol/entities.js';
import { agentId, AgentRig, framework, frameworkId, masterInfo, task } from '../support/agent-rig.js';

const week = 7 * 86_400_000;
const killingFramework = { ...framework, capabilities: ['TASK_KILLING_STATE'] as const };

test('a process that does its work goes from staging over running to finished', t => {
  const rig = new AgentRig();
  rig.launch([task('a')]);
  rig.containers.of('a').exit(0);
  rig.settle();
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
  const [running, finished] = rig.statuses('a');
  t.like(running, { source: 'AGENT', agentId, container: { pid: 4711 }, timestampMs: rig.clock.wallMs() });
  t.like(finished, { exitCode: 0, message: 'exited with code 0' });
  t.not(running?.uuid, finished?.uuid);
});

test('a container is told all it needs, and none of the agent’s own environment', t => {
  const rig = new AgentRig();
  rig.launch([
    task('web', {
      resources: { cpus: 1.5, mem: 256, ports: [[31_002, 31_003]] },
      command: { value: 'serve', env: { PORT0: 'mine', PROFFER_TASK_ID: 'forged', COLOR: 'red' } },
    }),
  ]);
  const { spec } = rig.containers.of('web');
  t.is(spec.sandbox, `/work/frameworks/${frameworkId}/tasks/web/runs/${spec.containerId}`);
  t.deepEqual(spec.env, {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: spec.sandbox,
    CPUS: '1.5',
    MEM: '256',
    PORTS: '31002,31003',
    PORT0: 'mine',
    PORT1: '31003',
    COLOR: 'red',
    PROFFER_TASK_ID: 'web',
    PROFFER_FRAMEWORK_ID: frameworkId,
    PROFFER_AGENT_ID: agentId,
    PROFFER_SANDBOX: spec.sandbox,
    PROFFER_HOSTNAME: 'box-1',
  });
  t.deepEqual(
    [spec.cpusMilli, spec.cpusLimitMilli, spec.memLimitBytes, spec.user],
    [1500, undefined, 256 * 1024 * 1024, 'nobody'],
  );
  t.is(spec.labels['proffer.task'], 'web');
});

test('limits follow the task; hard cpu limits the option; an image keeps its PATH', t => {
  const rig = new AgentRig({ options: { cpuHardLimit: true } });
  const docker = { type: 'DOCKER' as const, docker: { image: 'busybox' } };
  rig.launch([
    task('plain'),
    task('wide', { limits: { cpus: 2, mem: 128 } }),
    task('free', { limits: { cpus: Number.POSITIVE_INFINITY, mem: Number.POSITIVE_INFINITY }, container: docker }),
  ]);
  const limits = (name: string): unknown[] => {
    const { spec } = rig.containers.of(name);
    return [spec.cpusMilli, spec.cpusLimitMilli, spec.memLimitBytes];
  };
  t.deepEqual(limits('plain'), [500, 500, 64 * 1024 * 1024]);
  t.deepEqual(limits('wide'), [500, 2000, 128 * 1024 * 1024]);
  t.deepEqual(limits('free'), [500, undefined, undefined]);
  t.false('PATH' in rig.containers.of('free').spec.env);
});

test('how a task ends is told exactly: exit code, signal, memory', t => {
  const rig = new AgentRig();
  rig.launch([task('seven'), task('crash'), task('hungry')]);
  rig.containers.of('seven').exit(7);
  rig.containers.of('crash').exitBySignal('SIGSEGV');
  rig.containers.of('hungry').exitBySignal('SIGKILL', true);
  rig.settle();
  t.like(rig.last('seven'), { state: 'TASK_FAILED', reason: 'COMMAND_EXECUTOR_FAILED', exitCode: 7 });
  t.like(rig.last('crash'), { state: 'TASK_FAILED', signal: 'SIGSEGV', message: 'ended by SIGSEGV' });
  t.like(rig.last('hungry'), { state: 'TASK_FAILED', reason: 'CONTAINER_LIMITATION_MEMORY' });
  t.regex(rig.last('hungry').message ?? '', /memory limit of 64 MiB/);
});

test('preparing is told as starting, at most once a second, and the newest waits in place of older ones', t => {
  const rig = new AgentRig({ script: { starts: false }, acknowledges: false });
  rig.launch([task('a', { container: { type: 'DOCKER', docker: { image: 'big' } } })]);
  const container = rig.containers.of('a');
  for (let percent = 0; percent < 100; percent += 1) {
    container.progress(`pulled ${percent}%`, percent / 100);
    rig.clock.advance(50);
  }
  // Five seconds of pulling; the first is in flight and unacknowledged.
  t.deepEqual(rig.states('a'), ['TASK_STARTING']);
  t.deepEqual(rig.last('a').labels, { phase: 'PULLING', fraction: '0.000' });
  container.started();
  rig.acknowledge(rig.last('a'));
  t.is(rig.last('a').message, 'pulled 80%');
  rig.acknowledge(rig.last('a'));
  t.deepEqual(rig.states('a'), ['TASK_STARTING', 'TASK_STARTING', 'TASK_RUNNING']);
});

test('an image that cannot be pulled fails the task with the engine’s reason', t => {
  const rig = new AgentRig({ script: { starts: false } });
  rig.launch([task('a', { container: { type: 'DOCKER', docker: { image: 'nope' } } })]);
  rig.containers.of('a').fail('IMAGE_PULL_FAILED', 'pull access denied for nope');
  rig.settle();
  t.like(rig.last('a'), {
    state: 'TASK_FAILED',
    reason: 'CONTAINER_LAUNCH_FAILED',
    message: 'pull access denied for nope',
  });
  t.is(rig.agent.view().used['cpus'], undefined);
});

test('a kill ends a running task; killing is told only to frameworks that want it', t => {
  const rig = new AgentRig();
  rig.launch([task('quiet')]);
  rig.kill('quiet');
  t.deepEqual(rig.states('quiet'), ['TASK_RUNNING', 'TASK_KILLED']);
  t.like(rig.last('quiet'), { signal: 'SIGTERM' });

  rig.launch([task('told')], undefined, killingFramework);
  rig.kill('told');
  t.deepEqual(rig.states('told'), ['TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']);
});

test('the grace period: the kill’s goes before the task’s before the agent’s; later kills shorten it only', t => {
  const rig = new AgentRig({ script: { onKill: 'stubborn' } });
  rig.launch([task('agents'), task('tasks', { killPolicy: { gracePeriodMs: 8000 } }), task('kills')]);
  rig.kill('agents');
  rig.kill('tasks');
  rig.kill('kills', 20_000);
  t.deepEqual(rig.containers.of('agents').kills, [3000]);
  t.deepEqual(rig.containers.of('tasks').kills, [8000]);
  rig.clock.advance(1000);
  rig.kill('kills', 30_000);
  t.deepEqual(rig.containers.of('kills').kills, [20_000], 'longer is ignored');
  rig.kill('kills', 5000);
  t.deepEqual(rig.containers.of('kills').kills, [20_000, 5000]);
  rig.clock.advance(4999);
  t.is(rig.last('kills').state, 'TASK_RUNNING');
  rig.clock.advance(1);
  t.like(rig.last('kills'), { state: 'TASK_KILLED', signal: 'SIGKILL' });
});

test('a task that exits by itself or turns unhealthy while it is being killed is still killed', t => {
  const rig = new AgentRig({ script: { onKill: 'waits' } });
  rig.launch([task('a')]);
  rig.kill('a');
  rig.containers.of('a').exit(0);
  rig.settle();
  t.like(rig.last('a'), { state: 'TASK_KILLED', exitCode: 0 });
});

test('a kill while the image is pulled ends the task before it started', t => {
  const rig = new AgentRig({ script: { starts: false } });
  rig.launch([task('a', { container: { type: 'DOCKER', docker: { image: 'big' } } })]);
  rig.containers.of('a').progress('pulling');
  rig.kill('a');
  t.deepEqual(rig.states('a'), ['TASK_STARTING', 'TASK_KILLED']);
  t.is(rig.last('a').reason, 'TASK_KILLED_DURING_LAUNCH');
});

test('a task that runs too long fails with the reason', t => {
  const rig = new AgentRig();
  rig.launch([task('a', { maxCompletionTimeMs: 60_000 }), task('quick', { maxCompletionTimeMs: 60_000 })]);
  rig.containers.of('quick').exit(0);
  rig.clock.advance(59_999);
  t.is(rig.last('a').state, 'TASK_RUNNING');
  rig.clock.advance(1);
  t.like(rig.last('a'), { state: 'TASK_FAILED', reason: 'MAX_COMPLETION_TIME_REACHED' });
  t.is(rig.last('quick').state, 'TASK_FINISHED');
  t.deepEqual(rig.containers.of('quick').kills, []);
});

test('what the agent cannot run is answered at once, in words', t => {
  const rig = new AgentRig({ info: { containerizers: ['PROCESS'] } });
  const other = new AgentRig({ deps: { containerizer: rig.containers } });
  t.true(other.agent.registered);
  rig.launch([
    task('ports', { resources: { cpus: 1, ports: [[40_000, 40_000]] } }),
    task('big', { resources: { cpus: 3.9, mem: 5000 } }),
    task('fits', { resources: { cpus: 4, mem: 4096, ports: [[31_000, 31_009]] } }),
    task('late', { resources: { cpus: 0.1, ports: [[31_005, 31_005]] } }),
    task('..', { resources: { cpus: 0 } }),
  ]);
  t.like(rig.last('ports'), { state: 'TASK_DROPPED', reason: 'RESOURCES_UNKNOWN' });
  t.regex(rig.last('ports').message ?? '', /ports lacks 40000/);
  t.regex(rig.last('big').message ?? '', /mem short by 904 \(wanted 5000, have 4096\)/);
  t.is(rig.last('fits').state, 'TASK_RUNNING');
  t.regex(rig.last('late').message ?? '', /cpus short by 0.1.*ports lacks 31005/);
  t.like(rig.last('..'), { state: 'TASK_ERROR', reason: 'TASK_INVALID' });
  t.is(rig.containers.launched.length, 1);
});

test('an unknown containerizer type is refused with what there is', t => {
  const rig = new AgentRig();
  Object.defineProperty(rig.containers, 'types', { value: ['PROCESS'] });
  rig.launch([task('a', { container: { type: 'DOCKER', docker: { image: 'x' } } })]);
  t.like(rig.last('a'), {
    state: 'TASK_FAILED',
    reason: 'CONTAINER_LAUNCH_FAILED',
    message: 'the agent runs no DOCKER containers, only PROCESS',
  });
});

test('a task launched twice runs once', t => {
  const rig = new AgentRig();
  rig.launch([task('a')]);
  rig.launch([task('a'), task('b'), task('b')]);
  t.is(rig.containers.launched.length, 2);
  t.deepEqual(rig.states('a'), ['TASK_RUNNING']);
});

test('resources come back with the container’s end, not with the kill', t => {
  const rig = new AgentRig({ script: { onKill: 'waits' }, acknowledges: false });
  const all = task('all', { resources: { cpus: 4, ports: [[31_000, 31_000]] } });
  rig.launch([all]);
  rig.kill('all');
  t.deepEqual(rig.agent.view().used, { cpus: 4, ports: [[31_000, 31_000]] });
  rig.launch([task('early', { resources: { cpus: 1 } })]);
  t.is(rig.last('early').state, 'TASK_DROPPED');
  rig.containers.of('all').exitBySignal('SIGTERM');
  rig.launch([task('next', { resources: { cpus: 4, ports: [[31_000, 31_000]] } })]);
  t.is(rig.last('next').state, 'TASK_RUNNING');
});

test('reserved resources count by name alone', t => {
  const rig = new AgentRig({ info: { resources: { cpus: 1, 'cpus(ads)': 2, mem: 1024 } } });
  rig.launch([
    task('plain', { resources: { cpus: 2.5 } }),
    task('labelled', { resources: { 'cpus(ads)': 0.5 } }),
    task('more', { resources: { cpus: 0.001 } }),
  ]);
  t.deepEqual(
    ['plain', 'labelled', 'more'].map(id => rig.last(id).state),
    ['TASK_RUNNING', 'TASK_RUNNING', 'TASK_DROPPED'],
  );
});

// Groups

test('a group starts whole or not at all', t => {
  const rig = new AgentRig();
  rig.launch([task('a'), task('b', { resources: { mem: 99_999 } }), task('c')], 'pod');
  t.is(rig.containers.launched.length, 0);
  t.like(rig.last('b'), { state: 'TASK_DROPPED', reason: 'RESOURCES_UNKNOWN' });
  for (const id of ['a', 'c']) {
    t.like(rig.last(id), { state: 'TASK_KILLED', reason: 'TASK_GROUP_MEMBER_ENDED' });
    t.regex(rig.last(id).message ?? '', /^not started: b of its group: .*mem short by/);
  }
  t.deepEqual(rig.agent.view().used, {});
});

for (const [what, end] of [
  ['fails', (rig: AgentRig) => rig.containers.of('a').exit(1)],
  ['is killed', (rig: AgentRig) => rig.kill('a')],
  ['dies of a signal', (rig: AgentRig) => rig.containers.of('a').exitBySignal('SIGKILL')],
] as const) {
  test(`a group ends when a member ${what}, and another group goes on`, t => {
    const rig = new AgentRig();
    rig.launch([task('a'), task('b'), task('c')], 'pod');
    rig.launch([task('other')], 'pod-2');
    end(rig);
    rig.settle();
    for (const id of ['b', 'c']) t.like(rig.last(id), { state: 'TASK_KILLED', reason: 'TASK_GROUP_MEMBER_ENDED' }, id);
    t.is(rig.last('other').state, 'TASK_RUNNING');
  });
}

test('a member of a group that finishes well leaves the others running', t => {
  const rig = new AgentRig();
  rig.launch([task('init'), task('web')], 'pod');
  rig.containers.of('init').exit(0);
  rig.settle();
  t.is(rig.last('init').state, 'TASK_FINISHED');
  t.is(rig.last('web').state, 'TASK_RUNNING');
  rig.containers.of('web').exit(0);
  rig.settle();
  t.is(rig.last('web').state, 'TASK_FINISHED');
});

// Checks

const health: HealthCheckInfo = {
  probe: { type: 'HTTP', port: 31_000, path: '/health' },
  delayMs: 0,
  intervalMs: 1000,
  timeoutMs: 500,
  gracePeriodMs: 0,
  consecutiveFailures: 3,
};

function healthTask(more: Partial<HealthCheckInfo> = {}): TaskInfo {
  return task('web', { healthCheck: { ...health, ...more } });
}

test('a task that turns unhealthy is reported each time, and killed at the limit', t => {
  const rig = new AgentRig();
  const codes = [200, 200, 500, 404, 200, 500, 500, 500];
  rig.prober.answerHttp = () => ({ statusCode: codes.shift() ?? 500 });
  rig.launch([healthTask()], undefined, killingFramework);
  rig.clock.advance(10_000);
  t.deepEqual(
    rig.statuses('web').map(({ state, healthy, reason }) => [state, healthy, reason]),
    [
      ['TASK_RUNNING', undefined, undefined],
      ['TASK_RUNNING', true, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_RUNNING', false, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_RUNNING', false, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_RUNNING', true, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_RUNNING', false, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_RUNNING', false, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_RUNNING', false, 'TASK_HEALTH_CHECK_STATUS_UPDATED'],
      ['TASK_KILLING', false, 'TASK_UNHEALTHY'],
      ['TASK_KILLED', false, 'TASK_UNHEALTHY'],
    ],
  );
  const looks = rig.prober.https.length;
  t.is(rig.prober.https[0]?.url, 'http://127.0.0.1:31000/health');
  rig.clock.advance(60_000);
  t.is(rig.prober.https.length, looks, 'nobody looks at the dead');
});

test('failures in the grace period count only after the first success', t => {
  const patient = new AgentRig();
  patient.prober.answerHttp = () => ({ statusCode: patient.clock.now() < 5500 ? 503 : 200 });
  patient.launch([healthTask({ gracePeriodMs: 6000 })]);
  patient.clock.advance(20_000);
  t.deepEqual(
    patient.statuses('web').map(status => status.healthy),
    [undefined, true],
  );

  const early = new AgentRig();
  early.prober.answerHttp = () => ({ statusCode: early.clock.now() === 0 ? 200 : 503 });
  early.launch([healthTask({ gracePeriodMs: 60_000 })]);
  early.clock.advance(3000);
  t.is(early.last('web').state, 'TASK_KILLED');
});

test('redirects are healthy, silence is not, and a look that hangs holds nobody up for ever', t => {
  const rig = new AgentRig();
  rig.launch([healthTask({ consecutiveFailures: 2 })]);
  rig.prober.https[0]?.done({ statusCode: 399 });
  t.true(rig.last('web').healthy);
  rig.clock.advance(2000);
  t.is(rig.prober.https.length, 2, 'a slow look is not overtaken');
  t.true(rig.last('web').healthy);
  rig.clock.advance(3000);
  rig.prober.https.at(-1)?.done({ error: 'ECONNREFUSED' });
  rig.clock.advance(1000);
  t.like(rig.last('web'), { state: 'TASK_KILLED', healthy: false });
  t.regex(rig.last('web').message ?? '', /^2 health checks failed in a row/);
});

test('looks by command and by connection; a command sees exit code and output', t => {
  const rig = new AgentRig();
  const checks = { delayMs: 0, intervalMs: 1000, timeoutMs: 500, gracePeriodMs: 0, consecutiveFailures: 1 };
  rig.launch([
    task('cmd', { healthCheck: { ...checks, probe: { type: 'COMMAND', command: { value: 'check' } } } }),
    task('tcp', { healthCheck: { ...checks, probe: { type: 'TCP', port: 31_001 } } }),
  ]);
  const exec = must(rig.containers.of('cmd').execs[0], 'exec');
  t.deepEqual([exec.command.value, exec.timeoutMs], ['check', 500]);
  exec.done({ exitCode: 2, timedOut: false, output: 'disk full' });
  t.is(rig.prober.tcps[0]?.address, '127.0.0.1:31001');
  rig.prober.tcps[0]?.done({ connected: true });
  rig.settle();
  t.regex(rig.last('cmd').message ?? '', /the command exited with 2: disk full/);
  t.is(rig.last('cmd').state, 'TASK_KILLED');
  t.like(rig.last('tcp'), { state: 'TASK_RUNNING', healthy: true });
});

test('a task with an address of its own is looked at there, or at the host port that maps to it', t => {
  const docker = {
    image: 'web',
    portMappings: [{ hostPort: 31_000, containerPort: 8080 }],
  };
  const rig = new AgentRig({ script: { ip: '172.17.0.2' } });
  const check = { delayMs: 0, intervalMs: 60_000, gracePeriodMs: 0 };
  const at = (id: string, port: number): TaskInfo =>
    task(id, {
      container: { type: 'DOCKER', docker },
      healthCheck: { ...check, probe: { type: 'HTTP', port } },
    });
  rig.launch([at('inside', 8080), at('outside', 31_000), at('unmapped', 9090)]);
  t.deepEqual(
    rig.prober.https.map(({ url }) => url),
    ['http://172.17.0.2:8080/', 'http://127.0.0.1:31000/', 'http://172.17.0.2:9090/'],
  );
});

test('check results go to the framework when they change, an unanswered look is an empty one, and health does not mask them', t => {
  const rig = new AgentRig();
  rig.prober.answerHttp = () => ({ statusCode: 200 });
  rig.launch([
    healthTask({ intervalMs: 60_000 }),
    task('odd', {
      check: { probe: { type: 'COMMAND', command: { value: 'c' } }, delayMs: 0, intervalMs: 1000, timeoutMs: 500 },
      healthCheck: { ...health, intervalMs: 60_000 },
    }),
  ]);
  t.is(rig.last('web').check, undefined);
  const looks = rig.containers.of('odd').execs;
  const answer = (exitCode: number): void => {
    must(looks.at(-1), 'look').done({ exitCode, timedOut: false, output: '' });
    rig.clock.advance(1000);
  };
  const silence = (): void => {
    const before = looks.length;
    while (looks.length === before) rig.clock.advance(500);
  };
  t.deepEqual(rig.statuses('odd')[0]?.check, { type: 'COMMAND' });
  answer(0);
  answer(0);
  answer(3);
  silence();
  silence();
  const checks = rig.statuses('odd').filter(status => status.reason === 'TASK_CHECK_STATUS_UPDATED');
  t.deepEqual(
    checks.map(({ check, healthy, state }) => ({ check, healthy, state })),
    [
      { check: { type: 'COMMAND', exitCode: 0 }, healthy: true, state: 'TASK_RUNNING' },
      { check: { type: 'COMMAND', exitCode: 3 }, healthy: true, state: 'TASK_RUNNING' },
      { check: { type: 'COMMAND' }, healthy: true, state: 'TASK_RUNNING' },
    ],
  );
});

// Statuses

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
  const written: { onDurable: (error?: Error) => void; changes: unknown }[] = [];
  const records: { key: string; value: unknown }[] = [];
  const store = {
    load: () => records,
    write: (changes: unknown, onDurable: (error?: Error) => void) => void written.push({ changes, onDurable }),
    close: () => {},
  };
  const rig = new AgentRig({ deps: { store } });
  t.false(rig.agent.registered);
  t.deepEqual(written[0]?.changes, [{ key: 'agent/id', value: agentId }]);
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
  t.deepEqual(
    [rig.states('a'), rig.states('lost')],
    [['TASK_RUNNING'], ['TASK_DROPPED']],
    'what came meanwhile is done now',
  );

  records.push({ key: 'agent/id', value: agentId });
  const next = new AgentRig({ deps: { store } });
  t.is(next.calls('REGISTER')[0]?.agentId, agentId);
  t.true(next.agent.registered);

  records.pop();
  const errors: string[] = [];
  const broken = new AgentRig({
    deps: { store, outcomes: { onFatal: error => errors.push(`${error.code}: ${error.message}`) } },
  });
  written.at(-1)?.onDurable(new Error('disk full'));
  t.deepEqual(errors, ["STORE_FAILED: the agent's id could not be kept: disk full"]);
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

test('an agent that shuts down ends its tasks, tells how, unregisters and is done when nothing runs', t => {
  const rig = new AgentRig({ script: { onKill: 'stubborn' } });
  rig.launch([task('a'), task('b', { killPolicy: { gracePeriodMs: 10_000 } })]);
  let done = 0;
  rig.agent.shutdown(() => (done += 1));
  rig.launch([task('late')]);
  t.like(rig.last('late'), { state: 'TASK_DROPPED', reason: 'AGENT_SHUT_DOWN' });
  rig.clock.advance(9999);
  t.like(rig.last('a'), { state: 'TASK_KILLED', reason: 'AGENT_SHUT_DOWN' });
  t.is(done, 0);
  rig.clock.advance(1);
  t.is(done, 1);
  t.deepEqual(
    rig.said.slice(-2).map(call => call.type),
    ['STATUS_UPDATE', 'UNREGISTER'],
  );
  t.true(rig.connectionClosed);
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

  const idle = new AgentRig();
  let done = false;
  idle.agent.shutdown(() => (done = true));
  t.true(done);
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
