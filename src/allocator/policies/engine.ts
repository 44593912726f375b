// A composed policy at work in one allocator. In: the axes, the runs of an allocator. Out: for each run the steps that its axes make.
import type { PoolAgent } from '../agent-pool.js';
import type { Grant } from '../allocator.js';
import type { Client } from '../clients.js';
import type { TieBreak } from '../columns.js';
import type { Cycle, PolicyEngine, Steps } from '../cycle.js';
import { RoleTree } from '../role-tree.js';
import type { AgentOrder } from './agents/agent-order.js';
import type { Commit } from './commit.js';
import { CopyBook } from './commit.js';
import { Facts } from './facts.js';
import type { Granularity } from './granularity.js';
import { Portions } from './granularity.js';
import { offerAll } from './offer-all.js';
import type { FrameworkOrder } from './orders/order.js';
import { frameworksFirst, pairs } from './ranked.js';
import type { Parts } from './run.js';
import { Run } from './run.js';
import { visitByLot, visitInOrder } from './visiting.js';

/** The four axes. */
export interface Axes {
  readonly frameworkOrder: FrameworkOrder;
  readonly agentOrder: AgentOrder;
  readonly granularity: Granularity;
  readonly commit: Commit;
  /** Where the order of frameworks has none of its own. */
  readonly tieBreak: TieBreak;
}

export class Engine implements PolicyEngine {
  readonly tree: RoleTree;
  readonly optimistic: boolean;
  readonly #axes: Axes;
  readonly #parts: Parts;

  /** `excluded`: scalars that do not count in shares. */
  constructor(axes: Axes, excluded: readonly string[]) {
    const { frameworkOrder, agentOrder, granularity, commit } = axes;
    this.#axes = axes;
    this.tree = new RoleTree(excluded, frameworkOrder.start(frameworkOrder.tieBreak ?? axes.tieBreak));
    this.optimistic = commit.kind === 'optimistic';
    const facts = new Facts(this.tree.columns);
    this.#parts = {
      tree: this.tree,
      facts,
      portions: new Portions(granularity, facts, this.tree),
      visits: agentOrder.kind === 'visit' ? agentOrder.start() : undefined,
      copies: commit.kind === 'optimistic' ? new CopyBook(commit.copies) : undefined,
    };
  }

  begin(cycle: Cycle, agents: PoolAgent[]): Steps {
    const { facts, portions, visits } = this.#parts;
    const { frameworkOrder, agentOrder, granularity } = this.#axes;
    facts.renew(cycle);
    portions.begin();
    this.tree.begin(facts);
    const run = new Run(cycle, this.#parts);
    const inOrder = visits?.arrange(agents, cycle) ?? agents;
    if (granularity.kind === 'all') return offerAll(run, inOrder);
    switch (agentOrder.kind) {
      case 'visit':
        return visitInOrder(run, inOrder);
      case 'draw':
        return visitByLot(run, inOrder);
      case 'rank':
        return frameworksFirst(run, inOrder, agentOrder.score);
      case 'joint':
        return pairs(run, inOrder, frameworkOrder.factor ?? (() => 1));
    }
  }

  offerEnded(client: Client, agent: PoolAgent, grant: Grant): void {
    if (grant.sequence !== undefined) this.#parts.copies?.end(client, agent, grant.sequence);
  }
}
