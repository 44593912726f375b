// The second axis of a policy: which agent comes first. What such an order is.
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { Cycle } from '../../cycle/cycle.js';
import type { Vector } from '../../sorter/scalars.js';

/**
 * How good an agent is for a task; lower is better. Amounts are thousandths; the three have the same positions, whose resources are
 * `names`;
 * positions beyond the end of one are 0. Asked only of agents on which the task fits.
 */
export type AgentScore = (demand: Vector, free: Vector, total: Vector, names: readonly string[]) => number;

/**
 * An order of agents. `visit`: agents are taken one after the other, and each is offered to frameworks in their order. `draw`: so, but a
 * new agent
 * is drawn for each grant. `rank`: the framework comes first, and gets the agent that is best for a task of it. `joint`: the best
 * pair, by an order of frameworks that compares them on agents.
 */
export type AgentOrder = AgentOrderName & AgentOrderRule;

export interface AgentOrderName {
  /** As it is written in flags. */
  readonly name: string;
  /** The rule in words, for `/state`. */
  readonly rule: string;
}

type AgentOrderRule =
  | { readonly kind: 'visit'; readonly start: () => Visits }
  | { readonly kind: 'draw' }
  | { readonly kind: 'rank'; readonly score: AgentScore }
  | { readonly kind: 'joint' };

/** An order of visits at work in one allocator. */
export interface Visits {
  /**
   * The agents of a run, which come in the order of their slots, in the order in which they are to be visited; may be reordered in
   * place.
   */
  arrange(agents: PoolAgent[], cycle: Cycle): PoolAgent[];
  /** Something of the agent was granted. */
  granted?(agent: PoolAgent): void;
}
