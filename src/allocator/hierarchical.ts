// The default policy: whole agents, one after the other in random order, each to the least-share client that may have it. In: a cycle, the
// agents to visit. Out: grants.
import type { Random } from '../env/random.js';
import type { PoolAgent } from './agent-pool.js';
import type { Bits } from './bits.js';
import { bitsInWord, hasBit } from './bits.js';
import type { Client } from './clients.js';
import type { AllocationPolicy, Cycle, PolicyEngine, Steps } from './cycle.js';
import type { AllocatorState } from './eligibility.js';
import { RoleTree } from './role-tree.js';

/** Hierarchical DRF × shuffle × agent × pessimistic: what Mesos does. */
export const hierarchicalDrf: AllocationPolicy = {
  description: {
    frameworkOrder: 'hierarchical drf by (share, allocations made, path)',
    agentOrder: 'shuffled by allocator/cycle-N of the seed',
    granularity: 'agent',
    commit: 'pessimistic',
  },
  start: excluded => new Hierarchical(excluded),
};

class Hierarchical implements PolicyEngine {
  readonly tree: RoleTree;

  constructor(excluded: readonly string[]) {
    this.tree = new RoleTree(excluded);
  }

  begin(cycle: Cycle, agents: PoolAgent[]): Steps {
    return wholeAgents(
      cycle,
      shuffled(agents, () => cycle.random),
    );
  }
}

/** Agents in random order. Nothing is drawn for a single one. */
export function shuffled(agents: PoolAgent[], random: () => Random): PoolAgent[] {
  return agents.length > 1 ? random().shuffle(agents) : agents;
}

/**
 * Coarse-grained: for each agent in the order given, the first client in the sorter's order that may be offered it gets all of it that it may
 * have; what is left (others' reservations, what is beyond a limit) goes to the next in the order as it then is, until nobody may have it.
 */
export function wholeAgents(cycle: Cycle, agents: readonly PoolAgent[]): Steps {
  let at = 0;
  return {
    step: () => {
      const agent = agents[at];
      if (agent === undefined) return false;
      at += 1;
      if (agent.active && agent.free.length > 0) offerAgent(cycle, agent, false);
      return at < agents.length;
    },
  };
}

/**
 * The first stage of a run with guarantees that are not met: the same, but only for clients of roles that need something, and only while an agent
 * has something of what they need. What they get is what they would get in the second stage, so limits and others' guarantees hold, too.
 */
export function guaranteesFirst(cycle: Cycle, agents: readonly PoolAgent[]): Steps {
  const { quota } = cycle.state;
  let at = 0;
  return {
    step: () => {
      quota.exhausted();
      const agent = agents[at];
      if (agent === undefined || !intersects(quota.needy, cycle.state.clients.active)) return false;
      at += 1;
      if (agent.active && agent.free.length > 0) offerAgent(cycle, agent, true);
      return at < agents.length;
    },
  };
}

function offerAgent(cycle: Cycle, agent: PoolAgent, forGuarantees: boolean): void {
  const { state, eligibility } = cycle;
  const { clients, quota } = state;
  eligibility.expire(agent, cycle.nowMs);
  if (agent.settledAt === clients.version) return;
  let blocked = eligibility.blocked(agent);
  if (forGuarantees) onlyMembers(blocked, quota.needy);
  let served: Client[] | undefined;
  for (;;) {
    const client = pick(state, blocked);
    if (client === undefined) break;
    const { slot } = client;
    let resources = eligibility.visible(agent, client);
    if (hasBit(quota.limited, slot) || hasBit(quota.needy, slot)) {
      const helps = !forGuarantees || quota.serves(client, resources);
      resources = quota.offerable(client, resources);
      if (!helps || !eligibility.mayOffer(agent, client, resources)) {
        setBit(blocked, slot);
        continue;
      }
    } else resources = quota.beyondNeeds(resources);
    cycle.grant(client, agent, resources);
    if (agent.free.length === 0) return;
    served ??= [];
    served.push(client);
    blocked = eligibility.blocked(agent);
    for (const one of served) setBit(blocked, one.slot);
    if (forGuarantees) onlyMembers(blocked, quota.needy);
  }
  // A shared volume that was offered in this run can be offered in the next.
  const hidden = agent.hasShared && agent.sharedOfferedIn === state.run;
  if (served === undefined && !forGuarantees && !hidden) agent.settledAt = clients.version;
}

// Up to this many candidates it is cheaper to compare them all than to walk the order past those blocked.
const fewMax = 16;

/** The first client in order that is active and not blocked. */
export function pick(state: AllocatorState, blocked: Bits): Client | undefined {
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

function setBit(bits: Bits, slot: number): void {
  bits[slot >>> 5] = (bits[slot >>> 5] as number) | (1 << (slot & 31));
}

// Blocks all but `members`.
function onlyMembers(blocked: Bits, members: Bits): void {
  for (let w = 0; w < blocked.length; w += 1) blocked[w] = (blocked[w] as number) | ~(members[w] ?? 0);
}

/** Whether a member of one is in the other. */
export function intersects(a: Bits, b: Bits): boolean {
  for (let w = 0; w < a.length; w += 1) if (((a[w] as number) & (b[w] ?? 0)) !== 0) return true;
  return false;
}
