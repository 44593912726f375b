// The fullest agent.
import type { AgentOrder } from './agent-order.js';
import { utilisationAfter } from './utilisation.js';

/**
 * The agent that is used most, by its fullest resource, after a task is placed, among those where it fits. It keeps agents whole for
 * large tasks.
 */
export function binpack(): AgentOrder {
  return {
    name: 'binpack',
    rule: 'greatest max_r(used/total) after one task',
    kind: 'rank',
    score: (demand, free, total) => -utilisationAfter(demand, free, total),
  };
}
