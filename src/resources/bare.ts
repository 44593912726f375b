// Resources as if nothing were reserved and no volume made: the same amounts of the same things. A disk of its own stays one.
import { addTotals } from './bag.js';
import { bareLabel, keyOf } from './label.js';
import type { Bag, Resource } from './resource.js';
import { emptyBag } from './resource.js';

/** The entry under its name, and the disk it is on. */
export function bare(r: Resource): Resource {
  if (r.label.suffix === '') return r;
  const label = bareLabel(r.label);
  return { ...r, key: keyOf(r.name, label), label };
}

/** All entries so, those that became alike together. */
export function bareBag(bag: Bag): Bag {
  if (bag.every(r => r.label.suffix === '')) return bag;
  let out = emptyBag;
  for (const r of bag) out = addTotals(out, [bare(r)]);
  return out;
}
