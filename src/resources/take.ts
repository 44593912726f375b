// Taking a part out of a bag for a task: reserved resources first, as they serve nobody else; the lowest ports first, so that runs repeat.
import { assert } from '../base/assert.js';
import { add, subtract } from './bag.js';
import { keyOf, plain } from './label.js';
import { countRanges, lowestOfRanges } from './ranges.js';
import type { Bag, Resource, ScalarResource } from './resource.js';
import { compareResources, emptyBag, withMilli, withRanges } from './resource.js';
import type { Shortage } from './shortage.js';
import { shortage } from './shortage.js';

/** What was found for a wish. Only without shortages is `taken` the whole wish. */
export interface Taken {
  /** A part of the bag: `subtract(bag, taken)` is what stays. */
  readonly taken: Bag;
  readonly shortages: readonly Shortage[];
}

/**
 * Finds `want` in `bag`. An unreserved scalar of the wish may come from any reservation in the bag (the bag being what one role was
 * offered) or from what is unreserved; everything else is taken key by key.
 */
export function take(bag: Bag, want: Bag): Taken {
  let taken = emptyBag;
  let left = bag;
  const missing: Shortage[] = [];
  // Wishes for a certain reservation go first: nothing else can serve them.
  for (const wanted of [...want].sort((a, b) => Number(a.label.suffix === '') - Number(b.label.suffix === ''))) {
    const { part, short } = takeOne(left, wanted);
    if (short !== undefined) missing.push(short);
    taken = add(taken, part);
    left = subtract(left, part);
  }
  return { taken, shortages: missing };
}

/** `milli` thousandths of scalar `name`, over all labels, most refined reservation first; undefined when there is less. */
export function takeScalars(bag: Bag, name: string, milli: number): Bag | undefined {
  assert(Number.isSafeInteger(milli) && milli >= 0, 'an amount is a whole number of thousandths');
  const { part, left } = drawScalars(bag, name, milli);
  return left === 0 ? part : undefined;
}

/** The `count` lowest numbers of ranges resource `name`, over all labels, most refined reservation first; undefined when there are fewer. */
export function takePorts(bag: Bag, name: string, count: number): Bag | undefined {
  assert(Number.isSafeInteger(count) && count >= 0, 'a count is a whole number');
  const out: Resource[] = [];
  let left = count;
  for (const r of reservedFirst(bag, name)) {
    if (left === 0) break;
    if (r.kind !== 'ranges') continue;
    const ranges = lowestOfRanges(r.ranges, left);
    left -= countRanges(ranges);
    out.push(
      ranges.length === r.ranges.length && countRanges(ranges) === countRanges(r.ranges) ? r : withRanges(r, ranges),
    );
  }
  return left === 0 ? out.sort(compareResources) : undefined;
}

function takeOne(bag: Bag, wanted: Resource): { part: Bag; short?: Shortage } {
  if (wanted.kind === 'scalar' && wanted.label.suffix === '') {
    const { part, left } = drawScalars(bag, wanted.name, wanted.milli);
    if (left === 0) return { part };
    const have: ScalarResource = {
      kind: 'scalar',
      key: keyOf(wanted.name, plain),
      name: wanted.name,
      label: plain,
      milli: wanted.milli - left,
    };
    const short = shortage(have, wanted);
    return short === undefined ? { part: emptyBag } : { part: emptyBag, short };
  }
  const there = bag.find(r => compareResources(r, wanted) === 0);
  const short = shortage(there, wanted);
  return short === undefined ? { part: [wanted] } : { part: emptyBag, short };
}

function drawScalars(bag: Bag, name: string, milli: number): { part: Bag; left: number } {
  const out: Resource[] = [];
  let left = milli;
  for (const r of reservedFirst(bag, name)) {
    if (left === 0) break;
    if (r.kind !== 'scalar') continue;
    const part = Math.min(left, r.milli);
    out.push(part === r.milli ? r : withMilli(r, part));
    left -= part;
  }
  return { part: out.sort(compareResources), left };
}

// The deeper the role, the fewer it serves.
function reservedFirst(bag: Bag, name: string): Resource[] {
  return bag.filter(r => r.name === name).sort((a, b) => depth(b) - depth(a));
}

function depth(r: Resource): number {
  return r.label.role === undefined ? 0 : r.label.role.split('/').length;
}
