// Agents in turn.
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { AgentOrder, Visits } from './agent-order.js';
import { byId } from './first-fit.js';

/** By id as `first-fit`, beginning after the agent that was granted last, in this run or before. */
export function nextFit(): AgentOrder {
  return {
    name: 'next-fit',
    rule: 'by id, from the one after the last granted on',
    kind: 'visit',
    start: () => new NextFit(),
  };
}

class NextFit implements Visits {
  // The agent itself, also when it is gone: only its id matters.
  #last: PoolAgent | undefined;

  arrange(agents: PoolAgent[]): PoolAgent[] {
    agents.sort(byId);
    const last = this.#last;
    if (last === undefined) return agents;
    const from = agents.findIndex(agent => byId(agent, last) > 0);
    return from <= 0 ? agents : [...agents.slice(from), ...agents.slice(0, from)];
  }

  granted(agent: PoolAgent): void {
    this.#last = agent;
  }
}
