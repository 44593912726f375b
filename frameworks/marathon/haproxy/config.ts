// HAProxy's configuration. In: services, where to listen. Out: the text, in parts that tell what changed: servers can come and go without a reload. Pure.
import type { Server, Service } from './services.js';

export interface ConfigOptions {
  /** The address that service ports are offered at. */
  readonly bind: string;
  /** The socket for people and tools. */
  readonly statsSocket: string;
  /** How long requests may take that were begun before a reload. */
  readonly hardStopMs: number;
  /** The port for all apps with host names; without it they have none. */
  readonly httpPort?: number;
  /** The same with TLS; `certificates` is a file or directory of PEM. */
  readonly https?: { readonly port: number; readonly certificates: string };
}

/** One backend and its servers. */
export interface Backend {
  readonly name: string;
  /** Where it is offered. */
  readonly port: number;
  /** All lines but those of servers. */
  readonly section: string;
  /** What stands behind each server's address. */
  readonly suffix: string;
  /** Whether servers can be added while it runs. */
  readonly dynamic: boolean;
  /** By name. */
  readonly servers: ReadonlyMap<string, Server>;
}

export interface Config {
  readonly head: string;
  readonly backends: ReadonlyMap<string, Backend>;
  /** The frontends for host names. */
  readonly tail: string;
}

/** Older processes that still finish requests; the oldest ends when there is one more. */
const reloadsMax = 20;

/** What was made of services that have not changed since. */
export type KnownBackends = WeakMap<Service, Backend>;

/** The configuration for these services. `known` is filled, and has what the same options made of other configurations. */
export function configOf(
  services: readonly Service[],
  options: ConfigOptions,
  known: KnownBackends = new WeakMap<Service, Backend>(),
): Config {
  const backends = new Map<string, Backend>();
  for (const service of services) {
    const backend = known.get(service) ?? backendOf(service, options);
    known.set(service, backend);
    backends.set(service.name, backend);
  }
  return { head: headOf(services, options), backends, tail: tailOf(services, options) };
}

/** The whole file. */
export function textOf({ head, backends, tail }: Config): string {
  const parts = [...backends.values()].map(backend => {
    const lines = [...backend.servers.values()].map(server => `  ${serverLine(backend, server)}\n`);
    return `${backend.section}${lines.join('')}\n`;
  });
  return `${head}${parts.join('')}${tail}`;
}

/** The file but for its servers: what cannot change without a reload. */
export function shapeOf({ head, backends, tail }: Config): string {
  return `${head}${[...backends.values()].map(({ section, suffix }) => `${section}${suffix}\n`).join('')}${tail}`;
}

/** The arguments of a server, the same in the file and for a process that runs. */
export function serverArguments({ suffix, dynamic }: Backend, { name, address, port, checkPort }: Server): string {
  const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const look = checkPort === undefined ? '' : ` port ${checkPort}`;
  return `${at}${suffix}${look}${dynamic ? '' : ` cookie ${name}`}`;
}

function serverLine(backend: Backend, server: Server): string {
  return `server ${server.name} ${serverArguments(backend, server)}`;
}

function headOf(services: readonly Service[], { statsSocket, hardStopMs }: ConfigOptions): string {
  const users = services.flatMap(({ name, settings: { auth } }) =>
    auth === undefined ? [] : [`userlist ${name}\n  user ${auth.user} password ${auth.password}\n\n`],
  );
  return `# Written by Marathon whenever something changes; changes by hand are lost.
global
  stats socket ${statsSocket} mode 600 level admin expose-fd listeners
  hard-stop-after ${hardStopMs}ms
  mworker-max-reloads ${reloadsMax}

defaults
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout client-fin 5s
  timeout http-request 20s
  timeout http-keep-alive 60s
  timeout queue 10s
  timeout tunnel 1h
  option dontlognull
  option redispatch 1
  retries 3

${users.join('')}`;
}

function backendOf(service: Service, { bind }: ConfigOptions): Backend {
  const { name, port, mode, settings, check } = service;
  const lines = [
    // Not the backend's name: HAProxy would show this one's figures where its are asked for.
    `frontend ${name}_in`,
    `  bind ${addressOf(bind, port)}`,
    `  mode ${mode}`,
    ...(mode === 'http' ? frontendLines : []),
    `  default_backend ${name}`,
    '',
    `backend ${name}`,
    `  mode ${mode}`,
    `  balance ${settings.balance}`,
    // Servers come and go only where the table that finds them can be changed in place.
    ...(settings.balance === 'source' || settings.balance === 'uri' ? ['  hash-type consistent'] : []),
    ...(mode === 'http' ? httpLines(service) : []),
    ...(settings.allowed.length === 0 ? [] : allowedLines(mode, settings.allowed)),
    ...(check.path === undefined ? [] : [`  option httpchk GET ${check.path}`]),
    `  timeout check ${check.timeoutMs}ms`,
  ];
  const { intervalMs } = check;
  const sooner = Math.max(100, Math.round(intervalMs / 4));
  // Two refused in a row, and it is asked no more until a check says that it is back.
  const observed = ' observe layer4 error-limit 2 on-error mark-down';
  const tls = check.tls ? ' check-ssl verify none' : '';
  return {
    name,
    port,
    section: `${lines.join('\n')}\n`,
    suffix: ` check${tls} inter ${intervalMs}ms fastinter ${sooner}ms downinter ${sooner}ms rise 1 fall 3${observed}`,
    dynamic: !settings.sticky,
    servers: new Map(service.servers.map(server => [server.name, server])),
  };
}

// A connection that is kept open is closed by an older process with an answer, never just before a request.
const frontendLines = ['  option idle-close-on-response'];

function httpLines({ name, settings: { sticky, auth, hsts } }: Service): string[] {
  return [
    '  option forwardfor',
    '  http-request set-header X-Forwarded-Port %[dst_port]',
    '  http-request set-header X-Forwarded-Proto https if { ssl_fc }',
    '  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }',
    // An instance that dies with a request in hand: another one is asked, where asking twice does no harm.
    '  retry-on conn-failure empty-response',
    '  http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
    ...(sticky ? ['  cookie proffer_server insert indirect nocache'] : []),
    ...(auth === undefined ? [] : [`  http-request auth realm ${auth.realm} unless { http_auth(${name}) }`]),
    ...(hsts ? ['  http-response set-header Strict-Transport-Security max-age=15768000'] : []),
  ];
}

function allowedLines(mode: Service['mode'], allowed: readonly string[]): string[] {
  const outside = `unless { src ${allowed.join(' ')} }`;
  return [mode === 'http' ? `  http-request deny ${outside}` : `  tcp-request content reject ${outside}`];
}

function tailOf(services: readonly Service[], { bind, httpPort, https }: ConfigOptions): string {
  const named = services
    .filter(({ settings }) => settings.vhosts.length > 0)
    .sort((a, b) => b.settings.weight - a.settings.weight || (a.name < b.name ? -1 : 1));
  const routes = named.map(({ name, settings }) => `  use_backend ${name} if ${conditionOf(settings)}`);
  const redirects = named
    .filter(({ settings }) => settings.redirectToHttps)
    .map(({ settings }) => `  http-request redirect scheme https code 301 if ${conditionOf(settings)}`);
  const frontend = (name: string, listen: string, lines: readonly string[]): string =>
    [`frontend ${name}`, `  bind ${listen}`, '  mode http', ...frontendLines, ...lines, '', ''].join('\n');
  const parts: string[] = [];
  if (httpPort !== undefined)
    parts.push(
      frontend('marathon_http_in', addressOf(bind, httpPort), [...(https === undefined ? [] : redirects), ...routes]),
    );
  if (https !== undefined) {
    const listen = `${addressOf(bind, https.port)} ssl crt ${https.certificates} alpn h2,http/1.1`;
    parts.push(frontend('marathon_https_in', listen, routes));
  }
  return parts.join('');
}

function conditionOf({ vhosts, paths, pathsInAnyCase }: Service['settings']): string {
  const host = `{ hdr(host),field(1,:) -i ${vhosts.join(' ')} }`;
  return paths.length === 0 ? host : `${host} { path_beg ${pathsInAnyCase ? '-i ' : ''}${paths.join(' ')} }`;
}

function addressOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
