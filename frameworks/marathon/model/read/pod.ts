// A parsed pod as a definition: every default filled in. Total: rules are judged on its result.
import type { PathId } from '../path.js';
import type { PodCheck, PodContainer, PodDefinition, PodHealthCheck, PodProbe, PodVolume } from '../pod.js';
import { present } from '../present.js';
import type { RawPod, RawPodCheck, RawPodContainer, RawPodVolume } from '../schema/pod.js';
import type { ModelSettings } from '../settings.js';
import type { VersionInfo } from '../spec.js';
import * as parts from './parts.js';

/** What a pod's own JSON does not decide. */
export interface PodContext {
  readonly id: PathId;
  /** Its role unless it names one. */
  readonly role: string;
  readonly versionInfo: VersionInfo;
  readonly settings: ModelSettings;
}

export function podOf(raw: RawPod, context: PodContext): PodDefinition {
  const networks = parts.networksOf(raw.networks, context.settings);
  // In a container network an endpoint without a host port is reachable there alone; elsewhere any host port will do.
  const hostPort = networks.some(({ mode }) => mode === 'container') ? undefined : 0;
  const volumes = raw.volumes.map(volumeOf);
  const resident = volumes.some(({ kind }) => kind === 'persistent');
  const { backoff, upgrade, placement, killSelection, unreachableStrategy } = raw.scheduling ?? {};
  return present({
    kind: 'pod' as const,
    id: context.id,
    versionInfo: context.versionInfo,
    instances: raw.scaling?.instances ?? 1,
    role: raw.role ?? context.role,
    user: raw.user,
    env: raw.environment,
    labels: raw.labels,
    secrets: raw.secrets,
    containers: raw.containers.map(container => containerOf(container, hostPort)),
    volumes,
    networks,
    executorResources: parts.executorOf(raw.executorResources ?? { cpus: 0.1, mem: 32, disk: 10 }),
    acceptedResourceRoles: parts.unique(placement?.acceptedResourceRoles ?? []),
    constraints: parts.unique(
      (placement?.constraints ?? []).map(({ fieldName, operator, value }) =>
        present({ field: fieldName, operator: parts.operatorOf(operator), value }),
      ),
    ),
    backoff: {
      backoffMs: parts.msOf(backoff?.backoff ?? 1),
      factor: backoff?.backoffFactor ?? 1.15,
      maxLaunchDelayMs: parts.msOf(backoff?.maxLaunchDelay ?? 300),
    },
    upgradeStrategy: parts.upgradeOf(upgrade, resident ? 'withVolumes' : 'plain'),
    killSelection: killSelection ?? ('YOUNGEST_FIRST' as const),
    unreachableStrategy: parts.unreachableOf(unreachableStrategy, resident),
    dependencies: [],
    linuxInfo: raw.linuxInfo,
    legacySharedCgroups: raw.legacySharedCgroups === true ? true : undefined,
  });
}

function containerOf(raw: RawPodContainer, hostPort: number | undefined): PodContainer {
  const { exec, lifecycle, healthCheck, check } = raw;
  const graceSeconds = lifecycle?.killGracePeriodSeconds;
  return present({
    name: raw.name,
    resources: raw.resources,
    resourceLimits: raw.resourceLimits,
    exec: exec && present({ command: parts.commandOf(exec.command), overrideEntrypoint: exec.overrideEntrypoint }),
    image: raw.image,
    endpoints: raw.endpoints.map(endpoint =>
      endpoint.hostPort === undefined && hostPort !== undefined ? { ...endpoint, hostPort } : endpoint,
    ),
    env: raw.environment,
    user: raw.user,
    healthCheck: healthCheck && healthCheckOf(healthCheck),
    check: check && checkOf(check),
    volumeMounts: raw.volumeMounts,
    artifacts: raw.artifacts.map(parts.artifactOf),
    labels: raw.labels,
    killGracePeriodMs: graceSeconds === undefined ? undefined : parts.msOf(graceSeconds),
    tty: raw.tty,
    linuxInfo: raw.linuxInfo,
  });
}

function healthCheckOf(raw: NonNullable<RawPodContainer['healthCheck']>): PodHealthCheck {
  return { ...parts.healthTimesOf(raw), probe: probeOf(raw) };
}

function checkOf(raw: RawPodCheck): PodCheck {
  return {
    intervalMs: parts.msOf(raw.intervalSeconds),
    timeoutMs: parts.msOf(raw.timeoutSeconds),
    delayMs: parts.msOf(raw.delaySeconds),
    probe: probeOf(raw),
  };
}

// The first one given; that it is one alone is a rule.
function probeOf({ http, tcp, exec }: Pick<RawPodCheck, 'http' | 'tcp' | 'exec'>): PodProbe {
  if (http !== undefined) return { type: 'http', ...http };
  if (tcp !== undefined) return { type: 'tcp', endpoint: tcp.endpoint };
  return { type: 'exec', command: parts.commandOf(exec?.command ?? {}) };
}

// The first kind its members show; that they show one alone is a rule.
function volumeOf({ name, host, persistent, secret }: RawPodVolume): PodVolume {
  if (persistent !== undefined) return { kind: 'persistent', name, persistent: parts.persistentOf(persistent) };
  if (secret !== undefined) return { kind: 'secret', name, secret };
  return host === undefined ? { kind: 'ephemeral', name } : { kind: 'host', name, host };
}
