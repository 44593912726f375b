// The offers of one pass of the launch queue, in the order in which they are tried. In: what is open, an order, what was promised. Out: the order for a request.
import type { OfferId } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import type { MatchRequest, OpenOffer } from './match-request.js';
import type { OfferComparator, OfferOrder } from './ordering.js';

/** Offers, each with what is left of it. An order that has a comparator is kept by moving one offer at a time; any other is asked for each request. */
export class Candidates {
  readonly #order: OfferOrder;
  readonly #compare: OfferComparator | undefined;
  readonly #open: Map<OfferId, OpenOffer>;
  readonly #sorted: OpenOffer[];

  constructor(open: readonly OpenOffer[], order: OfferOrder) {
    this.#order = order;
    this.#compare = order.compare;
    this.#open = new Map(open.map(one => [one.offer.id, one]));
    this.#sorted = this.#compare === undefined ? [] : [...open].sort(this.#compare);
  }

  get size(): number {
    return this.#open.size;
  }

  /** In the order for `request`; do not hold on to it. */
  inOrder(request: MatchRequest): readonly OpenOffer[] {
    return this.#compare === undefined ? this.#order([...this.#open.values()], request) : this.#sorted;
  }

  /** As they came, each with what is left now. */
  all(): Iterable<OpenOffer> {
    return this.#open.values();
  }

  /** Notes what is left of an offer that is among them. */
  promise(before: OpenOffer, left: Bag): void {
    const after: OpenOffer = { offer: before.offer, left };
    this.#open.set(before.offer.id, after);
    if (this.#compare === undefined) return;
    this.#sorted.splice(this.#sorted.indexOf(before), 1);
    this.#sorted.splice(this.#placeOf(after, this.#compare), 0, after);
  }

  #placeOf(open: OpenOffer, compare: OfferComparator): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#sorted[middle] as OpenOffer, open) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
