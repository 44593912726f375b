// One place in the role tree. In: nothing. Out: the shape that the sorter, quota of clients and orders of frameworks share.
import type { Order } from './order.js';

/** A role, a role's own place among its sub-roles (named `.`), or a framework in a role. */
export interface TreeNode {
  readonly id: number;
  readonly parent: TreeNode | undefined;
  readonly depth: number;
  /** Of a framework: its id; of a role: its name. */
  readonly path: string;
  /** Of a framework in a role: its client slot; else -1. */
  readonly slot: number;
  readonly children: Map<string, TreeNode>;
  /** Active frameworks at and below it; nodes without any are not in their parent's order. */
  active: number;
  readonly order: Order;
  /** Children added since the paths of all were ranked. */
  unranked: number;
}

/**
 * Frameworks that are among those blocked whatever the agent. While `version` stays the same none of them ceases to be one, so what was
 * found of a whole role need not be found again.
 */
export interface Hopeless {
  /** Above 0, and of this set alone. */
  version(): number;
  has(slot: number): boolean;
}
