// A parsed app as a definition: every default filled in. In: what withoutLegacy made, and what is decided elsewhere (id, role, versions).
// Out: the normalised app. Total: rules are judged on its result.
import type {
  AppCheck,
  AppContainer,
  AppDefinition,
  AppHealthCheck,
  AppPortMapping,
  AppVolume,
  Autoscaling,
  PortDefinition,
  ScalingTarget,
} from '../app.js';
import { resolvePath } from '../path.js';
import type { PathId } from '../path.js';
import { present } from '../present.js';
import type {
  RawAutoscaling,
  RawCheck,
  RawContainer,
  RawHealthCheck,
  RawPortDefinition,
  RawPortMapping,
  RawVolume,
} from '../schema/app.js';
import type { ModelSettings } from '../settings.js';
import type { Network, VersionInfo } from '../spec.js';
import type { CanonicalApp } from './legacy.js';
import * as parts from './parts.js';

/** What an app's own JSON does not decide. */
export interface AppContext {
  readonly id: PathId;
  /** Its role unless it names one. */
  readonly role: string;
  readonly versionInfo: VersionInfo;
  /** What its relative dependencies are relative to; its group. */
  readonly base: PathId;
  readonly settings: ModelSettings;
}

export function appOf(raw: CanonicalApp, context: AppContext): AppDefinition {
  const networks = parts.networksOf(raw.networks, context.settings);
  const mapped = networks.some(({ mode }) => mode !== 'host');
  const container = containerOf(raw, networks, mapped);
  const portDefinitions = mapped ? [] : (raw.portDefinitions?.map(portDefinitionOf) ?? [defaultPort]);
  const portCount = mapped ? (container?.portMappings.length ?? 0) : portDefinitions.length;
  const resident = container?.volumes.some(({ kind }) => kind === 'persistent') ?? false;
  const external = container?.volumes.some(({ kind }) => kind === 'external') ?? false;
  const single = raw.labels?.['MARATHON_SINGLE_INSTANCE_APP'] === 'true';
  return present({
    kind: 'app' as const,
    id: context.id,
    versionInfo: context.versionInfo,
    cmd: raw.cmd,
    args: raw.args !== undefined && raw.args.length > 0 ? raw.args : undefined,
    user: raw.user,
    env: raw.env ?? {},
    labels: raw.labels ?? {},
    secrets: raw.secrets ?? {},
    instances: raw.instances ?? 1,
    resources: { cpus: raw.cpus ?? 1, mem: raw.mem ?? 128, disk: raw.disk ?? 0, gpus: raw.gpus ?? 0 },
    resourceLimits: raw.resourceLimits,
    executor: raw.executor ?? '',
    executorResources: raw.executorResources && parts.executorOf(raw.executorResources),
    role: raw.role ?? context.role,
    acceptedResourceRoles: parts.unique(raw.acceptedResourceRoles ?? []),
    constraints: parts.unique((raw.constraints ?? []).map(parts.constraintOf)),
    fetch: (raw.fetch ?? []).map(parts.artifactOf),
    backoff: {
      backoffMs: parts.msOf(raw.backoffSeconds ?? 1),
      factor: raw.backoffFactor ?? 1.15,
      maxLaunchDelayMs: parts.msOf(raw.maxLaunchDelaySeconds ?? 300),
    },
    upgradeStrategy: parts.upgradeOf(
      raw.upgradeStrategy,
      single ? 'single' : resident || external ? 'withVolumes' : 'plain',
    ),
    killSelection: raw.killSelection ?? ('YOUNGEST_FIRST' as const),
    unreachableStrategy: parts.unreachableOf(raw.unreachableStrategy, resident),
    dependencies: parts.unique((raw.dependencies ?? []).map(id => resolvePath(id, context.base))),
    networks,
    container,
    portDefinitions,
    requirePorts: !mapped && (raw.requirePorts ?? false),
    healthChecks: parts.unique((raw.healthChecks ?? []).map(check => healthCheckOf(check, portCount))),
    check: raw.check && checkOf(raw.check),
    readinessChecks: (raw.readinessChecks ?? []).map(({ intervalSeconds, timeoutSeconds, ...rest }) => ({
      ...rest,
      httpStatusCodesForReady: parts.unique(rest.httpStatusCodesForReady),
      intervalMs: parts.msOf(intervalSeconds),
      timeoutMs: parts.msOf(timeoutSeconds),
    })),
    taskKillGracePeriodMs:
      raw.taskKillGracePeriodSeconds === undefined ? undefined : parts.msOf(raw.taskKillGracePeriodSeconds),
    tty: raw.tty,
    autoscaling: autoscalingOf(raw.autoscaling),
  });
}

function autoscalingOf(raw: RawAutoscaling | undefined): Autoscaling | undefined {
  if (raw === undefined || raw === 'disabled') return undefined;
  const { target, scaleUpCooldownSeconds, scaleDownCooldownSeconds, ...bounds } = raw;
  return {
    ...bounds,
    target: targetOf(target),
    scaleUpCooldownMs: parts.msOf(scaleUpCooldownSeconds),
    scaleDownCooldownMs: parts.msOf(scaleDownCooldownSeconds),
  };
}

function targetOf(raw: Exclude<RawAutoscaling, 'disabled'>['target']): ScalingTarget {
  const { metric, value, portIndex = 0, path = '/metrics', counter = 'http_requests_total' } = raw;
  return metric === 'requests' ? { metric, value, portIndex, path, counter } : { metric, value };
}

const defaultPort: PortDefinition = { port: 0, protocol: 'tcp', name: 'default', labels: {} };
const unnamedMapping: AppPortMapping = {
  containerPort: 0,
  servicePort: 0,
  protocol: 'tcp',
  labels: {},
  networkNames: [],
};
const defaultMapping: AppPortMapping = { ...unnamedMapping, name: 'default' };

function containerOf(raw: CanonicalApp, networks: readonly Network[], mapped: boolean): AppContainer | undefined {
  const bridged = networks.some(({ mode }) => mode === 'container/bridge');
  const withHostPort = (mapping: AppPortMapping): AppPortMapping =>
    bridged && mapping.hostPort === undefined ? { ...mapping, hostPort: 0 } : mapping;
  if (raw.container === undefined) {
    // A network of its own needs a container to have it.
    return mapped ? { type: 'MESOS', volumes: [], portMappings: [withHostPort(defaultMapping)] } : undefined;
  }
  const { type, docker, volumes, linuxInfo } = raw.container;
  return present({
    type,
    docker: docker && dockerOf(docker),
    volumes: volumes.map(volumeOf),
    portMappings: mapped ? mappingsOf(raw).map(withHostPort) : [],
    linuxInfo,
  });
}

/** The given mappings, or one by default; and one more for each port definition that has none. */
function mappingsOf({ container, portDefinitions }: CanonicalApp): AppPortMapping[] {
  const mappings = container?.portMappings?.map(mappingOf) ?? [defaultMapping];
  const lacking = (portDefinitions?.length ?? 0) - mappings.length;
  return lacking > 0 ? [...mappings, ...Array.from({ length: lacking }, () => unnamedMapping)] : mappings;
}

function mappingOf(raw: RawPortMapping): AppPortMapping {
  const { containerPort, hostPort, servicePort, protocol, name, labels, networkNames } = raw;
  return present({ containerPort, hostPort, servicePort, protocol, name, labels, networkNames });
}

function portDefinitionOf({ port, protocol, name, labels }: RawPortDefinition): PortDefinition {
  return present({ port, protocol, name, labels });
}

function dockerOf(raw: NonNullable<RawContainer['docker']>): NonNullable<AppContainer['docker']> {
  const { image, forcePullImage, privileged, parameters, pullConfig } = raw;
  return present({ image, forcePullImage, privileged, parameters, pullConfig });
}

// The first kind its members show; that they show one alone is a rule.
function volumeOf({ containerPath, mode = 'RW', hostPath, persistent, external, secret }: RawVolume): AppVolume {
  if (persistent !== undefined)
    return { kind: 'persistent', containerPath, mode, persistent: parts.persistentOf(persistent) };
  if (external !== undefined) {
    const { provider = '', name, size, options, shared } = external;
    return { kind: 'external', containerPath, mode, external: present({ provider, name, size, options, shared }) };
  }
  if (secret !== undefined) return { kind: 'secret', containerPath, secret };
  return { kind: 'host', containerPath, mode, hostPath: hostPath ?? '' };
}

function healthCheckOf(raw: RawHealthCheck, portCount: number): AppHealthCheck {
  const times = parts.healthTimesOf(raw);
  const { protocol, ipProtocol, command, port } = raw;
  if (protocol === 'COMMAND') return { ...times, protocol, command: { value: command?.value ?? '' } };
  const portIndex = raw.portIndex ?? (port === undefined && portCount > 0 ? 0 : undefined);
  const target = present({ portIndex, port });
  if (protocol === 'TCP' || protocol === 'MESOS_TCP') return { ...times, ...target, protocol, ipProtocol };
  const ignoreHttp1xx = (protocol === 'HTTP' || protocol === 'HTTPS') && raw.ignoreHttp1xx;
  return { ...times, ...target, protocol, ipProtocol, ignoreHttp1xx, path: raw.path ?? '/' };
}

function checkOf({ http, tcp, exec, intervalSeconds, timeoutSeconds, delaySeconds }: RawCheck): AppCheck {
  const times = {
    intervalMs: parts.msOf(intervalSeconds),
    timeoutMs: parts.msOf(timeoutSeconds),
    delayMs: parts.msOf(delaySeconds),
  };
  if (http !== undefined) return { ...times, probe: { type: 'http', ...http } };
  if (exec !== undefined) return { ...times, probe: { type: 'exec', command: parts.commandOf(exec.command) } };
  return { ...times, probe: { type: 'tcp', ...tcp } };
}
