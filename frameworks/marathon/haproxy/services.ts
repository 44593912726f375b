// What is to be routed: each service port of each app, with the servers behind it. In: Marathon's view. Out: services in a fixed order, and what is refused. Pure.
import { isIPv4 } from 'node:net';
import { declaredPortsOf, portAt, servingTasksOf } from '../discovery/ports.js';
import type { DeclaredPort, ServingTask } from '../discovery/ports.js';
import type { DiscoveryView } from '../discovery/view.js';
import type { InstanceId } from '../machine/ids.js';
import type { AppDefinition, AppHealthCheck } from '../model/app.js';
import { runSpecsOf } from '../model/group.js';
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
  readonly leaving: { has(id: InstanceId): boolean };
}

/** Where there is no check to go by, whether it can be connected to. */
const plainCheck: ServerCheck = { intervalMs: 1000, timeoutMs: 1000, tls: false };

/** What the view comes to. Pods have no service ports; ports for UDP are not routed. */
export function routingOf(
  view: Pick<DiscoveryView, 'root' | 'instancesOf' | 'specOf'>,
  options: RoutingOptions,
): Routing {
  const services: Service[] = [];
  const refused: Refused[] = [];
  const owners = new Map<number, Service>();
  const apps = [...runSpecsOf(view.root)].filter((spec): spec is AppDefinition => spec.kind === 'app');
  for (const app of apps.sort((a, b) => (a.id < b.id ? -1 : 1))) {
    let serving: ServingTask[] | undefined;
    for (const declared of declaredPortsOf(app)) {
      const { index: portIndex, tcp } = declared;
      const refuse = (why: string): unknown => refused.push({ appId: app.id, portIndex, why });
      const { settings, problems } = settingsOf(app.labels, portIndex);
      const port = settings.port ?? declared.servicePort;
      if (!tcp || port === 0 || !settings.enabled || !isOffered(settings.groups, options.groups)) continue;
      const [problem] = problems;
      const owner = owners.get(port);
      const taken = options.taken.get(port);
      if (problem !== undefined)
        refuse(problems.map(each => describe(each.label, each.value, each.allowed)).join('; '));
      else if (taken !== undefined) refuse(`port ${port} ${taken}`);
      else if (owner !== undefined) refuse(`port ${port} is the one of ${owner.appId}`);
      else {
        serving ??= servingTasksOf(view, app);
        const service = serviceOf(app, declared, port, settings, serving, options);
        owners.set(port, service);
        services.push(service);
      }
    }
  }
  return { services, refused };
}

function serviceOf(
  app: AppDefinition,
  declared: DeclaredPort,
  port: number,
  settings: PortSettings,
  serving: readonly ServingTask[],
  { addressesOf, leaving }: RoutingOptions,
): Service {
  const checkIndex = settings.healthPortIndex ?? declared.index;
  const { check, isHttp } = checkOf(app, checkIndex);
  const servers: Server[] = [];
  for (const each of serving) {
    const [own, looked] = [declared.index, checkIndex].map(index => portOf(each, index));
    const addresses = each.ip === undefined ? addressesOf(each.host) : [each.ip];
    const address = addresses.find(isIPv4) ?? addresses[0];
    if (own === undefined || address === undefined || leaving.has(each.instance.id)) continue;
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
  const own = id.slice(id.lastIndexOf('.') + 1).replace(/^instance-/, '');
  return `${own.replaceAll(/[^A-Za-z0-9_-]/g, '-')}.${incarnation}`;
}

function isOffered(own: readonly string[], groups: readonly string[]): boolean {
  return groups.includes('*') || own.some(group => group === '*' || groups.includes(group));
}

function describe(label: string, value: string, allowed: string): string {
  const short = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return `label ${label} is ${JSON.stringify(short)}; allowed: ${allowed}`;
}
