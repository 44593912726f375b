// The default policy: whole agents, one after the other in random order, each to the least-share client that may have it; and the two stages before
// any policy: debts to those who waited, guarantees. In: a cycle, the agents to visit. Out: grants.
import type { Random } from '../../env/random.js';
import type { Bag } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Bits } from '../../base/bits.js';
import { bitsInWord, hasBit, setBit, sharedWord } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import type { AllocationPolicy, Cycle, PolicyEngine, Portion, Steps } from './cycle.js';
import { agentByAgent } from './cycle.js';
import type { AllocatorState } from '../state.js';
import type { Hopeless, TreeNode } from '../sorter/tree-node.js';
import { RoleTree } from '../sorter/role-tree.js';
import { isBefore } from '../sorter/standing.js';

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
  return agentByAgent(agents, agent => {
    if (agent.active && agent.free.length > 0) offerAgent(cycle, agent, false);
  });
}

/**
 * The first stage of a run with guarantees that are not met: the same, but only for clients of roles that need something, and only while an agent
 * has something of what they need. What they get is what they would get in the second stage, so limits and others' guarantees hold, too. With
 * `portion` agents are cut: it is a portion at a time, and goes on until nobody lacks what is there.
 */
export function guaranteesFirst(cycle: Cycle, agents: readonly PoolAgent[], portion?: Portion): Steps {
  const { quota } = cycle.state;
  let at = 0;
  // Where somebody was found who lacks something: mostly that one still does.
  let word = 0;
  return {
    step: () => {
      quota.exhausted();
      const agent = agents[at];
      if (agent === undefined) return false;
      word = sharedWord(quota.needy, cycle.state.clients.active, word);
      if (word < 0) return false;
      at += 1;
      if (agent.active && agent.free.length > 0) offerAgent(cycle, agent, true, portion);
      return at < agents.length;
    },
  };
}

// As in the second stage: a framework of very small tasks must not make a run endless.
const slicesMax = 256;

function offerAgent(cycle: Cycle, agent: PoolAgent, forGuarantees: boolean, portion?: Portion): void {
  const { state, eligibility } = cycle;
  const { clients } = state;
  eligibility.expire(agent, cycle.nowMs);
  if (agent.settledAt === clients.version) return;
  let blocked = eligibility.blocked(agent, forGuarantees);
  let served: Client[] | undefined;
  for (let slices = 1; ; slices += 1) {
    const choice = first(cycle, agent, blocked, forGuarantees, portion);
    if (choice === undefined) break;
    const { client, resources } = choice;
    cycle.grant(client, agent, resources);
    if (agent.free.length === 0 || (portion !== undefined && slices === slicesMax)) return;
    blocked = eligibility.blocked(agent, forGuarantees);
    if (portion !== undefined) continue;
    served ??= [];
    served.push(client);
    for (const one of served) setBit(blocked, one.slot);
  }
  // A shared volume that was offered in this run can be offered in the next.
  const hidden = agent.hasShared && agent.sharedOfferedIn === state.run;
  if (served === undefined && !forGuarantees && !hidden) agent.settledAt = clients.version;
}

/** A client, and what it may be offered of an agent. */
interface Choice {
  readonly client: Client;
  readonly resources: Bag;
}

/** The first client in order that is not blocked and may be offered some of `agent`. Those that were found not to be are blocked now. */
function first(
  cycle: Cycle,
  agent: PoolAgent,
  blocked: Bits,
  forGuarantees: boolean,
  portion?: Portion,
): Choice | undefined {
  const { state, eligibility } = cycle;
  const { quota } = state;
  for (;;) {
    const client = pick(state, blocked, eligibility.hopeless);
    if (client === undefined) return undefined;
    const visible = eligibility.visible(agent, client);
    const offerable = quota.offerable(client, visible);
    const resources = portion === undefined ? offerable : portion(client, agent, offerable);
    // Without quota on it, a client that is not blocked is eligible.
    if (!hasBit(quota.limited, client.slot) && !hasBit(quota.needy, client.slot)) return { client, resources };
    // A portion may be of other things than what is lacking.
    const serving = portion === undefined ? visible : resources;
    if ((!forGuarantees || quota.serves(client, serving)) && eligibility.mayOffer(agent, client, resources)) {
      return { client, resources };
    }
    setBit(blocked, client.slot);
  }
}

/**
 * What comes before the stages, on agents where offers were sat on: who was promised the agent gets it, if it still may; else, if the one that sat
 * on it would be next, somebody who stood before that one.
 */
export function debtsFirst(cycle: Cycle, agents: readonly PoolAgent[]): void {
  const { state, eligibility } = cycle;
  const { indebted } = state.pool;
  if (indebted.size === 0) return;
  for (const agent of agents) {
    const { promisedTo, sat } = agent;
    if (!indebted.delete(agent)) continue;
    agent.promisedTo = undefined;
    agent.sat = undefined;
    eligibility.expire(agent, cycle.nowMs);
    if (promisedTo !== undefined && hasBit(state.clients.active, promisedTo.slot) && promisedTo.node !== undefined) {
      const resources = eligibility.offerable(agent, promisedTo);
      if (eligibility.mayOffer(agent, promisedTo, resources) && !isOutclassed(cycle, agent, promisedTo.node)) {
        cycle.grant(promisedTo, agent, resources);
        continue;
      }
    }
    if (sat === undefined) continue;
    const blocked = eligibility.blocked(agent);
    if (sat.client.node !== undefined) setBit(blocked, sat.client.slot);
    const other = first(cycle, agent, blocked, false);
    if (other === undefined || !isBefore(state.tree, other.client, sat.standing)) continue;
    cycle.grant(other.client, agent, other.resources);
  }
}

// Whether somebody of a higher class may have the agent now: a promise does not bind that one.
function isOutclassed(cycle: Cycle, agent: PoolAgent, promisedTo: TreeNode): boolean {
  const { tree } = cycle.state;
  if (!tree.hasClasses) return false;
  const node = first(cycle, agent, cycle.eligibility.blocked(agent), false)?.client.node;
  return node !== undefined && tree.classOf(node) > tree.classOf(promisedTo);
}

// Up to this many candidates it is cheaper to compare them all than to walk the order past those blocked.
const fewMax = 16;

/** The first client in order that is active and not blocked. `hopeless`: part of `blocked`. */
export function pick(state: AllocatorState, blocked: Bits, hopeless?: Hopeless): Client | undefined {
  const { clients, tree } = state;
  const { active } = clients;
  let count = 0;
  for (let w = 0; w < active.length; w += 1) {
    const open = (active[w] as number) & ~(blocked[w] ?? 0);
    if (open === 0) continue;
    count += bitsInWord(open);
    if (count > fewMax && !tree.hasClasses) return clients.at(tree.walk(blocked, hopeless));
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
