// Bag arithmetic: add, subtract, contains. Merge loops over sorted entries; the allocator runs them some 100,000 times a second.
import { assert } from '../base/assert.js';
import { containsRanges, differenceRanges, equalRanges, overlapRanges, unionRanges } from './ranges.js';
import type { Bag, Resource, ScalarResource } from './resource.js';
import { compareResources, emptyBag, withItems, withMilli, withRanges } from './resource.js';
import { containsSets, differenceSets, equalSets, overlapSets, unionSets } from './sets.js';

/**
 * Both together: scalars are summed, ranges and sets united (as in Mesos, so that agents with the same ports can be totalled).
 * Where the same port coming twice would be a bug, use `addDisjoint`. A volume or a mount disk is one thing: a shared volume stays one, and asserts that
 * no other comes twice; for totals over several agents use `addTotals`.
 */
export function add(a: Bag, b: Bag): Bag {
  return merge(a, b, join);
}

/** Like `add`, for totals over several agents: volumes and disks of the same key are different ones there, and their amounts are summed. */
export function addTotals(a: Bag, b: Bag): Bag {
  return merge(a, b, joinTotals);
}

function merge(a: Bag, b: Bag, join: (x: Resource, y: Resource) => Resource): Bag {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const out: Resource[] = [];
  let changed = false;
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as Resource;
    const y = b[j] as Resource;
    const order = compareResources(x, y);
    if (order < 0) {
      out.push(x);
      i += 1;
    } else if (order > 0) {
      out.push(y);
      changed = true;
      j += 1;
    } else {
      const joined = join(x, y);
      if (joined !== x) changed = true;
      out.push(joined);
      i += 1;
      j += 1;
    }
  }
  if (j === b.length && !changed) return a;
  for (; i < a.length; i += 1) out.push(a[i] as Resource);
  for (; j < b.length; j += 1) out.push(b[j] as Resource);
  return out;
}

/** Like `add`, for giving back: asserts that no port and no item comes twice. */
export function addDisjoint(a: Bag, b: Bag): Bag {
  assert(!overlaps(a, b), 'resources given back are there already');
  return add(a, b);
}

/** `a` without `b`, all of which must be there: asserts it, as a clamp would lose resources without a trace. */
export function subtract(a: Bag, b: Bag): Bag {
  const left = without(a, b);
  assert(left !== undefined, 'subtracting resources that are not there');
  return left;
}

/** `a` without `b`, or undefined where `contains(a, b)` says no. */
export function without(a: Bag, b: Bag): Bag | undefined {
  if (b.length === 0) return a;
  const out: Resource[] = [];
  let i = 0;
  for (let j = 0; j < b.length; j += 1) {
    const y = b[j] as Resource;
    let x = a[i];
    while (x !== undefined && compareResources(x, y) < 0) {
      out.push(x);
      i += 1;
      x = a[i];
    }
    if (x === undefined || compareResources(x, y) !== 0 || !covers(x, y)) return undefined;
    const left = remove(x, y);
    if (left !== undefined) out.push(left);
    i += 1;
  }
  for (; i < a.length; i += 1) out.push(a[i] as Resource);
  return out.length === 0 ? emptyBag : out;
}

/** What is left of `a` when as much of `b` as is there is taken out: for agents on which more is in use than they have. */
export function remainder(a: Bag, b: Bag): Bag {
  const out: Resource[] = [];
  let j = 0;
  for (const x of a) {
    while (j < b.length && compareResources(b[j] as Resource, x) < 0) j += 1;
    const y = b[j];
    let left: Resource | undefined = x;
    if (y !== undefined && compareResources(y, x) === 0) {
      if (x.label.indivisible) continue;
      left = x.kind === 'scalar' && x.milli <= (y as ScalarResource).milli ? undefined : remove(x, y);
    }
    if (left !== undefined) out.push(left);
  }
  return out.length === 0 ? emptyBag : out;
}

/** Whether all of `b` is in `a`, key by key: what `subtract` asks for. */
export function contains(a: Bag, b: Bag): boolean {
  let i = 0;
  for (let j = 0; j < b.length; j += 1) {
    const y = b[j] as Resource;
    let order = -1;
    let x: Resource | undefined;
    for (; i < a.length; i += 1) {
      x = a[i] as Resource;
      order = compareResources(x, y);
      if (order >= 0) break;
    }
    if (order !== 0 || x === undefined || !covers(x, y)) return false;
    i += 1;
  }
  return true;
}

/** Whether a port, an item, a mount disk or a volume that is not shared is in both; other scalars cannot tell. */
export function overlaps(a: Bag, b: Bag): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as Resource;
    const y = b[j] as Resource;
    const order = compareResources(x, y);
    if (order === 0 && x.label.indivisible && !x.label.shared) return true;
    if (order === 0 && x.kind === 'ranges' && y.kind === 'ranges' && overlapRanges(x.ranges, y.ranges)) return true;
    if (order === 0 && x.kind === 'set' && y.kind === 'set' && overlapSets(x.items, y.items)) return true;
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
  return false;
}

/** Whether both hold the same. */
export function equals(a: Bag, b: Bag): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) {
    const x = a[i] as Resource;
    const y = b[i] as Resource;
    if (compareResources(x, y) !== 0 || !same(x, y)) return false;
  }
  return true;
}

/** Whether nothing is in it. */
export function isEmpty(bag: Bag): boolean {
  return bag.length === 0;
}

/** All of them added up. */
export function sum(bags: Iterable<Bag>): Bag {
  let total = emptyBag;
  for (const bag of bags) total = add(total, bag);
  return total;
}

/** All of them added up, over several agents: see `addTotals`. */
export function sumTotals(bags: Iterable<Bag>): Bag {
  let total = emptyBag;
  for (const bag of bags) total = addTotals(total, bag);
  return total;
}

// The helpers below take two entries of the same key and kind.

function join(x: Resource, y: Resource): Resource {
  if (x.label.indivisible) {
    assert(x.label.shared, 'a volume that is not shared, or a mount disk, is there twice');
    assert(same(x, y), 'a shared volume has two sizes');
    return x;
  }
  return joinTotals(x, y);
}

function joinTotals(x: Resource, y: Resource): Resource {
  if (x.kind === 'scalar') {
    const milli = x.milli + (y as ScalarResource).milli;
    assert(milli <= Number.MAX_SAFE_INTEGER, 'a total of resources exceeds what can be counted exactly');
    return withMilli(x, milli);
  }
  if (covers(x, y)) return x;
  if (x.kind === 'ranges' && y.kind === 'ranges') return withRanges(x, unionRanges(x.ranges, y.ranges));
  assert(x.kind === 'set' && y.kind === 'set');
  return withItems(x, unionSets(x.items, y.items));
}

function remove(x: Resource, y: Resource): Resource | undefined {
  if (x.kind === 'scalar') {
    const milli = x.milli - (y as ScalarResource).milli;
    return milli === 0 ? undefined : withMilli(x, milli);
  }
  if (x.kind === 'ranges' && y.kind === 'ranges') {
    const ranges = differenceRanges(x.ranges, y.ranges);
    return ranges.length === 0 ? undefined : withRanges(x, ranges);
  }
  assert(x.kind === 'set' && y.kind === 'set');
  const items = differenceSets(x.items, y.items);
  return items.length === 0 ? undefined : withItems(x, items);
}

function covers(x: Resource, y: Resource): boolean {
  if (x.kind === 'scalar') {
    return x.label.indivisible ? x.milli === (y as ScalarResource).milli : x.milli >= (y as ScalarResource).milli;
  }
  if (x.kind === 'ranges') return y.kind === 'ranges' && containsRanges(x.ranges, y.ranges);
  return y.kind === 'set' && containsSets(x.items, y.items);
}

function same(x: Resource, y: Resource): boolean {
  if (x === y) return true;
  if (x.kind === 'scalar') return x.milli === (y as ScalarResource).milli;
  if (x.kind === 'ranges') return y.kind === 'ranges' && equalRanges(x.ranges, y.ranges);
  return y.kind === 'set' && equalSets(x.items, y.items);
}
