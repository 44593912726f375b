// Hierarchical DRF without its starvation: a role is not charged for what its busiest or its satisfied parts hold.
import type { Columns, TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { Facts } from '../facts.js';
import type { FrameworkOrder } from './order.js';

/**
 * As `drf`, but the holdings of an inner node are summed after (1) scaling each child's down to the least score among its siblings and (2)
 * leaving out blocked children. A framework is blocked when it is suppressed or away, or a task of it needs more of some resource than
 * is free
 * in the whole cluster; a role is when all its children are.
 * Source: Bhattacharya et al., "Hierarchical Scheduling for Diverse Datacenter Workloads" (SoCC 2013), dynamic H-DRF.
 */
export function hdrf(): FrameworkOrder {
  return {
    name: 'hdrf',
    rule: 'as drf; children scaled to the least share among them, blocked ones left out',
    start: tieBreak => new Hdrf(tieBreak),
  };
}

class Hdrf implements Scoring {
  readonly tieBreak: TieBreak;
  #facts: Facts | undefined;
  #tree: Sorter | undefined;
  // Kinds of demand that fit nowhere any more.
  #saturated: boolean[] = [];
  #sampled: readonly TreeNode[] | undefined;
  // By node: the holdings that count further up.
  readonly #parts: (Float64Array | undefined)[] = [];
  readonly #blocked: boolean[] = [];

  constructor(tieBreak: TieBreak) {
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts, tree: Sorter): boolean {
    this.#facts = facts;
    this.#tree = tree;
    this.#saturated = [];
    this.#sampled = undefined;
    return true;
  }

  score(node: TreeNode, columns: Columns): number {
    if (node.slot >= 0) {
      this.#parts[node.id] = undefined;
      this.#blocked[node.id] = this.#isSaturated(node);
      return columns.dominant(node.id) / columns.weight(node.id);
    }
    // Alone at all levels above, its score is never compared.
    if (!hasSiblings(node)) return 0;
    const part = this.#partOf(node, columns);
    if (part === undefined) return columns.dominant(node.id) / columns.weight(node.id);
    return columns.dominantOf(part) / columns.weight(node.id);
  }

  granted(tree: Sorter): boolean {
    const facts = this.#facts;
    // When a resource runs out, whole branches become blocked at once.
    return (
      facts !== undefined &&
      this.#samples(facts, tree).some(leaf => leaf.active > 0 && this.#isSaturated(leaf) !== this.#blocked[leaf.id])
    );
  }

  // One active framework of each kind of demand.
  #samples(facts: Facts, tree: Sorter): readonly TreeNode[] {
    if (this.#sampled !== undefined) return this.#sampled;
    const byKind = new Map<number, TreeNode>();
    for (const leaf of tree.leaves()) {
      const client = leaf.active > 0 ? facts.client(leaf.slot) : undefined;
      if (client !== undefined) byKind.set(facts.demandOf(client).kind, leaf);
    }
    this.#sampled = [...byKind.values()];
    return this.#sampled;
  }

  #isSaturated(leaf: TreeNode): boolean {
    const facts = this.#facts;
    const client = facts?.client(leaf.slot);
    if (facts === undefined || client === undefined) return false;
    const { vector, kind } = facts.demandOf(client);
    const before = this.#saturated[kind];
    if (before === true) return true;
    const free = facts.freeTotal;
    const saturated = vector.some((each, i) => each > (free[i] ?? 0));
    this.#saturated[kind] = saturated;
    return saturated;
  }

  // What an inner node holds in the eyes of its parent; undefined when all below is blocked.
  #partOf(node: TreeNode, columns: Columns): Float64Array<ArrayBuffer> | undefined {
    const tree = this.#tree;
    const { order } = node;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < order.size; i += 1) {
      const id = order.at(i);
      if (this.#blocked[id] !== true) least = Math.min(least, columns.shares[id] as number);
    }
    this.#blocked[node.id] = least === Number.POSITIVE_INFINITY;
    this.#parts[node.id] = undefined;
    if (least === Number.POSITIVE_INFINITY || tree === undefined) return undefined;
    const sum = new Float64Array(columns.width);
    for (let i = 0; i < order.size; i += 1) {
      const id = order.at(i);
      const share = columns.shares[id] as number;
      if (this.#blocked[id] === true || share <= 0) continue;
      const part = this.#parts[id];
      const scale = least / share;
      for (let k = 0; k < sum.length; k += 1) {
        sum[k] = (sum[k] as number) + scale * (part === undefined ? columns.amount(id, k) : (part[k] ?? 0));
      }
    }
    this.#parts[node.id] = sum;
    return sum;
  }
}

function hasSiblings(node: TreeNode): boolean {
  for (let at: TreeNode | undefined = node; at?.parent !== undefined; at = at.parent) {
    if (at.parent.order.size > 1) return true;
  }
  return false;
}
