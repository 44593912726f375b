// The sorted list of a tree node's active children: ids in an Int32Array, so that moving one is a search and a memory move.
import { assert } from '../base/assert.js';
import type { TreeNode } from './tree-node.js';
import { compareNodes } from './tree-node.js';

type Nodes = readonly (TreeNode | undefined)[];

/** Adds a child at its place, or at the end when the list is not `sorted` now. */
export function insertId(parent: TreeNode, nodes: Nodes, node: TreeNode, sorted: boolean): void {
  const { size } = parent;
  if (size === parent.order.length) {
    const longer = new Int32Array(Math.max(4, size * 2));
    longer.set(parent.order);
    parent.order = longer;
  }
  const at = sorted ? lowerBound(parent, nodes, node, 0, size) : size;
  parent.order.copyWithin(at + 1, at, size);
  parent.order[at] = node.id;
  parent.size = size + 1;
}

/** Removes a child, whose share, count and path are those it was sorted by if the list is `sorted`. */
export function removeId(parent: TreeNode, nodes: Nodes, node: TreeNode, sorted: boolean): void {
  const { order, size } = parent;
  let at = 0;
  if (sorted) at = lowerBound(parent, nodes, node, 0, size);
  else while (at < size && order[at] !== node.id) at += 1;
  assert(at < size && order[at] === node.id, 'a node is not where its share says');
  order.copyWithin(at, at + 1, size);
  parent.size = size - 1;
}

/** Puts a child, which was sorted by `share` and `count`, where its present ones belong. */
export function moveId(parent: TreeNode, nodes: Nodes, node: TreeNode, share: number, count: number): void {
  const { order, size } = parent;
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = nodes[order[middle] as number] as TreeNode;
    if (other === node) {
      low = middle;
      break;
    }
    const before = other.share - share || other.count - count || (other.path < node.path ? -1 : 1);
    if (before < 0) low = middle + 1;
    else high = middle;
  }
  const from = low;
  assert(order[from] === node.id, 'a node is not where its share said');
  const next = from + 1 < size ? (nodes[order[from + 1] as number] as TreeNode) : undefined;
  if (next !== undefined && compareNodes(next, node) < 0) {
    const to = lowerBound(parent, nodes, node, from + 1, size) - 1;
    order.copyWithin(from, from + 1, to + 1);
    order[to] = node.id;
    return;
  }
  const to = lowerBound(parent, nodes, node, 0, from);
  if (to === from) return;
  order.copyWithin(to + 1, to, from);
  order[to] = node.id;
}

/** Sorts after shares have changed. Totals change all shares alike, mostly, so the list is nearly sorted: insertion first, within a budget. */
export function sortIds(parent: TreeNode, nodes: Nodes): void {
  const { order, size } = parent;
  let budget = size * 4;
  for (let i = 1; i < size; i += 1) {
    const id = order[i] as number;
    const node = nodes[id] as TreeNode;
    let j = i;
    while (j > 0 && budget > 0 && compareNodes(nodes[order[j - 1] as number] as TreeNode, node) > 0) {
      order[j] = order[j - 1] as number;
      j -= 1;
      budget -= 1;
    }
    order[j] = id;
    if (budget <= 0) {
      order.subarray(0, size).sort((a, b) => compareNodes(nodes[a] as TreeNode, nodes[b] as TreeNode));
      return;
    }
  }
}

// The first position in [from, to) whose node does not come before `node`.
function lowerBound(parent: TreeNode, nodes: Nodes, node: TreeNode, from: number, to: number): number {
  const { order } = parent;
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareNodes(nodes[order[middle] as number] as TreeNode, node) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
