// What one launch needs: resources, and host ports of its choice. In: a wish and what is there. Out: what is missing; the matcher and explain say
// no with this one function.
import { add, subtract } from './bag.js';
import { plain } from './label.js';
import { countRanges } from './ranges.js';
import type { Bag, Resource } from './resource.js';
import { nonRevocable, portsOf, unreserved } from './select.js';
import type { Shortage } from './shortage.js';
import type { Taken } from './take.js';
import { take, takeExactly, takePorts } from './take.js';

/** What a launch needs of one agent. */
export interface Wish {
  readonly resources: Bag;
  /** Host ports to pick, beside those in `resources`. Default 0. */
  readonly ports?: number;
  /** What has no label, and the ports to pick, come from what is unreserved only. Default false: from reservations first. */
  readonly exactResources?: boolean;
}

/** What `left` lacks for the wish, ports included; empty exactly when it can be taken from `left`. */
export function wishShortages(wish: Wish, left: Bag): readonly Shortage[] {
  if (clearlyFits(wish, left)) return none;
  const { taken, shortages } = takeNamed(wish, left);
  const ports = wish.ports ?? 0;
  if (ports === 0) return shortages;
  const rest = openTo(wish, subtract(left, taken));
  if (takePorts(rest, 'ports', ports) !== undefined) return shortages;
  const have = portsOf(nonRevocable(rest)).length;
  return [...shortages, { name: 'ports', key: 'ports', wanted: ports, have, short: ports - have }];
}

interface Exactness {
  readonly exactResources?: boolean | undefined;
}

/** The part of `left` that serves the wish, its ports included; undefined when there is too little. */
export function takeWish(wish: Wish, left: Bag): Bag | undefined {
  const { taken, shortages } = takeNamed(wish, left);
  if (shortages.length > 0) return undefined;
  const { ports = 0 } = wish;
  if (ports === 0) return taken;
  const picked = takePorts(openTo(wish, subtract(left, taken)), 'ports', ports);
  return picked === undefined ? undefined : add(taken, picked);
}

/** What the wish names; ports to pick are not. */
export function takeNamed({ resources, exactResources }: Pick<Wish, 'resources'> & Exactness, left: Bag): Taken {
  return exactResources === true ? takeExactly(left, resources) : take(left, resources);
}

/** What of `left` may serve what the wish has no label for. */
export function openTo({ exactResources }: Exactness, left: Bag): Bag {
  return exactResources === true ? unreserved(left) : left;
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
