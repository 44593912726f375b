// Weighted chance, level by level.
import type { Bits } from '../../../base/bits.js';
import { hasBit } from '../../../base/bits.js';
import type { TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { Facts } from '../facts.js';
import type { FrameworkOrder } from './order.js';

/**
 * For each grant the siblings of each level are shuffled anew: sorted by `−u^(1/w)`, u uniform. The first of them that may have the
 * agent, or
 * has someone below it who may, is drawn here directly: it is each of those with probability w over the sum of their weights (a weighted
 * shuffle
 * is a series of such draws without replacement), which spares the sort.
 * Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006); Mesos's `sorter/random`.
 */
export function random(): FrameworkOrder {
  return {
    name: 'random',
    rule: 'siblings in a weighted shuffle drawn for each grant, level by level of the role tree',
    tieBreak: 'path',
    start: tieBreak => new RandomOrder(tieBreak),
  };
}

// Draws that find nobody before all siblings are looked at.
const triesMax = 8;

class RandomOrder implements Scoring {
  readonly tieBreak: TieBreak;
  #facts: Facts | undefined;

  constructor(tieBreak: TieBreak) {
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts): boolean {
    this.#facts = facts;
    return false;
  }

  score(): number {
    return 0;
  }

  first(tree: Sorter, blocked: Bits): number {
    return this.#below(tree, tree.root, blocked);
  }

  #below(tree: Sorter, node: TreeNode, blocked: Bits): number {
    let at = node;
    for (;;) {
      const next = this.#draw(tree, at, blocked);
      if (next === undefined) return -1;
      if (next.slot >= 0) return next.slot;
      at = next;
    }
  }

  // One child that may be served, by weight.
  #draw(tree: Sorter, parent: TreeNode, blocked: Bits): TreeNode | undefined {
    const { order } = parent;
    const chance = this.#facts?.random;
    if (order.size === 0 || chance === undefined) return undefined;
    if (order.size === 1) {
      const only = tree.node(order.at(0));
      return isOpen(tree, only, blocked) ? only : undefined;
    }
    const { columns } = tree;
    let sum = 0;
    for (let i = 0; i < order.size; i += 1) sum += columns.weight(order.at(i));
    for (let tries = 0; tries < triesMax; tries += 1) {
      let left = chance.unit() * sum;
      let i = 0;
      for (; i < order.size - 1; i += 1) {
        left -= columns.weight(order.at(i));
        if (left < 0) break;
      }
      const drawn = tree.node(order.at(i));
      if (isOpen(tree, drawn, blocked)) return drawn;
    }
    let drawn: TreeNode | undefined;
    let open = 0;
    for (let i = 0; i < order.size; i += 1) {
      const child = tree.node(order.at(i));
      if (!isOpen(tree, child, blocked)) continue;
      const weight = columns.weight(child.id);
      open += weight;
      if (chance.unit() * open < weight) drawn = child;
    }
    return drawn;
  }
}

function isOpen(tree: Sorter, node: TreeNode, blocked: Bits): boolean {
  return node.slot >= 0 ? !hasBit(blocked, node.slot) : tree.firstBelow(node, blocked) >= 0;
}
