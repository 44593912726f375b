// The least that is worth offering: sets of scalar amounts, OR-ed; amounts within a set AND-ed. Frameworks with equal minima share one object.
import type { Bag } from '../../resources/index.js';
import { formatResources, scalarMilli } from '../../resources/index.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, noBits, withBit } from '../../base/bits.js';

/** One distinct list of minima, and who has it. */
export interface Minimum {
  readonly key: string;
  readonly sets: readonly Bag[];
  /** Client slots. */
  clients: Bits;
  count: number;
}

/** Whether `bag` reaches one of the sets; amounts count over all reservations. No sets: anything is enough. Only scalars are looked at. */
export function reaches(bag: Bag, sets: readonly Bag[]): boolean {
  if (sets.length === 0) return bag.length > 0;
  for (let i = 0; i < sets.length; i += 1) if (reachesAll(bag, sets[i] as Bag)) return true;
  return false;
}

/** The minima in use. */
export class Minima {
  readonly #byKey = new Map<string, Minimum>();

  /** All distinct ones. */
  values(): Iterable<Minimum> {
    return this.#byKey.values();
  }

  join(sets: readonly Bag[], slot: number): Minimum {
    const key = sets.map(formatResources).join('|');
    let minimum = this.#byKey.get(key);
    if (minimum === undefined) {
      minimum = { key, sets, clients: noBits, count: 0 };
      this.#byKey.set(key, minimum);
    }
    minimum.clients = withBit(minimum.clients, slot);
    minimum.count += 1;
    return minimum;
  }

  leave(minimum: Minimum, slot: number): void {
    clearBit(minimum.clients, slot);
    minimum.count -= 1;
    if (minimum.count === 0) this.#byKey.delete(minimum.key);
  }
}

function reachesAll(bag: Bag, set: Bag): boolean {
  for (let i = 0; i < set.length; i += 1) {
    const r = set[i];
    if (r?.kind === 'scalar' && scalarMilli(bag, r.name) < r.milli) return false;
  }
  return true;
}
