// Entries of bags that come again and again (half a cpu, one port), each kept once. In: a key and an amount. Out: an entry, maybe one made before.
import type { ParsedKey } from './key.js';
import type { RangesResource, ScalarResource } from './resource.js';

/** A newcomer takes the place of the one before. */
const places = 2048;
const scalars: (ScalarResource | undefined)[] = Array.from({ length: places });
const ranges: (RangesResource | undefined)[] = Array.from({ length: places });

export function scalarEntry({ key, name, label }: ParsedKey, milli: number): ScalarResource {
  const place = placeOf(key, milli);
  const known = scalars[place];
  if (known !== undefined && known.milli === milli && known.key === key && known.label === label) return known;
  const made: ScalarResource = { kind: 'scalar', key, name, label, milli };
  scalars[place] = made;
  return made;
}

/** Of one range. */
export function rangeEntry({ key, name, label }: ParsedKey, begin: number, end: number): RangesResource {
  const place = placeOf(key, begin * 31 + end);
  const known = ranges[place];
  if (known !== undefined && known.key === key && known.label === label) {
    const [only] = known.ranges;
    if (only !== undefined && only[0] === begin && only[1] === end) return known;
  }
  const made: RangesResource = { kind: 'ranges', key, name, label, ranges: [[begin, end]] };
  ranges[place] = made;
  return made;
}

function placeOf(key: string, amount: number): number {
  const hash = (Math.imul(amount | 0, 0x9e3779b1) ^ Math.imul(key.charCodeAt(0), 131) ^ key.length) | 0;
  return (hash ^ (hash >>> 15)) & (places - 1);
}
