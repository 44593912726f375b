// Agents in random order, anew in each run: the default.
import type { AgentOrder } from './agent-order.js';

/**
 * A permutation per run, drawn from the stream `allocator/cycle-N` of the seed, so that a run can be repeated. Source: Mesos, which
 * shuffles so that
 * no agent is always the first.
 */
export function shuffle(): AgentOrder {
  return {
    name: 'shuffle',
    rule: 'shuffled by allocator/cycle-N of the seed',
    kind: 'visit',
    start: () => ({ arrange: (agents, cycle) => (agents.length > 1 ? cycle.random.shuffle(agents) : agents) }),
  };
}
