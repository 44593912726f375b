// Picking host ports. In: the ports of an offer, what is needed, chance. Out: one port for each need, or none. Pure but for the draws.
import { add, asRanges, bagOf, emptyBag } from 'proffer';
import type { Bag, Random, Resource } from 'proffer';
import type { PortNeed } from '../model/spec.js';

type Ranges = Extract<Resource, { readonly kind: 'ranges' }>;

/** Ports for needs, and as resources by the keys they were offered under. */
export interface PickedPorts {
  readonly ports: readonly number[];
  readonly bag: Bag;
}

/**
 * A port for each need: those that are named exactly, the others from a random place on, so that a port just freed is not had again at once. One number can be named
 * for several protocols. Undefined when `left` has too few, or lacks a named one.
 */
export function pickPorts(needs: readonly PortNeed[], left: Bag, random: Random): PickedPorts | undefined {
  if (needs.length === 0) return { ports: [], bag: emptyBag };
  const entries = left.filter((r): r is Ranges => r.kind === 'ranges' && r.name === 'ports');
  const named = new Set<number>();
  for (const { port } of needs) {
    if (port === 0) continue;
    if (!entries.some(entry => has(entry, port))) return undefined;
    named.add(port);
  }
  const open = needs.filter(({ port }) => port === 0).length;
  const drawn = open === 0 ? [] : draw(entries, open, named, random);
  if (drawn === undefined) return undefined;
  let at = 0;
  const ports = needs.map(({ port }) => (port === 0 ? (drawn[at++] as number) : port));
  return { ports, bag: bagFor([...named, ...drawn], entries) };
}

function draw(
  entries: readonly Ranges[],
  count: number,
  named: ReadonlySet<number>,
  random: Random,
): number[] | undefined {
  const ranges = entries.flatMap(entry => entry.ranges);
  let total = 0;
  for (const [from, to] of ranges) total += to - from + 1;
  if (total - named.size < count) return undefined;
  let offset = random.int(0, total - 1);
  let at = 0;
  for (; at < ranges.length; at += 1) {
    const [from, to] = ranges[at] as readonly [number, number];
    if (offset <= to - from) break;
    offset -= to - from + 1;
  }
  const drawn: number[] = [];
  // Once around, and the range begun in once more from its start.
  for (let turn = 0; turn <= ranges.length && drawn.length < count; turn += 1) {
    const [from, to] = ranges[(at + turn) % ranges.length] as readonly [number, number];
    const first = turn === 0 ? from + offset : from;
    const last = turn === ranges.length ? from + offset - 1 : to;
    for (let port = first; port <= last && drawn.length < count; port += 1) if (!named.has(port)) drawn.push(port);
  }
  return drawn.length < count ? undefined : drawn;
}

function bagFor(ports: readonly number[], entries: readonly Ranges[]): Bag {
  let bag: Bag = emptyBag;
  for (const entry of entries) {
    const own = ports.filter(port => has(entry, port)).sort((a, b) => a - b);
    if (own.length > 0) bag = add(bag, bagOf({ [entry.key]: asRanges(own) }));
  }
  return bag;
}

function has({ ranges }: Ranges, port: number): boolean {
  return ranges.some(([from, to]) => from <= port && port <= to);
}
