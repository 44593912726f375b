// Stride scheduling: the deterministic counterpart of lotteries.
import type { TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { FrameworkOrder } from './order.js';

/**
 * The sibling with the least pass is served, and its pass grows by `1 / w`; so the grants of siblings that always want are as their
 * weights. Who comes (back)
 * begins at the least pass of those who are there, and cannot claim what it did not ask for.
 * Source: Waldspurger and Weihl, "Stride Scheduling" (MIT/LCS/TM-528, 1995). A grant is the quantum, however large.
 */
export function stride(): FrameworkOrder {
  return {
    name: 'stride',
    rule: 'least pass; a grant adds 1/weight to it, level by level of the role tree',
    tieBreak: 'path',
    start: tieBreak => new Stride(tieBreak),
  };
}

class Stride implements Scoring {
  readonly tieBreak: TieBreak;
  readonly #passes = new WeakMap<TreeNode, number>();

  constructor(tieBreak: TieBreak) {
    this.tieBreak = tieBreak;
  }

  score(node: TreeNode): number {
    return this.#passes.get(node) ?? 0;
  }

  entered(node: TreeNode, tree: Sorter): void {
    const order = node.parent?.order;
    if (order === undefined || order.size === 0) return;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < order.size; i += 1) least = Math.min(least, this.score(tree.node(order.at(i))));
    this.#passes.set(node, Math.max(this.score(node), least));
  }

  served(node: TreeNode, { columns }: Sorter): void {
    this.#passes.set(node, this.score(node) + 1 / columns.weight(node.id));
  }
}
