// Amounts as conservation counts them: reservations do not matter, shared volumes take nothing away, what is lent is counted apart. In: resources as
// messages have them. Out: bags of plain names, of disks, and of `name{revocable}`.
import { add, bagOf, bareBag, exclusive, filterBag } from '../../resources/index.js';
import type { Bag, Resources } from '../../resources/index.js';

/** What of `resources` one alone can have. */
export function amountsOf(resources: Resources): Bag {
  return amounts(exclusive(bagOf(resources)));
}

/** All there is, shared volumes as well: their disk is back once they are destroyed. */
export function totalOf(resources: Resources): Bag {
  return amounts(bagOf(resources));
}

function amounts(bag: Bag): Bag {
  const lent = filterBag(bag, r => r.label.revocable);
  const firm = bareBag(filterBag(bag, r => !r.label.revocable));
  return lent.length === 0 ? firm : add(firm, lent);
}
