// What became of the offers that a waiting run spec was tried on. In: matches and refusals. Out: counts since it began to wait, and each agent's last word.
import type { AgentId, Offer } from 'proffer';
import { firstReason } from './funnel.js';
import type { RejectCounts, RejectReason } from './funnel.js';

/** An offer that was of no use. */
export interface UnusedOffer {
  readonly offer: Offer;
  /** Not empty. */
  readonly reasons: readonly RejectReason[];
  readonly at: number;
}

/** Of so many agents the last word is kept; a larger cluster must not cost memory per run spec. */
export const lastUnusedMax = 100;

/** Of one run spec. It changes in place: a thousand of them may look at each offer. */
export class OfferStatistics {
  readonly #rejected: { [reason in RejectReason]?: number } = {};
  readonly #lastUnused = new Map<AgentId, UnusedOffer>();
  #processed = 0;
  #unused = 0;
  #lastUsedAt: number | undefined;
  #lastUnusedAt: number | undefined;

  /** An offer of `agentId` was used. */
  used(agentId: AgentId, now: number): void {
    this.#processed += 1;
    this.#lastUsedAt = now;
    this.#lastUnused.delete(agentId);
  }

  /** An offer was not used, for `reasons`. */
  refused(offer: Offer, reasons: readonly RejectReason[], now: number): void {
    this.#processed += 1;
    this.#unused += 1;
    this.#lastUnusedAt = now;
    const first = firstReason(reasons);
    if (first === undefined) return;
    this.#rejected[first] = (this.#rejected[first] ?? 0) + 1;
    this.#lastUnused.delete(offer.agentId);
    this.#lastUnused.set(offer.agentId, { offer, reasons, at: now });
    if (this.#lastUnused.size <= lastUnusedMax) return;
    const [oldest] = this.#lastUnused.keys();
    if (oldest !== undefined) this.#lastUnused.delete(oldest);
  }

  /** An agent is gone, and its last word with it. */
  agentGone(agentId: AgentId): void {
    this.#lastUnused.delete(agentId);
  }

  get processed(): number {
    return this.#processed;
  }

  get unused(): number {
    return this.#unused;
  }

  get lastUsedAt(): number | undefined {
    return this.#lastUsedAt;
  }

  get lastUnusedAt(): number | undefined {
    return this.#lastUnusedAt;
  }

  /** Refusals by reason. */
  get rejected(): RejectCounts {
    return this.#rejected;
  }

  /** The last offer of each agent that was of no use, the newest last. */
  get lastUnused(): ReadonlyMap<AgentId, UnusedOffer> {
    return this.#lastUnused;
  }

  /** For each reason the number of agents whose last offer ended there. */
  lastOfferCounts(): RejectCounts {
    const counts: { [reason in RejectReason]?: number } = {};
    for (const { reasons } of this.#lastUnused.values()) {
      const first = firstReason(reasons);
      if (first !== undefined) counts[first] = (counts[first] ?? 0) + 1;
    }
    return counts;
  }
}
