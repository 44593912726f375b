// Scalar totals as small vectors: each name gets an index, so that shares are computed without maps. In: bags. Out: thousandths by index.
import type { Bag } from '../../resources/index.js';

/** Thousandths by index of the name. */
export type Vector = Float64Array<ArrayBuffer>;

/** The names seen so far, and a bag spread out over them. */
export class Scalars {
  readonly names: string[] = [];
  readonly #indexes = new Map<string, number>();
  /** What `load` found, over all labels. Valid up to `names.length` until the next `load`. */
  loaded: Vector = new Float64Array(8);

  /** Puts the scalar totals of `bag` into `loaded`. */
  load(bag: Bag): void {
    this.loaded.fill(0);
    for (let i = 0; i < bag.length; i += 1) {
      const r = bag[i];
      if (r?.kind !== 'scalar') continue;
      const at = this.#indexes.get(r.name) ?? this.#learn(r.name);
      this.loaded[at] = (this.loaded[at] as number) + r.milli;
    }
  }

  /** The index of a name, also of one never seen before. */
  indexOf(name: string): number {
    return this.#indexes.get(name) ?? this.#learn(name);
  }

  #learn(name: string): number {
    const at = this.names.push(name) - 1;
    this.#indexes.set(name, at);
    if (at >= this.loaded.length) {
      const longer = new Float64Array(this.loaded.length * 2);
      longer.set(this.loaded);
      this.loaded = longer;
    }
    return at;
  }
}
