// Orders in which offers are tried: pure comparators that compose. Offers with a planned absence always come last.
import type { Random } from '../env/random.js';
import { isForAnything } from '../resources/index.js';
import type { MatchRequest, OpenOffer } from './match-request.js';

/** Puts offers into the order in which they are tried for a request. */
export interface OfferOrder {
  (offers: readonly OpenOffer[], request: MatchRequest): readonly OpenOffer[];
  /** The same order as a comparator, where the request does not matter: then a queue need not sort anew for each launch. */
  readonly compare?: OfferComparator;
}

/** Compares two offers: negative when `a` comes first. */
export type OfferComparator = (a: OpenOffer, b: OpenOffer) => number;

/** As they came. */
export const inOrder: OfferComparator = () => 0;

/** Most free `name` first: spreads load. Source: worst fit. */
export function mostFree(name = 'cpus'): OfferComparator {
  return (a, b) => freeOf(b, name) - freeOf(a, name);
}

/** Least free `name` first: packs agents full and keeps others empty. Source: best fit. */
export function leastFree(name = 'cpus'): OfferComparator {
  return (a, b) => freeOf(a, name) - freeOf(b, name);
}

/** The first of `comparators` that tells two offers apart decides; planned absences last, then the agent's id. */
export function ordered(...comparators: readonly OfferComparator[]): OfferOrder {
  const compare: OfferComparator = (a, b) => {
    const absence = Number(a.offer.unavailability !== undefined) - Number(b.offer.unavailability !== undefined);
    if (absence !== 0) return absence;
    for (const comparator of comparators) {
      const difference = comparator(a, b);
      if (difference !== 0) return difference;
    }
    return a.offer.agentId < b.offer.agentId ? -1 : a.offer.agentId > b.offer.agentId ? 1 : 0;
  };
  return Object.assign((offers: readonly OpenOffer[]) => [...offers].sort(compare), { compare });
}

/** What a launch could have by name alone. */
function freeOf({ left }: OpenOffer, name: string): number {
  let milli = 0;
  for (const r of left) {
    if (r.kind === 'scalar' && r.name === name && isForAnything(r)) milli += r.milli;
  }
  return milli;
}

/** A new random order each time. */
export function shuffled(random: Random): OfferOrder {
  return offers => {
    const mixed = random.shuffle([...offers]);
    const absent = mixed.filter(open => open.offer.unavailability !== undefined);
    if (absent.length === 0) return mixed;
    return [...mixed.filter(open => open.offer.unavailability === undefined), ...absent];
  };
}
