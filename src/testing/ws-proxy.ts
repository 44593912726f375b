// A proxy between real processes that knows our messages: delays, drops, repeats and reorders them, cuts and slows connections. In: where to, faults. Out: an address to dial.
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { ProfferError, shown } from '../base/errors.js';
import { every } from '../env/clock.js';
import type { Timer } from '../env/clock.js';
import { seededRandom } from '../env/random.js';
import type { Random } from '../env/random.js';
import { systemClock } from '../env/system-clock.js';
import { frameBounds } from '../protocol/codec.js';
import { checkFault, concerns, LiveFault } from './ws-proxy-faults.js';
import type { ActiveFault, ProxyDirection, ProxyFault } from './ws-proxy-faults.js';
import { Pair } from './ws-proxy-pair.js';

/** How a proxy runs. */
export interface ProxyOptions {
  /** The server behind it, e.g. `ws://127.0.0.1:5050`; the client's path is appended. */
  readonly target: string;
  /** On 127.0.0.1. Default 0: a free one. */
  readonly port?: number;
  /** Of all that is left to chance. Default 1. */
  readonly seed?: number;
  /**
   * A connection numbers its messages, its session counts them, and it ends when one was lost, came twice or too late. True numbers them anew and rewrites the
   * counts, so that nobody notices and only acknowledgements and reconciliation can help. Default false.
   */
  readonly hideFromHeartbeats?: boolean;
  /** Hears of every message before any fault. */
  readonly onMessage?: (message: ProxiedMessage) => void;
}

/** A message on its way through. */
export interface ProxiedMessage {
  readonly direction: ProxyDirection;
  /** Its `type`; empty for a frame that could not be read. */
  readonly type: string;
  /** The path of its connection, e.g. `/v1/scheduler`. */
  readonly path: string;
  readonly message: unknown;
}

/** What has come by since the start. */
export interface ProxyCounts {
  /** Connections accepted, ended ones included. */
  readonly connections: number;
  /** Messages before any fault, those of the session included. */
  readonly messages: Readonly<Record<ProxyDirection, number>>;
  /** Messages hit, and connections reset or refused, by the kind of fault. */
  readonly hits: Readonly<Partial<Record<ProxyFault['kind'], number>>>;
}

/** A proxy that runs. It serves WebSockets of both subprotocols, and passes plain HTTP on unless a partition is in the way. */
export interface WsProxy {
  /** Where to dial instead of the target: `ws://127.0.0.1:PORT`. */
  readonly url: string;
  /** Connections that are open, or on their way to it. */
  readonly open: number;
  readonly counts: ProxyCounts;
  /**
   * Puts a fault in force, in addition to those there are.
   * @throws ProfferError USAGE naming everything that is wrong with it.
   */
  fault(fault: ProxyFault): ActiveFault;
  /** Resets the connections there are (TCP RST), or those to one path; gives their number. */
  reset(path?: string): number;
  /** Lifts all faults. */
  heal(): void;
  /** Ends it and its connections. */
  close(): Promise<void>;
}

/**
 * Starts a proxy in front of `target`.
 * @throws (rejects) ProfferError USAGE when the target is no address; ADDRESS_IN_USE, UNREACHABLE when the port cannot be taken.
 */
export async function startProxy(options: ProxyOptions): Promise<WsProxy> {
  const proxy = new FaultyProxy(options, targetOf(options.target));
  await proxy.listen(options.port ?? 0);
  return proxy;
}

class FaultyProxy implements WsProxy {
  readonly #options: ProxyOptions;
  readonly #target: URL;
  readonly #server: Server = createServer();
  readonly #sockets: WebSocketServer;
  readonly #protocols = new WeakMap<IncomingMessage, string>();
  readonly #random: Random;
  readonly #faults: LiveFault[] = [];
  readonly #timers = new Map<LiveFault, Timer>();
  readonly #pairs = new Set<Pair>();
  readonly #raw = new Set<Socket>();
  /** Plain requests and answers that a partition keeps waiting. */
  #waiting: { readonly direction: ProxyDirection; readonly path: string; readonly go: () => void }[] = [];
  readonly #messages: Record<ProxyDirection, number> = { toTarget: 0, toClient: 0 };
  readonly #spent: Partial<Record<ProxyFault['kind'], number>> = {};
  #connections = 0;

  constructor(options: ProxyOptions, target: URL) {
    this.#options = options;
    this.#target = target;
    this.#random = seededRandom(options.seed ?? 1);
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: frameBounds.bytesMax,
      perMessageDeflate: false,
      handleProtocols: (_offered, request) => this.#protocols.get(request) ?? false,
    });
    this.#sockets.on('wsClientError', (_error, socket) => socket.destroy());
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket));
    this.#server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.#server.on('request', (request, response) => this.#onRequest(request, response));
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get open(): number {
    return this.#pairs.size;
  }

  get counts(): ProxyCounts {
    const hits = { ...this.#spent };
    for (const { fault, hits: more } of this.#faults) if (more > 0) hits[fault.kind] = (hits[fault.kind] ?? 0) + more;
    return { connections: this.#connections, messages: { ...this.#messages }, hits };
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'UNREACHABLE';
        reject(
          new ProfferError(code, `the proxy cannot listen at port ${port}: ${error.message}`, {
            path: 'port',
            cause: error,
          }),
        );
      });
      this.#server.listen(port, '127.0.0.1', resolve);
    });
  }

  fault(fault: ProxyFault): ActiveFault {
    checkFault(fault);
    const live = new LiveFault(fault, () => this.#lifted(live));
    this.#faults.push(live);
    if (fault.kind === 'reset') {
      const timer = every(systemClock, fault.everyMs, () => {
        live.hits += this.#resetAll(fault.path);
      });
      this.#timers.set(live, timer);
    }
    this.#proceed();
    return live;
  }

  reset(path?: string): number {
    const count = this.#resetAll(path);
    this.#spent.reset = (this.#spent.reset ?? 0) + count;
    return count;
  }

  heal(): void {
    for (const live of this.#faults.toReversed()) live.lift();
  }

  close(): Promise<void> {
    for (const timer of this.#timers.values()) timer.cancel();
    for (const pair of this.#pairs) pair.destroy();
    return new Promise(resolve => {
      this.#server.close(() => resolve());
      for (const socket of this.#raw) socket.destroy();
    });
  }

  #lifted(live: LiveFault): void {
    this.#timers.get(live)?.cancel();
    this.#timers.delete(live);
    this.#faults.splice(this.#faults.indexOf(live), 1);
    this.#spent[live.fault.kind] = (this.#spent[live.fault.kind] ?? 0) + live.hits;
    this.#proceed();
  }

  #resetAll(path: string | undefined): number {
    const hit = [...this.#pairs].filter(pair => path === undefined || pair.path === path);
    for (const pair of hit) pair.reset();
    return hit.length;
  }

  /** The faults changed: whatever waited tries again. */
  #proceed(): void {
    for (const pair of this.#pairs) pair.proceed();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { direction, path, go } of waiting) this.#whenOpen(direction, path, go);
  }

  #onConnection(socket: Socket): void {
    this.#raw.add(socket);
    socket.once('close', () => this.#raw.delete(socket));
    const refusing = this.#faults.find(({ fault }) => fault.kind === 'refuse');
    if (refusing === undefined) return;
    refusing.hits += 1;
    socket.resetAndDestroy();
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#connections += 1;
    const { onMessage, hideFromHeartbeats = false } = this.#options;
    const pair: Pair = new Pair(
      {
        target: this.#target,
        faults: this.#faults,
        hideFromHeartbeats,
        onMessage: (direction, type, message) => {
          this.#messages[direction] += 1;
          onMessage?.({ direction, type, path: pair.path, message });
        },
        accept: (request, socket, head, protocol, done) => {
          this.#protocols.set(request, protocol);
          this.#sockets.handleUpgrade(request, socket, head, done);
        },
        onEnd: pair => this.#pairs.delete(pair),
      },
      request,
      socket,
      head,
      this.#random.fork(`connection-${this.#connections}`),
    );
    this.#pairs.add(pair);
    pair.proceed();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    this.#whenOpen('toTarget', path, () => {
      const { hostname, port, host } = this.#target;
      const { method = 'GET', url = '/' } = request;
      const onward = httpRequest(
        { hostname, port, method, path: url, headers: { ...request.headers, host } },
        answer => {
          this.#whenOpen('toClient', path, () => {
            response.writeHead(answer.statusCode ?? 502, answer.headers);
            answer.pipe(response);
          });
        },
      );
      onward.on('error', () => response.destroy());
      response.on('close', () => onward.destroy());
      request.pipe(onward);
    });
  }

  #whenOpen(direction: ProxyDirection, path: string, go: () => void): void {
    const closed = this.#faults.some(({ fault }) => fault.kind === 'partition' && concerns(fault, direction, path));
    if (closed) this.#waiting.push({ direction, path, go });
    else go();
  }
}

function targetOf(target: string): URL {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  if (url !== undefined && (url.protocol === 'ws:' || url.protocol === 'http:') && url.pathname === '/') {
    return new URL(url.href.replace(/^http:/, 'ws:'));
  }
  throw new ProfferError('USAGE', `${shown(target)} is not an address to pass connections on to`, {
    path: 'target',
    hint: 'write for example ws://127.0.0.1:5050, without a path',
  });
}
