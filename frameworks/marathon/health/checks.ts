// Checks as agents run them. In: an app's or a container's checks, its ports. Out: the SDK's, in an order by which their results are told apart. Pure.
import type { CheckInfo, HealthCheckInfo, IpProtocol, Probe, TaskSpec } from 'proffer';
import { assertNever } from '../machine/assert.js';
import type {
  AppCheck,
  AppDefinition,
  AppHealthCheck,
  CheckTarget,
  HealthTimes,
  ReadinessCheck,
} from '../model/app.js';
import type { PodCheck, PodCommand, PodContainer, PodHealthCheck, PodProbe } from '../model/pod.js';
import { hasOwnNetwork } from '../model/run-spec.js';

/** Where a port is, by its index among those declared; undefined when there is none. */
export type PortAt = (index: number) => number | undefined;

/** Where an endpoint is, by its name; undefined when there is none. */
export type PortNamed = (name: string) => number | undefined;

/** What a task is told to check. */
export type TaskChecks = Pick<TaskSpec, 'check' | 'checks' | 'healthChecks'>;

/**
 * The checks of an app's task: `healthChecks` and `checks` are those of `healthChecksOf` and `readinessChecksOf`, one by one. All of them run on the agent, also those
 * that Marathon ran itself: these begin at once, and with 0 failures allowed never kill; those of agents kill at the first.
 */
export function appChecks(app: AppDefinition, portAt: PortAt): TaskChecks {
  const check = appCheck(app.check, portAt);
  const healthChecks = healthChecksOf(app).map(each => healthCheck(each, portAt));
  const checks = readinessChecksOf(app).map(({ check: each, index }) => readinessCheck(each, portAt(index) ?? 0));
  return {
    ...(check === undefined ? {} : { check }),
    ...(checks.length === 0 ? {} : { checks }),
    ...(healthChecks.length === 0 ? {} : { healthChecks }),
  };
}

/** The health checks of an app that can be run: all whose port it has, which rules see to. */
export function healthChecksOf(app: AppDefinition): readonly AppHealthCheck[] {
  const count = portNames(app).length;
  return app.healthChecks.filter(
    check => check.protocol === 'COMMAND' || check.port !== undefined || (check.portIndex ?? 0) < count,
  );
}

/** The readiness checks of an app that can be run, with the index of their port. */
export function readinessChecksOf(
  app: AppDefinition,
): readonly { readonly check: ReadinessCheck; readonly index: number }[] {
  const names = portNames(app);
  return app.readinessChecks.flatMap(check => {
    const index = names.indexOf(check.portName);
    return index < 0 ? [] : [{ check, index }];
  });
}

/** The checks of a container of a pod; it has one health check at most. */
export function podChecks(container: PodContainer, portNamed: PortNamed): TaskChecks {
  const check = podCheck(container.check, portNamed);
  const health = podHealthCheck(container.healthCheck, portNamed);
  return { ...(check === undefined ? {} : { check }), ...(health === undefined ? {} : { healthChecks: [health] }) };
}

function portNames(app: AppDefinition): (string | undefined)[] {
  const ports = hasOwnNetwork(app) ? (app.container?.portMappings ?? []) : app.portDefinitions;
  return ports.map(({ name }) => name);
}

function healthCheck(check: AppHealthCheck, portAt: PortAt): HealthCheckInfo {
  return { probe: healthProbe(check, portAt), ...times(check, runsOnAgents(check)) };
}

function readinessCheck(check: ReadinessCheck, port: number): CheckInfo {
  const { path, protocol: scheme, intervalMs, timeoutMs } = check;
  return { probe: httpProbe(port, { path, scheme }), delayMs: 0, intervalMs, timeoutMs };
}

function appCheck(check: AppCheck | undefined, portAt: PortAt): CheckInfo | undefined {
  if (check === undefined) return undefined;
  const { probe, intervalMs, timeoutMs, delayMs } = check;
  const found = appProbe(probe, portAt);
  return found === undefined ? undefined : { probe: found, intervalMs, timeoutMs, delayMs };
}

function podHealthCheck(check: PodHealthCheck | undefined, portNamed: PortNamed): HealthCheckInfo | undefined {
  const probe = check === undefined ? undefined : podProbe(check.probe, portNamed);
  return check === undefined || probe === undefined ? undefined : { probe, ...times(check, true) };
}

function podCheck(check: PodCheck | undefined, portNamed: PortNamed): CheckInfo | undefined {
  const probe = check === undefined ? undefined : podProbe(check.probe, portNamed);
  if (check === undefined || probe === undefined) return undefined;
  const { intervalMs, timeoutMs, delayMs } = check;
  return { probe, intervalMs, timeoutMs, delayMs };
}

function runsOnAgents({ protocol }: AppHealthCheck): boolean {
  return protocol === 'COMMAND' || protocol.startsWith('MESOS_');
}

function times(check: HealthTimes, onAgents: boolean): Omit<HealthCheckInfo, 'probe'> {
  const { gracePeriodMs, intervalMs, timeoutMs, delayMs, maxConsecutiveFailures: most } = check;
  return {
    gracePeriodMs,
    intervalMs,
    timeoutMs,
    delayMs: onAgents ? delayMs : 0,
    // 0 is never, to an agent of ours.
    consecutiveFailures: onAgents ? Math.max(1, most) : most,
  };
}

function healthProbe(check: AppHealthCheck, portAt: PortAt): Probe {
  switch (check.protocol) {
    case 'COMMAND':
      return { type: 'COMMAND', command: { ...check.command } };
    case 'TCP':
    case 'MESOS_TCP':
      return { type: 'TCP', port: portOf(check, portAt) ?? 0, ...protocolOf(check) };
    case 'HTTP':
    case 'HTTPS':
    case 'MESOS_HTTP':
    case 'MESOS_HTTPS': {
      const scheme = check.protocol.endsWith('HTTPS') ? 'HTTPS' : 'HTTP';
      return { ...httpProbe(portOf(check, portAt) ?? 0, { path: check.path, scheme }), ...protocolOf(check) };
    }
    default:
      return assertNever(check, 'health check');
  }
}

// IPv4 goes without saying.
function protocolOf({ ipProtocol }: { readonly ipProtocol: IpProtocol }): { readonly ipProtocol?: IpProtocol } {
  return ipProtocol === 'IPv4' ? {} : { ipProtocol };
}

function appProbe(probe: AppCheck['probe'], portAt: PortAt): Probe | undefined {
  if (probe.type === 'exec') {
    const { command } = probe;
    return { type: 'COMMAND', command: 'shell' in command ? { value: command.shell } : { argv: command.argv } };
  }
  const port = portOf(probe, portAt);
  if (port === undefined) return undefined;
  return probe.type === 'tcp' ? { type: 'TCP', port } : httpProbe(port, probe);
}

function podProbe(probe: PodProbe, portNamed: PortNamed): Probe | undefined {
  if (probe.type === 'exec') return { type: 'COMMAND', command: podCommand(probe.command) };
  const port = portNamed(probe.endpoint);
  if (port === undefined) return undefined;
  return probe.type === 'tcp' ? { type: 'TCP', port } : httpProbe(port, probe);
}

function httpProbe(
  port: number,
  { path, scheme }: { readonly path?: string; readonly scheme: 'HTTP' | 'HTTPS' },
): Extract<Probe, { type: 'HTTP' }> {
  const secure = scheme === 'HTTPS' ? 'https' : 'http';
  // Paths begin with a slash for agents; users may leave it out.
  const full = path === undefined || path.startsWith('/') ? path : `/${path}`;
  return { type: 'HTTP', port, scheme: secure, ...(full === undefined ? {} : { path: full }) };
}

/** A command of a pod as the SDK has it. */
export function podCommand(command: PodCommand): { readonly value: string } | { readonly argv: readonly string[] } {
  return 'shell' in command ? { value: command.shell } : { argv: command.argv };
}

function portOf({ port, portIndex }: CheckTarget, portAt: PortAt): number | undefined {
  return port ?? portAt(portIndex ?? 0);
}
