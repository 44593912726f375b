// Inverse offers in hand: wishes of the master that an agent be left. In: inverse offers and rescinds. Out: those in hand, to be answered once.
import type { Observable } from 'rxjs';
import { concat, defer, filter, from, Subject } from 'rxjs';
import type { OfferId } from '../base/ids.js';
import type { InverseOffer } from '../protocol/entities.js';

export class InverseBook {
  /** Every inverse offer in hand at the time of subscribing, then each new one. */
  readonly inverseOffers$: Observable<InverseOffer>;
  readonly #held = new Map<OfferId, InverseOffer>();
  readonly #news = new Subject<InverseOffer>();

  constructor() {
    // A subscriber may answer several at the first of them.
    this.inverseOffers$ = defer(() => concat(from([...this.#held.values()]), this.#news)).pipe(
      filter(offer => this.#held.has(offer.id)),
    );
  }

  add(offers: readonly InverseOffer[]): void {
    for (const offer of offers) this.#held.set(offer.id, offer);
    for (const offer of offers) this.#news.next(offer);
  }

  /** Forgets these; returns the ids of those that were in hand. */
  remove(ids: readonly OfferId[]): readonly OfferId[] {
    return ids.filter(id => this.#held.delete(id));
  }

  /** The connection is gone, and they with it. */
  clear(): void {
    this.#held.clear();
  }

  close(): void {
    this.#news.complete();
  }
}
