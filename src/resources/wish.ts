// What one launch needs: resources, and host ports of its choice. In: a wish and what is there. Out: what is missing; the matcher and explain say
// no with this one function.
import { subtract } from './bag.js';
import type { Bag } from './resource.js';
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
  const { taken, shortages } = take(left, wish.resources);
  const ports = wish.ports ?? 0;
  if (ports === 0) return shortages;
  const rest = subtract(left, taken);
  if (takePorts(rest, 'ports', ports) !== undefined) return shortages;
  const have = portsOf(nonRevocable(rest)).length;
  return [...shortages, { name: 'ports', key: 'ports', wanted: ports, have, short: ports - have }];
}
