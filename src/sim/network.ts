// The network of a world: LocalNetwork with seeded latency and, while they are on, loss, duplication and delay. In: rates. Out: links that behave so.
import type { Random } from '../env/random.js';
import type { VirtualClock } from '../env/virtual-clock.js';
import { LocalNetwork } from '../transport/local-transport.js';
import type { Fate } from '../transport/local-transport.js';

/** How badly messages fare. Rates are probabilities per message. */
export interface NetworkTrouble {
  readonly dropRate: number;
  readonly duplicateRate: number;
  /** Bounds of how much later the copy comes. */
  readonly copyMs: readonly [number, number];
  /** Whether what is lost or repeated escapes all but the counts in heartbeats. A copy is then right behind the first: no link brings one later unnoticed. */
  readonly hidden: boolean;
  readonly delayRate: number;
  /** Bounds of an extra delay. */
  readonly delayMs: readonly [number, number];
}

export const noTrouble: NetworkTrouble = {
  dropRate: 0,
  duplicateRate: 0,
  copyMs: [0, 0],
  hidden: false,
  delayRate: 0,
  delayMs: [0, 0],
};

/** Options of a SimNetwork. */
export interface SimNetworkOptions {
  /** Least and most time on the way. Default 1 to 5. */
  readonly latencyMs?: readonly [number, number];
  /** `msgpack` sends each message through the real codec. Default `none`: deep copies. */
  readonly encode?: 'none' | 'msgpack';
}

/** Counts what happened to messages, so that a run in which nothing went wrong is not taken for one that withstood it. */
export interface NetworkCounts {
  messages: number;
  dropped: number;
  duplicated: number;
  delayed: number;
}

/** One network for all nodes. `local` has partitions, resets and crashes. */
export class SimNetwork {
  readonly local: LocalNetwork;
  readonly counts: NetworkCounts = { messages: 0, dropped: 0, duplicated: 0, delayed: 0 };
  #trouble: NetworkTrouble = noTrouble;
  readonly #fates: Random;
  /** How late what a node next introduces itself with will be. */
  readonly #stuck = new Map<string, number>();

  constructor(clock: VirtualClock, random: Random, options: SimNetworkOptions = {}) {
    const [min, max] = options.latencyMs ?? [1, 5];
    const latency = random.fork('latency');
    this.#fates = random.fork('fates');
    this.local = new LocalNetwork(clock, {
      latencyMs: () => (min === max ? min : latency.int(min, max)),
      policy: (from, _to, message) => this.#stuckFate(from, message) ?? this.#fate(),
      encode: options.encode ?? 'none',
    });
  }

  /** What messages meet from now on. */
  set trouble(trouble: NetworkTrouble) {
    this.#trouble = trouble;
  }

  /**
   * The next time that `node` introduces itself, this, and whatever it says after it over the same link, is `delayMs` on its way; other links are quick.
   * So a link gets stuck whose path is congested, until retransmission gets through. Undefined undoes it.
   */
  stick(node: string, delayMs: number | undefined): void {
    if (delayMs === undefined) this.#stuck.delete(node);
    else this.#stuck.set(node, delayMs);
  }

  #stuckFate(from: string, message: unknown): Fate | undefined {
    const delayMs = this.#stuck.get(from);
    if (delayMs === undefined || !introductions.has((message as { readonly type?: unknown }).type)) return undefined;
    this.#stuck.delete(from);
    this.counts.messages += 1;
    this.counts.delayed += 1;
    return { delayMs };
  }

  #fate(): Fate | undefined {
    this.counts.messages += 1;
    const { dropRate, duplicateRate, copyMs, hidden, delayRate, delayMs } = this.#trouble;
    if (this.#trouble === noTrouble) return undefined;
    if (this.#fates.chance(dropRate)) {
      this.counts.dropped += 1;
      return { drop: true, hidden };
    }
    const duplicate = this.#fates.chance(duplicateRate);
    const delay = this.#fates.chance(delayRate);
    if (duplicate) this.counts.duplicated += 1;
    if (delay) this.counts.delayed += 1;
    if (!duplicate && !delay) return undefined;
    return {
      duplicate,
      hidden,
      ...(duplicate && !hidden ? { copyMs: this.#fates.int(copyMs[0], copyMs[1]) } : {}),
      ...(delay ? { delayMs: this.#fates.int(delayMs[0], delayMs[1]) } : {}),
    };
  }
}

const introductions: ReadonlySet<unknown> = new Set(['REGISTER', 'SUBSCRIBE']);
