// Arbitraries for the nouns of the protocol, all valid. In: pools of ids, small so that messages meet. Out: fast-check arbitraries.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type {
  AgentInfo,
  AttributeConstraint,
  Attributes,
  CheckInfo,
  CheckStatus,
  CommandInfo,
  ContainerInfo,
  ExecutorInfo,
  FrameworkInfo,
  HealthCheckInfo,
  HealthStatus,
  Labels,
  Probe,
  TaskInfo,
  TaskStatus,
} from '../../src/protocol/entities.js';
import {
  constraintPredicates,
  containerTypes,
  frameworkCapabilities,
  statusReasons,
  statusSources,
} from '../../src/protocol/entities.js';
import type { SchedulerCall } from '../../src/protocol/scheduler-api.js';
import { taskStates } from '../../src/protocol/task-state.js';
import type { Resources } from '../../src/resources/index.js';

/** Where ids come from. Give the ids of a test's own cluster to make messages about it. */
export interface IdPools {
  readonly tasks: readonly string[];
  readonly agents: readonly string[];
  readonly offers: readonly string[];
  readonly frameworks: readonly string[];
  readonly executors: readonly string[];
  readonly roles: readonly string[];
}

export const smallPools: IdPools = {
  tasks: ['task-1', 'task-2', 'task.3', 'Zwiebel-ß', 'a b'],
  agents: ['m-S0', 'm-S1', 'm-S2'],
  offers: ['m-O1', 'm-O2', 'm-O3', 'm-O4', 'm-O5'],
  frameworks: ['m-0000', 'm-0001'],
  executors: ['executor-1', 'executor-2'],
  roles: ['*', 'web', 'web/shop', 'batch'],
};

/** `fc.record`, but of objects such as decoders make: with a prototype. */
export const record = ((model: Record<string, Arbitrary<unknown>>, constraints: object = {}) =>
  fc.record(model, { noNullPrototype: true, ...constraints })) as typeof fc.record;
export const maybe = { requiredKeys: [] as [] };
export const from = (pool: readonly string[]): Arbitrary<string> => fc.constantFrom(...pool);
export const durationMs = fc.oneof(fc.constantFrom(0, 1, 5000, 365 * 86_400_000), fc.nat({ max: 100_000 }));
export const positiveMs = durationMs.filter(ms => ms > 0);
export const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
export const port = fc.integer({ min: 1, max: 65_535 });
export const uuid = fc.uuid();
/** Anything printable, and what programs may still find hard. */
export const line = fc.oneof(word, fc.constantFrom('', 'ünï', '日本', '🦊', "it's", 'a "b" c', '$HOME', '--x=y'));
const labels: Arbitrary<Labels> = fc.dictionary(word, fc.string({ unit: 'binary', maxLength: 8 }), {
  maxKeys: 3,
  noNullPrototype: true,
});
export const attributes: Arbitrary<Attributes> = fc.dictionary(
  word,
  fc.oneof(
    line,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(word, { maxLength: 2 }),
    fc.constant([[1, 4]] as [number, number][]),
  ),
  { maxKeys: 3, noNullPrototype: true },
);

const milli = fc.integer({ min: 1, max: 64_000 }).map(n => n / 1000);
const mib = fc.integer({ min: 1, max: 4096 });

/** Resources of a machine or a task: never nothing. */
export function arbitraryResources(pools: IdPools = smallPools): Arbitrary<Resources> {
  const ports = fc
    .tuple(fc.integer({ min: 1, max: 65_000 }), fc.integer({ min: 0, max: 500 }))
    .map(([begin, more]): [number, number][] => [[begin, begin + more]]);
  const more: Arbitrary<Resources> = fc.oneof(
    fc.constant({}),
    fc
      .tuple(fc.constantFrom(...pools.roles.filter(role => role !== '*')), milli)
      .map(([role, cpus]) => ({ [`cpus(${role})`]: cpus })),
    fc.constantFrom<Resources>(
      { racks: ['r1', 'r2'] },
      { gpus: 2 },
      { licences: 0.5 },
      { 'seats{revocable}': 2 },
      { 'disk(web,dynamic)[db-0:/data]': 64, 'disk(web,dynamic)[logs:logs]<shared>': 0.5 },
      { 'disk<mount=/mnt/a>(web)': 100, 'disk<path=/mnt/b%20c>': 5 },
      { 'mem(web)(web/shop,dynamic,@ops,team=blue)': 128 },
      {
        vlans: [
          [1, 9],
          [20, 29],
        ],
      },
    ),
  );
  const base: Arbitrary<Resources> = record({ cpus: milli, mem: mib, disk: mib, ports }, { requiredKeys: ['cpus'] });
  return fc.tuple(base, more).map(([a, b]) => ({ ...a, ...b }));
}

export const arbitraryCommand: Arbitrary<CommandInfo> = fc
  .tuple(
    fc.oneof(
      record({ value: fc.constantFrom('sleep 10', 'echo "$A" && exit 3', 'true') }),
      record({ argv: fc.tuple(fc.constantFrom('/bin/true', 'sleep'), line).map(argv => [...argv]) }),
    ),
    record(
      {
        env: fc.dictionary(fc.constantFrom('A', 'PATH', 'weird name', 'é'), line, { noNullPrototype: true }),
        uris: fc.array(
          record(
            {
              value: fc.constantFrom('http://h/x.tgz', 'https://h:1/a?b#c', 'file:///etc/hosts'),
              extract: fc.boolean(),
              executable: fc.boolean(),
              outputFile: fc.constantFrom('x', 'a/b.txt'),
            },
            { requiredKeys: ['value'] },
          ),
          { maxLength: 2 },
        ),
        user: fc.constantFrom('nobody', 'www-data', '1000', '1000:100'),
      },
      maybe,
    ),
  )
  .map(([how, more]) => ({ ...how, ...more }));

const volumes = fc.constantFrom(
  [{ containerPath: '/data', mode: 'RW' as const }],
  [{ containerPath: 'cache', hostPath: '/var/cache', mode: 'RO' as const }],
);

/** A container whose mapped host ports are `ports`. */
function arbitraryDocker(ports: readonly number[]): Arbitrary<ContainerInfo> {
  const mappings = ports.map((hostPort, i) => ({
    hostPort,
    containerPort: 80 + i,
    protocol: i % 2 === 0 ? ('tcp' as const) : ('udp' as const),
  }));
  const docker = record(
    {
      image: fc.constantFrom(
        'nginx',
        'nginx:1.27',
        'library/busybox',
        'localhost:5000/a/b_c:v1.0',
        `r.example.com/x@sha256:${'ab'.repeat(32)}`,
      ),
      network: fc.constantFrom('BRIDGE', 'my-net'),
      portMappings: fc.constant(mappings),
      forcePullImage: fc.boolean(),
      readOnly: fc.boolean(),
      privileged: fc.boolean(),
      parameters: fc.constant([{ key: 'ulimit', value: 'nofile=1024' }]),
    },
    { requiredKeys: ['image'] },
  );
  return record(
    { type: fc.constant('DOCKER' as const), docker, volumes, hostname: word },
    { requiredKeys: ['type', 'docker'] },
  );
}

const probe: Arbitrary<Probe> = fc.oneof(
  record({ type: fc.constant('COMMAND' as const), command: arbitraryCommand }),
  record(
    {
      type: fc.constant('HTTP' as const),
      port,
      path: fc.constantFrom('/', '/health?x=1'),
      scheme: fc.constantFrom('http' as const, 'https' as const),
    },
    { requiredKeys: ['type', 'port'] },
  ),
  record({ type: fc.constant('TCP' as const), port }),
);
const times = { delayMs: durationMs, intervalMs: positiveMs, timeoutMs: durationMs };
const check: Arbitrary<CheckInfo> = record({ probe, ...times }, { requiredKeys: ['probe'] });
const healthCheck: Arbitrary<HealthCheckInfo> = record(
  { probe, ...times, gracePeriodMs: durationMs, consecutiveFailures: fc.integer({ min: 0, max: 9 }) },
  { requiredKeys: ['probe'] },
);

export function arbitraryExecutor(pools: IdPools = smallPools): Arbitrary<ExecutorInfo> {
  return record(
    {
      executorId: from(pools.executors),
      name: line,
      command: arbitraryCommand,
      resources: arbitraryResources(pools),
      data: line,
      labels,
    },
    { requiredKeys: ['executorId', 'command', 'resources'] },
  );
}

// Of a volume, or a mount disk, there is one.
function shareDisk(a: Resources, b: Resources): boolean {
  return Object.keys(a).some(key => /[[<]/.test(key) && Object.hasOwn(b, key));
}

/** A task that may be launched, as far as it can be told without a cluster. */
export function arbitraryTaskInfo(pools: IdPools = smallPools): Arbitrary<TaskInfo> {
  const common = record(
    {
      taskId: from(pools.tasks),
      name: line,
      agentId: from(pools.agents),
      check,
      healthCheck,
      checks: fc.array(check, { maxLength: 2 }),
      healthChecks: fc.array(healthCheck, { maxLength: 2 }),
      killPolicy: record({ gracePeriodMs: durationMs }, maybe),
      maxCompletionTimeMs: positiveMs,
      data: fc.string({ maxLength: 8 }),
      labels,
      discovery: record(
        {
          name: word,
          ports: fc.array(record({ number: port, name: word, labels }, { requiredKeys: ['number'] }), {
            maxLength: 2,
          }),
        },
        maybe,
      ),
    },
    { requiredKeys: ['taskId', 'name'] },
  );
  return fc.tuple(common, arbitraryResources(pools), fc.boolean()).chain(([task, resources, limited]) => {
    const begin = (resources['ports'] as readonly (readonly [number, number])[] | undefined)?.[0]?.[0];
    const docker = arbitraryDocker(begin === undefined ? [] : [begin]);
    const how: Arbitrary<Partial<TaskInfo>> = fc.oneof(
      record({ command: arbitraryCommand }),
      record({ command: arbitraryCommand, container: docker }),
      record({ container: docker }),
      record({ executor: arbitraryExecutor(pools).filter(executor => !shareDisk(resources, executor.resources)) }),
      record({ command: arbitraryCommand, container: fc.constant<ContainerInfo>({ type: 'PROCESS' }) }),
    );
    const limits = limited ? { limits: { cpus: Number.POSITIVE_INFINITY, mem: 1e6 } } : {};
    return how.map(run => ({ ...task, resources, ...limits, ...run }));
  });
}

export function arbitraryFrameworkInfo(pools: IdPools = smallPools): Arbitrary<FrameworkInfo> {
  const roles = fc.uniqueArray(from(pools.roles), { minLength: 1, maxLength: pools.roles.length });
  return record(
    {
      name: word,
      id: from(pools.frameworks),
      roles,
      user: word,
      hostname: fc.constantFrom('h1.example.com', '10.0.0.1', '::1'),
      principal: word,
      webuiUrl: fc.constantFrom('http://h:8080', 'https://h/ui/'),
      failoverTimeoutMs: durationMs,
      checkpoint: fc.boolean(),
      capabilities: fc.uniqueArray(fc.constantFrom(...frameworkCapabilities)),
      labels,
      offerFilters: fc.constant({
        web: { minAllocatableResources: [{ cpus: 0.5 }, { mem: 10 }] },
        batch: { minAllocatableResources: [] },
      }),
    },
    { requiredKeys: ['name', 'roles'] },
  );
}

const constraint: Arbitrary<AttributeConstraint> = fc
  .tuple(
    fc.constantFrom('rack', '@hostname', '@region', '@zone'),
    fc.constantFrom(...constraintPredicates),
    fc.constantFrom('r1', 'rack-[0-9]+', '(?i)x|y'),
  )
  .map(([attribute, predicate, value]) =>
    predicate.startsWith('TEXT_') ? { attribute, predicate, value } : { attribute, predicate },
  );

/** A framework with what it wants to be offered: the fields of SUBSCRIBE and UPDATE_FRAMEWORK. */
export function arbitraryRoleChoice(
  pools: IdPools = smallPools,
): Arbitrary<
  Pick<Extract<SchedulerCall, { type: 'SUBSCRIBE' }>, 'framework' | 'suppressedRoles' | 'offerConstraints'>
> {
  return arbitraryFrameworkInfo(pools).chain(framework =>
    record(
      {
        framework: fc.constant(framework),
        suppressedRoles: fc.subarray([...framework.roles]),
        offerConstraints: fc.dictionary(
          from(framework.roles),
          fc.array(fc.array(constraint, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 }),
          { noNullPrototype: true },
        ),
      },
      { requiredKeys: ['framework'] },
    ),
  );
}

export function arbitraryAgentInfo(pools: IdPools = smallPools): Arbitrary<AgentInfo> {
  return record(
    {
      hostname: fc.constantFrom('h1', 'h2.example.com', '127.0.0.1'),
      port: fc.oneof(fc.constant(0), port),
      resources: arbitraryResources(pools),
      attributes,
      domain: record({ region: word, zone: word }),
      containerizers: fc.uniqueArray(fc.constantFrom(...containerTypes)),
      version: fc.constant('0.1.0'),
    },
    { requiredKeys: ['hostname', 'port', 'resources', 'attributes', 'containerizers', 'version'] },
  );
}

const checkStatus: Arbitrary<CheckStatus> = fc.constantFrom<CheckStatus>(
  { type: 'COMMAND', exitCode: 0 },
  { type: 'HTTP', statusCode: 503 },
  { type: 'TCP', succeeded: true },
  { type: 'HTTP' },
);

const healthStatus: Arbitrary<HealthStatus> = record(
  {
    consecutiveFailures: fc.nat({ max: 9 }),
    firstSuccessMs: fc.nat(),
    lastSuccessMs: fc.nat(),
    lastFailureMs: fc.nat(),
    lastFailureCause: line,
  },
  { requiredKeys: ['consecutiveFailures'] },
);

/** Any status; `uuid` is there or not. */
export function arbitraryTaskStatus(pools: IdPools = smallPools): Arbitrary<TaskStatus> {
  return record(
    {
      taskId: from(pools.tasks),
      state: fc.constantFrom(...taskStates),
      source: fc.constantFrom(...statusSources),
      reason: fc.constantFrom(...statusReasons),
      message: fc.string({ maxLength: 12 }),
      data: fc.string({ maxLength: 12 }),
      agentId: from(pools.agents),
      executorId: from(pools.executors),
      timestampMs: fc.nat(),
      uuid,
      healthy: fc.boolean(),
      check: checkStatus,
      checks: fc.array(checkStatus, { maxLength: 2 }),
      health: fc.array(healthStatus, { maxLength: 2 }),
      container: record(
        { containerId: uuid, pid: fc.nat(), ip: fc.constant('172.17.0.2') },
        { requiredKeys: ['containerId'] },
      ),
      exitCode: fc.integer({ min: 0, max: 255 }),
      signal: fc.constantFrom('SIGKILL', 'SIGTERM'),
      labels,
      unreachableTimeMs: fc.nat(),
    },
    { requiredKeys: ['taskId', 'state', 'source', 'timestampMs'] },
  );
}
