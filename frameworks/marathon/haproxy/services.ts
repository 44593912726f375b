// What is to be routed: each service port of each app, with the servers behind it. In: Marathon's view. Out: services in a fixed order, and what is refused. Pure.
import { isIPv4 } from 'node:net';
import { declaredPortsOf, portAt, servingTasksOf } from '../discovery/ports.js';
import type { DeclaredPort, ServingTask } from '../discovery/ports.js';
import { Parts } from '../discovery/parts.js';
import type { DiscoveryView } from '../discovery/view.js';
import type { InstanceId } from '../machine/ids.js';
import type { AppDefinition, AppHealthCheck } from '../model/app.js';
import { safePath } from '../model/path.js';
import type { PathId } from '../model/path.js';
import { isPlainPath, settingsOf } from './labels.js';
import type { PortSettings } from './labels.js';

/** One instance behind a service. */
export interface Server {
  /** Of no other start of any instance. */
  readonly name: string;
  readonly instanceId: InstanceId;
  readonly address: string;
  readonly port: number;
  /** Where it is asked how it is, if elsewhere. */
  readonly checkPort?: number;
}

/** How servers are looked at: by connecting, or by a request. */
export interface ServerCheck {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly path?: string;
  readonly tls: boolean;
}

/** One service port. */
export interface Service {
  /** `shop_web_10001`, of `/shop/web`. */
  readonly name: string;
  readonly appId: PathId;
  readonly portIndex: number;
  readonly port: number;
  readonly mode: 'tcp' | 'http';
  readonly settings: PortSettings;
  readonly check: ServerCheck;
  /** By name. */
  readonly servers: readonly Server[];
}

/** A service port that is not routed, and why. */
export interface Refused {
  readonly appId: PathId;
  readonly portIndex: number;
  readonly why: string;
}

export interface Routing {
  readonly services: readonly Service[];
  readonly refused: readonly Refused[];
}

export interface RoutingOptions {
  /** Apps of these groups are routed; `*`: of any and of none. */
  readonly groups: readonly string[];
  /** Ports that services cannot have, and why. */
  readonly taken: ReadonlyMap<number, string>;
  /** The addresses of an agent that is known by name. */
  readonly addressesOf: (host: string) => readonly string[];
  /** Instances that are to get nothing new. */
  readonly leaving: { readonly size: number; has(id: InstanceId): boolean };
}

/** Where there is no check to go by, whether it can be connected to. */
const plainCheck: ServerCheck = { intervalMs: 1000, timeoutMs: 1000, tls: false };

/** A port as its app has it; whether it can be had is another question. */
interface Candidate {
  readonly service: Service;
  /** Why its labels cannot be followed. */
  readonly problem?: string;
}

/** Services of a view that changes. Pods have no service ports; ports for UDP are not routed. */
export class Services {
  readonly #parts = new Parts<readonly Candidate[]>();

  /** What the view comes to. `addresses` is another whenever {@link RoutingOptions.addressesOf} says something else. */
  bring(
    view: Pick<DiscoveryView, 'root' | 'instancesOf' | 'specOf'>,
    { groups, taken, addressesOf, leaving }: RoutingOptions,
    addresses?: unknown,
  ): Routing {
    const parts = this.#parts.bring(view, addresses, spec =>
      spec.kind === 'app' ? candidatesOf(view, spec, addressesOf) : [],
    );
    const services: Service[] = [];
    const refused: Refused[] = [];
    const owners = new Map<number, Service>();
    for (const [, candidates] of [...parts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      for (const { service, problem } of candidates) {
        const { appId, portIndex, port } = service;
        if (!isOffered(service.settings.groups, groups)) continue;
        const owner = owners.get(port);
        const taker = taken.get(port);
        const why =
          problem ??
          (taker === undefined ? undefined : `port ${port} ${taker}`) ??
          (owner === undefined ? undefined : `port ${port} is the one of ${owner.appId}`);
        if (why !== undefined) refused.push({ appId, portIndex, why });
        else {
          owners.set(port, service);
          services.push(without(service, leaving));
        }
      }
    }
    return { services, refused };
  }
}

/** The services of a view. */
export function routingOf(
  view: Pick<DiscoveryView, 'root' | 'instancesOf' | 'specOf'>,
  options: RoutingOptions,
): Routing {
  return new Services().bring(view, options);
}

function without(service: Service, leaving: RoutingOptions['leaving']): Service {
  if (leaving.size === 0 || !service.servers.some(({ instanceId }) => leaving.has(instanceId))) return service;
  return { ...service, servers: service.servers.filter(({ instanceId }) => !leaving.has(instanceId)) };
}

function candidatesOf(
  view: Pick<DiscoveryView, 'instancesOf' | 'specOf'>,
  app: AppDefinition,
  addressesOf: RoutingOptions['addressesOf'],
): Candidate[] {
  const candidates: Candidate[] = [];
  let serving: ServingTask[] | undefined;
  for (const declared of declaredPortsOf(app)) {
    const { settings, problems } = settingsOf(app.labels, declared.index);
    const port = settings.port ?? declared.servicePort;
    if (!declared.tcp || port === 0 || !settings.enabled) continue;
    serving ??= servingTasksOf(view, app);
    const service = serviceOf(app, declared, port, settings, serving, addressesOf);
    const problem = problems.map(each => describe(each.label, each.value, each.allowed)).join('; ');
    candidates.push({ service, ...(problem === '' ? {} : { problem }) });
  }
  return candidates;
}

function serviceOf(
  app: AppDefinition,
  declared: DeclaredPort,
  port: number,
  settings: PortSettings,
  serving: readonly ServingTask[],
  addressesOf: RoutingOptions['addressesOf'],
): Service {
  const checkIndex = settings.healthPortIndex ?? declared.index;
  const { check, isHttp } = checkOf(app, checkIndex);
  const servers: Server[] = [];
  for (const each of serving) {
    const [own, looked] = [declared.index, checkIndex].map(index => portOf(each, index));
    const addresses = each.ip === undefined ? addressesOf(each.host) : [each.ip];
    const address = addresses.find(isIPv4) ?? addresses[0];
    if (own === undefined || address === undefined) continue;
    servers.push({
      name: serverNameOf(each),
      instanceId: each.instance.id,
      address,
      port: own,
      ...(looked === undefined || looked === own ? {} : { checkPort: looked }),
    });
  }
  // Host names, paths and cookies are of HTTP, as is what a check by HTTP looks at.
  const http = settings.vhosts.length > 0 || settings.sticky || settings.auth !== undefined;
  return {
    name: `${safePath(app.id)}_${port}`,
    appId: app.id,
    portIndex: declared.index,
    port,
    mode: http ? 'http' : (settings.mode ?? (isHttp ? 'http' : 'tcp')),
    settings,
    check,
    servers: servers.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function checkOf(app: AppDefinition, index: number): { readonly check: ServerCheck; readonly isHttp: boolean } {
  const found = app.healthChecks.find(
    check => check.protocol !== 'COMMAND' && check.port === undefined && (check.portIndex ?? 0) === index,
  );
  if (found === undefined) return { check: plainCheck, isHttp: false };
  const { intervalMs, timeoutMs } = found;
  const path = pathOf(found);
  const tls = found.protocol.endsWith('HTTPS');
  const plain = path !== undefined && isPlainPath(path);
  return { check: { intervalMs, timeoutMs, tls, ...(plain ? { path } : {}) }, isHttp: path !== undefined && !tls };
}

function pathOf(check: AppHealthCheck): string | undefined {
  return 'path' in check ? (check.path === '' ? '/' : check.path) : undefined;
}

// An instance of an earlier version has its ports where that version said.
function portOf(serving: ServingTask, index: number): number | undefined {
  const declared = declaredPortsOf(serving.spec)[index];
  return declared?.tcp === true ? portAt(serving, declared) : undefined;
}

// Ids are of letters, digits, dashes, dots and underscores by rule; no other byte may get into a configuration.
function serverNameOf({ instance: { id, incarnation } }: ServingTask): string {
  return `${ownNameOf(id)}.${incarnation}`;
}

function ownNameOf(id: InstanceId): string {
  const own = id.slice(id.lastIndexOf('.') + 1).replace(/^instance-/, '');
  return own.replaceAll(/[^A-Za-z0-9_-]/g, '-');
}

/** Whether a server of that name is one of these instances, whichever start of it. */
export function namedFor(ids: Iterable<InstanceId>): (server: string) => boolean {
  const own = new Set(Array.from(ids, ownNameOf));
  return server => own.has(server.slice(0, server.lastIndexOf('.')));
}

function isOffered(own: readonly string[], groups: readonly string[]): boolean {
  return groups.includes('*') || own.some(group => group === '*' || groups.includes(group));
}

function describe(label: string, value: string, allowed: string): string {
  const short = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return `label ${label} is ${JSON.stringify(short)}; allowed: ${allowed}`;
}
