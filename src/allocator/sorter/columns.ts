// What the sorter computes with, by node id, in flat arrays: shares of thousands of nodes are made anew whenever the cluster's total
// changes.
// In: totals, allocations, weights. Out: dominant shares, and the amounts that other scores are made of.
import type { Bag, ScalarResource } from '../../resources/index.js';
import { compareResources, plain } from '../../resources/index.js';
import type { Vector } from './scalars.js';
import { Scalars } from './scalars.js';

/** What tells siblings of equal score apart: fewer allocations ever made and then the path, or the path alone. */
export type TieBreak = 'count' | 'path';

/** Allocations, counts, weights and shares of nodes, and the cluster's total. */
export class Columns {
  readonly #scalars = new Scalars();
  readonly #excluded: ReadonlySet<string>;
  /** Whether the count of allocations breaks ties before paths do. */
  readonly byCount: boolean;
  #capacity = 0;
  // Thousandths of each scalar, `#stride` positions per node.
  #allocated = new Float64Array(0);
  #stride = 4;
  #totals = new Float64Array(4);
  // As the totals, but zero for what does not count in shares.
  #divisors = new Float64Array(4);
  #weights = new Float64Array(0);
  /** What siblings are ordered by, as of the last sort: dominant share divided by weight, or another score. */
  shares = new Float64Array(0);
  /** Allocations ever made. */
  counts = new Float64Array(0);
  paths: string[] = [];
  // The place of a node's path among its siblings'; -1 while unknown. Ties are many, and comparing strings takes ten times as long.
  #ranks = new Int32Array(0);

  /** `excluded`: scalars that do not count in shares. */
  constructor(excluded: readonly string[], tieBreak: TieBreak = 'count') {
    this.#excluded = new Set(excluded);
    this.byCount = tieBreak === 'count';
  }

  /** How many scalars there may be; positions from 0 on. */
  get width(): number {
    return this.#stride;
  }

  /** Names of scalars by position. */
  get names(): readonly string[] {
    return this.#scalars.names;
  }

  /** Thousandths of the scalar at position `i` that a node holds, with all below it. */
  amount(id: number, i: number): number {
    return this.#allocated[id * this.#stride + i] ?? 0;
  }

  /** The cluster's total of a scalar; 0 where it does not count in shares. */
  total(i: number): number {
    return this.#divisors[i] ?? 0;
  }

  weight(id: number): number {
    return this.#weights[id] ?? 1;
  }

  /** The scalars of a bag by position. */
  vectorOf(bag: Bag): Vector {
    this.load(bag);
    return this.#scalars.loaded.slice(0, this.#stride);
  }

  /** Copies what is loaded; false when there is more of it than room. */
  copyLoaded(to: Vector): boolean {
    if (to.length !== this.#stride) return false;
    const { loaded } = this.#scalars;
    for (let i = 0; i < to.length; i += 1) to[i] = loaded[i] ?? 0;
    return true;
  }

  /** The position of a scalar, also of one never seen before. */
  indexOf(name: string): number {
    const at = this.#scalars.indexOf(name);
    if (this.#scalars.names.length > this.#stride) this.#widen();
    return at;
  }

  /** Begins a node that holds nothing. */
  reset(id: number, path: string, weight: number): void {
    if (id >= this.#capacity) this.#grow(Math.max(16, id * 2));
    this.shares[id] = 0;
    this.counts[id] = 0;
    this.#weights[id] = weight;
    this.paths[id] = path;
    this.#ranks[id] = -1;
    this.#allocated.fill(0, id * this.#stride, (id + 1) * this.#stride);
  }

  setWeight(id: number, weight: number): void {
    this.#weights[id] = weight;
  }

  /** Makes `bag` what the next `addLoaded` calls add. */
  load(bag: Bag): void {
    this.#scalars.load(bag);
    if (this.#scalars.names.length > this.#stride) this.#widen();
  }

  /** Adds `sign` times what is loaded to a node's allocation; a plus counts as one more allocation. */
  addLoaded(id: number, sign: 1 | -1): void {
    const { loaded, names } = this.#scalars;
    const base = id * this.#stride;
    for (let i = 0; i < names.length; i += 1) {
      this.#allocated[base + i] = (this.#allocated[base + i] as number) + sign * (loaded[i] as number);
    }
    if (sign > 0) this.counts[id] = (this.counts[id] as number) + 1;
  }

  /** Takes one node's allocation out of another's. */
  subtractNode(from: number, id: number): void {
    for (let i = 0; i < this.#stride; i += 1) {
      const at = from * this.#stride + i;
      this.#allocated[at] = (this.#allocated[at] as number) - (this.#allocated[id * this.#stride + i] as number);
    }
  }

  /** Adds `sign` times `bag` to the cluster's total. */
  addTotal(bag: Bag, sign: 1 | -1): void {
    this.load(bag);
    const { loaded, names } = this.#scalars;
    for (let i = 0; i < names.length; i += 1) {
      const total = (this.#totals[i] as number) + sign * (loaded[i] as number);
      this.#totals[i] = total;
      this.#divisors[i] = this.#excluded.has(names[i] as string) ? 0 : total;
    }
  }

  /** max over scalars of allocated/total, undivided by the weight. */
  dominant(id: number): number {
    const base = id * this.#stride;
    let share = 0;
    for (let i = 0; i < this.#stride; i += 1) {
      const total = this.#divisors[i] as number;
      if (total <= 0) continue;
      const part = (this.#allocated[base + i] as number) / total;
      if (part > share) share = part;
    }
    return share;
  }

  /** Computes a node's share afresh, and returns it. */
  measure(id: number): number {
    const share = this.dominant(id) / (this.#weights[id] as number);
    this.shares[id] = share;
    return share;
  }

  /** max over scalars of amount/total for amounts that a node need not hold. */
  dominantOf(amounts: Vector): number {
    let share = 0;
    for (let i = 0; i < amounts.length; i += 1) {
      const total = this.#divisors[i] ?? 0;
      if (total > 0) share = Math.max(share, (amounts[i] as number) / total);
    }
    return share;
  }

  /** Computes the shares of the first `size` of `ids` afresh; true when they then ascend, each above the one before. */
  measureAll(ids: Int32Array, size: number): boolean {
    // What `measure` does, with everything at hand: a change of the total brings all frameworks through here.
    const { shares } = this;
    const allocated = this.#allocated;
    const weights = this.#weights;
    const divisors = this.#divisors;
    const stride = this.#stride;
    let ascending = true;
    let before = -1;
    for (let i = 0; i < size; i += 1) {
      const id = ids[i] as number;
      let at = id * stride;
      let share = 0;
      for (let k = 0; k < stride; k += 1, at += 1) {
        const amount = allocated[at] as number;
        const total = divisors[k] as number;
        if (amount <= 0 || total <= 0) continue;
        const part = amount / total;
        if (part > share) share = part;
      }
      share /= weights[id] as number;
      shares[id] = share;
      if (share <= before) ascending = false;
      before = share;
    }
    return ascending;
  }

  /** The order of siblings: by share, then by allocations made, then by path. */
  compare(a: number, b: number): number {
    return (
      (this.shares[a] as number) - (this.shares[b] as number) ||
      (this.byCount ? (this.counts[a] as number) - (this.counts[b] as number) : 0) ||
      this.comparePaths(a, b)
    );
  }

  comparePaths(a: number, b: number): number {
    const x = this.#ranks[a] as number;
    const y = this.#ranks[b] as number;
    if (x >= 0 && y >= 0) return x - y;
    return (this.paths[a] as string) < (this.paths[b] as string) ? -1 : a === b ? 0 : 1;
  }

  /** Ranks siblings, all of them, by their paths. Removing some later does no harm. */
  rank(ids: number[]): void {
    const { paths } = this;
    ids.sort((a, b) => ((paths[a] as string) < (paths[b] as string) ? -1 : 1));
    for (let i = 0; i < ids.length; i += 1) this.#ranks[ids[i] as number] = i;
  }

  /** Scalars that a node holds, whatever they are reserved for. */
  held(id: number): Bag {
    // A cluster's sum may be beyond what `bagOf` takes for one machine's amount.
    const scalar = (name: string, i: number): ScalarResource => ({
      kind: 'scalar',
      key: name,
      name,
      label: plain,
      milli: this.#allocated[id * this.#stride + i] ?? 0,
    });
    return this.#scalars.names
      .map(scalar)
      .filter(({ milli }) => milli > 0)
      .toSorted(compareResources);
  }

  #grow(capacity: number): void {
    this.#capacity = capacity;
    this.shares = longer(this.shares, capacity);
    this.counts = longer(this.counts, capacity);
    this.#weights = longer(this.#weights, capacity);
    const ranks = new Int32Array(capacity);
    ranks.set(this.#ranks);
    this.#ranks = ranks;
    this.#allocated = longer(this.#allocated, capacity * this.#stride);
  }

  #widen(): void {
    const before = this.#stride;
    this.#stride = before * 2;
    const wider = new Float64Array(this.#capacity * this.#stride);
    for (let id = 0; id < this.#capacity; id += 1) {
      wider.set(this.#allocated.subarray(id * before, (id + 1) * before), id * this.#stride);
    }
    this.#allocated = wider;
    this.#totals = longer(this.#totals, this.#stride);
    this.#divisors = longer(this.#divisors, this.#stride);
  }
}

function longer(from: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(length);
  out.set(from);
  return out;
}
