// A node of the role tree, and the order of siblings.
import type { Vector } from './scalars.js';

/** A role, a role's own place among its sub-roles (named `.`), or a framework in a role. */
export interface TreeNode {
  readonly id: number;
  readonly parent: TreeNode | undefined;
  /** Of a framework: its id; of a role: its name; ties of share and count go to the lesser path. */
  readonly path: string;
  /** Of a framework in a role: its client slot; else -1. */
  readonly slot: number;
  readonly children: Map<string, TreeNode>;
  weight: number;
  /** What it and all below it hold. */
  allocated: Vector;
  /** Allocations ever made to it and all below it. */
  count: number;
  /** Dominant share divided by weight, as of the last sort. */
  share: number;
  /** Active frameworks at and below it; nodes without any are not in their parent's order. */
  active: number;
  /** Ids of the active children; the first `size` are in use. */
  order: Int32Array<ArrayBuffer>;
  size: number;
}

/** By share, then by allocations made, then by path. */
export function compareNodes(a: TreeNode, b: TreeNode): number {
  return a.share - b.share || a.count - b.count || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/** How many nodes are above it. */
export function depthOf(node: TreeNode): number {
  let depth = 0;
  for (let at = node.parent; at !== undefined; at = at.parent) depth += 1;
  return depth;
}
