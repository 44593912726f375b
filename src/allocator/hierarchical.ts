// One allocation cycle: whole agents, one after the other in random order, each to the least-share client that may have it. In: the state, the
// agents to visit, now. Out: grants, booked.
import { must } from '../base/assert.js';
import type { Random } from '../env/random.js';
import type { Bag } from '../resources/index.js';
import { forRole, subtract } from '../resources/index.js';
import type { PoolAgent } from './agent-pool.js';
import type { Grant, GrantBatch } from './allocator.js';
import type { Bits } from './bits.js';
import { bitsInWord } from './bits.js';
import type { Client } from './clients.js';
import type { AllocatorState, Eligibility } from './eligibility.js';

/**
 * Coarse-grained hierarchical DRF, as Mesos's second stage without quota: for each agent, the clients in the sorter's order; the first that may
 * be offered the agent gets all of it that its role may see; what is left (others' reservations) goes on down the order as it stood when
 * the agent's turn came.
 */
export function runCycle(
  state: AllocatorState,
  eligibility: Eligibility,
  agents: PoolAgent[],
  random: () => Random,
  nowMs: number,
): GrantBatch {
  const out = new Collector();
  state.tree.refresh();
  if (agents.length > 1) random().shuffle(agents);
  for (let i = 0; i < agents.length; i += 1) offerAgent(state, eligibility, agents[i] as PoolAgent, nowMs, out);
  return out.finish();
}

/** Gathers grants by framework, in the order decided. */
class Collector {
  readonly #batch: { readonly frameworkId: string; readonly grants: Grant[] }[] = [];
  readonly #clients: Client[] = [];

  push(client: Client, agent: PoolAgent, resources: Bag): void {
    const { framework } = client;
    if (framework.grants === undefined) {
      framework.grants = [];
      this.#batch.push({ frameworkId: framework.id, grants: framework.grants });
      this.#clients.push(client);
    }
    framework.grants.push({ frameworkId: framework.id, role: client.role, agentId: agent.id, resources });
  }

  finish(): GrantBatch {
    for (const client of this.#clients) client.framework.grants = undefined;
    return this.#batch;
  }
}

function offerAgent(
  state: AllocatorState,
  eligibility: Eligibility,
  agent: PoolAgent,
  nowMs: number,
  out: Collector,
): void {
  const { clients } = state;
  eligibility.expire(agent, nowMs);
  if (agent.settledAt === clients.version) return;
  const { free } = agent;
  const first = pick(state, eligibility.blocked(agent, free));
  if (first === undefined) {
    agent.settledAt = clients.version;
    return;
  }
  const visible = forRole(free, first.role);
  if (visible.length === free.length) {
    grant(state, first, agent, visible, out);
    return;
  }
  // Others' reservations stay. Who comes next is settled before the first grant moves anyone.
  const rest = eligible(state, eligibility.blocked(agent, subtract(free, visible)));
  grant(state, first, agent, visible, out);
  for (const client of rest) {
    if (agent.free.length === 0) return;
    const seen = forRole(agent.free, client.role);
    if (client !== first && eligibility.mayOffer(agent, client, seen)) grant(state, client, agent, seen, out);
  }
}

function grant(state: AllocatorState, client: Client, agent: PoolAgent, resources: Bag, out: Collector): void {
  state.pool.take(agent, client, resources);
  state.tree.charge(must(client.node, 'node of a client that is offered something'), resources);
  out.push(client, agent, resources);
}

// Up to this many candidates it is cheaper to compare them all than to walk the order past those blocked.
const fewMax = 16;

/** The first client in order that is active and not blocked. */
function pick(state: AllocatorState, blocked: Bits): Client | undefined {
  const { clients, tree } = state;
  const { active } = clients;
  let count = 0;
  for (let w = 0; w < active.length; w += 1) {
    const open = (active[w] as number) & ~(blocked[w] ?? 0);
    if (open === 0) continue;
    count += bitsInWord(open);
    if (count > fewMax) return clients.at(tree.first(blocked));
  }
  if (count === 0) return undefined;
  let best: Client | undefined;
  for (let w = 0; w < active.length; w += 1) {
    let open = (active[w] as number) & ~(blocked[w] ?? 0);
    for (; open !== 0; open &= open - 1) {
      const client = clients.at((w << 5) + 31 - Math.clz32(open & -open));
      if (client?.node === undefined) continue;
      if (best?.node === undefined || tree.compare(client.node, best.node) < 0) best = client;
    }
  }
  return best;
}

/** All clients that are active and not blocked, in order. */
function eligible(state: AllocatorState, blocked: Bits): Client[] {
  const { clients, tree } = state;
  const { active } = clients;
  const out: Client[] = [];
  for (let w = 0; w < active.length; w += 1) {
    let open = (active[w] as number) & ~(blocked[w] ?? 0);
    for (; open !== 0; open &= open - 1) {
      const client = clients.at((w << 5) + 31 - Math.clz32(open & -open));
      if (client?.node !== undefined) out.push(client);
    }
  }
  return out.sort((a, b) => tree.compare(must(a.node, 'node'), must(b.node, 'node')));
}
