// The books: what each agent's resources are given to, kept even with the allocator's. In: grants and holds. Out: changed agents and frameworks.
import { assert } from '../base/assert.js';
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { Allocator, AllocatorFramework, Grant } from '../allocator/allocator.js';
import type { Bag } from '../resources/index.js';
import { addDisjoint, bagOf, contains, isEmpty, subtract } from '../resources/index.js';
import type { AgentRecord, ClusterState, FrameworkRecord } from './state.js';
import { agentOf, anyFrameworkOf } from './state.js';

export interface Hold {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  readonly resources: Bag;
}

/** What the allocator calls it. */
export function grantOf(hold: Hold): Grant {
  return { frameworkId: hold.frameworkId, role: hold.role, agentId: hold.agentId, resources: hold.resources };
}

export function book(state: ClusterState, allocator: Allocator, hold: Hold): void {
  const agent = agentOf(state, hold.agentId);
  agent.free = subtract(agent.free, hold.resources);
  allocator.book(grantOf(hold));
}

export function giveBack(agent: AgentRecord, allocator: Allocator, grant: Grant, refuseMs: number): void {
  if (isEmpty(grant.resources)) return;
  agent.free = addDisjoint(agent.free, grant.resources);
  assert(contains(agent.total, agent.free), 'more is free on an agent than it has');
  allocator.recover(grant, refuseMs);
}

export function freeHold(state: ClusterState, allocator: Allocator, hold: Hold): void {
  const framework = anyFrameworkOf(state, hold.frameworkId);
  framework.holds -= 1;
  giveBack(agentOf(state, hold.agentId), allocator, grantOf(hold), 0);
  leaveAllocator(state, allocator, framework);
}

// An ended framework that holds again (an agent came back with its tasks) must be known to the allocator again.
export function countHold(state: ClusterState, allocator: Allocator, id: FrameworkId): void {
  const framework = anyFrameworkOf(state, id);
  if (framework.state === 'COMPLETED' && framework.holds === 0) {
    allocator.addFramework(allocatorFramework(framework), []);
    allocator.deactivateFramework(id);
  }
  framework.holds += 1;
}

// The allocator keeps an ended framework until nothing of it is held; then it may be forgotten, too.
export function leaveAllocator(state: ClusterState, allocator: Allocator, framework: FrameworkRecord): void {
  if (framework.state !== 'COMPLETED' || framework.holds > 0) return;
  allocator.removeFramework(framework.id);
  for (const [id, old] of state.completedFrameworks) {
    if (state.completedFrameworks.size <= state.options.completedFrameworksMax) return;
    if (old.holds === 0) state.completedFrameworks.delete(id);
  }
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
