// An agent drawn anew for each grant.
import type { AgentOrder } from './agent-order.js';

/**
 * Each grant draws one of the agents that still have something for someone, each as likely as the others, independently of what was
 * drawn before. It differs from
 * `shuffle` where a grant is less than an agent. Source: Shan et al. (arXiv 1803.00922).
 */
export function iid(): AgentOrder {
  return { name: 'iid', rule: 'drawn uniformly for each grant by allocator/cycle-N of the seed', kind: 'draw' };
}
