// Checks as agents run them. In: an app's or a container's checks, its ports. Out: the SDK's health check and check. Pure.
import type { CheckInfo, HealthCheckInfo, Probe } from 'proffer';
import { assertNever } from '../machine/assert.js';
import type { AppCheck, AppHealthCheck, CheckTarget, HealthTimes } from '../model/app.js';
import type { PodCheck, PodCommand, PodHealthCheck, PodProbe } from '../model/pod.js';

/** Where a port is, by its index among those declared; undefined when there is none. */
export type PortAt = (index: number) => number | undefined;

/** Where an endpoint is, by its name; undefined when there is none. */
export type PortNamed = (name: string) => number | undefined;

/**
 * The health check of an app's task; undefined without one. An agent runs one per task: of several the first that is meant to run on agents, else the first. That
 * of Marathon itself begin at once, and with 0 failures allowed never kill; those of agents kill at the first.
 */
export function appHealthCheck(checks: readonly AppHealthCheck[], portAt: PortAt): HealthCheckInfo | undefined {
  const check = checks.find(runsOnAgents) ?? checks[0];
  if (check === undefined) return undefined;
  const probe = healthProbe(check, portAt);
  return probe === undefined ? undefined : { probe, ...times(check, runsOnAgents(check)) };
}

/** The check of an app that only reports. */
export function appCheck(check: AppCheck | undefined, portAt: PortAt): CheckInfo | undefined {
  if (check === undefined) return undefined;
  const { probe, intervalMs, timeoutMs, delayMs } = check;
  const found = appProbe(probe, portAt);
  return found === undefined ? undefined : { probe: found, intervalMs, timeoutMs, delayMs };
}

/** The health check of a container of a pod. */
export function podHealthCheck(check: PodHealthCheck | undefined, portNamed: PortNamed): HealthCheckInfo | undefined {
  const probe = check === undefined ? undefined : podProbe(check.probe, portNamed);
  return check === undefined || probe === undefined ? undefined : { probe, ...times(check, true) };
}

/** The check of a container of a pod that only reports. */
export function podCheck(check: PodCheck | undefined, portNamed: PortNamed): CheckInfo | undefined {
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

function healthProbe(check: AppHealthCheck, portAt: PortAt): Probe | undefined {
  switch (check.protocol) {
    case 'COMMAND':
      return { type: 'COMMAND', command: { ...check.command } };
    case 'TCP':
    case 'MESOS_TCP': {
      const port = portOf(check, portAt);
      return port === undefined ? undefined : { type: 'TCP', port };
    }
    case 'HTTP':
    case 'HTTPS':
    case 'MESOS_HTTP':
    case 'MESOS_HTTPS': {
      const port = portOf(check, portAt);
      const scheme = check.protocol.endsWith('HTTPS') ? 'https' : 'http';
      return port === undefined ? undefined : { type: 'HTTP', port, path: check.path, scheme };
    }
    default:
      return assertNever(check, 'health check');
  }
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
): Probe {
  const secure = scheme === 'HTTPS' ? 'https' : 'http';
  return { type: 'HTTP', port, scheme: secure, ...(path === undefined ? {} : { path }) };
}

/** A command of a pod as the SDK has it. */
export function podCommand(command: PodCommand): { readonly value: string } | { readonly argv: readonly string[] } {
  return 'shell' in command ? { value: command.shell } : { argv: command.argv };
}

function portOf({ port, portIndex }: CheckTarget, portAt: PortAt): number | undefined {
  return port ?? portAt(portIndex ?? 0);
}
