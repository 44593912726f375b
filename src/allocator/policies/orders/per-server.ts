// What the per-server orders have in common: frameworks compared on an agent, by tasks held and how many the agent would hold.
import type { PoolAgent } from '../../agent-pool.js';
import type { Bits } from '../../bits.js';
import { hasBit } from '../../bits.js';
import type { Columns, TieBreak } from '../../columns.js';
import type { RoleTree, TreeNode } from '../../role-tree.js';
import type { Vector } from '../../scalars.js';
import type { Scoring } from '../../scoring.js';
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

/** Scores are `x[n] / w[n]`, w being the weight of the framework's own role; on an agent they are multiplied by the factor. */
export class PerServer implements Scoring {
  readonly flat = true;
  readonly tieBreak: TieBreak;
  readonly #factor: Factor;
  #facts: Facts | undefined;
  // By kind of demand: the pick for which it was seen last.
  #seen = new Float64Array(16);
  #pick = 0;

  constructor(factor: Factor, tieBreak: TieBreak) {
    this.#factor = factor;
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts): boolean {
    this.#facts = facts;
    return true;
  }

  score(node: TreeNode, _columns: Columns): number {
    const client = this.#facts?.client(node.slot);
    if (this.#facts === undefined || client === undefined) return 0;
    return this.#facts.tasksOf(node, client) / this.#facts.weightOf(client);
  }

  /** The factor being the same for all of a kind of demand, only the first of each kind in the order of `x/w` can be the least. */
  first(tree: RoleTree, blocked: Bits, agent: PoolAgent): number {
    const facts = this.#facts;
    if (facts === undefined) return -1;
    const free = facts.freeOf(agent);
    const total = facts.totalOf(agent);
    const { columns } = tree;
    this.#pick += 1;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    let met = 0;
    for (let i = 0; i < tree.listed && met < facts.kinds; i += 1) {
      const node = tree.listedAt(i);
      if (hasBit(blocked, node.slot)) continue;
      const client = facts.client(node.slot);
      if (client === undefined) continue;
      const { kind, vector } = facts.demandOf(client);
      if (kind >= this.#seen.length) this.#seen = grown(this.#seen, kind * 2);
      if (this.#seen[kind] === this.#pick) continue;
      this.#seen[kind] = this.#pick;
      met += 1;
      const factor = this.#factor(vector, free, total);
      const score = factor === Number.POSITIVE_INFINITY ? factor : (columns.shares[node.id] as number) * factor;
      // The list breaks ties. Where it fits nowhere near, a framework that may have the agent still gets it in the end.
      if (best >= 0 && score >= least) continue;
      best = node.slot;
      least = score;
    }
    return best;
  }
}

function grown(from: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(length);
  out.set(from);
  return out;
}
