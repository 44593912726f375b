// In which order run specs are changed. In: a tree and what has an action. Out: actions by the length of the longest chain of dependencies below. Pure.
import { groupsOf } from '../model/group.js';
import type { Group } from '../model/group.js';
import { ancestorsOf, isBelow } from '../model/path.js';
import type { PathId } from '../model/path.js';

interface Node {
  readonly id: PathId;
  /** What must stand before: of a group, its own members too, so that who waits for it waits for all. */
  readonly before: readonly PathId[];
  /** 1 for a run spec, 0 for a group: chains are counted in run specs. */
  readonly weight: 0 | 1;
}

/**
 * The values of `actions` by layers: what depends on nothing first. A run spec depends on what it names, on what the groups around it name, and, where that is
 * a group, on everything in it. Linear in the tree and its dependencies; a circle, which no valid tree has, is cut where it is met.
 */
export function dependencyLayers<T>(tree: Group, actions: ReadonlyMap<PathId, T>): T[][] {
  if (actions.size === 0) return [];
  const nodes = nodesOf(tree);
  const lengths = new Map<PathId, number>();
  const layers: T[][] = [];
  for (const [id, action] of actions) (layers[lengthOf(id, nodes, lengths)] ??= []).push(action);
  return layers.filter(layer => layer !== undefined);
}

function nodesOf(tree: Group): ReadonlyMap<PathId, Node> {
  const nodes = new Map<PathId, Node>();
  // What the groups around a run spec depend on, but for what they are themselves in.
  const outer = new Map<PathId, readonly PathId[]>();
  for (const group of groupsOf(tree)) {
    const parent = ancestorsOf(group.id)[0];
    const inherited = parent === undefined ? [] : (outer.get(parent) ?? []);
    const around = group.dependencies.length === 0 ? inherited : [...inherited, ...group.dependencies];
    outer.set(group.id, around);
    const own = [...group.apps.keys(), ...group.pods.keys()];
    nodes.set(group.id, { id: group.id, before: [...own, ...group.groups.keys()], weight: 0 });
    for (const spec of [...group.apps.values(), ...group.pods.values()]) {
      const before = spec.dependencies.length === 0 ? around : [...around, ...spec.dependencies];
      nodes.set(spec.id, { id: spec.id, before, weight: 1 });
    }
  }
  return nodes;
}

/** The number of run specs on the longest chain that ends with `id`. Walks with a stack of its own: chains may be thousands long. */
function lengthOf(id: PathId, nodes: ReadonlyMap<PathId, Node>, lengths: Map<PathId, number>): number {
  const known = lengths.get(id);
  if (known !== undefined) return known;
  const open = new Set<PathId>([id]);
  const way: { readonly id: PathId; at: number; longest: number }[] = [{ id, at: 0, longest: 0 }];
  for (;;) {
    const here = way.at(-1);
    if (here === undefined) return lengths.get(id) ?? 0;
    const node = nodes.get(here.id);
    const next = node?.before[here.at];
    if (next === undefined) {
      lengths.set(here.id, here.longest + (node?.weight ?? 0));
      open.delete(here.id);
      way.pop();
      const above = way.at(-1);
      if (above !== undefined) above.longest = Math.max(above.longest, lengths.get(here.id) ?? 0);
      continue;
    }
    here.at += 1;
    const length = lengths.get(next);
    if (length !== undefined) here.longest = Math.max(here.longest, length);
    // A group that waits for a part of itself: that part does not wait for itself.
    else if (!open.has(next) && next !== here.id && !isBelow(here.id, next)) {
      open.add(next);
      way.push({ id: next, at: 0, longest: 0 });
    }
  }
}
