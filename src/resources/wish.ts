// What one launch needs: resources, and host ports of its choice. In: a wish and what is there. Out: what is missing; the matcher and explain say
// no with this one function.
import { subtract } from './bag.js';
import { plain } from './label.js';
import { countRanges } from './ranges.js';
import type { Bag, Resource } from './resource.js';
import { nonRevocable, portsOf } from './select.js';
import type { Shortage } from './shortage.js';
import { take, takePorts } from './take.js';

/** What a launch needs of one agent. */
export interface Wish {
  readonly resources: Bag;
  /** Host ports to pick, beside those in `resources`. Default 0. */
  readonly ports?: number;
}

/** What `left` lacks for the wish, ports included; empty exactly when it can be taken from `left`. */
export function wishShortages(wish: Wish, left: Bag): readonly Shortage[] {
  if (clearlyFits(wish, left)) return none;
  const { taken, shortages } = take(left, wish.resources);
  const ports = wish.ports ?? 0;
  if (ports === 0) return shortages;
  const rest = subtract(left, taken);
  if (takePorts(rest, 'ports', ports) !== undefined) return shortages;
  const have = portsOf(nonRevocable(rest)).length;
  return [...shortages, { name: 'ports', key: 'ports', wanted: ports, have, short: ports - have }];
}

const none: readonly Shortage[] = [];

// Mostly plain amounts are asked for, and enough is there that is plain, too: then nothing need be taken to know it.
function clearlyFits({ resources, ports = 0 }: Wish, left: Bag): boolean {
  for (let i = 0; i < resources.length; i += 1) {
    const want = resources[i] as Resource;
    if (want.kind !== 'scalar' || want.label !== plain) return false;
    const there = left.find(({ key }) => key === want.key);
    if (there?.kind !== 'scalar' || there.label !== plain || there.milli < want.milli) return false;
  }
  if (ports === 0) return true;
  const there = left.find(({ key }) => key === 'ports');
  return there?.kind === 'ranges' && there.label === plain && countRanges(there.ranges) >= ports;
}
