// An app as replies show it: normalised, with assigned ports, without the older fields. In: the definition. Out: plain JSON in Marathon's order.
import type {
  AppCheck,
  AppContainer,
  AppDefinition,
  AppHealthCheck,
  AppPortMapping,
  AppVolume,
  Autoscaling,
} from '../app.js';
import { present } from '../present.js';
import { hasOwnNetwork, isResident } from '../run-spec.js';
import * as parts from './parts.js';
import { secondsOf, timeOf, unlessEmpty } from './parts.js';

/** The app alone; counts, tasks and deployments are added by who knows them. */
export function appJson(app: AppDefinition): Record<string, unknown> {
  const mapped = hasOwnNetwork(app);
  const { version, lastScalingAt, lastConfigChangeAt } = app.versionInfo;
  return present({
    id: app.id,
    acceptedResourceRoles: unlessEmpty(app.acceptedResourceRoles),
    args: app.args,
    backoffFactor: app.backoff.factor,
    backoffSeconds: secondsOf(app.backoff.backoffMs),
    cmd: app.cmd,
    constraints: unlessEmpty(app.constraints.map(parts.constraintJson)),
    container: app.container && containerJson(app.container, mapped),
    cpus: app.resources.cpus,
    dependencies: unlessEmpty(app.dependencies),
    disk: app.resources.disk,
    env: unlessEmpty(app.env),
    executor: app.executor,
    executorResources: app.executorResources && parts.executorJson(app.executorResources),
    fetch: unlessEmpty(app.fetch),
    healthChecks: unlessEmpty(app.healthChecks.map(healthCheckJson)),
    check: app.check && checkJson(app.check),
    instances: app.instances,
    labels: app.labels,
    maxLaunchDelaySeconds: secondsOf(app.backoff.maxLaunchDelayMs),
    mem: app.resources.mem,
    gpus: app.resources.gpus,
    networks: app.networks.map(parts.networkJson),
    portDefinitions: mapped
      ? undefined
      : app.portDefinitions.map(({ port, labels, name, protocol }) =>
          present({ port, labels: unlessEmpty(labels), name, protocol }),
        ),
    readinessChecks: unlessEmpty(app.readinessChecks.map(readinessJson)),
    residency: isResident(app)
      ? { relaunchEscalationTimeoutSeconds: 3600, taskLostBehavior: 'WAIT_FOREVER' }
      : undefined,
    resourceLimits: app.resourceLimits,
    requirePorts: app.requirePorts,
    secrets: unlessEmpty(app.secrets),
    taskKillGracePeriodSeconds:
      app.taskKillGracePeriodMs === undefined ? undefined : secondsOf(app.taskKillGracePeriodMs),
    upgradeStrategy: parts.upgradeJson(app.upgradeStrategy),
    user: app.user,
    version: timeOf(version),
    versionInfo: { lastScalingAt: timeOf(lastScalingAt), lastConfigChangeAt: timeOf(lastConfigChangeAt) },
    killSelection: app.killSelection,
    unreachableStrategy: parts.unreachableJson(app.unreachableStrategy),
    tty: app.tty,
    autoscaling: app.autoscaling && autoscalingJson(app.autoscaling),
    role: app.role,
  });
}

function containerJson({ type, docker, linuxInfo, volumes, portMappings }: AppContainer, mapped: boolean): object {
  return present({
    type,
    docker,
    linuxInfo,
    volumes: volumes.map(volumeJson),
    portMappings: mapped ? portMappings.map(mappingJson) : undefined,
  });
}

function mappingJson({
  containerPort,
  hostPort,
  labels,
  name,
  protocol,
  servicePort,
  networkNames,
}: AppPortMapping): object {
  const networks = unlessEmpty(networkNames);
  return present({ containerPort, hostPort, labels, name, protocol, servicePort, networkNames: networks });
}

function volumeJson(volume: AppVolume): object {
  const { containerPath } = volume;
  switch (volume.kind) {
    case 'host':
      return { containerPath, hostPath: volume.hostPath, mode: volume.mode };
    case 'persistent':
      return { containerPath, persistent: parts.persistentJson(volume.persistent), mode: volume.mode };
    case 'external': {
      const { size, name, provider, options, shared } = volume.external;
      const external = present({ size, name, provider, options: unlessEmpty(options), shared });
      return { containerPath, external, mode: volume.mode };
    }
    case 'secret':
      return { containerPath, secret: volume.secret };
  }
}

/** A health check of an app, also as its events show it. */
function autoscalingJson({ scaleUpCooldownMs, scaleDownCooldownMs, ...rest }: Autoscaling): object {
  return {
    ...rest,
    scaleUpCooldownSeconds: secondsOf(scaleUpCooldownMs),
    scaleDownCooldownSeconds: secondsOf(scaleDownCooldownMs),
  };
}

export function healthCheckJson(check: AppHealthCheck): object {
  const isCommand = check.protocol === 'COMMAND';
  const { port, portIndex } = isCommand ? {} : check;
  return present({
    gracePeriodSeconds: secondsOf(check.gracePeriodMs),
    command: isCommand ? check.command : undefined,
    ignoreHttp1xx: check.protocol === 'HTTP' || check.protocol === 'HTTPS' ? check.ignoreHttp1xx : undefined,
    intervalSeconds: secondsOf(check.intervalMs),
    maxConsecutiveFailures: check.maxConsecutiveFailures,
    path: 'path' in check ? check.path : undefined,
    port,
    portIndex,
    protocol: check.protocol,
    ipProtocol: isCommand ? 'IPv4' : check.ipProtocol,
    timeoutSeconds: secondsOf(check.timeoutMs),
    delaySeconds: secondsOf(check.delayMs),
  });
}

function checkJson({ probe, intervalMs, timeoutMs, delayMs }: AppCheck): object {
  const { type, ...target } = probe;
  return {
    [type]: target,
    intervalSeconds: secondsOf(intervalMs),
    timeoutSeconds: secondsOf(timeoutMs),
    delaySeconds: secondsOf(delayMs),
  };
}

function readinessJson({ intervalMs, timeoutMs, ...check }: AppDefinition['readinessChecks'][number]): object {
  const { name, protocol, path, portName, httpStatusCodesForReady, preserveLastResponse } = check;
  const times = { intervalSeconds: secondsOf(intervalMs), timeoutSeconds: secondsOf(timeoutMs) };
  return { name, protocol, path, portName, ...times, httpStatusCodesForReady, preserveLastResponse };
}
