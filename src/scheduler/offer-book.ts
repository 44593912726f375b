// Offers in hand. In: offers and rescinds from the driver. Out: what is held, by whom it may be used. An offer is used once.
import type { AgentId, OfferId } from '../base/ids.js';
import type { Offer } from '../protocol/entities.js';
import { bagOf } from '../resources/index.js';
import type { OpenOffer } from './match-request.js';

interface Held {
  readonly open: OpenOffer;
  readonly expiresAt: number;
  readonly bans: Set<string>;
}

/** The outstanding offers of a framework. Time is the clock's `now`. */
export class OfferBook {
  readonly #held = new Map<OfferId, Held>();

  get size(): number {
    return this.#held.size;
  }

  add(offer: Offer, now: number): OpenOffer {
    const open: OpenOffer = { offer, left: bagOf(offer.resources) };
    this.#held.set(offer.id, { open, expiresAt: now + offer.expiresInMs, bans: new Set() });
    return open;
  }

  /** Forgets offers: rescinded, used or declined. Returns those that were held. */
  remove(ids: readonly OfferId[]): readonly Offer[] {
    const removed: Offer[] = [];
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      this.#held.delete(id);
      removed.push(held.open.offer);
    }
    return removed;
  }

  /** Everything, e.g. after the connection was lost: the master has taken the offers back. */
  clear(): readonly Offer[] {
    return this.remove([...this.#held.keys()]);
  }

  get(id: OfferId): OpenOffer | undefined {
    return this.#held.get(id)?.open;
  }

  has(id: OfferId): boolean {
    return this.#held.has(id);
  }

  /** What is held, oldest first. */
  open(): readonly OpenOffer[] {
    return [...this.#held.values()].map(held => held.open);
  }

  /** What is held and not banned for `key`. */
  openFor(key: string): readonly OpenOffer[] {
    const open: OpenOffer[] = [];
    for (const held of this.#held.values()) if (!held.bans.has(key)) open.push(held.open);
    return open;
  }

  /** Offers of one agent, which may be accepted together when their role is the same. */
  byAgent(agentId: AgentId): readonly OpenOffer[] {
    return this.open().filter(open => open.offer.agentId === agentId);
  }

  /** After a static veto: the offer need not be tried for `key` again. */
  ban(id: OfferId, key: string): void {
    this.#held.get(id)?.bans.add(key);
  }

  /** Offers that have been held for `heldMs` or more, or that expire within `marginMs`. */
  stale(now: number, heldMs: number, marginMs: number): readonly Offer[] {
    const stale: Offer[] = [];
    for (const { open, expiresAt } of this.#held.values()) {
      const age = now - (expiresAt - open.offer.expiresInMs);
      if (age >= heldMs || expiresAt - now <= marginMs) stale.push(open.offer);
    }
    return stale;
  }
}
