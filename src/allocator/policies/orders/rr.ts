// Round robin.
import type { Bits } from '../../../base/bits.js';
import { hasBit } from '../../../base/bits.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { FrameworkOrder } from './order.js';

/**
 * Each level of the role tree is a fixed cycle, by path; a grant goes to the first after the one last served there that may have the agent.
 * Where the cycles stand survives runs. Weights do not matter.
 */
export function rr(): FrameworkOrder {
  return {
    name: 'rr',
    rule: 'siblings by path in turn, from the one last served on, level by level of the role tree',
    tieBreak: 'path',
    start: () => new RoundRobin(),
  };
}

class RoundRobin implements Scoring {
  readonly tieBreak = 'path';
  // By parent: the path of the child served last. A path, as that child may be gone.
  readonly #last = new WeakMap<TreeNode, string>();

  score(): number {
    return 0;
  }

  served(node: TreeNode): void {
    if (node.parent !== undefined) this.#last.set(node.parent, node.path);
  }

  first(tree: Sorter, blocked: Bits): number {
    return this.#below(tree, tree.root, blocked);
  }

  #below(tree: Sorter, parent: TreeNode, blocked: Bits): number {
    const { order } = parent;
    const last = this.#last.get(parent);
    const from = last === undefined ? 0 : firstAfter(tree, parent, last);
    for (let i = 0; i < order.size; i += 1) {
      const child = tree.node(order.at((from + i) % order.size));
      if (child.slot >= 0) {
        if (!hasBit(blocked, child.slot)) return child.slot;
      } else {
        const found = this.#below(tree, child, blocked);
        if (found >= 0) return found;
      }
    }
    return -1;
  }
}

function firstAfter(tree: Sorter, { order }: TreeNode, path: string): number {
  let low = 0;
  let high = order.size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (tree.node(order.at(middle)).path <= path) low = middle + 1;
    else high = middle;
  }
  return low;
}
