// Who goes when there are too many. In: instances, how many, the run spec. Out: those to kill. Pure.
import { fieldText } from '../match/fields.js';
import { assert } from '../machine/assert.js';
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
  const ordered = inOrder(instances, spec.killSelection);
  const first = ordered.filter(({ id }) => sentenced.has(id)).slice(0, count);
  const rest = sentenced.size === 0 ? ordered : ordered.filter(({ id }) => !sentenced.has(id));
  const left = count - first.length;
  const fields = [...new Set(spec.constraints.filter(isGroupBy).map(({ field }) => field))];
  return [...first, ...(fields.length === 0 ? rest.slice(0, left) : evenly(rest, left, fields))];
}

/** Those that are to go first, first. */
export function inOrder(instances: readonly Instance[], selection: KillSelection): Instance[] {
  const sign = selection === 'YOUNGEST_FIRST' ? -1 : 1;
  const keyed = instances.map(instance => ({ instance, use: useOf(instance), age: sign * bornAt(instance) }));
  keyed.sort((a, b) => a.use - b.use || a.age - b.age || (a.instance.id < b.instance.id ? -1 : 1));
  return keyed.map(({ instance }) => instance);
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
function bornAt({ activeSince, tasks, since }: Instance): number {
  return activeSince ?? tasks[0]?.stagedAt ?? since;
}

function isGroupBy({ operator }: { readonly operator: string }): boolean {
  return operator === 'GROUP_BY';
}

/** Those that agree in all further fields, the next to go last. */
interface Bucket {
  readonly values: readonly (string | undefined)[];
  readonly members: Instance[];
}

/** Those that agree in the first field. */
interface Cohort {
  size: number;
  readonly buckets: Map<string, Bucket>;
}

/**
 * Takes one after the other from a group that is largest by the first field, within it by the second, and so on; of equals in the given order. What is in no
 * group goes first. Goes down level by level: each group of the largest size gives one, then all are a level lower.
 */
function evenly(ordered: readonly Instance[], count: number, fields: readonly string[]): Instance[] {
  const [firstField = '', ...further] = fields;
  const sizes: Sizes = further.map(() => new Map<string | undefined, number>());
  const cohorts = new Map<string | undefined, Cohort>();
  const ranks = new Map(ordered.map((instance, rank) => [instance.id, rank]));
  const free: Instance[] = [];
  for (let at = ordered.length - 1; at >= 0; at -= 1) {
    const instance = ordered[at] as Instance;
    const { place } = instance;
    const value = place === undefined ? undefined : fieldText(place, firstField);
    const values = further.map(field => (place === undefined ? undefined : fieldText(place, field)));
    if (value === undefined && values.every(each => each === undefined)) {
      free.push(instance);
      continue;
    }
    let cohort = cohorts.get(value);
    if (cohort === undefined) cohorts.set(value, (cohort = { size: 0, buckets: new Map() }));
    cohort.size += 1;
    const key = values.length === 0 ? '' : JSON.stringify(values);
    const bucket = cohort.buckets.get(key);
    if (bucket === undefined) cohort.buckets.set(key, { values, members: [instance] });
    else bucket.members.push(instance);
    for (const [field, each] of values.entries()) change(sizes[field], each, 1);
  }
  const chosen = free.reverse().slice(0, count);
  const bySize = [...cohorts.values()].sort((a, b) => b.size - a.size);
  let reached = 0;
  for (let level = bySize[0]?.size ?? 0; level > 0 && chosen.length < count; level -= 1) {
    while (reached < bySize.length && (bySize[reached] as Cohort).size >= level) reached += 1;
    const heads = bySize.slice(0, reached).map(cohort => largestOf(cohort, sizes, ranks));
    heads.sort((a, b) => (goesFirst(a, b, sizes, ranks) ? -1 : 1));
    for (const bucket of heads.slice(0, count - chosen.length)) {
      const victim = bucket.members.pop() as Instance;
      for (const [field, each] of bucket.values.entries()) change(sizes[field], each, -1);
      chosen.push(victim);
    }
  }
  return chosen;
}

function largestOf({ buckets }: Cohort, sizes: Sizes, ranks: ReadonlyMap<InstanceId, number>): Bucket {
  let best: Bucket | undefined;
  for (const bucket of buckets.values()) {
    if (bucket.members.length > 0 && (best === undefined || goesFirst(bucket, best, sizes, ranks))) best = bucket;
  }
  assert(best !== undefined, 'a group that has a size has members');
  return best;
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
