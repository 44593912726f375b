// Who goes when there are too many. In: instances, how many, the run spec. Out: those to kill. Pure.
import { fieldText } from '../match/fields.js';
import { isUnreachable } from '../machine/condition.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { RunSpec } from '../model/run-spec.js';
import type { KillSelection } from '../model/spec.js';

/**
 * `count` of `instances`: `sentenced` ones first, then those whose going leaves groups of GROUP_BY more even, then by how little they do: out of reach, not
 * started, staging, starting, running but not healthy, running; of equals the youngest or oldest as the run spec's `killSelection` says.
 */
export function victims(
  instances: readonly Instance[],
  count: number,
  spec: RunSpec,
  sentenced: ReadonlySet<InstanceId> = new Set(),
): Instance[] {
  if (count <= 0) return [];
  if (count >= instances.length) return [...instances];
  const ordered = [...instances].sort(
    (a, b) => Number(sentenced.has(b.id)) - Number(sentenced.has(a.id)) || byUse(spec.killSelection)(a, b),
  );
  const first = ordered.filter(({ id }) => sentenced.has(id)).slice(0, count);
  const rest = ordered.slice(first.length).filter(({ id }) => !sentenced.has(id));
  const left = count - first.length;
  const fields = [...new Set(spec.constraints.filter(isGroupBy).map(({ field }) => field))];
  return [...first, ...(fields.length === 0 ? rest.slice(0, left) : evenly(rest, left, fields))];
}

/** Of two instances the one that goes first. */
export function byUse(selection: KillSelection): (a: Instance, b: Instance) => number {
  const sign = selection === 'YOUNGEST_FIRST' ? -1 : 1;
  return (a, b) => useOf(a) - useOf(b) || sign * (ageKey(a) - ageKey(b)) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function useOf({ condition, healthy }: Instance): number {
  if (isUnreachable(condition)) return 0;
  switch (condition) {
    case 'Scheduled':
      return 1;
    case 'Provisioned':
      return 2;
    case 'Staging':
      return 3;
    case 'Starting':
      return 4;
    case 'Running':
      return healthy === false ? 5 : 6;
    default:
      return 7;
  }
}

// A start that is under way is as old as the start; what runs is as old as its running.
function ageKey({ activeSince, tasks, since }: Instance): number {
  return activeSince ?? tasks[0]?.stagedAt ?? since;
}

function isGroupBy({ operator }: { readonly operator: string }): boolean {
  return operator === 'GROUP_BY';
}

/** Those of one combination of values of the fields, the next to go last. */
interface Bucket {
  readonly values: readonly (string | undefined)[];
  readonly members: Instance[];
}

/**
 * Takes one after the other from a group that is largest by the first field, then by the second, and so on; of equals in the given order. What is in no group
 * goes first. Each victim costs a look at every combination of values, not at every instance.
 */
function evenly(ordered: readonly Instance[], count: number, fields: readonly string[]): Instance[] {
  const sizes = fields.map(() => new Map<string | undefined, number>());
  const buckets = new Map<string, Bucket>();
  const ranks = new Map(ordered.map((instance, rank) => [instance.id, rank]));
  const free: Instance[] = [];
  for (const instance of ordered.toReversed()) {
    const { place } = instance;
    const values = fields.map(field => (place === undefined ? undefined : fieldText(place, field)));
    if (values.every(value => value === undefined)) {
      free.unshift(instance);
      continue;
    }
    const key = JSON.stringify(values);
    const bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, { values, members: [instance] });
    else bucket.members.push(instance);
    for (const [at, value] of values.entries()) change(sizes[at], value, 1);
  }
  const chosen = free.slice(0, count);
  while (chosen.length < count) {
    let best: Bucket | undefined;
    for (const bucket of buckets.values()) {
      if (bucket.members.length > 0 && (best === undefined || goesFirst(bucket, best, sizes, ranks))) best = bucket;
    }
    const victim = best?.members.pop();
    if (best === undefined || victim === undefined) break;
    for (const [at, value] of best.values.entries()) change(sizes[at], value, -1);
    chosen.push(victim);
  }
  return chosen;
}

type Sizes = readonly Map<string | undefined, number>[];

function goesFirst(a: Bucket, b: Bucket, sizes: Sizes, ranks: ReadonlyMap<InstanceId, number>): boolean {
  for (const [at, size] of sizes.entries()) {
    const difference = (size.get(a.values[at]) ?? 0) - (size.get(b.values[at]) ?? 0);
    if (difference !== 0) return difference > 0;
  }
  const rankOf = (bucket: Bucket): number => ranks.get(bucket.members.at(-1)?.id ?? '') ?? 0;
  return rankOf(a) < rankOf(b);
}

function change(size: Map<string | undefined, number> | undefined, value: string | undefined, by: number): void {
  size?.set(value, (size.get(value) ?? 0) + by);
}
