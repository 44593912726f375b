// What is left of the offers of one ACCEPT while its operations take their parts out of them. In: the offers, the agent. Out: parts, or what is short.
import type { Problem } from '../base/errors.js';
import type { Bag, Conversion, Converted, Shortage } from '../resources/index.js';
import {
  addDisjoint,
  contains,
  convert,
  emptyBag,
  exclusive,
  isEmpty,
  remainder,
  shared,
  shortages,
  subtract,
  sum,
  take,
  unreserved,
} from '../resources/index.js';
import { QuotaRoom } from './quota-room.js';
import type { AgentRecord, ClusterView, OfferRecord } from './state.js';

/** Parts taken together, or why not: more than was offered, or (optimistic commit) what others were faster to take. */
export type Claim =
  | { readonly kind: 'TAKEN'; readonly parts: readonly Bag[] }
  | { readonly kind: 'SHORT'; readonly shortages: readonly Shortage[]; readonly problem?: undefined }
  | { readonly kind: 'LOST'; readonly shortages: readonly Shortage[]; readonly problem?: Problem };

/** A conversion made, what is wrong with it, or that others were faster. */
export type Conversed =
  | { readonly kind: 'MADE'; readonly conversion: Conversion }
  | { readonly kind: 'WRONG'; readonly problems: readonly Problem[] }
  | { readonly kind: 'LOST'; readonly problems: readonly Problem[] };

interface Mark {
  readonly left: Bag;
  readonly there: Bag | undefined;
}

export class Pot {
  /** As far as the framework can know: what was offered, without what its tasks asked for. */
  left: Bag;
  /** The agent's total, with the conversions of this ACCEPT. */
  total: Bag;
  readonly quota: QuotaRoom;
  /** All that was offered. */
  readonly offered: Bag;
  /** Optimistic commit: the part of `left` that nobody else has taken. */
  #there: Bag | undefined;
  readonly #role: string;
  #converted = false;

  constructor(view: ClusterView, agent: Readonly<AgentRecord>, offers: readonly OfferRecord[]) {
    let left = emptyBag;
    let there: Bag | undefined;
    for (const offer of offers) {
      // Two optimistic offers of one agent may hold the same: it counts once.
      left =
        offer.sequence === undefined ? addDisjoint(left, exclusive(offer.resources)) : cover(left, offer.resources);
      if (offer.sequence !== undefined) there = agent.free;
    }
    for (const offer of offers) left = cover(left, shared(offer.resources));
    const changed = offers.some(offer => offer.version !== agent.version);
    if (there !== undefined && changed && view.conflict.test === 'sequence') there = emptyBag;
    this.left = left;
    this.offered = left;
    this.total = agent.total;
    this.quota = new QuotaRoom(view);
    this.#there = there === undefined ? undefined : common(left, there);
    this.#role = offers[0]?.role ?? '*';
  }

  /** Takes each of `wants`, or nothing. Shared volumes stay for others. */
  claim(wants: readonly Bag[], path: string): Claim {
    const asked = fitAll(this.left, wants);
    if (asked.shortages.length > 0) return { kind: 'SHORT', shortages: asked.shortages };
    if (this.#there === undefined) {
      this.left = asked.rest;
      return { kind: 'TAKEN', parts: asked.parts };
    }
    const got = fitAll(this.#there, wants);
    if (got.shortages.length > 0) {
      // What the framework asked for is gone for its later tasks, too, as it would be had nobody been faster.
      this.left = asked.rest;
      this.#there = common(this.left, this.#there);
      return { kind: 'LOST', shortages: got.shortages };
    }
    // Offers of several frameworks together may go beyond what the role may have.
    const over = this.quota.take(sum(got.parts.map(unreserved)), this.#role, undefined, path);
    if (over !== undefined) return { kind: 'LOST', shortages: [], problem: over };
    this.left = subtract(this.left, exclusive(subtract(this.#there, got.rest)));
    this.#there = got.rest;
    return { kind: 'TAKEN', parts: got.parts };
  }

  /** What is left to convert: an optimistic offer may be so old that it has volumes that are destroyed by now. */
  get convertible(): Bag {
    if (this.#there === undefined) return this.left;
    return this.left.filter(r => r.label.volume === undefined || contains(this.total, [r]));
  }

  /** Converts a part of what is left. */
  convert(make: (have: Bag, total: Bag) => Converted): Conversed {
    const have = this.convertible;
    const asked = make(have, this.total);
    if (!asked.ok) return { kind: 'WRONG', problems: asked.problems };
    let { conversion } = asked;
    if (this.#there !== undefined) {
      const got = make(this.#there, this.total);
      if (!got.ok) {
        this.left = convert(have, conversion);
        this.#converted = true;
        this.#there = common(this.left, this.#there);
        return { kind: 'LOST', problems: got.problems };
      }
      conversion = got.conversion;
      this.#there = convert(this.#there, conversion);
    }
    this.left = convert(have, conversion);
    this.total = convert(this.total, conversion);
    this.#converted = true;
    return { kind: 'MADE', conversion };
  }

  /** Of what is left, that which is as it was offered. */
  get untouched(): Bag {
    return this.#converted ? common(this.left, this.offered) : this.left;
  }

  /** What tasks took, `parts` being the part of each; shared volumes left out. */
  taken(parts: readonly Bag[]): Bag {
    if (!this.#converted && this.#there === undefined) return exclusive(subtract(this.offered, this.left));
    return sum(parts.map(exclusive));
  }

  mark(): Mark {
    return { left: this.left, there: this.#there };
  }

  /** Back to a mark; not over a conversion. */
  restore(mark: Mark): void {
    this.left = mark.left;
    this.#there = mark.there;
  }
}

/** What is in both; a volume of another size is not. */
export function common(a: Bag, b: Bag): Bag {
  if (a === b) return a;
  const whole = a.filter(r => r.label.volume === undefined || contains(b, [r]));
  return subtract(whole, remainder(whole, b));
}

/** The most of either. */
export function cover(a: Bag, b: Bag): Bag {
  return isEmpty(a) ? b : addDisjoint(a, remainder(b, a));
}

function fitAll(
  have: Bag,
  wants: readonly Bag[],
): { readonly parts: readonly Bag[]; readonly rest: Bag; readonly shortages: readonly Shortage[] } {
  const parts: Bag[] = [];
  let rest = have;
  for (const want of wants) {
    const { taken, shortages: missing } = fit(rest, want);
    if (missing.length > 0) return { parts: [], rest: have, shortages: missing };
    parts.push(taken);
    rest = subtract(rest, exclusive(taken));
  }
  return { parts, rest, shortages: [] };
}

/** The part of `left` that serves `want`: reserved resources first. */
function fit(left: Bag, want: Bag): { readonly taken: Bag; readonly shortages: readonly Shortage[] } {
  if (isEmpty(want)) return { taken: emptyBag, shortages: [] };
  if (left.some(r => r.label.suffix !== '')) return take(left, want);
  return contains(left, want) ? { taken: want, shortages: [] } : { taken: emptyBag, shortages: shortages(left, want) };
}
