// The books: what each agent's resources are given to, kept even with the allocator's. In: grants and holds. Out: changed agents and frameworks.
import { assert } from '../base/assert.js';
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { Allocator } from '../allocator/allocator.js';
import type { AllocatorAgent, AllocatorFramework, Demand, Grant } from '../allocator/model.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { Bag, Resource } from '../resources/index.js';
import {
  add,
  addDisjoint,
  bagOf,
  contains,
  emptyBag,
  exclusive,
  filterBag,
  forRole,
  isEmpty,
  nonRevocable,
  remainder,
  shared,
  subtract,
  takeAlike,
  without,
} from '../resources/index.js';
import type { AgentRecord, ClusterState, FrameworkRecord } from './state.js';
import { agentOf, anyFrameworkOf } from './state.js';

export interface Hold {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  /** Changes only in `relabelled`. */
  resources: Bag;
  /** Of an optimistic offer; see OfferRecord. */
  readonly sequence?: number;
  /** Of what returns of an accepted offer; see Grant. */
  readonly offered?: Bag;
}

/** What the allocator calls it. */
export function grantOf(hold: Hold): Grant {
  const { frameworkId, role, agentId, resources, sequence, offered } = hold;
  const grant: Grant = { frameworkId, role, agentId, resources };
  if (sequence !== undefined) return { ...grant, sequence };
  return offered === undefined ? grant : { ...grant, offered };
}

/** Takes what a new offer or an optimistic accept has out of what is free. Whose it is must be known to the agent already. */
export function takeFree(agent: AgentRecord, resources: Bag): void {
  const own = exclusive(resources);
  if (contains(agent.free, own)) {
    agent.free = subtract(agent.free, own);
    return;
  }
  assert(contains(agent.free, nonRevocable(own)), 'what is taken is not free');
  recount(agent);
}

/** Books a hold that comes out of no offer: a task that is back, maybe on an agent that has lost the reservation it was given. */
export function book(state: ClusterState, allocator: Allocator, hold: Hold): void {
  const agent = agentOf(state, hold.agentId);
  if (!contains(agent.free, hold.resources)) hold.resources = relabelled(agent.free, hold);
  // All that it has may be in volumes by now, which are no disk for others.
  const rest = without(agent.free, exclusive(hold.resources));
  if (rest === undefined) recount(agent);
  else agent.free = rest;
  allocator.book(grantOf(hold));
}

/**
 * The resources of `hold` as entries of `left`: as they are where that is possible, else of the same names; those open to its role first, and where an
 * operation was undone by its agent others as well, as what is in use must not be offered. A shared volume that has gone is held no more.
 */
export function relabelled(left: Bag, hold: Hold): Bag {
  let rest = left;
  let found = filterBag(hold.resources, r => r.label.shared && contains(left, [r]));
  for (const entry of exclusive(hold.resources)) {
    const part = contains(rest, [entry]) ? [entry] : substitute(rest, entry, hold);
    if (contains(rest, part)) rest = subtract(rest, part);
    found = add(found, part);
  }
  return found;
}

function substitute(left: Bag, entry: Resource, hold: Hold): Bag {
  if (entry.label.revocable) return [entry];
  return takeAlike(forRole(left, hold.role), entry) ?? takeAlike(left, entry) ?? [entry];
}

/** A task or executor out of an offer uses its shared volumes beside the offer, which keeps them for others. */
export function bookShared(allocator: Allocator, hold: Hold): void {
  const resources = shared(hold.resources);
  if (resources.length > 0) allocator.book(grantOf({ ...hold, resources }));
}

export function giveBack(agent: AgentRecord, allocator: Allocator, grant: Grant, refuseMs: number): void {
  if (isEmpty(grant.resources)) return;
  // An optimistic offer had nothing booked.
  if (grant.sequence === undefined) {
    if (agent.overbooked) recount(agent);
    else agent.free = addDisjoint(agent.free, exclusive(grant.resources));
    assert(contains(agent.total, agent.free), 'more is free on an agent than it has');
  }
  allocator.recover(grant, refuseMs);
}

export function freeHold(state: ClusterState, allocator: Allocator, hold: Hold): void {
  const framework = anyFrameworkOf(state, hold.frameworkId);
  framework.holds -= 1;
  giveBack(agentOf(state, hold.agentId), allocator, grantOf(hold), 0);
  leaveAllocator(state, allocator, framework);
}

/** What tasks and executors of an agent hold. */
export function holdsOn(agent: Readonly<AgentRecord>): Hold[] {
  const holds: Hold[] = [];
  for (const task of agent.tasks) if (task.holds) holds.push(task);
  holds.push(...agent.executors.values());
  return holds;
}

/** What tasks, executors and (but for optimistic commit) offers have of an agent; shared volumes are left out. */
export function heldOn(agent: Readonly<AgentRecord>): Bag {
  let held: Bag = emptyBag;
  for (const { resources } of holdsOn(agent)) held = add(held, exclusive(resources));
  for (const offer of agent.offers) if (offer.sequence === undefined) held = add(held, exclusive(offer.resources));
  return held;
}

/** Free from scratch: where more is held than there is, nothing is free. */
export function recount(agent: AgentRecord): void {
  const held = heldOn(agent);
  agent.overbooked = !contains(agent.total, held);
  agent.free = agent.overbooked ? remainder(agent.total, held) : subtract(agent.total, held);
}

// An ended framework that holds again (an agent came back with its tasks) must be known to the allocator again.
export function countHold(state: ClusterState, allocator: Allocator, id: FrameworkId): void {
  const framework = anyFrameworkOf(state, id);
  if (framework.state === 'COMPLETED' && framework.holds === 0) {
    state.idleFrameworks.delete(id);
    allocator.addFramework(allocatorFramework(framework), []);
    allocator.deactivateFramework(id);
  }
  framework.holds += 1;
}

// The allocator keeps an ended framework until nothing of it is held; then it may be forgotten, too.
export function leaveAllocator(state: ClusterState, allocator: Allocator, framework: FrameworkRecord): void {
  if (framework.state !== 'COMPLETED' || framework.holds > 0) return;
  allocator.removeFramework(framework.id);
  state.idleFrameworks.add(framework.id);
}

/** An agent as the allocator sees it. */
export function allocatorAgent(agent: Readonly<AgentRecord>): AllocatorAgent {
  const { info } = agent;
  return {
    id: agent.id,
    hostname: info.hostname,
    total: agent.total,
    attributes: info.attributes,
    ...(info.domain === undefined ? {} : { domain: info.domain }),
  };
}

/** What a framework would launch, as the allocator sees it. */
export function allocatorDemand(hint: DemandHint): Demand {
  const { role, count, ports } = hint;
  return { role, resources: bagOf(hint.resources), count, ...(ports === undefined ? {} : { ports }) };
}

/** A framework as the allocator sees it. */
export function allocatorFramework(framework: FrameworkRecord): AllocatorFramework {
  const { info } = framework;
  const minAllocatable: { [role: Role]: readonly Bag[] } = {};
  for (const [role, filter] of Object.entries(info.offerFilters ?? {})) {
    minAllocatable[role] = filter.minAllocatableResources.map(resources => bagOf(resources));
  }
  return {
    id: framework.id,
    roles: info.roles,
    suppressedRoles: [...framework.suppressed],
    capabilities: info.capabilities ?? [],
    minAllocatable,
    constraints: framework.constraints,
  };
}
