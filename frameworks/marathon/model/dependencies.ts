// Who must stand before whom, over the whole tree: cycles, and dependencies on what is not there. In: the root group. Out: ids.
import { appAt, groupAt, groupsOf, runSpecAt, runSpecsOf } from './group.js';
import type { Group } from './group.js';
import { parentOf, rootPath } from './path.js';
import type { PathId } from './path.js';

/** A dependency on an id that neither a group nor an app has. Marathon lets it pass: it counts once it is there. */
export interface MissingDependency {
  readonly id: PathId;
  readonly dependency: PathId;
}

export function missingDependencies(root: Group): MissingDependency[] {
  const exists = (id: PathId): boolean => groupAt(root, id) !== undefined || runSpecAt(root, id) !== undefined;
  const missing: MissingDependency[] = [];
  const look = (id: PathId, dependencies: readonly PathId[]): void => {
    for (const dependency of dependencies) if (!exists(dependency)) missing.push({ id, dependency });
  };
  for (const group of groupsOf(root)) look(group.id, group.dependencies);
  for (const spec of runSpecsOf(root)) look(spec.id, spec.dependencies);
  return missing;
}

/**
 * The ids of one cycle, each depending on the next and the last on the first; undefined when there is none.
 *
 * Groups stand for their content without an edge for each pair: `need G` is what everything in G waits for, `all G` is everything in G. A cycle
 * among these passes through an app or pod, since `all` leads only down and `need` only up or to an `all`. Depth first, without recursion.
 */
export function dependencyCycle(root: Group): PathId[] | undefined {
  if (!hasDependencies(root)) return undefined;
  const done = new Set<string>();
  for (const spec of runSpecsOf(root)) {
    const cycle = cycleFrom(`spec ${spec.id}`, node => edgesOf(root, node), done);
    if (cycle === undefined) continue;
    return cycle.filter(node => node.startsWith('spec ')).map(node => node.slice('spec '.length));
  }
  return undefined;
}

function hasDependencies(root: Group): boolean {
  for (const group of groupsOf(root)) {
    if (group.dependencies.length > 0) return true;
    for (const app of group.apps.values()) if (app.dependencies.length > 0) return true;
  }
  return false;
}

function edgesOf(root: Group, node: string): string[] {
  const [kind, id = rootPath] = node.split(' ');
  const onto = (dependencies: readonly PathId[]): string[] =>
    dependencies.flatMap(to => (groupAt(root, to) !== undefined ? `all ${to}` : appAt(root, to) ? `spec ${to}` : []));
  if (kind === 'spec') return [...onto(appAt(root, id)?.dependencies ?? []), `need ${parentOf(id)}`];
  const group = groupAt(root, id);
  if (group === undefined) return [];
  if (kind === 'need') return [...onto(group.dependencies), ...(id === rootPath ? [] : [`need ${parentOf(id)}`])];
  const specs = [...group.apps.keys(), ...group.pods.keys()].map(each => `spec ${each}`);
  return [...specs, ...Array.from(group.groups.keys(), each => `all ${each}`)];
}

function cycleFrom(start: string, edges: (node: string) => string[], done: Set<string>): string[] | undefined {
  if (done.has(start)) return undefined;
  const path = [{ node: start, left: edges(start) }];
  const onPath = new Set([start]);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const next = top.left.pop();
    if (next === undefined) {
      path.pop();
      onPath.delete(top.node);
      done.add(top.node);
    } else if (onPath.has(next)) {
      const nodes = path.map(({ node }) => node);
      return nodes.slice(nodes.indexOf(next));
    } else if (!done.has(next)) {
      path.push({ node: next, left: edges(next) });
      onPath.add(next);
    }
  }
  return undefined;
}
