// First come, first served.
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { Bits } from '../../../base/bits.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { FrameworkOrder } from './order.js';

/**
 * Frameworks in the order in which this master came to know them in their roles, whatever the roles; weights do not matter. `blocking`:
 * while the first active
 * one may not have an agent, nobody behind it gets it (head-of-line blocking).
 */
export function fifo(blocking = false): FrameworkOrder {
  return {
    name: blocking ? 'fifo:blocking' : 'fifo',
    rule: `by arrival${blocking ? '; the first blocks those behind it' : ''}`,
    tieBreak: 'path',
    start: () => new Fifo(blocking),
  };
}

class Fifo implements Scoring {
  readonly flat = true;
  readonly tieBreak = 'path';
  readonly first?: (tree: Sorter, blocked: Bits, agent: PoolAgent, outside?: Bits) => number;
  readonly #arrivals = new WeakMap<TreeNode, number>();
  #next = 0;

  constructor(blocking: boolean) {
    if (blocking) {
      this.first = (tree, blocked, _agent, outside = nobody) => {
        const slot = tree.walk(outside);
        return slot >= 0 && tree.walk(blocked) === slot ? slot : -1;
      };
    }
  }

  entered(node: TreeNode): void {
    if (node.slot < 0 || this.#arrivals.has(node)) return;
    this.#arrivals.set(node, this.#next);
    this.#next += 1;
  }

  score(node: TreeNode): number {
    return this.#arrivals.get(node) ?? Number.POSITIVE_INFINITY;
  }
}

const nobody: Bits = new Uint32Array(0);
