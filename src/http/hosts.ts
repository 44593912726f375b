// Who may ask, and where we may listen: loopback names only, unless configured; against DNS rebinding and foreign pages.
import { isIPv4 } from 'node:net';
import { ProfferError, shown } from '../base/errors.js';

/** Whether `hostname` (no port, IPv6 with or without brackets) names this machine's loopback. */
export function isLoopback(hostname: string): boolean {
  const bare = bareName(hostname);
  if (bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1') return true;
  return isIPv4(bare) && bare.startsWith('127.');
}

/**
 * Refuses to listen anywhere but on loopback: whoever reaches the port can run commands, as there is no authentication.
 * @throws ProfferError FORBIDDEN.
 */
export function checkBindAddress(host: string): void {
  if (isLoopback(host)) return;
  throw new ProfferError(
    'FORBIDDEN',
    `refusing to listen on ${shown(host)}: there is no authentication, and whoever reaches the port can run commands`,
    {
      path: 'host',
      hint: 'use 127.0.0.1, ::1 or localhost, and reach it from elsewhere through an SSH tunnel',
    },
  );
}

/**
 * Why a request with these headers is not ours to answer, or undefined. `Host` must name loopback or one of `allowed`; `Origin`, which browsers
 * send, must be the same host and port.
 */
export function requestRefusal(
  headers: { readonly host?: string | undefined; readonly origin?: string | undefined },
  allowed: readonly string[],
): ProfferError | undefined {
  const { host, origin } = headers;
  const hostname = host === undefined ? undefined : hostnameOf(host);
  if (hostname === undefined || !(isLoopback(hostname) || allowed.includes(bareName(hostname)))) {
    return new ProfferError(
      'FORBIDDEN',
      `the Host ${host === undefined ? 'is missing' : `${shown(host)} is not allowed here`}`,
      {
        path: 'headers.host',
        hint: 'ask by 127.0.0.1 or localhost',
      },
    );
  }
  if (origin === undefined || originHost(origin) === host?.toLowerCase()) return undefined;
  return new ProfferError('FORBIDDEN', `the Origin ${shown(origin)} is not allowed here`, {
    path: 'headers.origin',
    hint: 'pages of other sites cannot use this server',
  });
}

function hostnameOf(host: string): string | undefined {
  // No user, no path: only a name and a port may stand in Host.
  return /^(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i.test(host) ? host.replace(/:\d{1,5}$/, '') : undefined;
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) && /^https?:/.test(origin) ? new URL(origin).host : undefined;
}

function bareName(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}
