// The first axis of a policy: which framework comes first. What an order is, and parts that several orders are made of.
import type { TieBreak } from '../../sorter/columns.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Vector } from '../../sorter/scalars.js';
import type { Scoring } from './scoring.js';

/** An order of frameworks. Plain data and a factory; one may serve many allocators. */
export interface FrameworkOrder {
  /** As it is written in flags, parameters included. */
  readonly name: string;
  /** The rule in words, for `/state`. */
  readonly rule: string;
  /** The tie-break that belongs to the rule; absent: the policy's. */
  readonly tieBreak?: TieBreak;
  /** Its state in one allocator; undefined: the sorter's own. */
  readonly start: (tieBreak: TieBreak) => Scoring | undefined;
  /**
   * For orders that compare frameworks on an agent: what a framework's own score is multiplied by there, of one task's demand, what is free
   * and the total there.
   */
  readonly factor?: (demand: Vector, free: Vector, total: Vector) => number;
}

/**
 * Values of frameworks, summed up for the roles above them. Set while the sorter asks for a framework's score, they are there when it
 * asks for
 * its parents'.
 */
export class LeafSums {
  readonly #values = new Map<TreeNode, number>();

  clear(): void {
    this.#values.clear();
  }

  get(node: TreeNode): number {
    return this.#values.get(node) ?? 0;
  }

  set(leaf: TreeNode, value: number): void {
    const change = value - this.get(leaf);
    if (change === 0) return;
    this.#values.set(leaf, value);
    for (let at = leaf.parent; at !== undefined; at = at.parent) this.#values.set(at, this.get(at) + change);
  }
}
