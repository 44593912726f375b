// Health and readiness of Marathon's instances: what agents are told to look at, what is made of what they tell, and that a failover forgets nothing.
import test from 'ava';
import type { Offer, TaskSpec, TaskStatus } from '../../../../src/index.js';
import { launch } from '../../../../src/index.js';
import { cluster } from '../../../../src/testing/index.js';
import { HealthBook, healthCheckTellings } from '../../../../frameworks/marathon/health/book.js';
import { appChecks, podChecks } from '../../../../frameworks/marathon/health/checks.js';
import { taskCounts } from '../../../../frameworks/marathon/health/counts.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import type { AppDefinition, AppHealthCheck } from '../../../../frameworks/marathon/model/app.js';
import { app, instanceOf, pod } from '../records/specs.js';

const times = {
  gracePeriodMs: 300_000,
  intervalMs: 60_000,
  timeoutMs: 20_000,
  delayMs: 15_000,
  maxConsecutiveFailures: 0,
};
const http = { ...times, path: '/health', ignoreHttp1xx: false, ipProtocol: 'IPv4' } as const;
const readiness = {
  name: 'readinessCheck',
  protocol: 'HTTP',
  path: '/ready',
  portName: 'api',
  intervalMs: 30_000,
  timeoutMs: 10_000,
  httpStatusCodesForReady: [200, 201],
  preserveLastResponse: true,
} as const;
const ports = [
  { port: 10_000, protocol: 'tcp', labels: {} },
  { port: 10_001, protocol: 'tcp', name: 'api', labels: {} },
] as const;

function web(healthChecks: readonly AppHealthCheck[], more: Partial<AppDefinition> = {}): AppDefinition {
  return app('/web', 1000, { portDefinitions: ports, healthChecks, ...more });
}

const portAt = (index: number): number => 31_000 + index;

test('each protocol is looked at by the agent, at the port that the task got', t => {
  const checks: readonly AppHealthCheck[] = [
    { ...http, protocol: 'HTTP', portIndex: 1 },
    { ...http, protocol: 'HTTPS', port: 443 },
    { ...times, protocol: 'TCP', ipProtocol: 'IPv4' },
    { ...times, protocol: 'COMMAND', command: { value: 'true' } },
    { ...http, protocol: 'MESOS_HTTP', path: 'no-slash' },
    { ...http, protocol: 'MESOS_HTTPS', portIndex: 0 },
    { ...times, protocol: 'MESOS_TCP', portIndex: 1, ipProtocol: 'IPv4', maxConsecutiveFailures: 3 },
  ];
  const { healthChecks } = appChecks(web(checks), portAt);
  t.deepEqual(
    healthChecks?.map(({ probe, delayMs, consecutiveFailures }) => [probe, delayMs, consecutiveFailures]),
    [
      [{ type: 'HTTP', port: 31_001, path: '/health', scheme: 'http' }, 0, 0],
      [{ type: 'HTTP', port: 443, path: '/health', scheme: 'https' }, 0, 0],
      [{ type: 'TCP', port: 31_000 }, 0, 0],
      [{ type: 'COMMAND', command: { value: 'true' } }, 15_000, 1],
      [{ type: 'HTTP', port: 31_000, path: '/no-slash', scheme: 'http' }, 15_000, 1],
      [{ type: 'HTTP', port: 31_000, path: '/health', scheme: 'https' }, 15_000, 1],
      [{ type: 'TCP', port: 31_001 }, 15_000, 3],
    ],
  );
  t.like(healthChecks?.[0], { gracePeriodMs: 300_000, intervalMs: 60_000, timeoutMs: 20_000 });
});

test('readiness is a check of its own beside the one that only reports', t => {
  const probe = { type: 'exec', command: { shell: 'look' } } as const;
  const checked = web([], { readinessChecks: [readiness], check: { intervalMs: 1, timeoutMs: 2, delayMs: 3, probe } });
  t.deepEqual(appChecks(checked, portAt), {
    check: { probe: { type: 'COMMAND', command: { value: 'look' } }, intervalMs: 1, timeoutMs: 2, delayMs: 3 },
    checks: [
      {
        probe: { type: 'HTTP', port: 31_001, path: '/ready', scheme: 'http' },
        delayMs: 0,
        intervalMs: 30_000,
        timeoutMs: 10_000,
      },
    ],
  });
  const [container] = pod('/p', 1).containers;
  const named = { e: 31_005 } as const;
  const health = { ...times, probe: { type: 'tcp', endpoint: 'e' } } as const;
  const at = (name: string): number | undefined => (name === 'e' ? named.e : undefined);
  t.deepEqual(container && podChecks({ ...container, healthCheck: health }, at).healthChecks?.[0]?.probe, {
    type: 'TCP',
    port: 31_005,
  });
});

const spec = web([
  { ...http, protocol: 'HTTP', portIndex: 0 },
  { ...times, protocol: 'TCP', portIndex: 1, ipProtocol: 'IPv4' },
]);
const taskId = 'web.instance-1._app.1';
const instance: Instance = {
  ...instanceOf(spec, 1),
  condition: 'Running',
  place: { agentId: 'S1', hostname: 'box', attributes: {} },
  tasks: [{ id: taskId, condition: 'Running', stagedAt: 1, hostPorts: [31_000, 31_001] }],
};
const at = Date.parse('2024-01-31T12:00:00.000Z');
const told = 'TASK_HEALTH_CHECK_STATUS_UPDATED';

function status(more: Partial<TaskStatus>): TaskStatus {
  return { taskId, state: 'TASK_RUNNING', source: 'AGENT', timestampMs: at, ...more };
}

const well = { consecutiveFailures: 0, firstSuccessMs: at, lastSuccessMs: at };
const unknown = { consecutiveFailures: 0 };
const ill = (failures: number) => ({
  ...well,
  consecutiveFailures: failures,
  lastFailureMs: at + 1000,
  lastFailureCause: 'refused',
});

test('results are told as they change: alive, failures, the end of one that fails too often', t => {
  const book = new HealthBook();
  const take = (more: Partial<TaskStatus>): string[] =>
    book
      .take(status(more), instance, spec)
      .map(telling => ('alive' in telling ? `${telling.type} ${telling.alive}` : telling.type));
  t.deepEqual(take({}), []);
  t.deepEqual(book.resultsOf(taskId, instance), []);
  t.deepEqual(take({ reason: told, health: [well, unknown] }), ['health_status_changed_event true']);
  t.deepEqual(take({ reason: told, healthy: true, health: [well, well] }), ['health_status_changed_event true']);
  t.deepEqual(take({ reason: told, healthy: false, health: [well, ill(1)] }), [
    'failed_health_check_event',
    'health_status_changed_event false',
  ]);
  t.deepEqual(take({ reason: told, healthy: false, health: [well, ill(2)] }), ['failed_health_check_event']);
  t.deepEqual(book.resultsOf(taskId, instance), [
    {
      alive: true,
      consecutiveFailures: 0,
      firstSuccess: '2024-01-31T12:00:00.000Z',
      lastSuccess: '2024-01-31T12:00:00.000Z',
      lastFailure: null,
      lastFailureCause: null,
      instanceId: 'web.instance-1',
    },
    {
      alive: false,
      consecutiveFailures: 2,
      firstSuccess: '2024-01-31T12:00:00.000Z',
      lastSuccess: '2024-01-31T12:00:00.000Z',
      lastFailure: '2024-01-31T12:00:01.000Z',
      lastFailureCause: 'refused',
      instanceId: 'web.instance-1',
    },
  ]);
  const end = { reason: 'TASK_UNHEALTHY', message: '3 failed', agentId: 'S1', health: [well, ill(3)] } as const;
  t.deepEqual(book.take(status({ ...end, state: 'TASK_KILLING' }), instance, spec), [
    {
      type: 'unhealthy_instance_kill_event',
      appId: '/web',
      taskId,
      instanceId: 'web.instance-1',
      version: 1000,
      reason: '3 failed',
      host: 'box',
      slaveId: 'S1',
    },
  ]);
  t.deepEqual(take({ ...end, state: 'TASK_KILLED' }), [], 'it is told once');
  t.deepEqual(book.resultsOf(taskId, instance), [], 'its next task begins anew');
});

test('what is told again after a failover is taken in without a word', t => {
  const book = new HealthBook();
  const again = status({ source: 'MASTER', reason: 'RECONCILIATION', healthy: false, health: [well, ill(7)] });
  t.deepEqual(book.take(again, instance, spec), []);
  t.like(book.resultsOf(taskId, instance)[1], { alive: false, consecutiveFailures: 7 });
  t.deepEqual(
    book.take(status({ reason: told, health: [well, ill(8)] }), instance, spec).map(({ type }) => type),
    ['failed_health_check_event'],
  );
});

test('of an executor that says only whether a task is healthy, that much is known', t => {
  const book = new HealthBook();
  for (const healthy of [true, true, false]) book.take(status({ healthy, message: 'm' }), instance, spec);
  t.deepEqual(book.resultsOf(taskId, instance), [
    {
      alive: false,
      consecutiveFailures: 1,
      firstSuccess: '2024-01-31T12:00:00.000Z',
      lastSuccess: '2024-01-31T12:00:00.000Z',
      lastFailure: '2024-01-31T12:00:00.000Z',
      lastFailureCause: 'm',
      instanceId: 'web.instance-1',
    },
  ]);
});

test('an instance is ready when each of its tasks has answered so, and its results say what it answered', t => {
  const book = new HealthBook();
  const checked = web([], { readinessChecks: [readiness] });
  const results = (): object[] => book.readinessResultsOf([instance], checked);
  t.true(book.isReady(instance, spec), 'no checks, no wait');
  t.false(book.isReady(instance, checked));
  t.deepEqual(results(), [{ name: 'readinessCheck', taskId, ready: false }]);
  book.take(status({ checks: [{ type: 'HTTP', statusCode: 503 }] }), instance, checked);
  t.false(book.isReady(instance, checked));
  t.like(results()[0], { ready: false, lastResponse: { status: 503 } });
  book.take(
    status({ checks: [{ type: 'HTTP', statusCode: 201 }], check: { type: 'COMMAND', exitCode: 3 } }),
    instance,
    checked,
  );
  t.true(book.isReady(instance, checked));
  t.like(results()[0], { ready: true });
  t.deepEqual(book.checkResultOf(taskId), { command: { exitCode: 3 } });
  t.is(book.checkResultOf('other'), undefined);
  book.forget(taskId);
  t.false(book.isReady(instance, checked));
});

test('instances are counted by how they stand; without checks they are neither healthy nor not', t => {
  const one = (more: Partial<Instance>): Instance => ({ ...instance, ...more });
  const counts = taskCounts([
    one({ condition: 'Scheduled' }),
    one({ condition: 'Staging' }),
    one({ condition: 'Provisioned' }),
    one({ healthy: true }),
    one({ healthy: false }),
    one({}),
    one({ hasHealthChecks: false, healthy: true }),
    one({ condition: 'Unreachable' }),
  ]);
  t.deepEqual(counts, { tasksStaged: 2, tasksRunning: 4, tasksHealthy: 1, tasksUnhealthy: 1 });
});

test('a new definition brings its checks, the former ones go', t => {
  t.deepEqual(
    healthCheckTellings(undefined, spec).map(({ type }) => type),
    ['add_health_check_event', 'add_health_check_event'],
  );
  t.deepEqual(
    healthCheckTellings(spec, web([])).map(({ type }) => type),
    ['remove_health_check_event', 'remove_health_check_event'],
  );
  t.deepEqual(healthCheckTellings(pod('/p', 1), undefined), []);
});

test('results are there again after scheduler, master and agent have been away, and failures go on being counted', t => {
  const checked = web([
    { ...http, protocol: 'HTTP', portIndex: 0, gracePeriodMs: 0, intervalMs: 1000 },
    { ...times, protocol: 'TCP', port: 9, ipProtocol: 'IPv4', gracePeriodMs: 0, intervalMs: 1000 },
  ]);
  const task: TaskSpec = {
    taskId,
    name: 'web',
    command: 'serve',
    resources: { cpus: 0.1, mem: 32, ports: [[31_000, 31_000]] },
    ...appChecks(checked, portAt),
  };
  const c = cluster({ seed: 5, agents: [{ resources: { cpus: 4, mem: 4096, ports: [[31_000, 31_009]] } }] });
  let book = new HealthBook();
  let launched = false;
  c.connect({ name: 'marathon', failoverTimeoutMs: 604_800_000 }, framework => {
    // Another process: nothing is known.
    book = new HealthBook();
    framework.updates$.subscribe(update => {
      book.take(update, instance, checked);
    });
    framework.offers$.subscribe((offer: Offer) => {
      if (launched) return framework.decline(offer);
      launched = true;
      framework.accept(offer, [launch(task)]);
    });
  });
  const failures = (): number =>
    (book.resultsOf(taskId, instance) as { readonly consecutiveFailures: number }[])[1]?.consecutiveFailures ?? 0;
  t.true(c.runUntil(() => failures() >= 5));
  const [first] = book.resultsOf(taskId, instance);
  t.like(first, { alive: true, consecutiveFailures: 0, lastFailure: null });

  for (const node of ['marathon', 'master', 'agent-1']) {
    const before = failures();
    c.crash(node);
    c.run('3s');
    c.restart(node);
    t.true(
      c.runUntil(() => failures() > before),
      node,
    );
    t.deepEqual(book.resultsOf(taskId, instance)[0], first, node);
  }
  t.is(c.running(), 1, 'it was never killed');
});
