// The tree of groups with their apps and pods: look up, put, remove. Pure: every update returns a new tree that shares what did not change.
import type { AppDefinition } from './app.js';
import { childOf, isBelow, parentOf, rootPath, segmentsOf } from './path.js';
import type { PathId } from './path.js';
import type { PodDefinition } from './pod.js';
import type { RunSpec } from './run-spec.js';

/** One group; keys of all maps are absolute ids of its direct children. */
export interface Group {
  readonly id: PathId;
  /** Wall milliseconds of its last change. */
  readonly version: number;
  readonly apps: ReadonlyMap<PathId, AppDefinition>;
  readonly pods: ReadonlyMap<PathId, PodDefinition>;
  readonly groups: ReadonlyMap<PathId, Group>;
  /** Apps and groups that must stand before anything in this one; absolute. */
  readonly dependencies: readonly PathId[];
  /** Whether services below take the top-level group's role. */
  readonly enforceRole: boolean;
}

/** A group with nothing in it. */
export function emptyGroup(id: PathId = rootPath, version = 0, enforceRole = false): Group {
  return { id, version, apps: new Map(), pods: new Map(), groups: new Map(), dependencies: [], enforceRole };
}

/** The group of this id at or below `root`. */
export function groupAt(root: Group, id: PathId): Group | undefined {
  if (id === root.id) return root;
  if (!isBelow(id, root.id)) return undefined;
  let at: Group | undefined = root;
  let path = root.id === rootPath ? '' : root.id;
  for (const name of segmentsOf(id.slice(path.length))) {
    path = `${path}/${name}`;
    at = at.groups.get(path);
    if (at === undefined) return undefined;
  }
  return at;
}

/** The app of this id. */
export function appAt(root: Group, id: PathId): AppDefinition | undefined {
  return groupAt(root, parentOf(id))?.apps.get(id);
}

/** The pod of this id. */
export function podAt(root: Group, id: PathId): PodDefinition | undefined {
  return groupAt(root, parentOf(id))?.pods.get(id);
}

/** The app or pod of this id. */
export function runSpecAt(root: Group, id: PathId): RunSpec | undefined {
  const group = groupAt(root, parentOf(id));
  return group?.apps.get(id) ?? group?.pods.get(id);
}

/** This group and every one below it, parents first. */
export function* groupsOf(group: Group): Generator<Group, void> {
  yield group;
  for (const child of group.groups.values()) yield* groupsOf(child);
}

/** Every app and pod in this group and below. */
export function* runSpecsOf(group: Group): Generator<RunSpec, void> {
  for (const each of groupsOf(group)) {
    yield* each.apps.values();
    yield* each.pods.values();
  }
}

/** Every app and pod in this group and below, by id. */
export function runSpecsById(group: Group): Map<PathId, RunSpec> {
  const specs = new Map<PathId, RunSpec>();
  for (const spec of runSpecsOf(group)) specs.set(spec.id, spec);
  return specs;
}

/** Ids of all groups, apps and pods in this group and below, its own included. */
export function transitiveIds(group: Group): Set<PathId> {
  const ids = new Set<PathId>();
  for (const each of groupsOf(group)) {
    ids.add(each.id);
    for (const id of each.apps.keys()) ids.add(id);
    for (const id of each.pods.keys()) ids.add(id);
  }
  return ids;
}

/**
 * The tree with `spec` in it, in place of the app or pod of its id; missing groups are made, and a group of that id goes if nothing runs in it.
 * Whether something else has the id is for the rules of the tree. Top-level groups that are made enforce their role with `newEnforce`.
 */
export function putRunSpec(root: Group, spec: RunSpec, version: number, newEnforce = false): Group {
  const put = (group: Group): Group => {
    const namesake = group.groups.get(spec.id);
    const vacant = namesake !== undefined && runSpecsOf(namesake).next().done === true;
    const groups = vacant ? withoutEntry(group.groups, spec.id) : group.groups;
    return spec.kind === 'app'
      ? { ...group, groups, apps: withEntry(group.apps, spec.id, spec) }
      : { ...group, groups, pods: withEntry(group.pods, spec.id, spec) };
  };
  return updateGroup(root, parentOf(spec.id), version, put, newEnforce);
}

/** The tree without this app or pod; the same tree when there is none. */
export function removeRunSpec(root: Group, id: PathId, version: number): Group {
  if (runSpecAt(root, id) === undefined) return root;
  return updateGroup(root, parentOf(id), version, group => ({
    ...group,
    apps: withoutEntry(group.apps, id),
    pods: withoutEntry(group.pods, id),
  }));
}

/** The tree with `group` in place of the one of its id; missing parents are made. */
export function putGroup(root: Group, group: Group, version: number, newEnforce = false): Group {
  return updateGroup(root, group.id, version, () => group, newEnforce);
}

/** The tree without this group; the same tree when there is none. The root is emptied. */
export function removeGroup(root: Group, id: PathId, version: number): Group {
  if (id === root.id) return emptyGroup(root.id, version, root.enforceRole);
  if (groupAt(root, id) === undefined) return root;
  return updateGroup(root, parentOf(id), version, group => ({ ...group, groups: withoutEntry(group.groups, id) }));
}

/** The tree with `change` applied to one group, which is made when missing; it and those above it get `version`. */
export function updateGroup(
  root: Group,
  id: PathId,
  version: number,
  change: (group: Group) => Group,
  newEnforce = false,
): Group {
  if (id === root.id) return { ...change(root), version };
  const below = segmentsOf(id)[segmentsOf(root.id).length];
  if (below === undefined || !isBelow(id, root.id)) return root;
  const childId = childOf(root.id, below);
  const child = root.groups.get(childId) ?? emptyGroup(childId, version, newEnforce && root.id === rootPath);
  const updated = updateGroup(child, id, version, change, newEnforce);
  return { ...root, version, groups: withEntry(root.groups, childId, updated) };
}

/**
 * The tree with every app and pod passed through `change`, with what has its id and kind in `beside`; groups in which nothing changed stay the
 * same objects, and those that are the same object in `beside` are not looked into.
 */
export function mapRunSpecs(
  group: Group,
  change: (spec: RunSpec, beside: RunSpec | undefined) => RunSpec,
  beside?: Group,
): Group {
  if (group === beside) return group;
  const mapped = <T extends RunSpec>(specs: ReadonlyMap<PathId, T>, others?: ReadonlyMap<PathId, T>) =>
    mapValues(specs, (spec, id) => change(spec, others?.get(id)) as T);
  const apps = mapped(group.apps, beside?.apps);
  const pods = mapped(group.pods, beside?.pods);
  const groups = mapValues(group.groups, (child, id) => mapRunSpecs(child, change, beside?.groups.get(id)));
  const same = apps === group.apps && pods === group.pods && groups === group.groups;
  return same ? group : { ...group, apps, pods, groups };
}

/** Whether nothing runs in it and nothing is below it. */
export function isEmptyGroup(group: Group): boolean {
  return group.apps.size === 0 && group.pods.size === 0 && group.groups.size === 0;
}

function mapValues<T>(map: ReadonlyMap<PathId, T>, change: (value: T, key: PathId) => T): ReadonlyMap<PathId, T> {
  let changed: Map<PathId, T> | undefined;
  for (const [key, value] of map) {
    const next = change(value, key);
    if (next === value) continue;
    changed ??= new Map(map);
    changed.set(key, next);
  }
  return changed ?? map;
}

function withEntry<T>(map: ReadonlyMap<PathId, T>, key: PathId, value: T): ReadonlyMap<PathId, T> {
  return new Map(map).set(key, value);
}

function withoutEntry<T>(map: ReadonlyMap<PathId, T>, key: PathId): ReadonlyMap<PathId, T> {
  if (!map.has(key)) return map;
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
