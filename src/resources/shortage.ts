// The one feasibility function: what is missing from `have` for `want`. Offer, accept, validation and explain all say no with it.
import { assertNever } from '../base/assert.js';
import { differenceRanges, showRanges } from './ranges.js';
import type { Bag, Resource, ScalarResource } from './resource.js';
import { compareResources } from './resource.js';
import { differenceSets } from './sets.js';

/** One resource that does not suffice. Scalars are numbers as people write them (cpus, MiB); ranges and sets are text. */
export interface Shortage {
  readonly name: string;
  readonly key: string;
  readonly wanted: number | string;
  /** 0 or '' when there is none at all. */
  readonly have: number | string;
  /** What would have to be added. */
  readonly short: number | string;
}

/** What `have` lacks for `want`, key by key; empty exactly when `contains(have, want)`. */
export function shortages(have: Bag, want: Bag): Shortage[] {
  const out: Shortage[] = [];
  let i = 0;
  for (const wanted of want) {
    while (i < have.length && compareResources(have[i] as Resource, wanted) < 0) i += 1;
    const there = have[i];
    const short = shortage(there !== undefined && compareResources(there, wanted) === 0 ? there : undefined, wanted);
    if (short !== undefined) out.push(short);
  }
  return out;
}

/** `mem short by 512 (wanted 1024, have 512)`. */
export function describeShortage(s: Shortage): string {
  if (typeof s.short === 'number') return `${s.key} short by ${s.short} (wanted ${s.wanted}, have ${s.have})`;
  return `${s.key} lacks ${s.short} (wanted ${s.wanted}, have ${s.have === '' ? 'none' : s.have})`;
}

/** What `there`, of the same key and kind, lacks for `wanted`. */
export function shortage(there: Resource | undefined, wanted: Resource): Shortage | undefined {
  const { name, key } = wanted;
  switch (wanted.kind) {
    case 'scalar': {
      const have = there?.kind === 'scalar' ? there.milli : 0;
      if (wanted.label.indivisible && have > 0) return wholeShortage(wanted, have);
      if (have >= wanted.milli) return undefined;
      return { name, key, wanted: wanted.milli / 1000, have: have / 1000, short: (wanted.milli - have) / 1000 };
    }
    case 'ranges': {
      const have = there?.kind === 'ranges' ? there.ranges : [];
      const short = differenceRanges(wanted.ranges, have);
      if (short.length === 0) return undefined;
      const text = (ranges: typeof short): string => showRanges(ranges, piecesMax);
      return { name, key, wanted: text(wanted.ranges), have: text(have), short: text(short) };
    }
    case 'set': {
      const have = there?.kind === 'set' ? there.items : [];
      const short = differenceSets(wanted.items, have);
      if (short.length === 0) return undefined;
      return { name, key, wanted: showItems(wanted.items), have: showItems(have), short: showItems(short) };
    }
    default:
      return assertNever(wanted, 'resource');
  }
}

// Volumes and mount disks are taken whole or not at all.
function wholeShortage(wanted: ScalarResource, have: number): Shortage | undefined {
  if (wanted.milli === have) return undefined;
  const short = wanted.label.volume === undefined ? 'a mount disk of that size' : 'a volume of that size';
  return {
    name: wanted.name,
    key: wanted.key,
    wanted: `${wanted.milli / 1000} MiB`,
    have: `${have / 1000} MiB`,
    short,
  };
}

// A fragmented agent may have thousands of ranges; a person reads a few.
const piecesMax = 8;

function showItems(items: readonly string[]): string {
  if (items.length <= piecesMax) return items.join(',');
  return `${items.slice(0, piecesMax).join(',')} and ${items.length - piecesMax} more`;
}
