// The best pair of a framework and an agent.
import type { AgentOrder } from './agent-order.js';

/**
 * The least score over all pairs (n, i) of a framework and an agent on which it fits. Only for orders of frameworks that compare them on
 * agents: `ps-dsf`, `rps-dsf`.
 * Source: Shan et al. (arXiv 1803.00922).
 */
export function joint(): AgentOrder {
  return { name: 'joint', rule: 'the least score over all pairs of framework and agent', kind: 'joint' };
}
