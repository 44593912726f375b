// Service ports: numbers under which load balancers know an app. Those left open get a free one, the same as before where there was one. Pure.
import type { AppDefinition } from '../app.js';
import { appAt, mapRunSpecs, runSpecsOf } from '../group.js';
import type { Group } from '../group.js';
import { Violations } from '../refusal.js';
import type { Checked } from '../refusal.js';
import { hasOwnNetwork } from '../run-spec.js';
import type { PathId } from '../path.js';
import type { ModelSettings } from '../settings.js';

/** An app's service ports in order; 0 is not assigned yet. */
export function servicePortsOf(app: AppDefinition): number[] {
  return hasOwnNetwork(app)
    ? (app.container?.portMappings ?? []).map(({ servicePort }) => servicePort)
    : app.portDefinitions.map(({ port }) => port);
}

/** `app` with open service ports taken from those that its definition so far has and it does not name itself. */
export function keepServicePorts(app: AppDefinition, previous: AppDefinition, settings: ModelSettings): AppDefinition {
  const ports = servicePortsOf(app);
  if (!ports.includes(0)) return app;
  const { min, max } = settings.servicePorts;
  const own = servicePortsOf(previous).filter(port => port >= min && port <= max && !ports.includes(port));
  return own.length === 0
    ? app
    : withServicePorts(
        app,
        ports.map(port => (port === 0 ? (own.shift() ?? 0) : port)),
      );
}

/** `to` with every service port assigned. Ports that an app gives up are not given to others in the same change. */
export function assignServicePorts(from: Group, to: Group, settings: ModelSettings): Checked<Group> {
  const { min, max } = settings.servicePorts;
  const used = new Set<number>();
  for (const tree of from === to ? [to] : [from, to]) {
    for (const spec of runSpecsOf(tree)) {
      if (spec.kind === 'app') for (const port of servicePortsOf(spec)) used.add(port);
    }
  }
  const violations = new Violations();
  if (!used.has(0)) return violations.checked(to);
  let next = min;
  const free = (): number | undefined => {
    while (next <= max && used.has(next)) next += 1;
    return next <= max ? next++ : undefined;
  };
  const assigned = mapRunSpecs(to, spec => {
    if (spec.kind !== 'app' || !servicePortsOf(spec).includes(0)) return spec;
    const previous = appAt(from, spec.id);
    const kept = previous === undefined ? spec : keepServicePorts(spec, previous, settings);
    const filled = servicePortsOf(kept).map(port => (port === 0 ? free() : port));
    if (filled.includes(undefined))
      violations.report('/', `no service port is free from ${min} to ${max} for ${spec.id}`);
    return withServicePorts(
      kept,
      filled.map(port => port ?? 0),
    );
  });
  return violations.checked(assigned);
}

/** Service ports that several apps have; allowed, since one may replace the other behind a load balancer. */
export function servicePortCollisions(root: Group): ReadonlyMap<number, readonly PathId[]> {
  const owners = new Map<number, PathId[]>();
  for (const spec of runSpecsOf(root)) {
    if (spec.kind !== 'app') continue;
    for (const port of new Set(servicePortsOf(spec))) {
      if (port !== 0) owners.set(port, [...(owners.get(port) ?? []), spec.id]);
    }
  }
  return new Map([...owners].filter(([, ids]) => ids.length > 1));
}

function withServicePorts(app: AppDefinition, ports: readonly number[]): AppDefinition {
  const { container } = app;
  if (!hasOwnNetwork(app))
    return { ...app, portDefinitions: app.portDefinitions.map((each, i) => ({ ...each, port: ports[i] ?? 0 })) };
  if (container === undefined) return app;
  const portMappings = container.portMappings.map((each, i) => ({ ...each, servicePort: ports[i] ?? 0 }));
  return { ...app, container: { ...container, portMappings } };
}
