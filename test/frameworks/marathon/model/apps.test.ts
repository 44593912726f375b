// Apps as users write them, old and new ways, become complete definitions; and replies show them in Marathon's form.
import test from 'ava';
import { appJson } from '../../../../frameworks/marathon/model/json/app.js';
import {
  hasOwnNetwork,
  isResident,
  persistentMountsOf,
  placementOf,
  portNeedsOf,
  resourcesOf,
} from '../../../../frameworks/marathon/model/run-spec.js';
import { defaultSettings } from '../../../../frameworks/marathon/model/settings.js';
import { app, appRefusal, liberal, Tree } from './reading.js';

test('the smallest app gets every default', t => {
  t.deepEqual(app({ id: '/t/a', cmd: 'sleep 1000' }, defaultSettings), {
    kind: 'app',
    id: '/t/a',
    versionInfo: { version: 1, lastScalingAt: 1, lastConfigChangeAt: 1 },
    cmd: 'sleep 1000',
    env: {},
    labels: {},
    secrets: {},
    instances: 1,
    resources: { cpus: 1, mem: 128, disk: 0, gpus: 0 },
    executor: '',
    role: '*',
    acceptedResourceRoles: [],
    constraints: [],
    fetch: [],
    backoff: { backoffMs: 1000, factor: 1.15, maxLaunchDelayMs: 300_000 },
    upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
    killSelection: 'YOUNGEST_FIRST',
    unreachableStrategy: { inactiveAfterMs: 0, expungeAfterMs: 0 },
    dependencies: [],
    networks: [{ mode: 'host', labels: {} }],
    portDefinitions: [{ port: 0, protocol: 'tcp', name: 'default', labels: {} }],
    requirePorts: false,
    healthChecks: [],
    readinessChecks: [],
  });
});

test('a reply shows the definition with what was filled in and assigned', t => {
  const tree = new Tree(defaultSettings);
  t.deepEqual(appJson(tree.post({ id: '/t/a', cmd: 'sleep 1000', instances: 1 })), {
    id: '/t/a',
    backoffFactor: 1.15,
    backoffSeconds: 1,
    cmd: 'sleep 1000',
    cpus: 1,
    disk: 0,
    executor: '',
    instances: 1,
    labels: {},
    maxLaunchDelaySeconds: 300,
    mem: 128,
    gpus: 0,
    networks: [{ mode: 'host' }],
    portDefinitions: [{ port: 10_000, name: 'default', protocol: 'tcp' }],
    requirePorts: false,
    upgradeStrategy: { maximumOverCapacity: 1, minimumHealthCapacity: 1 },
    version: '1970-01-01T00:00:01.000Z',
    versionInfo: {
      lastScalingAt: '1970-01-01T00:00:01.000Z',
      lastConfigChangeAt: '1970-01-01T00:00:01.000Z',
    },
    killSelection: 'YOUNGEST_FIRST',
    unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
    role: '*',
  });
});

test('fields that nobody knows, and counts that replies carry, are passed over; null is as good as absent', t => {
  const plain = app({ id: '/a', cmd: 'x' });
  t.deepEqual(app({ id: '/a', cmd: 'x', args: null, tasksRunning: 3, deployments: [], colour: 'blue' }), plain);
  t.deepEqual(app({ id: '/a', cmd: 'x', version: '2020-01-01T00:00:00.000Z', versionInfo: {} }), plain);
});

test('uris become fetch, and archives among them are unpacked', t => {
  const { fetch } = app({ id: '/a', cmd: 'x', uris: ['http://h/a.tgz', 'http://h/b.jar'] });
  t.deepEqual(fetch, [
    { uri: 'http://h/a.tgz', extract: true, executable: false, cache: false },
    { uri: 'http://h/b.jar', extract: false, executable: false, cache: false },
  ]);
});

test('ports become port definitions', t => {
  const given = app({ id: '/a', cmd: 'x', ports: [8080, 0], requirePorts: true });
  t.deepEqual(
    given.portDefinitions.map(({ port }) => port),
    [8080, 0],
  );
  t.deepEqual(
    portNeedsOf(given).map(({ port }) => port),
    [8080, 0],
    'with requirePorts they are wanted on the host',
  );
  t.deepEqual(
    portNeedsOf(app({ id: '/a', cmd: 'x', ports: [8080, 0] })).map(({ port }) => port),
    [0, 0],
  );
  t.deepEqual(app({ id: '/a', cmd: 'x', ports: [] }).portDefinitions, []);
});

test('the old bridge network with its port mappings becomes the new one', t => {
  const bridged = app({
    id: '/a',
    container: {
      type: 'DOCKER',
      docker: { image: 'nginx', network: 'BRIDGE', portMappings: [{ containerPort: 80, servicePort: 9000 }] },
    },
    ports: [1, 2],
  });
  t.deepEqual(bridged.networks, [{ mode: 'container/bridge', labels: {} }]);
  t.deepEqual(bridged.container?.portMappings, [
    { containerPort: 80, hostPort: 0, servicePort: 9000, protocol: 'tcp', labels: {}, networkNames: [] },
    { containerPort: 0, hostPort: 0, servicePort: 0, protocol: 'tcp', labels: {}, networkNames: [] },
  ]);
  t.deepEqual(bridged.portDefinitions, []);
  t.true(hasOwnNetwork(bridged));
  t.deepEqual(
    portNeedsOf(bridged).map(({ port, containerPort }) => [port, containerPort]),
    [
      [0, 80],
      [0, 0],
    ],
  );
  const { container } = appJson(bridged) as { container: { docker: object } };
  t.deepEqual(container.docker, { image: 'nginx', forcePullImage: false, privileged: false, parameters: [] });
});

test('the old user network and ipAddress become container networks', t => {
  const docker = (network: string) => ({ type: 'DOCKER', docker: { image: 'i', network } });
  const networksOf = (more: object) => app({ id: '/a', cmd: 'x', ...more }).networks;
  t.deepEqual(networksOf({ container: docker('USER'), ipAddress: { networkName: 'blue', labels: { a: 'b' } } }), [
    { mode: 'container', name: 'blue', labels: { a: 'b' } },
  ]);
  t.deepEqual(networksOf({ container: docker('USER') }), [{ mode: 'container', name: 'overlay', labels: {} }]);
  t.deepEqual(networksOf({ container: docker('HOST') }), [{ mode: 'host', labels: {} }]);
  t.deepEqual(networksOf({ ipAddress: { networkName: 'mesos-bridge' } }), [{ mode: 'container/bridge', labels: {} }]);
  const discovered = app({
    id: '/a',
    cmd: 'x',
    ipAddress: { networkName: 'blue', discovery: { ports: [{ number: 80, name: 'http' }] } },
  });
  t.deepEqual(discovered.container, {
    type: 'MESOS',
    volumes: [],
    portMappings: [{ containerPort: 80, servicePort: 0, protocol: 'tcp', name: 'http', labels: {}, networkNames: [] }],
  });
  t.deepEqual(portNeedsOf(discovered), [], 'nothing of it is on the host');
});

test('a network of its own without a container or ports gets both', t => {
  const { container, requirePorts } = app({
    id: '/a',
    cmd: 'x',
    networks: [{ mode: 'container/bridge' }],
    requirePorts: true,
  });
  t.is(container?.type, 'MESOS');
  t.deepEqual(container?.portMappings, [
    { containerPort: 0, hostPort: 0, servicePort: 0, protocol: 'tcp', name: 'default', labels: {}, networkNames: [] },
  ]);
  t.false(requirePorts);
  t.is(app({ id: '/a', cmd: 'x', networks: [{ name: 'blue' }] }).networks[0]?.mode, 'container');
});

test('data of its own makes an app stay: half healthy and none beyond in upgrades, never given up', t => {
  const resident = app({
    id: '/r',
    cmd: 'echo x >> d/f; sleep 1000',
    container: { type: 'MESOS', volumes: [{ containerPath: 'd', mode: 'RW', persistent: { size: 1 } }] },
    residency: { taskLostBehavior: 'RELAUNCH_AFTER_TIMEOUT' },
  });
  t.true(isResident(resident));
  t.deepEqual(resident.upgradeStrategy, { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 });
  t.is(resident.unreachableStrategy, 'disabled');
  t.deepEqual(persistentMountsOf(resident), [
    { type: 'root', size: 1, constraints: [], containerPath: 'd', readOnly: false },
  ]);
  const json = appJson(resident);
  t.deepEqual(json['residency'], { relaunchEscalationTimeoutSeconds: 3600, taskLostBehavior: 'WAIT_FOREVER' });
  t.is(json['unreachableStrategy'], 'disabled');
  const profiled = app({
    id: '/r',
    cmd: 'x',
    container: { type: 'MESOS', volumes: [{ containerPath: 'd', persistent: { size: 1, profileName: 'fast' } }] },
  });
  t.is(persistentMountsOf(profiled)[0]?.type, 'mount', 'a profile is one of whole disks');
});

test('the label of single instances sets the strategy that it asks for', t => {
  const single = app({ id: '/a', cmd: 'x', labels: { MARATHON_SINGLE_INSTANCE_APP: 'true' } });
  t.deepEqual(single.upgradeStrategy, { minimumHealthCapacity: 0, maximumOverCapacity: 0 });
});

test('what is tried first and taken back: defaults, both kinds, and the way back to JSON', t => {
  const read = (upgradeStrategy: object) => app({ id: '/a', cmd: 'x', upgradeStrategy });
  const shown = (upgradeStrategy: object) => appJson(read(upgradeStrategy))['upgradeStrategy'];
  t.like(read({ canary: {} }).upgradeStrategy, {
    trial: { kind: 'canary', instances: 1, observeMs: 60_000 },
    rollback: { failures: 1, deadlineMs: 600_000 },
  });
  t.like(read({ blueGreen: { observeSeconds: 30 }, rollback: { failures: 3 } }).upgradeStrategy, {
    trial: { kind: 'blueGreen', observeMs: 30_000 },
    rollback: { failures: 3, deadlineMs: 600_000 },
  });
  t.is(read({ rollback: 'disabled' }).upgradeStrategy.rollback, undefined);
  const capacities = { minimumHealthCapacity: 1, maximumOverCapacity: 1 };
  const rollback = { failures: 2, deadlineSeconds: 60 };
  for (const [given, expected] of [
    [{}, {}],
    [{ rollback: 'disabled' }, {}],
    [{ rollback }, { rollback }],
    [
      { canary: { instances: 2, observeSeconds: 5 }, rollback },
      { canary: { instances: 2, observeSeconds: 5 }, rollback },
    ],
    [
      { blueGreen: {}, rollback: 'disabled' },
      { blueGreen: { observeSeconds: 0 }, rollback: 'disabled' },
    ],
  ] as const) {
    t.deepEqual(shown(given), { ...capacities, ...expected });
    t.deepEqual(shown(shown(given) as object), shown(given), 'what is shown can be sent back');
  }
  t.deepEqual(appRefusal({ id: '/a', cmd: 'x', upgradeStrategy: { canary: {}, blueGreen: {} } }).errors, {
    '/upgradeStrategy':
      'must have only one of canary and blueGreen, {"canary":{"instances":1,"observeSeconds":60},"blueGreen":{"obs… is given',
  });
  t.deepEqual(
    Object.keys(
      appRefusal({
        id: '/a',
        cmd: 'x',
        upgradeStrategy: {
          canary: { instances: 0, observeSeconds: -1 },
          rollback: { failures: 0.5, deadlineSeconds: 0 },
        },
      }).errors,
    ).toSorted(),
    [
      '/upgradeStrategy/canary/instances',
      '/upgradeStrategy/canary/observeSeconds',
      '/upgradeStrategy/rollback/deadlineSeconds',
      '/upgradeStrategy/rollback/failures',
    ],
  );
  for (const more of [{ instances: '*' }, { labels: { MARATHON_SINGLE_INSTANCE_APP: 'true' } }])
    t.regex(
      appRefusal({ id: '/a', cmd: 'x', upgradeStrategy: { canary: {} }, ...more }).errors['/upgradeStrategy/canary'] ??
        '',
      /^is not possible/,
    );
});

test('health checks keep what was said and get the rest, with the first port unless they name one', t => {
  const { healthChecks } = app({
    id: '/a',
    cmd: 'x',
    healthChecks: [
      { path: '/health', gracePeriodSeconds: 3, intervalSeconds: 1 },
      { protocol: 'TCP', port: 80 },
      { protocol: 'COMMAND', command: { value: 'true' }, maxConsecutiveFailures: 0 },
    ],
  });
  t.deepEqual(healthChecks, [
    {
      gracePeriodMs: 3000,
      intervalMs: 1000,
      timeoutMs: 20_000,
      delayMs: 15_000,
      maxConsecutiveFailures: 3,
      portIndex: 0,
      protocol: 'HTTP',
      ipProtocol: 'IPv4',
      ignoreHttp1xx: false,
      path: '/health',
    },
    {
      gracePeriodMs: 300_000,
      intervalMs: 60_000,
      timeoutMs: 20_000,
      delayMs: 15_000,
      maxConsecutiveFailures: 3,
      port: 80,
      protocol: 'TCP',
      ipProtocol: 'IPv4',
    },
    {
      gracePeriodMs: 300_000,
      intervalMs: 60_000,
      timeoutMs: 20_000,
      delayMs: 15_000,
      maxConsecutiveFailures: 0,
      protocol: 'COMMAND',
      command: { value: 'true' },
    },
  ]);
});

test('constraints are read in any case of letters and asked in the words of the matcher', t => {
  const constrained = app({
    id: '/a',
    cmd: 'x',
    constraints: [
      ['hostname', 'unique'],
      ['rack', 'GROUP_BY', '3'],
      ['hostname', 'UNIQUE'],
    ],
  });
  t.deepEqual(constrained.constraints, [
    { field: 'hostname', operator: 'UNIQUE' },
    { field: 'rack', operator: 'GROUP_BY', value: '3' },
  ]);
  t.deepEqual(placementOf(constrained)[0], { field: '@hostname', operator: 'UNIQUE' });
  t.deepEqual(appJson(constrained)['constraints'], [
    ['hostname', 'UNIQUE'],
    ['rack', 'GROUP_BY', '3'],
  ]);
});

test('one instance on every agent is written as a star', t => {
  const everywhere = app({ id: '/a', cmd: 'x', instances: '*' });
  t.is(everywhere.instances, '*');
  t.is(appJson(everywhere)['instances'], '*');
});

test('secrets, limits, checks and volumes of every kind come through', t => {
  const full = app({
    id: '/full',
    args: ['run'],
    user: 'www-data',
    env: { PLAIN: 'x', KEY: { secret: 'key' } },
    secrets: { key: { source: 'vault/key' } },
    gpus: 1,
    resourceLimits: { cpus: 'unlimited', mem: 256 },
    executorResources: { mem: 64 },
    check: { exec: { command: { shell: 'true' } }, intervalSeconds: 5 },
    readinessChecks: [{ portName: 'web', intervalSeconds: 2, timeoutSeconds: 1 }],
    portDefinitions: [{ name: 'web', labels: { VIP_0: '/web:80' } }],
    container: {
      type: 'MESOS',
      docker: { image: 'nginx:1', pullConfig: { secret: 'key' } },
      linuxInfo: { seccomp: { unconfined: true } },
      volumes: [
        { containerPath: '/etc/x', hostPath: '/srv/x', mode: 'RO' },
        { containerPath: '/run/key', secret: 'key' },
        {
          containerPath: '/data',
          mode: 'RW',
          external: { provider: 'dvdi', name: 'v', size: 10, options: { 'dvdi/driver': 'rexray' } },
        },
      ],
    },
  });
  t.deepEqual(full.env, { PLAIN: 'x', KEY: { secret: 'key' } });
  t.deepEqual(resourcesOf(full), { cpus: 1.1, mem: 192, disk: 10, gpus: 1 });
  t.deepEqual(
    full.container?.volumes.map(({ kind }) => kind),
    ['host', 'secret', 'external'],
  );
  t.deepEqual(full.upgradeStrategy, { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 });
  const json = appJson(full);
  t.deepEqual(json['check'], {
    exec: { command: { shell: 'true' } },
    intervalSeconds: 5,
    timeoutSeconds: 20,
    delaySeconds: 15,
  });
  t.deepEqual(json['readinessChecks'], [
    {
      name: 'readinessCheck',
      protocol: 'HTTP',
      path: '/',
      portName: 'web',
      intervalSeconds: 2,
      timeoutSeconds: 1,
      httpStatusCodesForReady: [200],
      preserveLastResponse: false,
    },
  ]);
  t.deepEqual(app(json, liberal), full, 'what the reply shows can be sent again');
});
