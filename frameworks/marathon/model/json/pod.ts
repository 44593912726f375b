// A pod as replies show it: normalised. In: the definition. Out: plain JSON in Marathon's order.
import type { PodCheck, PodContainer, PodDefinition, PodEndpoint, PodImage, PodProbe, PodVolume } from '../pod.js';
import { present } from '../present.js';
import * as parts from './parts.js';
import { secondsOf, timeOf, unlessEmpty } from './parts.js';

export function podJson(pod: PodDefinition): Record<string, unknown> {
  return present({
    id: pod.id,
    labels: unlessEmpty(pod.labels),
    version: timeOf(pod.versionInfo.version),
    user: pod.user,
    environment: unlessEmpty(pod.env),
    containers: pod.containers.map(containerJson),
    secrets: unlessEmpty(pod.secrets),
    volumes: unlessEmpty(pod.volumes.map(volumeJson)),
    networks: pod.networks.map(parts.networkJson),
    scaling: { kind: 'fixed', instances: pod.instances },
    scheduling: schedulingJson(pod),
    executorResources: parts.executorJson(pod.executorResources),
    role: pod.role,
    linuxInfo: pod.linuxInfo,
    legacySharedCgroups: pod.legacySharedCgroups,
  });
}

function schedulingJson(pod: PodDefinition): object {
  return {
    backoff: {
      backoff: secondsOf(pod.backoff.backoffMs),
      backoffFactor: pod.backoff.factor,
      maxLaunchDelay: secondsOf(pod.backoff.maxLaunchDelayMs),
    },
    upgrade: parts.upgradeJson(pod.upgradeStrategy),
    placement: present({
      constraints: unlessEmpty(
        pod.constraints.map(({ field, operator, value }) => present({ fieldName: field, operator, value })),
      ),
      acceptedResourceRoles: unlessEmpty(pod.acceptedResourceRoles),
    }),
    killSelection: pod.killSelection,
    unreachableStrategy: parts.unreachableJson(pod.unreachableStrategy),
  };
}

function containerJson(container: PodContainer): object {
  const { healthCheck, check, killGracePeriodMs } = container;
  return present({
    name: container.name,
    exec: container.exec,
    resources: container.resources,
    resourceLimits: container.resourceLimits,
    endpoints: unlessEmpty(container.endpoints.map(endpointJson)),
    linuxInfo: container.linuxInfo,
    image: container.image && imageJson(container.image),
    environment: unlessEmpty(container.env),
    user: container.user,
    healthCheck: healthCheck && {
      ...checkJson(healthCheck),
      gracePeriodSeconds: secondsOf(healthCheck.gracePeriodMs),
      maxConsecutiveFailures: healthCheck.maxConsecutiveFailures,
    },
    check: check && checkJson(check),
    volumeMounts: unlessEmpty(container.volumeMounts),
    artifacts: unlessEmpty(container.artifacts),
    labels: unlessEmpty(container.labels),
    lifecycle: killGracePeriodMs === undefined ? undefined : { killGracePeriodSeconds: secondsOf(killGracePeriodMs) },
    tty: container.tty,
  });
}

function endpointJson({ name, containerPort, hostPort, protocol, labels, networkNames }: PodEndpoint): object {
  const lists = {
    protocol: unlessEmpty(protocol),
    labels: unlessEmpty(labels),
    networkNames: unlessEmpty(networkNames),
  };
  return present({ name, containerPort, hostPort, ...lists });
}

function imageJson({ kind, id, pullConfig, forcePull, labels }: PodImage): object {
  return present({ kind, id, pullConfig, forcePull, labels: unlessEmpty(labels) });
}

function checkJson({ probe, intervalMs, timeoutMs, delayMs }: PodCheck): object {
  return {
    ...probeJson(probe),
    intervalSeconds: secondsOf(intervalMs),
    timeoutSeconds: secondsOf(timeoutMs),
    delaySeconds: secondsOf(delayMs),
  };
}

function probeJson({ type, ...probe }: PodProbe): object {
  return { [type]: probe };
}

function volumeJson(volume: PodVolume): object {
  const { name } = volume;
  switch (volume.kind) {
    case 'ephemeral':
      return { name };
    case 'host':
      return { name, host: volume.host };
    case 'persistent':
      return { name, persistent: parts.persistentJson(volume.persistent) };
    case 'secret':
      return { name, secret: volume.secret };
  }
}
