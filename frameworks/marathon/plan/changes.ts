// What sets two trees apart. In: two root groups. Out: changes of groups, and the shape in which a plan keeps changes. Pure.
import { groupsOf } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';

/** A run spec before and after; absent where it did not or does not exist. */
export interface RunSpecChange {
  readonly before?: RunSpec;
  readonly after?: RunSpec;
}

/** What a plan may change of a group itself. */
export interface GroupTraits {
  readonly dependencies: readonly PathId[];
  readonly enforceRole: boolean;
}

/** A group before and after; absent where it did not or does not exist. */
export interface GroupChange {
  readonly id: PathId;
  readonly before?: GroupTraits;
  readonly after?: GroupTraits;
}

/** Groups that came, went or changed, those outside first. */
export function groupChanges(original: Group, target: Group): GroupChange[] {
  if (original === target) return [];
  const before = new Map<PathId, Group>();
  for (const group of groupsOf(original)) before.set(group.id, group);
  const changes: GroupChange[] = [];
  for (const group of groupsOf(target)) {
    const old = before.get(group.id);
    before.delete(group.id);
    if (old === group) continue;
    if (old === undefined) changes.push({ id: group.id, after: traitsOf(group) });
    else if (!sameTraits(old, group)) changes.push({ id: group.id, before: traitsOf(old), after: traitsOf(group) });
  }
  for (const group of before.values()) changes.push({ id: group.id, before: traitsOf(group) });
  return changes;
}

function traitsOf({ dependencies, enforceRole }: Group): GroupTraits {
  return { dependencies, enforceRole };
}

function sameTraits(a: Group, b: Group): boolean {
  if (a.enforceRole !== b.enforceRole || a.dependencies.length !== b.dependencies.length) return false;
  const of = new Set(a.dependencies);
  return b.dependencies.every(id => of.has(id));
}
