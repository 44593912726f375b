// Apps and pods as users might write them, for properties: every field now and then, sound by themselves.
import fc from 'fast-check';

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,6}[a-z0-9])?$/);
const labels = fc.dictionary(fc.stringMatching(/^[A-Za-z0-9_.]{1,8}$/), fc.string({ unit: 'grapheme', maxLength: 6 }), {
  maxKeys: 3,
});
const seconds = fc.integer({ min: 0, max: 3600 });
const count = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 50 }), weight: 9 },
  { arbitrary: fc.constant('*'), weight: 1 },
);
const port = fc.integer({ min: 0, max: 65_535 });
const protocol = fc.constantFrom('tcp', 'udp', 'udp,tcp');
const amount = fc.double({ min: 0.001, max: 64, noNaN: true });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const constraint = fc.oneof(
  fc.tuple(name, fc.constantFrom('UNIQUE', 'CLUSTER', 'GROUP_BY')),
  fc.tuple(name, fc.constantFrom('LIKE', 'UNLIKE', 'is'), name),
  fc.tuple(name, fc.constantFrom('MAX_PER', 'GROUP_BY'), fc.constantFrom('1', '3')),
);
const artifact = partly({ extract: fc.boolean(), executable: fc.boolean(), cache: fc.boolean() }, { uri: fc.webUrl() });
const unreachable = fc.oneof(
  fc.constant('disabled'),
  fc
    .tuple(seconds, seconds)
    .map(([a, b]) => ({ inactiveAfterSeconds: Math.min(a, b), expungeAfterSeconds: Math.max(a, b) })),
);
const rollback = fc.oneof(
  fc.constant('disabled'),
  partly({ failures: fc.integer({ min: 1, max: 5 }), deadlineSeconds: fc.integer({ min: 1, max: 900 }) }, {}),
);
const upgrade = partly({ minimumHealthCapacity: share, maximumOverCapacity: share, rollback }, {});
const times = {
  intervalSeconds: fc.integer({ min: 30, max: 60 }),
  timeoutSeconds: fc.integer({ min: 1, max: 20 }),
  delaySeconds: seconds,
};
const patience = { gracePeriodSeconds: seconds, maxConsecutiveFailures: fc.integer({ min: 0, max: 5 }) };

const healthCheck = fc.oneof(
  partly(
    { ...times, ...patience, path: fc.constant('/h'), ignoreHttp1xx: fc.boolean() },
    { protocol: fc.constantFrom('HTTP', 'HTTPS'), port },
  ),
  partly({ ...times, ...patience }, { protocol: fc.constant('TCP'), port }),
  partly({ ...times, ...patience }, { protocol: fc.constant('COMMAND'), command: fc.record({ value: name }) }),
);
const check = fc.oneof(
  partly(times, { http: partly({ path: fc.constant('/c'), scheme: fc.constantFrom('HTTP', 'HTTPS') }, { port }) }),
  partly(times, { tcp: fc.record({ port }) }),
  partly(times, {
    exec: fc.record({ command: fc.oneof(fc.record({ shell: name }), fc.record({ argv: fc.tuple(name, name) })) }),
  }),
);
const persistent = fc.oneof(
  partly({ type: fc.constant('root') }, { size: fc.integer({ min: 1, max: 100 }) }),
  fc.record({
    type: fc.constantFrom('path', 'mount'),
    size: fc.integer({ min: 1, max: 100 }),
    constraints: fc.constantFrom([], [['path', 'LIKE', '/d.*']]),
  }),
);
const volume = fc.oneof(
  partly(
    { mode: fc.constantFrom('RO', 'RW') },
    { containerPath: name.map(each => `/${each}`), hostPath: fc.constant('/srv') },
  ),
  fc.record({ containerPath: name, persistent }),
);
const volumes = fc.uniqueArray(volume, { maxLength: 3, selector: ({ containerPath }) => containerPath });

/** The network, container and ports of an app, in old and new ways that belong together. */
const housing = fc.oneof(
  fc.record({ ports: fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { maxLength: 3 }) }),
  fc.record({
    portDefinitions: fc.array(partly({ protocol, labels }, { port: fc.constant(0) }), { maxLength: 3 }),
    requirePorts: fc.boolean(),
  }),
  fc.record({ container: fc.record({ type: fc.constant('MESOS'), volumes }) }),
  fc.record({
    container: fc.record({
      type: fc.constant('DOCKER'),
      docker: partly(
        {
          forcePullImage: fc.boolean(),
          privileged: fc.boolean(),
          parameters: fc.array(fc.record({ key: name, value: name }), { maxLength: 2 }),
          network: fc.constantFrom('BRIDGE', 'HOST', 'USER'),
          portMappings: fc.array(partly({ containerPort: port, servicePort: port, protocol, labels }, {}), {
            maxLength: 3,
          }),
        },
        { image: name },
      ),
      volumes: fc.constant([]),
    }),
  }),
  fc.record({
    networks: fc.oneof(
      fc.constant([{ mode: 'container/bridge' }]),
      fc.uniqueArray(partly({ labels }, { name }), { minLength: 1, maxLength: 2, selector: ({ name: id }) => id }),
    ),
    container: partly(
      { portMappings: fc.array(partly({ containerPort: port, labels }, {}), { maxLength: 2 }), volumes },
      { type: fc.constant('MESOS') },
    ),
  }),
  fc.record({ ipAddress: partly({ networkName: name, labels }, {}) }),
  fc.constant({}),
);

/** Fields of an app that do not depend on others, each perhaps. */
const autoscaling = fc.oneof(
  fc.constant('disabled'),
  partly(
    { minInstances: fc.constant(1), scaleUpCooldownSeconds: seconds, scaleDownCooldownSeconds: seconds },
    {
      maxInstances: fc.integer({ min: 1, max: 50 }),
      target: fc.record({
        metric: fc.constantFrom('cpus', 'mem'),
        value: fc.double({ min: 0.01, max: 2, noNaN: true }),
      }),
    },
  ),
);

/** The number of instances: given, for every agent, or following what they have to do. */
const numbers = fc.oneof(
  fc.record({ instances: count, autoscaling: fc.constant('disabled') }),
  fc.record({ instances: fc.nat(50), autoscaling, cpus: fc.constant(1), mem: fc.constant(64) }),
);

const plainFields = partly(
  {
    env: labels,
    labels,
    cpus: amount,
    mem: amount,
    disk: amount,
    user: name,
    constraints: fc.array(constraint, { maxLength: 3 }),
    dependencies: fc.array(name, { maxLength: 2 }),
    fetch: fc.array(artifact, { maxLength: 2 }),
    backoffSeconds: seconds,
    backoffFactor: fc.double({ min: 1, max: 5, noNaN: true }),
    maxLaunchDelaySeconds: seconds,
    taskKillGracePeriodSeconds: seconds,
    killSelection: fc.constantFrom('YOUNGEST_FIRST', 'OLDEST_FIRST'),
    healthChecks: fc.array(healthCheck, { maxLength: 2 }),
    acceptedResourceRoles: fc.constant(['*']),
    executor: fc.constantFrom('', '//cmd', '/opt/run'),
    executorResources: fc.constantFrom({}, { cpus: 0.5 }, { mem: 64, disk: 20 }),
    tty: fc.boolean(),
    resourceLimits: fc.constantFrom({ cpus: 'unlimited' }, { mem: 100_000, cpus: 100 }),
  },
  {},
);
export const appFields = fc
  .tuple(plainFields, fc.option(numbers, { nil: {} }))
  .map(all => Object.assign({}, ...all) as object);

/** A whole app. Strategies are left to their defaults where data of its own would forbid them. */
export const rawApp: fc.Arbitrary<{ [field: string]: unknown }> = fc
  .tuple(appFields, housing, partly({ check, unreachableStrategy: unreachable, upgradeStrategy: upgrade }, {}))
  .map(([fields, house, more]) => {
    const { check: look, ...strategies } = more as { check?: unknown };
    const text = JSON.stringify(house);
    return {
      id: '/g/a',
      cmd: 'x',
      ...fields,
      ...house,
      ...(text.includes('"persistent"') ? {} : strategies),
      ...(look === undefined || text.includes('"DOCKER"') ? {} : { check: look }),
    };
  });

const podContainer = (id: string): fc.Arbitrary<object> =>
  partly(
    {
      exec: fc.record({ command: fc.oneof(fc.record({ shell: name }), fc.record({ argv: fc.tuple(name) })) }),
      endpoints: fc.constantFrom(
        [],
        [{ name: id, hostPort: 0, protocol: ['tcp'] }],
        [{ name: `${id}-x`, labels: { a: 'b' } }],
      ),
      environment: labels,
      user: name,
      labels,
      artifacts: fc.array(artifact, { maxLength: 2 }),
      image: partly({ forcePull: fc.boolean(), labels }, { kind: fc.constant('DOCKER'), id: name }),
      healthCheck: partly({ ...times, ...patience }, { exec: fc.record({ command: fc.record({ shell: name }) }) }),
      lifecycle: partly({ killGracePeriodSeconds: fc.integer({ min: 0, max: 100 }).map(tenths => tenths / 10) }, {}),
      tty: fc.boolean(),
    },
    { name: fc.constant(id), resources: fc.record({ cpus: amount, mem: amount }) },
  );

export const rawPod: fc.Arbitrary<object> = partly(
  {
    labels,
    environment: labels,
    user: name,
    networks: fc.constantFrom([], [{ mode: 'host' }], [{ mode: 'container/bridge' }]),
    scaling: partly({ instances: count }, { kind: fc.constant('fixed') }),
    scheduling: partly(
      {
        backoff: partly(
          { backoff: seconds, backoffFactor: fc.double({ min: 1, max: 5, noNaN: true }), maxLaunchDelay: seconds },
          {},
        ),
        upgrade,
        unreachableStrategy: unreachable,
        killSelection: fc.constantFrom('YOUNGEST_FIRST', 'OLDEST_FIRST'),
        placement: partly({ acceptedResourceRoles: fc.constant(['*']) }, {}),
      },
      {},
    ),
    executorResources: fc.constantFrom({}, { cpus: 1 }),
    legacySharedCgroups: fc.boolean(),
  },
  { id: fc.constant('/g/p'), containers: fc.tuple(podContainer('c1'), podContainer('c2')) },
);

/** A record whose `optional` members may be absent. */
function partly<T extends object>(
  optional: { [key: string]: fc.Arbitrary<unknown> },
  required: { [K in keyof T]: fc.Arbitrary<T[K]> },
): fc.Arbitrary<T & { [key: string]: unknown }> {
  const all = { ...optional, ...required };
  return fc.record(all, { requiredKeys: Object.keys(required) }) as fc.Arbitrary<T & { [key: string]: unknown }>;
}
