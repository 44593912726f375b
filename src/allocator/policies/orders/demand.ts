// Demand-aware order: who has most work waiting.
import type { Columns, TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Vector } from '../../sorter/scalars.js';
import type { Scoring } from './scoring.js';
import type { Facts } from '../facts.js';
import type { FrameworkOrder } from './order.js';

/**
 * `(1 − k) · s[n] − k · D[n]`, least first, level by level, with `s[n]` the dominant share by weight of `drf`, and `D[n] = max_r
 * (pending[n,r] / C[r])` the
 * dominant share of what n says it would still run (its hints, less what the run granted it). k = 1, the default, looks at the queues
 * alone, and
 * k = 0 is `drf`. A role's pending is the sum of what is below it; who gives no hints has nothing pending.
 * In the spirit of Saha, Beltre and Govindaraju's Tromino (arXiv 1905.08387), whose exact combination is not this one, hence the name.
 */
export function demand(k = 1): FrameworkOrder {
  return {
    name: k === 1 ? 'demand' : `demand:${k}`,
    rule: `least (1 - ${k})*drf share - ${k}*dominant share of what is pending, level by level of the role tree`,
    start: tieBreak => new DemandOrder(k, tieBreak),
  };
}

class DemandOrder implements Scoring {
  readonly tieBreak: TieBreak;
  readonly #k: number;
  #pending = new Map<TreeNode, Vector>();
  // What frameworks held when the run began: what they hold more was granted since.
  #heldBefore = new Map<TreeNode, Vector>();

  constructor(k: number, tieBreak: TieBreak) {
    this.#k = k;
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts, tree: Sorter): boolean {
    this.#pending = new Map();
    this.#heldBefore = new Map();
    for (const leaf of tree.leaves()) {
      const client = leaf.active > 0 ? facts.client(leaf.slot) : undefined;
      if (client === undefined || client.hints.length === 0) continue;
      const pending = facts.pendingOf(client);
      for (let at: TreeNode | undefined = leaf; at !== undefined; at = at.parent) {
        const sum = this.#pending.get(at);
        if (sum === undefined) this.#pending.set(at, pending.slice());
        else for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) + (pending[i] ?? 0);
      }
    }
    for (const node of this.#pending.keys()) this.#heldBefore.set(node, amounts(node, tree.columns));
    return true;
  }

  score(node: TreeNode, columns: Columns): number {
    const share = columns.dominant(node.id) / columns.weight(node.id);
    const pending = this.#pending.get(node);
    if (pending === undefined) return (1 - this.#k) * share;
    const before = this.#heldBefore.get(node);
    let most = 0;
    for (let i = 0; i < pending.length; i += 1) {
      const total = columns.total(i);
      const granted = Math.max(0, columns.amount(node.id, i) - (before?.[i] ?? 0));
      if (total > 0) most = Math.max(most, ((pending[i] as number) - granted) / total);
    }
    return (1 - this.#k) * share - this.#k * most;
  }
}

function amounts(node: TreeNode, columns: Columns): Vector {
  return Float64Array.from({ length: columns.width }, (_, i) => columns.amount(node.id, i));
}
