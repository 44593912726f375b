// The shapes of kept apps and pods: their common part, then each. No input; out: schemas held against the model's types. Pure.
import { constraintOperators } from 'proffer';
import type { PlacementConstraint } from 'proffer';
import * as v from 'valibot';
import { healthProtocols } from '../model/app.js';
import type {
  AppCheck,
  AppContainer,
  AppDefinition,
  AppDocker,
  AppHealthCheck,
  AppPortMapping,
  AppVolume,
  Autoscaling,
  CheckTarget,
  ExternalVolume,
  HealthTimes,
  PortDefinition,
  ReadinessCheck,
  ScalingTarget,
} from '../model/app.js';
import type {
  PodCheck,
  PodContainer,
  PodDefinition,
  PodEndpoint,
  PodExec,
  PodHealthCheck,
  PodImage,
  PodProbe,
  PodVolume,
  PodVolumeMount,
} from '../model/pod.js';
import { killSelections, networkModes, persistentTypes, portProtocols } from '../model/spec.js';
import type {
  Artifact,
  BackoffStrategy,
  EnvValue,
  InstanceCount,
  LinuxInfo,
  Network,
  PersistentVolumeSpec,
  ResourceLimits,
  SpecCommon,
  SpecResources,
  UnreachableStrategy,
  RollbackPolicy,
  Trial,
  UpgradeStrategy,
  VersionInfo,
} from '../model/spec.js';
import { cases, flag, list, maybe, number, shape, text, textMap, texts, whole, word } from './shape.js';
import type { Schema } from './shape.js';

export const unreachableStrategy: Schema<UnreachableStrategy> = v.union([
  v.literal('disabled'),
  shape<Exclude<UnreachableStrategy, string>>({ inactiveAfterMs: whole, expungeAfterMs: whole }),
]);

const secretName = shape<{ readonly secret: string }>({ secret: text });
const resources = shape<SpecResources>({ cpus: number, mem: number, disk: number, gpus: number });
const limit: Schema<number | 'unlimited'> = v.union([v.literal('unlimited'), number]);
const resourceLimits = shape<ResourceLimits>({ cpus: maybe(limit), mem: maybe(limit) });
const constraint = shape<PlacementConstraint>({
  field: text,
  operator: word(constraintOperators),
  value: maybe(text),
});
const env: Schema<{ readonly [name: string]: EnvValue }> = v.record(v.string(), v.union([v.string(), secretName]));
const network = shape<Network>({ mode: word(networkModes), name: maybe(text), labels: textMap });
const artifact = shape<Artifact>({
  uri: text,
  extract: flag,
  executable: flag,
  cache: flag,
  destPath: maybe(text),
});
const persistent = shape<PersistentVolumeSpec>({
  type: word(persistentTypes),
  size: number,
  maxSize: maybe(number),
  profileName: maybe(text),
  constraints: list(constraint),
});
const linuxInfo = shape<LinuxInfo>({
  seccomp: maybe(shape<NonNullable<LinuxInfo['seccomp']>>({ profileName: maybe(text), unconfined: maybe(flag) })),
  ipcInfo: maybe(
    shape<NonNullable<LinuxInfo['ipcInfo']>>({ mode: word(['PRIVATE', 'SHARE_PARENT']), shmSize: maybe(number) }),
  ),
});

const common = {
  id: text,
  versionInfo: shape<VersionInfo>({ version: whole, lastScalingAt: whole, lastConfigChangeAt: whole }),
  instances: v.union([v.literal('*'), whole]) as Schema<InstanceCount>,
  role: text,
  acceptedResourceRoles: texts,
  constraints: list(constraint),
  backoff: shape<BackoffStrategy>({ backoffMs: number, factor: number, maxLaunchDelayMs: number }),
  upgradeStrategy: shape<UpgradeStrategy>({
    minimumHealthCapacity: number,
    maximumOverCapacity: number,
    trial: maybe(
      v.union([
        shape<Trial & { kind: 'canary' }>({ kind: v.literal('canary'), instances: whole, observeMs: whole }),
        shape<Trial & { kind: 'blueGreen' }>({ kind: v.literal('blueGreen'), observeMs: whole }),
      ]) as Schema<Trial>,
    ),
    rollback: maybe(shape<RollbackPolicy>({ failures: whole, deadlineMs: whole })),
  }),
  killSelection: word(killSelections),
  unreachableStrategy,
  dependencies: texts,
  networks: list(network),
  env,
  labels: textMap,
  secrets: v.record(v.string(), shape<{ readonly source: string }>({ source: text })) as Schema<SpecCommon['secrets']>,
  user: maybe(text),
} as const;

// Apps

const times = {
  gracePeriodMs: number,
  intervalMs: number,
  timeoutMs: number,
  delayMs: number,
  maxConsecutiveFailures: whole,
} as const satisfies { readonly [K in keyof HealthTimes]: Schema<number> };
const checkTimes = { intervalMs: number, timeoutMs: number, delayMs: number } as const;
const target = { portIndex: maybe(whole), port: maybe(whole) } as const satisfies {
  readonly [K in keyof CheckTarget]: unknown;
};

const protocol = word(healthProtocols);
const ipProtocol = word(['IPv4', 'IPv6']);
const scheme = word(['HTTP', 'HTTPS']);
type Http = Extract<AppHealthCheck, { readonly path: string }>;
type Tcp = Extract<AppHealthCheck, { readonly protocol: 'TCP' | 'MESOS_TCP' }>;
type Command = Extract<AppHealthCheck, { readonly protocol: 'COMMAND' }>;
const httpCheck: Schema<AppHealthCheck> = shape<Http>({
  ...times,
  ...target,
  protocol: protocol as Schema<Http['protocol']>,
  path: text,
  ignoreHttp1xx: flag,
  ipProtocol,
});
const tcpCheck: Schema<AppHealthCheck> = shape<Tcp>({
  ...times,
  ...target,
  protocol: protocol as Schema<Tcp['protocol']>,
  ipProtocol,
});
const commandCheck: Schema<AppHealthCheck> = shape<Command>({
  ...times,
  protocol: protocol as Schema<'COMMAND'>,
  command: v.union([
    shape<{ readonly value: string }>({ value: text }),
    shape<{ readonly argv: readonly string[] }>({ argv: texts }),
  ]),
});
const healthCheck = cases<AppHealthCheck>('protocol', {
  HTTP: httpCheck,
  HTTPS: httpCheck,
  MESOS_HTTP: httpCheck,
  MESOS_HTTPS: httpCheck,
  TCP: tcpCheck,
  MESOS_TCP: tcpCheck,
  COMMAND: commandCheck,
});
const podCommand: Schema<PodExec['command']> = v.union([
  shape<{ readonly shell: string }>({ shell: text }),
  shape<{ readonly argv: readonly string[] }>({ argv: texts }),
]);
type AppProbe = AppCheck['probe'];
const appProbe = cases<AppProbe>('type', {
  http: shape<Extract<AppProbe, { readonly type: 'http' }>>({
    type: v.literal('http'),
    ...target,
    path: maybe(text),
    scheme,
  }),
  tcp: shape<Extract<AppProbe, { readonly type: 'tcp' }>>({ type: v.literal('tcp'), ...target }),
  exec: shape<Extract<AppProbe, { readonly type: 'exec' }>>({ type: v.literal('exec'), command: podCommand }),
});
const readinessCheck = shape<ReadinessCheck>({
  name: text,
  protocol: scheme,
  path: text,
  portName: text,
  intervalMs: number,
  timeoutMs: number,
  httpStatusCodesForReady: list(whole),
  preserveLastResponse: flag,
});
const portProtocol = word(portProtocols);
const portDefinition = shape<PortDefinition>({
  port: whole,
  protocol: portProtocol,
  name: maybe(text),
  labels: textMap,
});
const portMapping = shape<AppPortMapping>({
  containerPort: whole,
  hostPort: maybe(whole),
  servicePort: whole,
  protocol: portProtocol,
  name: maybe(text),
  labels: textMap,
  networkNames: texts,
});
const docker = shape<AppDocker>({
  image: text,
  forcePullImage: flag,
  privileged: flag,
  parameters: list(shape<AppDocker['parameters'][number]>({ key: text, value: text })),
  pullConfig: maybe(secretName),
});
const mode = word(['RO', 'RW']);
const external = shape<ExternalVolume>({
  provider: text,
  name: maybe(text),
  size: maybe(number),
  options: v.record(v.string(), v.unknown()),
  shared: maybe(flag),
});
type Volume<K extends string> = Extract<AppVolume, { readonly kind: K }>;
const appVolume = cases<AppVolume>('kind', {
  host: shape<Volume<'host'>>({ kind: v.literal('host'), containerPath: text, hostPath: text, mode }),
  persistent: shape<Volume<'persistent'>>({ kind: v.literal('persistent'), containerPath: text, persistent, mode }),
  external: shape<Volume<'external'>>({ kind: v.literal('external'), containerPath: text, external, mode }),
  secret: shape<Volume<'secret'>>({ kind: v.literal('secret'), containerPath: text, secret: text }),
});
const appContainer = shape<AppContainer>({
  type: word(['DOCKER', 'MESOS']),
  docker: maybe(docker),
  volumes: list(appVolume),
  portMappings: list(portMapping),
  linuxInfo: maybe(linuxInfo),
});

export const appDefinition = shape<AppDefinition>({
  ...common,
  kind: v.literal('app'),
  cmd: maybe(text),
  args: maybe(texts),
  executor: text,
  executorResources: maybe(resources),
  resources,
  resourceLimits: maybe(resourceLimits),
  fetch: list(artifact),
  healthChecks: list(healthCheck),
  readinessChecks: list(readinessCheck),
  check: maybe(shape<AppCheck>({ ...checkTimes, probe: appProbe })),
  container: maybe(appContainer),
  portDefinitions: list(portDefinition),
  requirePorts: flag,
  taskKillGracePeriodMs: maybe(number),
  tty: maybe(flag),
  autoscaling: maybe(
    shape<Autoscaling>({
      minInstances: whole,
      maxInstances: whole,
      target: v.union([
        shape<ScalingTarget & { metric: 'cpus' | 'mem' }>({ metric: word(['cpus', 'mem']), value: number }),
        shape<ScalingTarget & { metric: 'requests' }>({
          metric: v.literal('requests'),
          value: number,
          portIndex: whole,
          path: text,
          counter: text,
        }),
      ]) as Schema<ScalingTarget>,
      scaleUpCooldownMs: whole,
      scaleDownCooldownMs: whole,
    }),
  ),
});

// Pods

const podProbe = cases<PodProbe>('type', {
  http: shape<Extract<PodProbe, { readonly type: 'http' }>>({
    type: v.literal('http'),
    endpoint: text,
    path: maybe(text),
    scheme,
  }),
  tcp: shape<Extract<PodProbe, { readonly type: 'tcp' }>>({ type: v.literal('tcp'), endpoint: text }),
  exec: shape<Extract<PodProbe, { readonly type: 'exec' }>>({ type: v.literal('exec'), command: podCommand }),
});
const podContainer = shape<PodContainer>({
  name: text,
  resources,
  resourceLimits: maybe(resourceLimits),
  exec: maybe(shape<PodExec>({ command: podCommand, overrideEntrypoint: maybe(flag) })),
  image: maybe(
    shape<PodImage>({
      kind: v.literal('DOCKER'),
      id: text,
      forcePull: flag,
      pullConfig: maybe(secretName),
      labels: textMap,
    }),
  ),
  endpoints: list(
    shape<PodEndpoint>({
      name: text,
      containerPort: maybe(whole),
      hostPort: maybe(whole),
      protocol: texts,
      networkNames: texts,
      labels: textMap,
    }),
  ),
  env,
  user: maybe(text),
  healthCheck: maybe(shape<PodHealthCheck>({ ...times, probe: podProbe })),
  check: maybe(shape<PodCheck>({ ...checkTimes, probe: podProbe })),
  volumeMounts: list(shape<PodVolumeMount>({ name: text, mountPath: text, readOnly: flag })),
  artifacts: list(artifact),
  labels: textMap,
  killGracePeriodMs: maybe(number),
  tty: maybe(flag),
  linuxInfo: maybe(linuxInfo),
});
type OfPod<K extends string> = Extract<PodVolume, { readonly kind: K }>;
const podVolume = cases<PodVolume>('kind', {
  ephemeral: shape<OfPod<'ephemeral'>>({ kind: v.literal('ephemeral'), name: text }),
  host: shape<OfPod<'host'>>({ kind: v.literal('host'), name: text, host: text }),
  persistent: shape<OfPod<'persistent'>>({ kind: v.literal('persistent'), name: text, persistent }),
  secret: shape<OfPod<'secret'>>({ kind: v.literal('secret'), name: text, secret: text }),
});

export const podDefinition = shape<PodDefinition>({
  ...common,
  kind: v.literal('pod'),
  containers: list(podContainer),
  volumes: list(podVolume),
  executorResources: resources,
  legacySharedCgroups: maybe(flag),
  linuxInfo: maybe(linuxInfo),
});
