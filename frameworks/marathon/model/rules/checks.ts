// Rules of an app's health checks, its check and its readiness check. In: the normalised app. Out: reports.
import type { AppDefinition, AppHealthCheck, CheckTarget } from '../app.js';
import { hasOwnNetwork } from '../run-spec.js';
import type { Report } from '../refusal.js';
import { shown } from '../refusal.js';
import { each } from './parts.js';

export function checkProblems(app: AppDefinition, report: Report): void {
  const ports = hasOwnNetwork(app) ? (app.container?.portMappings ?? []) : app.portDefinitions;
  const isDocker = app.container?.type === 'DOCKER';
  each(app.healthChecks, '/healthChecks', report, (check, here) => {
    if (check.protocol === 'COMMAND') return;
    // A check that runs in the task's own network may look at any port.
    if (!check.protocol.startsWith('MESOS_') || check.portIndex !== undefined)
      targetProblems(check, ports.length, here);
    if (check.ipProtocol === 'IPv6' && !(isDocker && check.protocol.startsWith('MESOS_')))
      here('/ipProtocol', 'must be IPv4, except for MESOS_ checks of containers of type DOCKER');
  });
  if (app.healthChecks.filter(runsOnAgent).length > 1)
    report('/healthChecks', 'must have at most one of MESOS_HTTP, MESOS_HTTPS and MESOS_TCP');
  if (app.check !== undefined) {
    if (isDocker) report('/check', 'is not for containers of type DOCKER');
    const { probe } = app.check;
    if (probe.type !== 'exec')
      targetProblems(probe, ports.length, (path, error) =>
        report(`/check/${probe.type}${path === '/' ? '' : path}`, error),
      );
  }
  if (app.readinessChecks.length > 1) report('/readinessChecks', 'must be one check at most');
  const names = new Set(ports.flatMap(({ name }) => name ?? []));
  each(app.readinessChecks, '/readinessChecks', report, ({ portName, timeoutMs, intervalMs }, here) => {
    if (!names.has(portName)) {
      const known = names.size === 0 ? 'no port has a name' : `named are ${[...names].map(shown).join(', ')}`;
      here('/portName', `${shown(portName)} is none of the app's ports; ${known}`);
    }
    if (timeoutMs >= intervalMs)
      here('/timeoutSeconds', `must be less than intervalSeconds, ${intervalMs / 1000}; ${timeoutMs / 1000} is given`);
  });
}

function runsOnAgent({ protocol }: AppHealthCheck): boolean {
  return protocol.startsWith('MESOS_');
}

function targetProblems({ port, portIndex }: CheckTarget, count: number, report: Report): void {
  if (portIndex !== undefined && portIndex >= count) {
    const known = count === 0 ? 'the app has no ports' : `the app's ports are 0 to ${count - 1}`;
    report('/portIndex', `must be the index of one of the app's ports: ${known}, ${portIndex} is given`);
  } else if (portIndex === undefined && port === undefined && count !== 1) {
    report('/portIndex', 'is missing, as is port, and the app has not just one port');
  }
}
