// What task share fairness and its constrained form have in common: tasks held, by the tasks that the cluster would run of the framework
// alone.
import type { Client } from '../../clients/clients.js';
import type { Columns, TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { Vector } from '../../sorter/scalars.js';
import type { Facts, Shape } from '../facts.js';
import { tasksIn } from '../facts.js';
import { LeafSums } from './order.js';

// Constraints are looked at so many times a run, so that one does not take long; whose turn does not come counts as unconstrained until
// a later run.
const pairsPerRun = 500_000;

interface Admitted {
  readonly shapes: readonly Shape[];
  readonly test: Client['test'];
  readonly vector: Vector;
  readonly sum: number;
}

/** `x[n] / G[n] / w[n]`, least first; a role's value is the sum of what is below it. */
export class TaskShare implements Scoring {
  readonly tieBreak: TieBreak;
  readonly #constrained: boolean;
  readonly #sums = new LeafSums();
  // G by what decides it, of those without constraints.
  #alone = new Map<number | string, number>();
  // G of those with constraints; it stays while nothing of it changes.
  readonly #admitted = new WeakMap<Client, Admitted>();
  #budget = 0;
  #facts: Facts | undefined;

  /** `constrained`: G counts only agents that the framework may use. */
  constructor(constrained: boolean, tieBreak: TieBreak) {
    this.#constrained = constrained;
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts, tree: Sorter): boolean {
    this.#facts = facts;
    this.#alone = new Map();
    this.#budget = pairsPerRun;
    this.#sums.clear();
    // Those that want nothing now still hold, and count for their roles.
    for (const leaf of tree.leaves()) this.#sums.set(leaf, this.#value(leaf));
    return true;
  }

  score(node: TreeNode, columns: Columns): number {
    if (node.slot >= 0) this.#sums.set(node, this.#value(node));
    return this.#sums.get(node) / columns.weight(node.id);
  }

  #value(leaf: TreeNode): number {
    const facts = this.#facts;
    const client = facts?.client(leaf.slot);
    if (facts === undefined || client === undefined) return 0;
    const held = facts.tasksOf(leaf, client);
    // Sums of roles must stay finite, also where nobody's task fits anywhere.
    return held === 0 ? 0 : held / Math.max(this.#tasksAlone(facts, client), 1e-9);
  }

  #tasksAlone(facts: Facts, client: Client): number {
    const { vector, kind } = facts.demandOf(client);
    if (this.#constrained && client.test !== undefined) {
      const known = this.#admitted.get(client);
      if (known?.shapes === facts.shapes && known.test === client.test && known.vector === vector) return known.sum;
      if (this.#budget > 0) return this.#admit(facts, client, vector);
    }
    // Without constraints of its own, what a client may use is a matter of capabilities: the same for all agents of a shape.
    const { gpus, regions } = client.framework;
    const key = this.#constrained ? `${kind} ${gpus} ${regions}` : kind;
    let sum = this.#alone.get(key);
    if (sum === undefined) {
      sum = 0;
      for (const { total, agents } of facts.shapes) {
        const [first] = agents;
        if (first === undefined || (this.#constrained && facts.isKeptFrom(client, first))) continue;
        sum += agents.length * tasksIn(total, vector);
      }
      this.#alone.set(key, sum);
    }
    return sum;
  }

  #admit(facts: Facts, client: Client, vector: Vector): number {
    const { shapes } = facts;
    let sum = 0;
    for (const { total, agents } of shapes) {
      const each = tasksIn(total, vector);
      for (const agent of agents) if (facts.mayUse(client, agent)) sum += each;
      this.#budget -= agents.length;
    }
    this.#admitted.set(client, { shapes, test: client.test, vector, sum });
    return sum;
  }
}
