// Taking a part out of a bag for a task: reserved resources first, as they serve fewer; the lowest ports first, so that runs repeat.
import { assert, assertNever } from '../base/assert.js';
import { add, contains, subtract, sum } from './bag.js';
import { bareLabel, keyOf, plain, refinement } from './label.js';
import { countRanges, differenceRanges, intersectRanges, lowestOfRanges } from './ranges.js';
import type { Bag, Resource } from './resource.js';
import { compareResources, emptyBag, withItems, withMilli, withRanges } from './resource.js';
import { differenceSets } from './sets.js';
import type { Shortage } from './shortage.js';
import { shortage, shortages } from './shortage.js';

/** What was found for a wish. Only without shortages is `taken` the whole wish. */
export interface Taken {
  /** A part of the bag: `subtract(bag, taken)` is what stays. */
  readonly taken: Bag;
  readonly shortages: readonly Shortage[];
}

/**
 * Finds `want` in `bag`. What the wish names without a label may come from any reservation in the bag (the bag being what one role was offered), the
 * most refined first, and then from what is unreserved, but from no volume, nothing revocable and no disk but that of the sandboxes; what it names with
 * a label comes from exactly there.
 */
export function take(bag: Bag, want: Bag): Taken {
  let taken = emptyBag;
  const missing: Shortage[] = [];
  const labelled = want.filter(wanted => wanted.label.suffix !== '');
  for (const wanted of labelled) {
    const there = bag.find(r => compareResources(r, wanted) === 0);
    const short = shortage(there, wanted);
    if (short === undefined) taken = add(taken, [wanted]);
    else missing.push(short);
  }
  // Wishes for a certain reservation went first, as nothing else can serve them; the others share what stays.
  const left = labelled.length === 0 ? bag : subtract(bag, taken);
  for (const wanted of want) {
    if (wanted.label.suffix !== '') continue;
    const candidates = reservedFirst(left, wanted.name);
    const part = draw(candidates, wanted);
    if (part !== undefined) taken = add(taken, part);
    else missing.push(shortageOver(candidates, wanted));
  }
  return { taken, shortages: missing };
}

/** Finds `want` in `bag` key by key: what has no label comes from what is unreserved only, what has one from exactly there. */
export function takeExactly(bag: Bag, want: Bag): Taken {
  if (contains(bag, want)) return { taken: want, shortages: none };
  const missing = shortages(bag, want);
  const short = new Set(missing.map(({ key }) => key));
  return { taken: want.filter(({ key }) => !short.has(key)), shortages: missing };
}

/** As much of the same thing as `entry`, by name and disk, whatever it is reserved to, most refined first; undefined when there is less. */
export function takeAlike(bag: Bag, entry: Resource): Bag | undefined {
  const { source } = entry.label;
  if (source === undefined) return draw(reservedFirst(bag, entry.name), entry);
  const key = keyOf(entry.name, bareLabel(entry.label));
  const there = bag.filter(r => r.label.volume === undefined && keyOf(r.name, bareLabel(r.label)) === key);
  if (source.type === 'PATH') return draw(there.sort(moreRefined), entry);
  const whole = there.find(r => r.kind === 'scalar' && entry.kind === 'scalar' && r.milli === entry.milli);
  return whole === undefined ? undefined : [whole];
}

/** `milli` thousandths of scalar `name`, without volumes and what is revocable, most refined reservation first; undefined when there is less. */
export function takeScalars(bag: Bag, name: string, milli: number): Bag | undefined {
  assert(Number.isSafeInteger(milli) && milli >= 0, 'an amount is a whole number of thousandths');
  if (milli === 0) return emptyBag;
  return draw(reservedFirst(bag, name), { kind: 'scalar', key: name, name, label: plain, milli });
}

/** The `count` lowest numbers of ranges resource `name`, without what is revocable, most refined reservation first; undefined when there are fewer. */
export function takePorts(bag: Bag, name: string, count: number): Bag | undefined {
  assert(Number.isSafeInteger(count) && count >= 0, 'a count is a whole number');
  const out: Resource[] = [];
  let left = count;
  for (const r of reservedFirst(bag, name)) {
    if (left === 0) break;
    if (r.kind !== 'ranges') continue;
    const ranges = lowestOfRanges(r.ranges, left);
    left -= countRanges(ranges);
    out.push(withRanges(r, ranges));
  }
  return left === 0 ? out.sort(compareResources) : undefined;
}

// A part of `candidates` that makes up all of `wanted`, or undefined.
function draw(candidates: readonly Resource[], wanted: Resource): Bag | undefined {
  const out: Resource[] = [];
  let left: Resource | undefined = wanted;
  for (const r of candidates) {
    if (left === undefined) break;
    if (r.kind !== left.kind) continue;
    const part = common(r, left);
    if (part === undefined) continue;
    out.push(part);
    left = minus(left, part);
  }
  return left === undefined ? out.sort(compareResources) : undefined;
}

// What is missing when the entries of all labels are counted together.
function shortageOver(candidates: readonly Resource[], wanted: Resource): Shortage {
  const unlabelled = candidates.map((r): Bag => [{ ...r, key: wanted.key, label: wanted.label }]);
  const there = sum(unlabelled).find(r => r.kind === wanted.kind);
  const short = shortage(there, wanted);
  assert(short !== undefined, 'what could not be drawn must be short');
  return short;
}

// What is in both `r` and `left`, as an entry like `r`.
function common(r: Resource, left: Resource): Resource | undefined {
  switch (r.kind) {
    case 'scalar':
      return left.kind === 'scalar' ? withMilli(r, Math.min(r.milli, left.milli)) : undefined;
    case 'ranges': {
      const ranges = left.kind === 'ranges' ? intersectRanges(r.ranges, left.ranges) : [];
      return ranges.length === 0 ? undefined : withRanges(r, ranges);
    }
    case 'set': {
      const items = left.kind === 'set' ? left.items.filter(item => r.items.includes(item)) : [];
      return items.length === 0 ? undefined : withItems(r, items);
    }
    default:
      return assertNever(r, 'resource');
  }
}

// `left` without `part`, whatever their labels.
function minus(left: Resource, part: Resource): Resource | undefined {
  if (left.kind === 'scalar' && part.kind === 'scalar') {
    return left.milli === part.milli ? undefined : withMilli(left, left.milli - part.milli);
  }
  if (left.kind === 'ranges' && part.kind === 'ranges') {
    const ranges = differenceRanges(left.ranges, part.ranges);
    return ranges.length === 0 ? undefined : withRanges(left, ranges);
  }
  assert(left.kind === 'set' && part.kind === 'set');
  const items = differenceSets(left.items, part.items);
  return items.length === 0 ? undefined : withItems(left, items);
}

const none: readonly Shortage[] = [];

function reservedFirst(bag: Bag, name: string): Resource[] {
  const found = bag.filter(r => r.name === name && isForAnything(r));
  return found.length < 2 ? found : found.sort(moreRefined);
}

function moreRefined(a: Resource, b: Resource): number {
  return refinement(b) - refinement(a);
}

/** Whether a wish without a label may take it: it is no volume, on no disk of its own, and cannot be taken away. */
export function isForAnything({ label }: Resource): boolean {
  return label === plain || (label.source === undefined && label.volume === undefined && !label.revocable);
}
