// What of the agent's resources is in use, so that nothing is given twice. Reservations are the master's affair: here only names count.
// In: what tasks and executors take and give back. Out: what is short.
import { assert } from '../base/assert.js';
import type { Bag, Shortage } from '../resources/index.js';
import { add, addDisjoint, contains, emptyBag, overlaps, plain, shortages, subtract } from '../resources/index.js';

/** Books of one agent. At every moment free and used add up to the total. */
export class Ledger {
  readonly #total: Bag;
  #free: Bag;
  #used: Bag = emptyBag;

  constructor(total: Bag) {
    this.#total = withoutLabels(total);
    this.#free = this.#total;
  }

  /** What is in use, without reservations. */
  get used(): Bag {
    return this.#used;
  }

  /** What is missing for `want`; empty when it can be taken. */
  lacks(want: Bag): readonly Shortage[] {
    return shortages(this.#free, withoutLabels(want));
  }

  /** Takes `want`, which must be free: a port is never given twice. */
  take(want: Bag): void {
    const bag = withoutLabels(want);
    assert(contains(this.#free, bag), 'resources are given twice');
    assert(!overlaps(this.#used, bag), 'a port is given twice');
    this.#free = subtract(this.#free, bag);
    this.#used = add(this.#used, bag);
  }

  /** Gives back what was taken. */
  giveBack(taken: Bag): void {
    const bag = withoutLabels(taken);
    this.#used = subtract(this.#used, bag);
    this.#free = addDisjoint(this.#free, bag);
    assert(contains(this.#total, this.#free), 'more resources came back than there are');
  }
}

/** The same amounts, reserved to nobody. */
export function withoutLabels(bag: Bag): Bag {
  if (bag.every(r => r.label.suffix === '')) return bag;
  let out = emptyBag;
  for (const r of bag) out = add(out, [{ ...r, key: r.name, label: plain }]);
  return out;
}
