// Links inside one process under a Clock: latency, loss, duplication, partitions and crashes on demand. In: a Clock and a policy. Out: listeners, dialers.
import { assert } from '../base/assert.js';
import type { Clock } from '../env/clock.js';
import { codecs, outOfStep } from '../protocol/codec.js';
import { cloneMessage } from './clone.js';
import { LocalLane } from './local-lane.js';
import type { PartitionMode } from './local-lane.js';
import { closeCodes } from './transport.js';
import type { AcceptLink, CloseCode, Dialer, Link, LinkEnd, LinkHandler, Listener } from './transport.js';

/** What happens to one message on its way. */
export interface Fate {
  /** Time on the way; default is the network's latency. */
  readonly delayMs?: number;
  /** It vanishes; the next one tells, and the link ends. */
  readonly drop?: boolean;
  /** It arrives twice; then the link ends. */
  readonly duplicate?: boolean;
  /** How long after it its copy comes, by a way of its own: what follows passes it. Default: right behind it. */
  readonly copyMs?: number;
  /** Numbers do not tell that it was lost or repeated: only counts in heartbeats do. */
  readonly hidden?: boolean;
}

/** Asked for each message, with the names of the nodes; undefined is the normal way. */
export type Policy = (from: string, to: string, message: unknown) => Fate | undefined;

export interface LocalNetworkOptions {
  /** Time from node to node, asked for each message, handshake and end. Default 0. */
  readonly latencyMs?: (from: string, to: string) => number;
  readonly policy?: Policy;
  /** `none` (default) passes deep copies; `msgpack` passes messages through the real codec. Either way no two nodes share an object. */
  readonly encode?: 'none' | 'msgpack';
  /** A later message never overtakes an earlier one, as with TCP. Default true. */
  readonly keepOrder?: boolean;
  /** A dial that is not answered ends after this long. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Messages on their way in one direction of a link; one more ends the link with 1013. Default 100,000. */
  readonly inFlightMax?: number;
}

/** The network of one simulated world. Deterministic: what happens is a function of the calls, the policy and the clock. */
export class LocalNetwork {
  /** May be changed at any time. */
  policy: Policy | undefined;
  readonly #clock: Clock;
  readonly #options: LocalNetworkOptions;
  readonly #listeners = new Map<string, { readonly accept: AcceptLink; readonly listener: Listener }>();
  readonly #links = new Set<LocalLink>();
  readonly #partitions = new Map<string, PartitionMode>();
  // Far from the ids of other transports of the process, and the same in every run.
  #nextLinkId = 1_000_000_001;

  constructor(clock: Clock, options: LocalNetworkOptions = {}) {
    this.#clock = clock;
    this.#options = options;
    this.policy = options.policy;
  }

  /** Ends of links that are open. */
  get openEnds(): number {
    return this.#links.size;
  }

  /**
   * Listens at `address`: `name` for any port, or `name:port`. `name` is the node that partitions and crashes speak of.
   * @throws AssertionError when something listens there already.
   */
  listen(address: string, accept: AcceptLink): Listener {
    assert(!this.#listeners.has(address), () => `something listens at ${address} already`);
    const [host = '', port] = address.split(':');
    const listener: Listener = {
      address: { host, port: Number(port ?? 0) },
      close: () => {
        if (this.#listeners.get(address)?.listener !== listener) return;
        this.#listeners.delete(address);
        for (const link of this.#links) {
          if (link.acceptedAt === address) link.close(closeCodes.goingAway, 'the listener closed');
        }
      },
    };
    this.#listeners.set(address, { accept, listener });
    return listener;
  }

  /** Opens links from the node `from`, to `ws://name[:port]/path`. */
  dialer(from: string): Dialer {
    return { dial: (url, handler) => this.#dial(from, url, handler) };
  }

  /** Cuts all paths between `a` and `b` (`*` is every node) until healed; nobody is told. */
  partition(a: string, b: string, options: { mode?: PartitionMode; oneWay?: boolean } = {}): void {
    const mode = options.mode ?? 'hold';
    this.#partitions.set(`${a}>${b}`, mode);
    if (options.oneWay !== true) this.#partitions.set(`${b}>${a}`, mode);
  }

  /** Undoes `partition(a, b)`; without arguments, all partitions. What was held arrives now, in order. */
  heal(a?: string, b?: string): void {
    if (a === undefined || b === undefined) this.#partitions.clear();
    else for (const path of [`${a}>${b}`, `${b}>${a}`]) this.#partitions.delete(path);
    for (const link of this.#links) link.out.resume();
  }

  /** Breaks every link between `a` and `b` (`*` is every node), telling both sides 1006. */
  reset(a: string, b: string): void {
    for (const link of this.#links) {
      const { from, to } = link.out;
      if (matches(a, from) && matches(b, to)) link.close(closeCodes.lost, 'connection reset');
    }
  }

  /**
   * The node is gone at once: its handlers hear nothing more, its listeners are closed. With `tell` (default; a killed process) its peers' links
   * end with 1006; without (a power cut) they hear nothing, and what they send vanishes.
   */
  crash(node: string, options: { tell?: boolean } = {}): void {
    for (const address of this.#listeners.keys()) {
      if (nodeOf(address) === node) this.#listeners.delete(address);
    }
    for (const link of this.#links) {
      if (link.out.from === node) link.die(options.tell ?? true);
    }
  }

  #dial(from: string, url: string, handler: LinkHandler): Link {
    const [, to = '', port = '', path = '/'] = urlPattern.exec(url) ?? [];
    const near = this.#open(from, to, handler);
    const timeoutMs = this.#options.connectTimeoutMs ?? 10_000;
    const deadline = this.#clock.after(timeoutMs, () => near.end(lost(`${url} did not answer in ${timeoutMs} ms`)));
    near.onSettled = () => deadline.cancel();
    near.out.push(this.latencyMs(from, to), () => {
      const address = this.#listeners.has(to + port) ? to + port : to;
      const accept = this.#listeners.get(address)?.accept;
      const far = this.#open(to, from, undefined);
      far.join(near, address);
      if (accept === undefined) return far.refuse(lost(`nothing listens at ${url}`));
      far.out.push(this.latencyMs(to, from), () => near.opened());
      const accepted = accept(far, path);
      if (accepted === undefined) far.close(closeCodes.policy, `nothing is served at ${path}`);
      else far.handler = accepted;
    });
    return near;
  }

  #open(from: string, to: string, handler: LinkHandler | undefined): LocalLink {
    const keepOrder = this.#options.keepOrder ?? true;
    const lane = new LocalLane(this.#clock, { from, to }, keepOrder, () => this.#blocked(from, to));
    const link = new LocalLink(this, this.#clock, this.#nextLinkId++, lane, handler);
    this.#links.add(link);
    return link;
  }

  #blocked(from: string, to: string): PartitionMode | undefined {
    const partitions = this.#partitions;
    if (partitions.size === 0) return undefined;
    return (
      partitions.get(`${from}>${to}`) ??
      partitions.get(`${from}>*`) ??
      partitions.get(`*>${to}`) ??
      partitions.get('*>*')
    );
  }

  /** @internal */
  latencyMs(from: string, to: string): number {
    return this.#options.latencyMs?.(from, to) ?? 0;
  }

  /** @internal */
  carrier(): (message: object) => unknown {
    return this.#options.encode === 'msgpack' ? codecCarrier() : cloneMessage;
  }

  /** @internal */
  get inFlightMax(): number {
    return this.#options.inFlightMax ?? 100_000;
  }

  /** @internal */
  forget(link: LocalLink): void {
    this.#links.delete(link);
  }
}

/** One end of a link. */
class LocalLink implements Link {
  readonly id: number;
  readonly remote: string;
  readonly out: LocalLane;
  handler: LinkHandler | undefined;
  /** The listener's address, on the accepting end. */
  acceptedAt: string | undefined;
  /** Called when the dial is answered, or the link is over. */
  onSettled: (() => void) | undefined;
  readonly #network: LocalNetwork;
  readonly #clock: Clock;
  readonly #carry: (message: object) => unknown;
  #other: LocalLink | undefined;
  #sent = 0;
  #received = 0;
  #state: 'open' | 'closing' | 'ended' = 'open';

  constructor(network: LocalNetwork, clock: Clock, id: number, out: LocalLane, handler: LinkHandler | undefined) {
    this.id = id;
    this.remote = out.to;
    this.out = out;
    this.handler = handler;
    this.#network = network;
    this.#clock = clock;
    this.#carry = network.carrier();
  }

  join(near: LocalLink, acceptedAt: string): void {
    this.acceptedAt = acceptedAt;
    this.#other = near;
    near.#other = this;
  }

  send(message: object): void {
    if (this.#state !== 'open') return;
    if (this.out.inFlight >= this.#network.inFlightMax) return this.close(closeCodes.tryLater, 'too much unsent');
    const { from, to } = this.out;
    const fate = this.#network.policy?.(from, to, message);
    const carried = this.#carry(message);
    const isHidden = fate?.hidden === true;
    if (fate?.drop === true) {
      if (!isHidden) this.#sent += 1;
      return;
    }
    const number = this.#sent;
    this.#sent += 1;
    const delayMs = fate?.delayMs ?? this.#network.latencyMs(from, to);
    this.out.push(delayMs, () => this.#other?.deliver(carried, number));
    if (fate?.duplicate !== true) return;
    const copy = cloneMessage(carried);
    const deliver = (): void => this.#other?.deliver(copy, isHidden ? undefined : number);
    if (fate.copyMs === undefined) this.out.push(delayMs, deliver);
    else this.out.pushAside(delayMs + fate.copyMs, deliver);
  }

  close(code: CloseCode, reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    const end: LinkEnd = { code, reason };
    this.#tell(code === closeCodes.lost ? lost('connection reset') : end);
    this.#clock.soon(() => this.end(end));
  }

  /** The link is over for this end; told once. */
  end(end: LinkEnd): void {
    if (this.#state === 'ended') return;
    this.#forget();
    this.handler?.onEnd(end);
  }

  opened(): void {
    this.onSettled?.();
    if (this.#state === 'open') this.handler?.onOpen?.();
  }

  /** Over before it began: only the other end is told. */
  refuse(end: LinkEnd): void {
    this.#forget();
    this.#tell(end);
  }

  /** Over without a word to this end's owner. */
  die(tell: boolean): void {
    this.#forget();
    // The other end may live on for long, and must not keep the memory of the dead: what it sends vanishes.
    if (this.#other !== undefined) this.#other.#other = undefined;
    this.handler = undefined;
    if (tell) this.#tell(lost('connection reset'));
  }

  /** `number` is how many were sent before; undefined for what nobody is to notice. */
  deliver(message: unknown, number: number | undefined): void {
    if (this.#state !== 'open') return;
    if (number !== undefined) {
      const wrong = outOfStep(number, this.#received);
      if (wrong !== undefined) return this.close(closeCodes.protocolError, wrong);
      this.#received += 1;
    }
    this.handler?.onMessage(message);
  }

  #tell(end: LinkEnd): void {
    this.out.push(this.#network.latencyMs(this.out.from, this.out.to), () => this.#other?.end(end));
  }

  #forget(): void {
    this.#state = 'ended';
    this.onSettled?.();
    this.#network.forget(this);
  }
}

const urlPattern = /^wss?:\/\/([^/:]+)(:\d+)?(\/.*)?$/;

function lost(reason: string): LinkEnd {
  return { code: closeCodes.lost, reason };
}

function nodeOf(address: string): string {
  return address.split(':', 1)[0] ?? address;
}

function matches(pattern: string, node: string): boolean {
  return pattern === '*' || pattern === node;
}

/** Messages through the real codec, with the state of one direction of one connection. */
function codecCarrier(): (message: object) => unknown {
  const codec = codecs['proffer.v1.msgpack'];
  const encoder = codec.encoder();
  const decoder = codec.decoder();
  return message => {
    let carried: unknown;
    encoder.encode([message], frame => {
      [carried] = decoder.decode(frame);
    });
    return carried;
  };
}
