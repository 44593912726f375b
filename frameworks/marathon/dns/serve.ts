// DNS for what Marathon runs. In: Marathon's view and its changes. Out: a server on one port that answers for the domain, and for nothing else.
import { networkInterfaces } from 'node:os';
import type { Clock, Logger } from 'proffer';
import { ProfferError } from 'proffer';
import { AddressBook } from '../discovery/addresses.js';
import type { Lookup } from '../discovery/addresses.js';
import { Coalesced } from '../discovery/coalesced.js';
import { hostsOf } from '../discovery/ports.js';
import type { DiscoveryView } from '../discovery/view.js';
import { labelsOf } from './names.js';
import { replyTo } from './reply.js';
import { listen } from './sockets.js';
import { hostPortOf, Zone } from './zone.js';
import type { Spot, ZoneOptions } from './zone.js';

export interface DnsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Where it listens. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 is any. */
  readonly port: number;
  /** Default `mesos`. */
  readonly domain?: string;
  /** The framework's name below the domain. Default `marathon`. */
  readonly framework?: string;
  /** Where the framework's API is, for `marathon.mesos` itself. */
  readonly frameworkAt?: Spot;
  /** How long answers may be kept. Default 5 s: what is told is true at once, and an instance that is gone should not be asked for long. */
  readonly ttlSeconds?: number;
  /** Finds agents that are known by name. Default: the system's way. */
  readonly lookup?: Lookup;
}

export interface RunningDns {
  readonly port: number;
  readonly zone: Zone;
  stop(): Promise<void>;
}

/** Changes come in bursts; a zone is made of them at most so often. */
const intervalMs = 100;
/** Names directly below the domain that are not a framework's to have. */
const reserved = /^(?:leader|slave|master\d*|ns1)$/;

/**
 * Answers A, AAAA and SRV questions for tasks that run and are healthy, from when it resolves.
 *
 * @throws {ProfferError} `USAGE` for a domain or name that cannot be one; `ADDRESS_IN_USE` when the port is taken
 */
export async function serveDns(view: DiscoveryView, options: DnsOptions): Promise<RunningDns> {
  const { clock, log, host = '127.0.0.1', port, lookup, ttlSeconds = 5 } = options;
  const domain = nameIn('domain', options.domain ?? 'mesos');
  const framework = nameIn('framework', options.framework ?? 'marathon');
  if (reserved.test(framework))
    throw new ProfferError('USAGE', `${framework} is not free as a name below ${domain}`, { path: 'framework' });
  const book = new AddressBook({ clock, log }, () => refresh.poke(), lookup);
  const zoneOptions: ZoneOptions = {
    domain,
    framework,
    serverAddresses: addressesListenedOn(host),
    addressesOf: book.of,
    ...(options.frameworkAt === undefined ? {} : { frameworkAt: options.frameworkAt }),
  };
  const zone = new Zone(zoneOptions);
  let serial = 0;
  let turn = 0;
  const renew = (): void => {
    const master = view.master === undefined ? undefined : hostPortOf(view.master)?.host;
    const hosts = hostsOf(view);
    if (master !== undefined) hosts.add(master);
    book.use(hosts);
    zone.bring(view, book.version);
    // Never lower than before, also after a restart.
    serial = Math.max(serial + 1, Math.floor(clock.wallMs() / 1000)) % 2 ** 32;
  };
  const refresh = new Coalesced(clock, intervalMs, renew);
  renew();
  await book.settled();
  const sockets = await listen(
    host,
    port,
    (message, transport) => {
      turn += 1;
      return replyTo(zone, message, transport, { ttlSeconds, serial, turn });
    },
    log,
  ).catch((error: unknown) => {
    book.stop();
    throw listenError(error, host, port);
  });
  const changes = view.changes$.subscribe(() => refresh.poke());
  // What changed while the sockets were opened.
  refresh.poke();
  return {
    port: sockets.port,
    zone,
    stop: async () => {
      changes.unsubscribe();
      refresh.stop();
      book.stop();
      await sockets.stop();
    },
  };
}

function nameIn(path: string, given: string): string {
  const name = given.toLowerCase().replace(/\.$/, '');
  if (name !== '' && labelsOf(name) === name && name.length <= 100) return name;
  throw new ProfferError('USAGE', `${JSON.stringify(given)} is not a name for DNS`, {
    path,
    hint: 'letters, digits and dashes, in parts with dots between them, such as cluster.example; at most 100 characters',
  });
}

function listenError(error: unknown, host: string, port: number): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  if (error.code === 'EADDRINUSE')
    return new ProfferError('ADDRESS_IN_USE', `Port ${port} of ${host} is taken, by UDP or TCP`, { cause: error });
  if (error.code === 'EACCES')
    return new ProfferError('USAGE', `Port ${port} needs rights this process does not have`, {
      hint: 'take one from 1024 on, or grant CAP_NET_BIND_SERVICE',
      cause: error,
    });
  return error;
}

// Where others find a server that listens everywhere: at each address of the machine but its own to itself.
function addressesListenedOn(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  return Object.values(networkInterfaces()).flatMap(addresses =>
    (addresses ?? []).flatMap(({ address, family, internal }) =>
      internal || (host === '0.0.0.0' && family !== 'IPv4') ? [] : [address],
    ),
  );
}
