// The emptiest agent.
import type { AgentOrder } from './agent-order.js';
import { utilisationAfter } from './utilisation.js';

/** The agent that is used least, by its fullest resource, after a task is placed: worst fit. It leaves room on each. */
export function spread(): AgentOrder {
  return {
    name: 'spread',
    rule: 'least max_r(used/total) after one task',
    kind: 'rank',
    score: utilisationAfter,
  };
}
