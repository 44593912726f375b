// The sorted list of a tree node's active children: ids in an Int32Array, so that moving one is a search and a memory move.
import { assert } from '../../base/assert.js';
import type { Columns } from './columns.js';

/** Ids of siblings in the order of `Columns.compare`. */
export class Order {
  #ids = new Int32Array(2);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  at(index: number): number {
    return this.#ids[index] as number;
  }

  /** Adds an id at its place, or at the end when the list is not `sorted` now. */
  insert(columns: Columns, id: number, sorted: boolean): void {
    const size = this.#size;
    if (size === this.#ids.length) {
      const longer = new Int32Array(size * 2);
      longer.set(this.#ids);
      this.#ids = longer;
    }
    const at = sorted ? this.#lowerBound(columns, id, 0, size) : size;
    this.#ids.copyWithin(at + 1, at, size);
    this.#ids[at] = id;
    this.#size = size + 1;
  }

  /** Removes an id, whose share and count are those it was sorted by if the list is `sorted`. */
  remove(columns: Columns, id: number, sorted: boolean): void {
    const ids = this.#ids;
    let at = 0;
    if (sorted) at = this.#lowerBound(columns, id, 0, this.#size);
    else while (at < this.#size && ids[at] !== id) at += 1;
    assert(at < this.#size && ids[at] === id, 'a node is not where its share says');
    ids.copyWithin(at, at + 1, this.#size);
    this.#size -= 1;
  }

  /** Puts an id, which was sorted by `share` and `count`, where its present ones belong. */
  move(columns: Columns, id: number, share: number, count: number): void {
    const ids = this.#ids;
    const from = this.#find(columns, id, share, count);
    assert(ids[from] === id, 'a node is not where its share said');
    if (from + 1 < this.#size && columns.compare(ids[from + 1] as number, id) < 0) {
      const to = this.#lowerBound(columns, id, from + 1, this.#size) - 1;
      ids.copyWithin(from, from + 1, to + 1);
      ids[to] = id;
      return;
    }
    if (from === 0 || columns.compare(ids[from - 1] as number, id) < 0) return;
    const to = this.#lowerBound(columns, id, 0, from);
    ids.copyWithin(to + 1, to, from);
    ids[to] = id;
  }

  /** Measures all shares anew and sorts by them. A total changes all shares alike, mostly: insertion first, within a budget. */
  remeasure(columns: Columns): void {
    const ids = this.#ids;
    const size = this.#size;
    if (columns.measureAll(ids, size)) return;
    this.sort(columns);
  }

  /** Sorts by scores that were measured anew. */
  sort(columns: Columns): void {
    const ids = this.#ids;
    const size = this.#size;
    let budget = size * 4;
    for (let i = 1; i < size && budget > 0; i += 1) {
      const id = ids[i] as number;
      let j = i;
      while (j > 0 && budget > 0 && columns.compare(ids[j - 1] as number, id) > 0) {
        ids[j] = ids[j - 1] as number;
        j -= 1;
        budget -= 1;
      }
      ids[j] = id;
    }
    if (budget <= 0) ids.subarray(0, size).sort((a, b) => columns.compare(a, b));
  }

  // Where an id is that was sorted by `share` and `count`, while all others have the ones they were sorted by.
  #find(columns: Columns, id: number, share: number, count: number): number {
    const { shares, counts, byCount } = columns;
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#ids[middle] as number;
      if (other === id) return middle;
      const before =
        (shares[other] as number) - share ||
        (byCount ? (counts[other] as number) - count : 0) ||
        columns.comparePaths(other, id);
      if (before < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The first position in [from, to) whose id does not come before `id`.
  #lowerBound(columns: Columns, id: number, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (columns.compare(this.#ids[middle] as number, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
