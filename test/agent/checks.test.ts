// Stories of checks and health checks of tasks on one agent under virtual time: what is looked at, what the framework is told, what ends a task.
import test from 'ava';
import { must } from '../../src/base/assert.js';
import type { HealthCheckInfo, TaskInfo } from '../../src/protocol/entities.js';
import { AgentRig, framework, task } from '../support/agent-rig.js';

const killingFramework = { ...framework, capabilities: ['TASK_KILLING_STATE'] as const };

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

test('a task with several health checks is healthy when all say so; each tells how it stands, and any may end it', t => {
  const rig = new AgentRig();
  const answers = new Map([
    [31_000, [200, 200, 200]],
    [31_001, [500, 200, 500]],
  ]);
  rig.prober.answerHttp = url => ({ statusCode: answers.get(Number(new URL(url).port))?.shift() ?? 500 });
  const second = { ...health, probe: { type: 'HTTP', port: 31_001 }, consecutiveFailures: 0 } as const;
  const checks = [{ probe: { type: 'HTTP', port: 31_002 }, delayMs: 60_000 }] as const;
  rig.launch([task('web', { healthCheck: health, healthChecks: [second], checks })]);
  rig.clock.advance(2000);
  const start = rig.clock.wallMs() - 2000;
  const cause = 'http://127.0.0.1:31001/ answered 500';
  const well = { consecutiveFailures: 0, firstSuccessMs: start, lastSuccessMs: start };
  t.deepEqual(
    rig.statuses('web').map(status => [status.healthy, status.health]),
    [
      [undefined, undefined],
      [undefined, [well, { consecutiveFailures: 0 }]],
      [false, [well, { consecutiveFailures: 1, lastFailureMs: start, lastFailureCause: cause }]],
      [
        true,
        [
          well,
          {
            consecutiveFailures: 0,
            firstSuccessMs: start + 1000,
            lastSuccessMs: start + 1000,
            lastFailureMs: start,
            lastFailureCause: cause,
          },
        ],
      ],
      [
        false,
        [
          well,
          {
            consecutiveFailures: 1,
            firstSuccessMs: start + 1000,
            lastSuccessMs: start + 1000,
            lastFailureMs: start + 2000,
            lastFailureCause: cause,
          },
        ],
      ],
    ],
  );
  t.deepEqual(rig.last('web').checks, [{ type: 'HTTP' }]);
  rig.clock.advance(10_000);
  t.like(rig.last('web'), { state: 'TASK_KILLED', healthy: false, reason: 'TASK_UNHEALTHY' });
  t.is(rig.last('web').health?.[0]?.consecutiveFailures, 3, 'the first one ends it');
});

test('a health check that must not kill only tells', t => {
  const rig = new AgentRig();
  rig.prober.answerHttp = () => ({ statusCode: 500 });
  rig.launch([healthTask({ consecutiveFailures: 0 })]);
  rig.clock.advance(60_000);
  t.like(rig.last('web'), { state: 'TASK_RUNNING', healthy: false });
  t.is(rig.last('web').health?.[0]?.consecutiveFailures, 61);
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
  const strict = new AgentRig();
  strict.launch([healthTask({ consecutiveFailures: 1 })]);
  strict.prober.https[0]?.done({ statusCode: 500 });
  strict.clock.advance(1000);
  t.regex(strict.last('web').message ?? '', /^the health check failed: .* answered 500/);
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

test('an HTTP check passes the code on, a TCP check whether there was a connection, each when it changes', t => {
  const rig = new AgentRig();
  const codes = [200, 200, 404];
  rig.prober.answerHttp = () => {
    const statusCode = codes.shift();
    return statusCode === undefined ? { error: 'ECONNREFUSED' } : { statusCode };
  };
  const check = { delayMs: 0, intervalMs: 1000, timeoutMs: 500 };
  rig.launch([
    task('http', { check: { ...check, probe: { type: 'HTTP', port: 31_000 } } }),
    task('tcp', { check: { ...check, probe: { type: 'TCP', port: 31_001 } } }),
  ]);
  for (const connected of [true, true, false]) {
    rig.prober.tcps.at(-1)?.done({ connected });
    rig.clock.advance(1000);
  }
  const seen = (id: string): unknown[] => rig.statuses(id).map(({ check }) => check);
  t.deepEqual(seen('http'), [
    { type: 'HTTP' },
    { type: 'HTTP', statusCode: 200 },
    { type: 'HTTP', statusCode: 404 },
    { type: 'HTTP' },
  ]);
  t.deepEqual(seen('tcp'), [{ type: 'TCP' }, { type: 'TCP', succeeded: true }, { type: 'TCP', succeeded: false }]);
});
