// Agents first: each is offered to the frameworks in their order. In: agents in the order of visits, or to be drawn. Out: steps of a run.
import type { PoolAgent } from '../pool/agent-pool.js';
import { setBit } from '../../base/bits.js';
import type { Steps } from '../cycle/cycle.js';
import { agentByAgent } from '../cycle/cycle.js';
import type { Run } from './run.js';

/** One agent after the other; each is offered portion by portion until nobody may have what is left. */
export function visitInOrder(run: Run, agents: readonly PoolAgent[]): Steps {
  return agentByAgent(agents, agent => {
    if (run.isOpen(agent) && !run.isSettled(agent)) offerUp(run, agent);
  });
}

function offerUp(run: Run, agent: PoolAgent): void {
  let blocked = run.blocked(agent);
  // What the blocked ones were found for. They stay blocked when there is less, and who is denied shows that more are to be found.
  let version = agent.version;
  let denied: number[] | undefined;
  for (;;) {
    const client = run.first(blocked, agent);
    if (client === undefined) break;
    if (run.offer(client, agent)) {
      if (!run.isOpen(agent)) return;
      if (run.isOptimistic) setBit(blocked, client.slot);
      continue;
    }
    denied ??= [];
    denied.push(client.slot);
    if (version !== agent.version) {
      blocked = run.blocked(agent);
      version = agent.version;
      for (const slot of denied) setBit(blocked, slot);
    } else setBit(blocked, client.slot);
  }
  // Who was denied by quota, or for the size of the portion, may get it another time.
  if (denied === undefined) run.settle(agent);
}

/** A new agent for each portion, each of those left being as likely as the others. */
export function visitByLot(run: Run, agents: PoolAgent[]): Steps {
  const left = agents;
  return {
    step: () => {
      if (left.length === 0) return false;
      const at = left.length > 1 ? run.cycle.random.int(0, left.length - 1) : 0;
      const agent = left[at] as PoolAgent;
      const more = run.isOpen(agent) && !run.isSettled(agent) && offerOnce(run, agent) && run.isOpen(agent);
      if (!more) {
        left[at] = left.at(-1) as PoolAgent;
        left.pop();
      }
      return left.length > 0;
    },
  };
}

// One portion to the first client that gets one. False: nobody does.
function offerOnce(run: Run, agent: PoolAgent): boolean {
  if (!run.isOpen(agent)) return false;
  const blocked = run.blocked(agent);
  let denied = false;
  for (;;) {
    const client = run.first(blocked, agent);
    if (client === undefined) break;
    if (run.offer(client, agent)) return true;
    denied = true;
    setBit(blocked, client.slot);
  }
  // Who was denied by quota, or for the size of the portion, may get it another time.
  if (!denied) run.settle(agent);
  return false;
}
