// A composed policy at work in one allocator. In: the axes, the runs of an allocator. Out: for each run the steps that its axes make.
import type { PoolAgent } from '../pool/agent-pool.js';
import type { TieBreak } from '../sorter/columns.js';
import type { Copies } from '../pool/copies.js';
import type { Cycle, PolicyEngine, Portion, Steps } from '../cycle/cycle.js';
import { RoleTree } from '../sorter/role-tree.js';
import type { AgentOrder } from './agents/agent-order.js';
import type { Commit } from './commit.js';
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
    const scoring = frameworkOrder.start(frameworkOrder.tieBreak ?? axes.tieBreak);
    this.tree = new RoleTree(excluded, scoring, scoring?.first === undefined);
    this.optimistic = commit.kind === 'optimistic';
    const facts = new Facts(this.tree.columns);
    this.#parts = {
      tree: this.tree,
      scoring,
      facts,
      portions: new Portions(granularity, facts, this.tree),
      visits: agentOrder.kind === 'visit' ? agentOrder.start() : undefined,
      copiesMax: commit.kind === 'optimistic' ? commit.copies : undefined,
    };
  }

  portions(cycle: Cycle): Portion | undefined {
    const { facts, portions } = this.#parts;
    if (!portions.areSlices) return undefined;
    facts.renew(cycle);
    portions.begin();
    return (client, agent, offerable) => portions.of(client, agent, offerable);
  }

  begin(cycle: Cycle, agents: PoolAgent[]): Steps {
    const { scoring, facts, portions, visits } = this.#parts;
    const { frameworkOrder, agentOrder, granularity } = this.#axes;
    facts.renew(cycle);
    portions.begin();
    this.tree.refresh(scoring?.begin?.(facts, this.tree) === true);
    const run = new Run(cycle, this.#parts);
    if (this.optimistic) promisesFirst(run, agents);
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

  /** Whether one more client may be offered the agent. */
  hasRoom(agent: PoolAgent, copies: Copies): boolean {
    return copies.countOf(agent) < (this.#parts.copiesMax ?? Number.POSITIVE_INFINITY);
  }
}

// Agents of which a copy was taken back go to whom they were promised, if that one still may have them.
function promisesFirst(run: Run, agents: readonly PoolAgent[]): void {
  const { indebted } = run.cycle.state.pool;
  if (indebted.size === 0) return;
  for (const agent of agents) {
    const { promisedTo } = agent;
    if (!indebted.delete(agent)) continue;
    agent.promisedTo = undefined;
    run.cycle.eligibility.expire(agent, run.cycle.nowMs);
    if (promisedTo !== undefined && run.isOpen(agent)) run.offer(promisedTo, agent);
  }
}
