// Apps, pods and trees for tests: plain ones, and arbitrary ones that use every member of the model. Out: values and fast-check arbitraries.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { AppDefinition, AppHealthCheck, AppVolume } from '../../../../frameworks/marathon/model/app.js';
import { emptyGroup, groupsOf, putRunSpec } from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { PodDefinition, PodVolume } from '../../../../frameworks/marathon/model/pod.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { newVersions } from '../../../../frameworks/marathon/model/change/versions.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { app as sampleApp, pod as samplePod } from '../machine/samples.js';
import { newInstance } from '../../../../frameworks/marathon/machine/instance.js';

/** An app of this version. */
export function app(id: string, version: number, more: Partial<AppDefinition> = {}): AppDefinition {
  return sampleApp({ id, versionInfo: newVersions(version), portDefinitions, ...more });
}

/** A pod of this version. */
export function pod(id: string, version: number, more: Partial<PodDefinition> = {}): PodDefinition {
  return samplePod({ id, versionInfo: newVersions(version), ...more });
}

const portDefinitions = [{ port: 10_000, protocol: 'tcp', labels: {} }] as const;

/** The tree with these put in, one version each. */
export function treeOf(...specs: readonly RunSpec[]): Group {
  return specs.reduce((root, spec) => putRunSpec(root, spec, spec.versionInfo.version), emptyGroup());
}

/** Everything in a tree by id, so that trees can be compared whatever the order in them. */
export function listed(root: Group | undefined): unknown[] {
  if (root === undefined) return [];
  const all: (readonly [string, unknown])[] = [];
  for (const { id, version, dependencies, enforceRole, apps, pods } of groupsOf(root)) {
    all.push([id, { version, dependencies, enforceRole }], ...apps, ...pods);
  }
  return all.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

export function instanceOf(spec: RunSpec, n: number): Instance {
  return newInstance(`${spec.id.slice(1).replaceAll('/', '_')}.instance-${n}`, spec, 1000);
}

// Arbitrary ones

const some = { requiredKeys: [] };
const word = fc.constantFrom('a', 'b-2', 'web', '', 'ünïcode', '__proto__', 'constructor', 'x'.repeat(40));
const count = fc.integer({ min: 0, max: 1_000_000 });
const amount = fc.constantFrom(0, 0.1, 1, 2.5, 128, 1e6);
const map = fc.dictionary(word, word, { maxKeys: 3 });
const times = fc.record({
  gracePeriodMs: count,
  intervalMs: count,
  timeoutMs: count,
  delayMs: count,
  maxConsecutiveFailures: fc.nat(5),
});
const target = fc.record({ portIndex: fc.nat(3), port: fc.nat(65_535) }, some);
const ipProtocol = fc.constantFrom('IPv4' as const, 'IPv6' as const);
const healthCheck: Arbitrary<AppHealthCheck> = fc.oneof(
  fc
    .tuple(
      times,
      target,
      fc.constantFrom('HTTP' as const, 'HTTPS' as const, 'MESOS_HTTP' as const, 'MESOS_HTTPS' as const),
      ipProtocol,
    )
    .map(([time, at, protocol, ip]) => ({ ...time, ...at, protocol, path: '/h', ignoreHttp1xx: true, ipProtocol: ip })),
  fc
    .tuple(times, target, fc.constantFrom('TCP' as const, 'MESOS_TCP' as const), ipProtocol)
    .map(([time, at, protocol, ip]) => ({ ...time, ...at, protocol, ipProtocol: ip })),
  times.map(time => ({ ...time, protocol: 'COMMAND' as const, command: { value: 'true' } })),
  times.map(time => ({ ...time, protocol: 'COMMAND' as const, command: { argv: ['true', ''] } })),
);
const quantities = fc.record({ cpus: amount, mem: amount, disk: amount, gpus: fc.nat(2) });
const constraint = fc.record(
  {
    field: word,
    operator: fc.constantFrom('UNIQUE' as const, 'LIKE' as const, 'IS' as const),
    value: word,
  },
  { requiredKeys: ['field', 'operator'] },
);
const persistent = fc.record(
  {
    type: fc.constantFrom('root' as const, 'mount' as const),
    size: count,
    maxSize: count,
    profileName: word,
    constraints: fc.array(constraint, { maxLength: 1 }),
  },
  { requiredKeys: ['type', 'size', 'constraints'] },
);
const volume: Arbitrary<AppVolume> = fc.oneof(
  fc.constant<AppVolume>({ kind: 'host', containerPath: 'c', hostPath: '/h', mode: 'RO' }),
  persistent.map((each): AppVolume => ({ kind: 'persistent', containerPath: 'd', persistent: each, mode: 'RW' })),
  fc.constant<AppVolume>({
    kind: 'external',
    containerPath: 'e',
    external: {
      provider: 'dvdi',
      name: 'v',
      size: 2,
      options: { 'dvdi/driver': 'rexray', deep: [1, null] },
      shared: true,
    },
    mode: 'RW',
  }),
  fc.constant<AppVolume>({ kind: 'secret', containerPath: 's', secret: 'name' }),
);
const envOf = fc.dictionary(
  word,
  fc.oneof(
    word,
    word.map(secret => ({ secret })),
  ),
  { maxKeys: 3 },
);
const linuxInfo = fc.record(
  {
    seccomp: fc.record({ profileName: word, unconfined: fc.boolean() }, some),
    ipcInfo: fc.record(
      { mode: fc.constantFrom('PRIVATE' as const, 'SHARE_PARENT' as const), shmSize: count },
      { requiredKeys: ['mode'] },
    ),
  },
  some,
);
const shared = fc.record(
  {
    instances: fc.oneof(count, fc.constant('*' as const)),
    role: word,
    acceptedResourceRoles: fc.array(word, { maxLength: 2 }),
    constraints: fc.array(constraint, { maxLength: 2 }),
    killSelection: fc.constantFrom('YOUNGEST_FIRST' as const, 'OLDEST_FIRST' as const),
    unreachableStrategy: fc.oneof(
      fc.constant('disabled' as const),
      fc.record({ inactiveAfterMs: count, expungeAfterMs: count }),
    ),
    dependencies: fc.array(fc.constantFrom('/db', '/g/x'), { maxLength: 2 }),
    networks: fc.array(
      fc.record(
        { mode: fc.constantFrom('container' as const, 'container/bridge' as const), name: word, labels: map },
        { requiredKeys: ['mode', 'labels'] },
      ),
      { maxLength: 2 },
    ),
    env: envOf,
    labels: map,
    secrets: fc.dictionary(
      word,
      word.map(source => ({ source })),
      { maxKeys: 2 },
    ),
    user: word,
  },
  some,
);

/** What is different from the plain app; every member of the model may be there. */
const appMembers: Arbitrary<Partial<AppDefinition>> = fc
  .tuple(
    shared,
    fc.record(
      {
        cmd: word,
        args: fc.array(word, { maxLength: 2 }),
        executorResources: quantities,
        resources: quantities,
        resourceLimits: fc.record({ cpus: fc.constant('unlimited' as const), mem: amount }, some),
        fetch: fc.array(
          fc.record(
            { uri: word, extract: fc.boolean(), executable: fc.boolean(), cache: fc.boolean(), destPath: word },
            { requiredKeys: ['uri', 'extract', 'executable', 'cache'] },
          ),
          { maxLength: 2 },
        ),
        healthChecks: fc.array(healthCheck, { maxLength: 2 }),
        check: target.map(at => ({
          intervalMs: 1,
          timeoutMs: 2,
          delayMs: 3,
          probe: { type: 'http' as const, ...at, path: '/', scheme: 'HTTPS' as const },
        })),
        readinessChecks: fc.constant([
          {
            name: 'readinessCheck',
            protocol: 'HTTP' as const,
            path: '/',
            portName: 'http-api',
            intervalMs: 30_000,
            timeoutMs: 10_000,
            httpStatusCodesForReady: [200],
            preserveLastResponse: true,
          },
        ]),
        container: fc.record(
          {
            type: fc.constantFrom('DOCKER' as const, 'MESOS' as const),
            docker: fc.constant({
              image: 'nginx',
              forcePullImage: true,
              privileged: false,
              parameters: [{ key: 'k', value: 'v' }],
              pullConfig: { secret: 's' },
            }),
            volumes: fc.array(volume, { maxLength: 2 }),
            portMappings: fc.constant([
              {
                containerPort: 80,
                hostPort: 0,
                servicePort: 10_000,
                protocol: 'tcp' as const,
                name: 'http',
                labels: {},
                networkNames: ['n'],
              },
              { containerPort: 81, servicePort: 10_001, protocol: 'udp,tcp' as const, labels: {}, networkNames: [] },
            ]),
            linuxInfo,
          },
          { requiredKeys: ['type', 'volumes', 'portMappings'] },
        ),
        requirePorts: fc.boolean(),
        taskKillGracePeriodMs: count,
        tty: fc.boolean(),
      },
      some,
    ),
  )
  .map(([both, own]) => ({ ...both, ...own }));

const podProbe = fc.constantFrom(
  { type: 'http' as const, endpoint: 'e', path: '/', scheme: 'HTTP' as const },
  { type: 'tcp' as const, endpoint: 'e' },
  { type: 'exec' as const, command: { argv: ['true'] } },
);
const podVolume: Arbitrary<PodVolume> = fc.oneof(
  fc.constant<PodVolume>({ kind: 'ephemeral', name: 'v' }),
  fc.constant<PodVolume>({ kind: 'host', name: 'v', host: '/h' }),
  persistent.map((each): PodVolume => ({ kind: 'persistent', name: 'v', persistent: each })),
  fc.constant<PodVolume>({ kind: 'secret', name: 'v', secret: 's' }),
);
const podMembers: Arbitrary<Partial<PodDefinition>> = fc
  .tuple(
    shared,
    fc.record(
      {
        containers: fc.array(
          fc.record(
            {
              name: word,
              resources: quantities,
              resourceLimits: fc.record({ mem: fc.constant('unlimited' as const) }, some),
              exec: fc.record(
                { command: fc.constantFrom({ shell: 'x' }, { argv: ['x'] }), overrideEntrypoint: fc.boolean() },
                { requiredKeys: ['command'] },
              ),
              image: fc.constant({
                kind: 'DOCKER' as const,
                id: 'i',
                forcePull: true,
                pullConfig: { secret: 's' },
                labels: {},
              }),
              endpoints: fc.constant([
                { name: 'e', containerPort: 80, hostPort: 0, protocol: ['tcp'], networkNames: [], labels: {} },
                { name: 'f', protocol: [], networkNames: ['n'], labels: { a: 'b' } },
              ]),
              env: envOf,
              user: word,
              healthCheck: fc.tuple(times, podProbe).map(([time, probe]) => ({ ...time, probe })),
              check: podProbe.map(probe => ({ intervalMs: 1, timeoutMs: 2, delayMs: 3, probe })),
              volumeMounts: fc.constant([{ name: 'v', mountPath: 'm', readOnly: true }]),
              artifacts: fc.constant([]),
              labels: map,
              killGracePeriodMs: count,
              tty: fc.boolean(),
              linuxInfo,
            },
            {
              requiredKeys: ['name', 'resources', 'endpoints', 'env', 'volumeMounts', 'artifacts', 'labels'],
            },
          ),
          { minLength: 1, maxLength: 2 },
        ),
        volumes: fc.array(podVolume, { maxLength: 2 }),
        executorResources: quantities,
        legacySharedCgroups: fc.boolean(),
        linuxInfo,
      },
      some,
    ),
  )
  .map(([both, own]) => ({ ...both, ...own }));

/** A run spec of this id and version, with any member of the model. */
export function arbitrarySpec(id: string, version: number): Arbitrary<RunSpec> {
  return fc
    .oneof(
      { weight: 3, arbitrary: appMembers.map(members => app(id, version, members)) },
      podMembers.map(members => pod(id, version, members)),
    )
    .map(plain);
}

/** As it comes out of JSON: fast-check's objects have no prototype. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
