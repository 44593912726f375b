// Picking host ports out of what is offered: the lowest, or at random so that a freed port is not reused at once.
import type { Random } from '../env/random.js';
import type { Bag } from '../resources/index.js';
import { nonRevocable, portsOf, takePorts } from '../resources/index.js';

/** The `count` lowest ports; undefined when there are fewer. */
export function lowestPorts(bag: Bag, count: number): readonly number[] | undefined {
  const picked = takePorts(bag, 'ports', count);
  return picked === undefined ? undefined : portsOf(picked);
}

/** `count` ports at random, ascending; undefined when there are fewer. */
export function randomPorts(bag: Bag, count: number, random: Random): readonly number[] | undefined {
  const all = portsOf(nonRevocable(bag));
  if (all.length < count) return undefined;
  return random
    .shuffle(all)
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** `[[a, a], [b, b]]`: ports as the boundary form of a ranges resource. */
export function asRanges(ports: readonly number[]): readonly (readonly [number, number])[] {
  return ports.map(port => [port, port] as const);
}
