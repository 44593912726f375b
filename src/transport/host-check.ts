// Which requests may come in at all: the Host must be ours and the Origin, when a browser names one, the same. In: headers. Out: a Problem or nothing.
import { isIP } from 'node:net';
import { problem, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';

/** The headers looked at, as `node:http` gives them. */
export interface HostHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/**
 * The reason to refuse a request with 403, or undefined. Host must name a loopback address, `localhost`, or one of `hostnames` (without ports): this
 * stops DNS rebinding. Origin, when present, must name the same host and port as Host: this stops other sites' pages.
 */
export function checkHostAndOrigin(headers: HostHeaders, hostnames: readonly string[] = []): Problem | undefined {
  const { host, origin } = headers;
  const name = host === undefined ? undefined : hostnameOf(host);
  if (
    host === undefined ||
    name === undefined ||
    !(isLoopback(name) || hostnames.some(h => h.toLowerCase() === name))
  ) {
    const allowed = [...new Set(['localhost', 'loopback addresses', ...hostnames])].join(', ');
    const message = `the Host ${shown(host ?? '')} is not served here; allowed: ${allowed}`;
    return problem('Host', 'FORBIDDEN', message, 'connect by an allowed name, or add this one to the host names');
  }
  if (origin !== undefined && hostOfOrigin(origin) !== withoutDefaultPort(host)) {
    const message = `the Origin ${shown(origin)} is not the Host ${shown(host)}`;
    return problem('Origin', 'FORBIDDEN', message, 'pages of other sites may not connect');
  }
  return undefined;
}

/** Whether `host` (a name or an address, no port) can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isIP(name) === 4 ? name.startsWith('127.') : name === '::1';
}

/** `[::1]:5050` → `::1`, `Localhost:5050` → `localhost`; undefined when it is not a host with an optional port. */
function hostnameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function hostOfOrigin(origin: string): string | undefined {
  const match = /^https?:\/\/([^/@\s]+)$/.exec(origin);
  return match?.[1] === undefined ? undefined : withoutDefaultPort(match[1]);
}

function withoutDefaultPort(host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)$/, '');
}
