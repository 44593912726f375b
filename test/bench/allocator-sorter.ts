// Workloads of the sorter alone: Mesos's sorter_tests, but with clients that are active, as else there is nothing to sort.
import { RoleTree } from '../../src/allocator/sorter/role-tree.js';
import type { TreeNode } from '../../src/allocator/sorter/tree-node.js';
import { bagOf } from '../../src/resources/index.js';
import type { Size } from './allocator-world.js';
import { timed } from './allocator-world.js';
import type { BenchRow } from './row.js';
import { median, row } from './row.js';

const agentTotal = bagOf({ cpus: 24, mem: 4096, disk: 4096, ports: [[31_000, 32_000]] });
const allocated = bagOf({ cpus: 16, mem: 2014, disk: 1024 });
const other = bagOf({ cpus: 1, mem: 2 });

/** All clients in one role, agents allocated to them in turn: all sorted anew after a change of the total, and one moved. */
export function fullSort([agents, clients]: Size): BenchRow[] {
  const names = Array.from({ length: clients }, (_, i) => ['role1', `client-${i}`] as const);
  return measured('allocator/FullSort', { agents, clients }, agents, names);
}

/** A tree of roles, `branches` below each, with a client in each leaf. */
export function hierarchySort([height, branches]: Size): BenchRow[] {
  let leaves = [''];
  for (let level = 1; level < height; level += 1) {
    leaves = leaves.flatMap(path =>
      Array.from({ length: branches }, (_, i) => `${path === '' ? '' : `${path}/`}r${i}`),
    );
  }
  const names = leaves.map(path => [path, 'client'] as const);
  const params = { height, branches, clients: names.length, agents: 1000 };
  return measured('allocator/HierarchyFullSort', params, 1000, names);
}

function measured(
  name: string,
  params: BenchRow['params'],
  agents: number,
  names: readonly (readonly [role: string, client: string])[],
): BenchRow[] {
  const tree = new RoleTree();
  for (let i = 0; i < agents; i += 1) tree.addTotal(agentTotal);
  const nodes = names.map(([role, client], slot) => tree.add(role, client, slot));
  for (const node of nodes) tree.activate(node);
  for (let i = 0; i < agents; i += 1) tree.charge(nodes[(i * 7919) % nodes.length] as TreeNode, allocated);
  const sorts: number[] = [];
  const moves: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    // Another total, of other proportions: every share is another one.
    tree.addTotal(round % 2 === 0 ? bagOf({ mem: agents * 100 * (round + 1) }) : bagOf({ cpus: agents * (round + 1) }));
    sorts.push(
      timed(() => {
        tree.refresh();
        if (tree.ordered().length !== nodes.length) throw new Error('somebody is missing');
      }),
    );
    moves.push(
      timed(() => {
        for (let i = 0; i < 1000; i += 1) tree.charge(nodes[(i * 31) % nodes.length] as TreeNode, other);
        for (let i = 0; i < 1000; i += 1) tree.discharge(nodes[(i * 31) % nodes.length] as TreeNode, other);
      }) / 2,
    );
  }
  // A thousand moves in milliseconds are as many microseconds for each.
  return [row(name, params, median(sorts), 'ms'), row(`${name} one moved`, params, median(moves), 'µs')];
}
