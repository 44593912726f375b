// Whether the disks of one agent can be beside each other. In: all it has. Out: what is wrong.
import type { Problem } from '../base/errors.js';
import { problem } from '../base/errors.js';
import { resourcePath } from './convert.js';
import type { Bag } from './resource.js';
import type { DiskSource } from './source.js';

/** What is wrong with the disks of one agent, of which `bag` is all it has: two of them share a directory. */
export function diskProblems(bag: Bag, path: string): Problem[] {
  const problems: Problem[] = [];
  const disks = bag.flatMap(({ key, label }) => (label.source === undefined ? [] : [{ key, source: label.source }]));
  for (const [i, { key, source }] of disks.entries()) {
    const other = disks.slice(0, i).find(before => collide(before.source, source));
    if (other === undefined) continue;
    const message =
      other.source.root === source.root
        ? `${source.root} is the root of ${other.key} as well`
        : `${source.root} and ${other.source.root}, the root of ${other.key}, lie in each other`;
    const hint = 'a MOUNT disk is one entry of resources; give each disk a directory of its own';
    problems.push(problem(resourcePath(path, key), 'INVALID_RESOURCES', message, hint));
  }
  return problems;
}

// Parts of one PATH disk differ in their reservations and volumes.
function collide(a: DiskSource, b: DiskSource): boolean {
  if (a.root === b.root) return a.type === 'MOUNT' || b.type === 'MOUNT';
  return a.root.startsWith(`${b.root}/`) || b.root.startsWith(`${a.root}/`);
}
