// How HAProxy is run. In: what an operator says. Out: all of it, with the defaults; what cannot be is said.
import { isIP } from 'node:net';
import type { Clock, Logger } from 'proffer';
import { ProfferError } from 'proffer';
import type { Lookup } from '../discovery/addresses.js';

export interface HaproxyOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** A directory of its own, absolute: configuration, sockets, log. An HAProxy that runs there is taken over. */
  readonly dir: string;
  /** The address that service ports are offered at. Default 127.0.0.1. */
  readonly bind?: string;
  /** Apps of these groups are routed, by `HAPROXY_GROUP`; `*`: of any and of none. Default `*`. */
  readonly groups?: readonly string[];
  /** The port for all apps with host names. Default: none, so that they have but their own. */
  readonly httpPort?: number;
  /** The same with TLS; `certificates` is a file or directory of PEM. Default: none. */
  readonly https?: { readonly port: number; readonly certificates: string };
  /** The program. Default `haproxy`. */
  readonly command?: string;
  /** How long requests are waited for before an instance is killed. Default 30 s. */
  readonly drainMs?: number;
  /** Changes come in bursts; they are followed at most so often. Default 100 ms. */
  readonly intervalMs?: number;
  /** And a new configuration is loaded at most so often. Default 1 s. */
  readonly reloadMs?: number;
  /** How long requests and connections may last that were begun before a reload. Default 10 min. */
  readonly hardStopMs?: number;
  /** More servers at a time come by a reload. Default 64. */
  readonly addedMax?: number;
  /** Finds agents that are known by name. Default: the system's way. */
  readonly lookup?: Lookup;
}

type Optional = 'httpPort' | 'https' | 'lookup';
export type SettledHaproxy = Required<Omit<HaproxyOptions, Optional>> & Pick<HaproxyOptions, Optional>;

/** With the defaults. @throws {ProfferError} `USAGE` */
export function settled(options: HaproxyOptions): SettledHaproxy {
  const all = {
    bind: '127.0.0.1',
    groups: ['*'],
    command: 'haproxy',
    drainMs: 30_000,
    intervalMs: 100,
    reloadMs: 1000,
    hardStopMs: 600_000,
    addedMax: 64,
    ...options,
  };
  if (isIP(all.bind) === 0 || all.bind.includes('%'))
    throw new ProfferError('USAGE', `${JSON.stringify(all.bind)} is not an address`, { path: 'bind' });
  if (all.https !== undefined && !/^\/[A-Za-z0-9/._-]+$/.test(all.https.certificates))
    throw new ProfferError('USAGE', `${JSON.stringify(all.https.certificates)} cannot be where certificates are`, {
      path: 'https.certificates',
      hint: 'an absolute path of letters, digits and /._-',
    });
  return all;
}
