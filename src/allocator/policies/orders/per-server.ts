// What the per-server orders have in common: frameworks compared on an agent, by tasks held and how many the agent would hold.
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { Bits } from '../../../base/bits.js';
import { hasBit } from '../../../base/bits.js';
import type { Columns, TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Vector } from '../../sorter/scalars.js';
import type { Scoring } from './scoring.js';
import type { Facts } from '../facts.js';

/** max over r of demand/amounts; infinite where something demanded is not there at all. */
export function dominantDemand(demand: Vector, amounts: Vector): number {
  let most = 0;
  for (let i = 0; i < demand.length; i += 1) {
    const each = demand[i] as number;
    if (each > 0) most = Math.max(most, each / (amounts[i] ?? 0));
  }
  return most;
}

/** The factor of an order on one agent. */
type Factor = (demand: Vector, free: Vector, total: Vector) => number;

/** The frameworks of one kind of demand, in order. */
interface Kind {
  readonly demand: Vector;
  readonly nodes: TreeNode[];
}

/** Scores are `x[n] / w[n]`, w being the weight of the framework's own role; on an agent they are multiplied by the factor. */
export class PerServer implements Scoring {
  readonly flat = true;
  readonly tieBreak: TieBreak;
  readonly #factor: Factor;
  #facts: Facts | undefined;
  // Of the present run, made when they are needed first: then the order is up to date.
  #kinds: Kind[] | undefined;

  constructor(factor: Factor, tieBreak: TieBreak) {
    this.#factor = factor;
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts): boolean {
    this.#facts = facts;
    this.#kinds = undefined;
    return true;
  }

  score(node: TreeNode, _columns: Columns): number {
    if (node.slot < 0) return 0;
    const client = this.#facts?.client(node.slot);
    if (this.#facts === undefined || client === undefined) return 0;
    return this.#facts.tasksOf(node, client) / this.#facts.weightOf(client);
  }

  served(node: TreeNode, { columns }: Sorter): void {
    const client = this.#facts?.client(node.slot);
    if (this.#kinds === undefined || this.#facts === undefined || client === undefined) return;
    const nodes = this.#kinds[this.#facts.demandOf(client).kind]?.nodes ?? [];
    // Who was served is near the beginning, and moves back.
    let at = nodes.indexOf(node);
    if (at < 0) return;
    for (; at + 1 < nodes.length && columns.compare(nodes[at + 1]?.id ?? 0, node.id) < 0; at += 1) {
      nodes[at] = nodes[at + 1] as TreeNode;
    }
    nodes[at] = node;
  }

  /** The factor being the same for all of a kind of demand, only the first of each kind can be the least. */
  first(tree: Sorter, blocked: Bits, agent: PoolAgent): number {
    const facts = this.#facts;
    if (facts === undefined) return -1;
    this.#kinds ??= kindsOf(facts, tree);
    const free = facts.freeOf(agent);
    const total = facts.totalOf(agent);
    const { columns } = tree;
    let best: TreeNode | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const { demand, nodes } of this.#kinds) {
      const node = nodes.find(({ slot }) => !hasBit(blocked, slot) && facts.isActive(slot));
      if (node === undefined) continue;
      const factor = this.#factor(demand, free, total);
      // Where nothing fits, a framework that may have the agent still gets it in the end.
      const score = factor === Number.POSITIVE_INFINITY ? factor : (columns.shares[node.id] as number) * factor;
      if (best !== undefined && (score > least || (score === least && columns.compare(node.id, best.id) > 0))) continue;
      best = node;
      least = score;
    }
    return best?.slot ?? -1;
  }
}

// The order of each kind's members is that of the whole list.
function kindsOf(facts: Facts, tree: Sorter): Kind[] {
  const kinds: Kind[] = [];
  for (let i = 0; i < tree.listed; i += 1) {
    const node = tree.listedAt(i);
    const client = facts.client(node.slot);
    if (client === undefined) continue;
    const { kind, vector } = facts.demandOf(client);
    // Frameworks that are away have kinds, too.
    while (kinds.length <= kind) kinds.push({ demand: vector, nodes: [] });
    if (kinds[kind]?.nodes.length === 0) kinds[kind] = { demand: vector, nodes: [] };
    kinds[kind]?.nodes.push(node);
  }
  return kinds;
}
