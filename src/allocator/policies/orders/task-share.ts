// What task share fairness and its constrained form have in common: tasks held, by the tasks that the cluster would run of the framework alone.
import type { Client } from '../../clients.js';
import type { Columns, TieBreak } from '../../columns.js';
import type { RoleTree, TreeNode } from '../../role-tree.js';
import type { Scoring } from '../../scoring.js';
import type { Facts } from '../facts.js';
import { tasksIn } from '../facts.js';
import { LeafSums } from './order.js';

/** `x[n] / G[n] / w[n]`, least first; a role's value is the sum of what is below it. */
export class TaskShare implements Scoring {
  readonly tieBreak: TieBreak;
  readonly #constrained: boolean;
  readonly #sums = new LeafSums();
  // G by kind of demand, and with constraints by what decides it.
  #alone: number[] = [];
  #admitted = new Map<Client | string, number>();
  #facts: Facts | undefined;

  /** `constrained`: G counts only agents that the framework may use. */
  constructor(constrained: boolean, tieBreak: TieBreak) {
    this.#constrained = constrained;
    this.tieBreak = tieBreak;
  }

  begin(facts: Facts, tree: RoleTree): boolean {
    this.#facts = facts;
    this.#alone = [];
    this.#admitted = new Map();
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
    if (!this.#constrained) {
      this.#alone[kind] ??= facts.shapes.reduce(
        (sum, { total, agents }) => sum + agents.length * tasksIn(total, vector),
        0,
      );
      return this.#alone[kind] ?? 0;
    }
    // Without constraints of its own, what a client may use is a matter of capabilities: the same for all agents of a shape.
    const { gpus, regions } = client.framework;
    const key = client.test === undefined ? `${kind} ${gpus} ${regions}` : client;
    let sum = this.#admitted.get(key);
    if (sum === undefined) {
      sum = 0;
      for (const { total, agents } of facts.shapes) {
        const each = tasksIn(total, vector);
        const [first] = agents;
        if (client.test !== undefined) for (const agent of agents) sum += facts.mayUse(client, agent) ? each : 0;
        else if (first !== undefined && facts.mayUse(client, first)) sum += agents.length * each;
      }
      this.#admitted.set(key, sum);
    }
    return sum;
  }
}
