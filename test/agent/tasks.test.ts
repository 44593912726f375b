// Stories of the tasks of one agent under virtual time: how they are started, told of, limited, killed and grouped.
import test from 'ava';
import { agentId, AgentRig, framework, frameworkId, task } from '../support/agent-rig.js';

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
  t.is(spec.sandbox, `/work/frameworks/${frameworkId}/tasks/web/${spec.containerId}`);
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

test('a framework that learns of killing while its task runs is told of it', t => {
  const rig = new AgentRig();
  rig.launch([task('a')]);
  rig.tell({ type: 'UPDATE_FRAMEWORK', framework: killingFramework });
  rig.tell({ type: 'UPDATE_FRAMEWORK', framework: { ...killingFramework, id: 'fw-of-others' } });
  rig.kill('a');
  t.deepEqual(rig.states('a'), ['TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']);
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
