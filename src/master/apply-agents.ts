// How an agent joins and leaves the pool. In: the state, the allocator, the change. Out: both changed.
import { assert } from '../base/assert.js';
import type { AgentId, FrameworkId, TaskId } from '../base/ids.js';
import type { Allocator } from '../allocator/allocator.js';
import type { AgentInfo } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import { equals } from '../resources/index.js';
import { forgetOperation, setTotal } from './apply-resources.js';
import { forgetHeld } from './apply-tasks.js';
import { allocatorAgent, freeHold } from './books.js';
import type { Change } from './changes.js';
import type { AgentRecord, ClusterState } from './state.js';
import { activeAdmin } from './upkeep-state.js';

export function connectAgent(
  state: ClusterState,
  allocator: Allocator,
  change: Extract<Change, { type: 'AGENT_CONNECTED' }>,
): void {
  state.registeringAgents.delete(change.agentId);
  const known = state.agents.get(change.agentId);
  const agent = known ?? newAgent(change.agentId, change.info, change.total);
  if (known === undefined) state.agents.set(agent.id, agent);
  if (known?.state === 'RECOVERED') state.agentsRecovering -= 1;
  if (known?.tasksKnown === false) state.agentsOfUnknownTasks -= 1;
  agent.tasksKnown = true;
  state.unreachableAgents.delete(agent.id);
  const before = agent.info;
  const sameTotal = equals(agent.total, change.total);
  if (!sameTotal) {
    assert(agent.offers.size === 0, 'an agent with offers changes its resources');
    agent.version += 1;
  }
  agent.info = change.info;
  const inPool = known !== undefined && (known.state === 'REGISTERED' || known.state === 'DISCONNECTED');
  agent.state = 'REGISTERED';
  assert(!agent.leaving, 'an agent registers whose end is being written');
  agent.peerId = change.peerId;
  agent.newestPeerId = change.peerId;
  agent.registeredAtMs = change.wallMs;
  agent.unreachableAtMs = undefined;
  agent.leftBehind.clear();
  if (!inPool) {
    agent.total = change.total;
    agent.free = change.total;
    allocator.addAgent(allocatorAgent(agent), []);
  } else if (!sameTotal) {
    setTotal(agent, change.total, allocator);
  } else if (before !== change.info) {
    allocator.updateAgent(allocatorAgent(agent));
  }
  if (agent.admin.activity === 'ACTIVE') allocator.activateAgent(agent.id);
  else allocator.deactivateAgent(agent.id);
}

/** Takes the agent out of the pool: what is still held there is given back first, so that the allocator's books stay even. */
export function withdrawAgent(state: ClusterState, allocator: Allocator, agent: AgentRecord): void {
  assert(agent.offers.size === 0, 'an agent with offers leaves');
  assert(agent.inverse.size === 0, 'an agent with inverse offers leaves');
  if (agent.state === 'RECOVERED') state.agentsRecovering -= 1;
  state.unreachableAgents.delete(agent.id);
  const inPool = agent.state === 'REGISTERED' || agent.state === 'DISCONNECTED';
  for (const task of agent.held.values()) forgetHeld(state, allocator, agent, task);
  for (const [key, executor] of agent.executors) {
    agent.executors.delete(key);
    freeHold(state, allocator, executor);
  }
  for (const task of agent.tasks) assert(!task.holds, 'an agent leaves with live tasks');
  for (const operation of agent.operations.values()) forgetOperation(state, operation);
  agent.operations.clear();
  assert(equals(agent.free, agent.total), 'an agent leaves with resources in use');
  agent.peerId = undefined;
  agent.leaving = false;
  if (inPool) allocator.removeAgent(agent.id);
}

/** Nobody knows whether what is left to end there has ended: it is told to when it is back. */
export function loseAgent(state: ClusterState, allocator: Allocator, agent: AgentRecord, wallMs: number): void {
  for (const { frameworkId, id } of agent.held.values()) leftBehindOf(agent, frameworkId).add(id);
  for (const { frameworkId } of agent.executors.values()) leftBehindOf(agent, frameworkId);
  withdrawAgent(state, allocator, agent);
  agent.state = 'UNREACHABLE';
  agent.unreachableAtMs = wallMs;
  state.unreachableAgents.add(agent.id);
}

/** Its tasks that are over for this framework; the framework is noted as one that had something there. */
export function leftBehindOf({ leftBehind }: AgentRecord, id: FrameworkId): Set<TaskId> {
  const tasks = leftBehind.get(id) ?? new Set();
  leftBehind.set(id, tasks);
  return tasks;
}

/** One of its tasks is forgotten while it is away. */
export function forgetTasks(state: ClusterState, agentId: AgentId): void {
  const agent = state.agents.get(agentId);
  if (agent?.tasksKnown !== true) return;
  agent.tasksKnown = false;
  state.agentsOfUnknownTasks += 1;
}

export function newAgent(id: AgentId, info: AgentInfo, total: Bag): AgentRecord {
  return {
    id,
    info,
    total,
    free: total,
    overbooked: false,
    version: 0,
    state: 'RECOVERED',
    tasksKnown: false,
    admin: activeAdmin,
    plan: activeAdmin,
    leaving: false,
    peerId: undefined,
    newestPeerId: undefined,
    registeredAtMs: 0,
    unreachableAtMs: undefined,
    offers: new Set(),
    tasks: new Set(),
    held: new Map(),
    leftBehind: new Map(),
    executors: new Map(),
    inverse: new Map(),
    operations: new Map(),
  };
}
