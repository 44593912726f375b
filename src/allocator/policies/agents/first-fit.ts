// Agents always in the same order.
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { AgentOrder } from './agent-order.js';

/** By id; runs of digits count as numbers, so that S10 comes after S9. Fills the first agents and leaves the last ones empty. */
export function firstFit(): AgentOrder {
  return {
    name: 'first-fit',
    rule: 'by id',
    kind: 'visit',
    start: () => ({ arrange: agents => agents.sort(byId) }),
  };
}

const digits = /\d+/g;
// Ids are compared often and are few.
const keys = new WeakMap<PoolAgent, string>();

/** The order of ids. */
export function byId(a: PoolAgent, b: PoolAgent): number {
  const x = keyOf(a);
  const y = keyOf(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

function keyOf(agent: PoolAgent): string {
  let key = keys.get(agent);
  if (key === undefined) {
    key = `${agent.id.replaceAll(digits, number => number.padStart(16, '0'))} ${agent.id}`;
    keys.set(agent, key);
  }
  return key;
}
