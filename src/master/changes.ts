// Every change of the master's state, and the one place that carries them out, on the state and on the allocator's books together.
import { assert, assertNever, must } from '../base/assert.js';
import type { AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId } from '../base/ids.js';
import type { Allocator, AllocatorFramework, Grant } from '../allocator/allocator.js';
import type { AgentInfo, FrameworkInfo, KillPolicy, OfferConstraints, TaskStatus } from '../protocol/entities.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import { isResourceFree, isTerminal } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import { addDisjoint, bagOf, contains, equals, isEmpty, subtract } from '../resources/index.js';
import type { AgentRecord, ClusterState, ExecutorRecord, FrameworkRecord, OfferRecord, TaskRecord } from './state.js';
import { executorKey, heldKey, isPartitionAware, newFramework } from './state.js';

/** How an offer ended; each ends once. DISCARDED: silently, as its framework is gone or was replaced. */
export type OfferEnd = 'ACCEPTED' | 'DECLINED' | 'RESCINDED' | 'EXPIRED' | 'DISCARDED';

export type Change =
  | { readonly type: 'NUMBER_TAKEN'; readonly of: 'FRAMEWORK' | 'AGENT' }
  /** Known, not connected. */
  | {
      readonly type: 'FRAMEWORK_ADDED';
      readonly info: FrameworkInfo & { readonly id: FrameworkId };
      readonly wallMs: number;
      readonly failoverAtMs?: number;
    }
  | {
      readonly type: 'FRAMEWORK_CHANGED';
      readonly frameworkId: FrameworkId;
      readonly info: FrameworkInfo & { readonly id: FrameworkId };
      readonly suppressed: readonly Role[];
      readonly constraints: OfferConstraints;
    }
  | { readonly type: 'FRAMEWORK_CONNECTED'; readonly frameworkId: FrameworkId; readonly peerId: number }
  | { readonly type: 'FRAMEWORK_DISCONNECTED'; readonly frameworkId: FrameworkId; readonly failoverAtMs: number }
  /** Its offers have ended before. Live tasks become TASK_KILLED and hold resources until their agents confirm. */
  | {
      readonly type: 'FRAMEWORK_ENDED';
      readonly frameworkId: FrameworkId;
      readonly why: string;
      readonly wallMs: number;
    }
  | {
      readonly type: 'ROLES_SUPPRESSED' | 'ROLES_REVIVED';
      readonly frameworkId: FrameworkId;
      readonly roles: readonly Role[] | undefined;
    }
  | { readonly type: 'DEMAND_TOLD'; readonly frameworkId: FrameworkId; readonly demand: readonly DemandHint[] }
  | { readonly type: 'OFFER_MADE'; readonly offer: OfferRecord }
  /** What was not used follows as RETURNED. */
  | { readonly type: 'OFFER_ENDED'; readonly offerId: OfferId; readonly how: OfferEnd }
  | { readonly type: 'RETURNED'; readonly grant: Grant; readonly refuseMs: number }
  /** A grant that no offer was made of. */
  | { readonly type: 'GRANT_REFUSED'; readonly grant: Grant; readonly refuseMs: number }
  /** `booked`: its resources come out of an accepted offer; otherwise they are booked now if it holds them. */
  | { readonly type: 'TASK_ADDED'; readonly task: TaskRecord; readonly booked: boolean }
  /** `forwarded`: the framework got `status` as a step of the agent's stream. */
  | {
      readonly type: 'TASK_UPDATED';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly state: TaskState;
      readonly status: TaskStatus;
      readonly forwarded: boolean;
    }
  | {
      readonly type: 'TASK_UNREACHABLE';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly status: TaskStatus;
    }
  | {
      readonly type: 'TASK_RETURNED';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly state: TaskState;
      readonly status?: TaskStatus;
    }
  /** Ended in the master's name while its agent cannot confirm: its resources stay held. */
  | {
      readonly type: 'TASK_ENDED_UNCONFIRMED';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly status: TaskStatus;
    }
  /** The framework has done with it; if its resources are held, they stay so until HELD_RELEASED. */
  | { readonly type: 'TASK_COMPLETED'; readonly frameworkId: FrameworkId; readonly taskId: TaskId }
  /** An agent runs a task that is no longer live: its resources are booked until it confirms the end. */
  | { readonly type: 'TASK_HELD'; readonly task: TaskRecord }
  | {
      readonly type: 'HELD_RELEASED';
      readonly agentId: AgentId;
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
    }
  | {
      readonly type: 'KILL_ASKED';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly policy?: KillPolicy;
    }
  | { readonly type: 'EXECUTOR_ADDED'; readonly executor: ExecutorRecord; readonly booked: boolean }
  | {
      readonly type: 'EXECUTOR_REMOVED';
      readonly agentId: AgentId;
      readonly frameworkId: FrameworkId;
      readonly executorId: ExecutorId;
    }
  /** From the registry: known, not yet back. */
  | {
      readonly type: 'AGENT_RECOVERED';
      readonly agentId: AgentId;
      readonly info: AgentInfo;
      readonly total: Bag;
      readonly unreachableAtMs?: number;
    }
  | {
      readonly type: 'AGENT_CONNECTED';
      readonly agentId: AgentId;
      readonly info: AgentInfo;
      readonly total: Bag;
      readonly peerId: number;
      readonly isNew: boolean;
      readonly wallMs: number;
    }
  | { readonly type: 'AGENT_LEAVING'; readonly agentId: AgentId }
  | { readonly type: 'AGENT_DISCONNECTED'; readonly agentId: AgentId }
  /** Its offers have ended and its live tasks are TASK_UNREACHABLE before. */
  | { readonly type: 'AGENT_UNREACHABLE'; readonly agentId: AgentId; readonly wallMs: number }
  | { readonly type: 'AGENT_REMOVED'; readonly agentId: AgentId; readonly why: string }
  | { readonly type: 'AGENT_GONE'; readonly agentId: AgentId };

/** Carries out one change. A change that does not fit the state is a bug of a decision: an assertion fails. */
export function applyChange(state: ClusterState, allocator: Allocator, change: Change): void {
  switch (change.type) {
    case 'NUMBER_TAKEN':
      if (change.of === 'FRAMEWORK') state.nextFramework += 1;
      else state.nextAgent += 1;
      return;
    case 'FRAMEWORK_ADDED': {
      const framework = newFramework(change.info, change.wallMs);
      framework.failoverAtMs = change.failoverAtMs;
      state.frameworks.set(framework.id, framework);
      allocator.addFramework(allocatorFramework(framework), []);
      allocator.deactivateFramework(framework.id);
      return;
    }
    case 'FRAMEWORK_CHANGED': {
      const framework = frameworkOf(state, change.frameworkId);
      framework.info = change.info;
      framework.partitionAware = isPartitionAware(change.info);
      framework.suppressed = new Set(change.suppressed);
      framework.constraints = change.constraints;
      allocator.updateFramework(allocatorFramework(framework));
      return;
    }
    case 'FRAMEWORK_CONNECTED': {
      const framework = frameworkOf(state, change.frameworkId);
      framework.state = 'ACTIVE';
      framework.peerId = change.peerId;
      framework.failoverAtMs = undefined;
      allocator.activateFramework(framework.id);
      return;
    }
    case 'FRAMEWORK_DISCONNECTED': {
      const framework = frameworkOf(state, change.frameworkId);
      framework.state = 'DISCONNECTED';
      framework.peerId = undefined;
      framework.failoverAtMs = change.failoverAtMs;
      allocator.deactivateFramework(framework.id);
      return;
    }
    case 'FRAMEWORK_ENDED':
      endFramework(state, allocator, change.frameworkId, change.why, change.wallMs);
      return;
    case 'ROLES_SUPPRESSED': {
      const framework = frameworkOf(state, change.frameworkId);
      framework.suppressed = new Set([...framework.suppressed, ...(change.roles ?? framework.info.roles)]);
      allocator.suppress(framework.id, change.roles);
      return;
    }
    case 'ROLES_REVIVED': {
      const framework = frameworkOf(state, change.frameworkId);
      const revived = change.roles ?? framework.info.roles;
      framework.suppressed = new Set([...framework.suppressed].filter(role => !revived.includes(role)));
      allocator.revive(framework.id, change.roles);
      return;
    }
    case 'DEMAND_TOLD':
      frameworkOf(state, change.frameworkId).demand = change.demand;
      return;
    case 'OFFER_MADE': {
      const { offer } = change;
      const agent = agentOf(state, offer.agentId);
      assert(agent.state === 'REGISTERED', 'an offer of an agent that is not registered');
      assert(!state.offers.has(offer.id), 'an offer id is used twice');
      agent.free = subtract(agent.free, offer.resources);
      state.offers.set(offer.id, offer);
      state.nextOffer += 1;
      agent.offers.add(offer);
      frameworkOf(state, offer.frameworkId).offers.add(offer);
      return;
    }
    case 'OFFER_ENDED': {
      const offer = must(state.offers.get(change.offerId), 'the offer that ends');
      state.offers.delete(offer.id);
      agentOf(state, offer.agentId).offers.delete(offer);
      frameworkOf(state, offer.frameworkId).offers.delete(offer);
      return;
    }
    case 'RETURNED':
      giveBack(agentOf(state, change.grant.agentId), allocator, change.grant, change.refuseMs);
      return;
    case 'GRANT_REFUSED':
      allocator.recover(change.grant, change.refuseMs);
      return;
    case 'TASK_ADDED': {
      const { task } = change;
      const framework = frameworkOf(state, task.frameworkId);
      assert(!framework.tasks.has(task.id), 'a live task id is used twice');
      framework.tasks.set(task.id, task);
      agentOf(state, task.agentId).tasks.add(task);
      if (!task.holds) return;
      framework.holds += 1;
      if (!change.booked) book(state, allocator, task);
      return;
    }
    case 'TASK_UPDATED': {
      const task = taskOf(state, change.frameworkId, change.taskId);
      assert(task.state === change.state || !isTerminal(task.state), 'a task leaves a terminal state');
      task.state = change.state;
      note(state, task, change.status);
      if (change.forwarded) {
        task.streamState = change.status.state;
        task.uuid = change.status.uuid;
      }
      if (task.holds && isResourceFree(task.state)) release(state, allocator, task);
      return;
    }
    case 'TASK_ENDED_UNCONFIRMED': {
      const task = taskOf(state, change.frameworkId, change.taskId);
      assert(!isTerminal(task.state) && isTerminal(change.status.state), 'an ended task ends again');
      task.state = change.status.state;
      note(state, task, change.status);
      return;
    }
    case 'TASK_UNREACHABLE': {
      const task = taskOf(state, change.frameworkId, change.taskId);
      assert(!isTerminal(task.state), 'an ended task becomes unreachable');
      const framework = frameworkOf(state, task.frameworkId);
      task.state = 'TASK_UNREACHABLE';
      task.unreachableAtMs = change.status.unreachableTimeMs;
      note(state, task, change.status);
      if (task.holds) release(state, allocator, task);
      framework.tasks.delete(task.id);
      agentOf(state, task.agentId).tasks.delete(task);
      remember(framework.unreachable, task.id, task, state.options.unreachableTasksMax);
      return;
    }
    case 'TASK_RETURNED': {
      const framework = frameworkOf(state, change.frameworkId);
      const task = must(framework.unreachable.get(change.taskId), 'the task that returns');
      framework.unreachable.delete(task.id);
      framework.tasks.set(task.id, task);
      agentOf(state, task.agentId).tasks.add(task);
      task.state = change.state;
      task.unreachableAtMs = undefined;
      if (change.status !== undefined) note(state, task, change.status);
      if (isResourceFree(task.state)) return;
      task.holds = true;
      framework.holds += 1;
      book(state, allocator, task);
      return;
    }
    case 'TASK_COMPLETED': {
      const framework = frameworkOf(state, change.frameworkId);
      const task = must(framework.tasks.get(change.taskId), 'the task that is done with');
      complete(state, framework, task);
      return;
    }
    case 'TASK_HELD': {
      const { task } = change;
      const agent = agentOf(state, task.agentId);
      assert(task.holds, 'a held task that holds nothing');
      agent.tasks.add(task);
      agent.held.set(heldKey(task.frameworkId, task.id), task);
      countHold(state, allocator, task.frameworkId);
      book(state, allocator, task);
      return;
    }
    case 'HELD_RELEASED': {
      const agent = agentOf(state, change.agentId);
      const task = must(agent.held.get(heldKey(change.frameworkId, change.taskId)), 'the held task');
      forgetHeld(state, allocator, agent, task);
      return;
    }
    case 'KILL_ASKED': {
      const framework = frameworkOf(state, change.frameworkId);
      const task = must(
        framework.tasks.get(change.taskId) ?? framework.unreachable.get(change.taskId),
        'the task to kill',
      );
      task.kill = change.policy === undefined ? {} : { policy: change.policy };
      return;
    }
    case 'EXECUTOR_ADDED': {
      const { executor } = change;
      agentOf(state, executor.agentId).executors.set(executorKey(executor.frameworkId, executor.id), executor);
      countHold(state, allocator, executor.frameworkId);
      if (!change.booked) book(state, allocator, executor);
      return;
    }
    case 'EXECUTOR_REMOVED': {
      const agent = agentOf(state, change.agentId);
      const key = executorKey(change.frameworkId, change.executorId);
      const executor = must(agent.executors.get(key), 'the executor that ended');
      agent.executors.delete(key);
      freeHold(state, allocator, executor);
      return;
    }
    case 'AGENT_RECOVERED': {
      const away = change.unreachableAtMs !== undefined;
      const agent = newAgent(change.agentId, change.info, change.total);
      agent.state = away ? 'UNREACHABLE' : 'RECOVERED';
      agent.unreachableAtMs = change.unreachableAtMs;
      state.agents.set(agent.id, agent);
      if (!away) state.agentsRecovering += 1;
      return;
    }
    case 'AGENT_CONNECTED':
      connectAgent(state, allocator, change);
      return;
    case 'AGENT_LEAVING':
      agentOf(state, change.agentId).leaving = true;
      return;
    case 'AGENT_DISCONNECTED': {
      const agent = agentOf(state, change.agentId);
      assert(agent.offers.size === 0, 'a disconnected agent has offers');
      agent.state = 'DISCONNECTED';
      agent.peerId = undefined;
      allocator.deactivateAgent(agent.id);
      return;
    }
    case 'AGENT_UNREACHABLE': {
      const agent = agentOf(state, change.agentId);
      withdrawAgent(state, allocator, agent);
      agent.state = 'UNREACHABLE';
      agent.unreachableAtMs = change.wallMs;
      return;
    }
    case 'AGENT_REMOVED': {
      const agent = agentOf(state, change.agentId);
      withdrawAgent(state, allocator, agent);
      state.agents.delete(agent.id);
      return;
    }
    case 'AGENT_GONE':
      state.goneAgents.add(change.agentId);
      return;
    default:
      assertNever(change, 'change');
  }
}

/** A framework as the allocator sees it. */
function allocatorFramework(framework: FrameworkRecord): AllocatorFramework {
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

function newAgent(id: AgentId, info: AgentInfo, total: Bag): AgentRecord {
  return {
    id,
    info,
    total,
    free: total,
    state: 'RECOVERED',
    leaving: false,
    peerId: undefined,
    registeredAtMs: 0,
    unreachableAtMs: undefined,
    offers: new Set(),
    tasks: new Set(),
    held: new Map(),
    executors: new Map(),
  };
}

function connectAgent(
  state: ClusterState,
  allocator: Allocator,
  change: Extract<Change, { type: 'AGENT_CONNECTED' }>,
): void {
  const known = state.agents.get(change.agentId);
  const agent = known ?? newAgent(change.agentId, change.info, change.total);
  if (known === undefined) state.agents.set(agent.id, agent);
  if (known?.state === 'RECOVERED') state.agentsRecovering -= 1;
  const before = agent.info;
  const sameTotal = equals(agent.total, change.total);
  if (!sameTotal) {
    assert(agent.offers.size === 0, 'an agent with offers changes its resources');
    agent.free = subtract(change.total, subtract(agent.total, agent.free));
    agent.total = change.total;
  }
  agent.info = change.info;
  const seen = {
    id: agent.id,
    hostname: agent.info.hostname,
    total: agent.total,
    attributes: agent.info.attributes,
    ...(agent.info.domain === undefined ? {} : { domain: agent.info.domain }),
  };
  const inPool = known !== undefined && (known.state === 'REGISTERED' || known.state === 'DISCONNECTED');
  agent.state = 'REGISTERED';
  agent.leaving = false;
  agent.peerId = change.peerId;
  agent.registeredAtMs = change.wallMs;
  agent.unreachableAtMs = undefined;
  if (!inPool) {
    allocator.addAgent(seen, []);
  } else if (!sameTotal || before !== change.info) {
    allocator.updateAgent(seen);
  }
  allocator.activateAgent(agent.id);
}

/** Takes the agent out of the pool: what is still held there is given back first, so that the allocator's books stay even. */
function withdrawAgent(state: ClusterState, allocator: Allocator, agent: AgentRecord): void {
  assert(agent.offers.size === 0, 'an agent with offers leaves');
  if (agent.state === 'RECOVERED') state.agentsRecovering -= 1;
  const inPool = agent.state === 'REGISTERED' || agent.state === 'DISCONNECTED';
  for (const task of agent.held.values()) forgetHeld(state, allocator, agent, task);
  for (const [key, executor] of agent.executors) {
    agent.executors.delete(key);
    freeHold(state, allocator, executor);
  }
  for (const task of agent.tasks) assert(!task.holds, 'an agent leaves with live tasks');
  assert(equals(agent.free, agent.total), 'an agent leaves with resources in use');
  agent.peerId = undefined;
  agent.leaving = false;
  if (inPool) allocator.removeAgent(agent.id);
}

function endFramework(state: ClusterState, allocator: Allocator, id: FrameworkId, why: string, wallMs: number): void {
  const framework = frameworkOf(state, id);
  assert(framework.offers.size === 0, 'a framework ends with offers');
  for (const task of [...framework.unreachable.values(), ...framework.tasks.values()]) {
    if (!isTerminal(task.state)) {
      task.state = 'TASK_KILLED';
      note(state, task, {
        taskId: task.id,
        state: 'TASK_KILLED',
        source: 'MASTER',
        reason: 'FRAMEWORK_REMOVED',
        message: why,
        agentId: task.agentId,
        timestampMs: wallMs,
      });
    }
    complete(state, framework, task);
  }
  framework.unreachable.clear();
  framework.state = 'COMPLETED';
  framework.peerId = undefined;
  framework.failoverAtMs = undefined;
  framework.demand = [];
  state.frameworks.delete(id);
  state.completedFrameworks.set(id, framework);
  allocator.deactivateFramework(id);
  leaveAllocator(state, allocator, framework);
}

// An ended framework that holds again (an agent came back with its tasks) must be known to the allocator again.
function countHold(state: ClusterState, allocator: Allocator, id: FrameworkId): void {
  const framework = anyFrameworkOf(state, id);
  if (framework.state === 'COMPLETED' && framework.holds === 0) {
    allocator.addFramework(allocatorFramework(framework), []);
    allocator.deactivateFramework(id);
  }
  framework.holds += 1;
}

// The allocator keeps an ended framework until nothing of it is held; then it may be forgotten, too.
function leaveAllocator(state: ClusterState, allocator: Allocator, framework: FrameworkRecord): void {
  if (framework.state !== 'COMPLETED' || framework.holds > 0) return;
  allocator.removeFramework(framework.id);
  for (const [id, old] of state.completedFrameworks) {
    if (state.completedFrameworks.size <= state.options.completedFrameworksMax) return;
    if (old.holds === 0) state.completedFrameworks.delete(id);
  }
}

function complete(state: ClusterState, framework: FrameworkRecord, task: TaskRecord): void {
  framework.tasks.delete(task.id);
  task.kill = undefined;
  const agent = state.agents.get(task.agentId);
  if (task.holds) must(agent, 'the agent of a held task').held.set(heldKey(framework.id, task.id), task);
  else agent?.tasks.delete(task);
  remember(framework.completed, task.id, task, state.options.completedTasksMax);
}

function forgetHeld(state: ClusterState, allocator: Allocator, agent: AgentRecord, task: TaskRecord): void {
  agent.held.delete(heldKey(task.frameworkId, task.id));
  agent.tasks.delete(task);
  task.holds = false;
  freeHold(state, allocator, task);
}

function release(state: ClusterState, allocator: Allocator, task: TaskRecord): void {
  task.holds = false;
  freeHold(state, allocator, task);
}

interface Hold {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  readonly resources: Bag;
}

function book(state: ClusterState, allocator: Allocator, hold: Hold): void {
  const agent = agentOf(state, hold.agentId);
  agent.free = subtract(agent.free, hold.resources);
  allocator.book(grantOf(hold));
}

function freeHold(state: ClusterState, allocator: Allocator, hold: Hold): void {
  const framework = anyFrameworkOf(state, hold.frameworkId);
  framework.holds -= 1;
  giveBack(agentOf(state, hold.agentId), allocator, grantOf(hold), 0);
  leaveAllocator(state, allocator, framework);
}

function giveBack(agent: AgentRecord, allocator: Allocator, grant: Grant, refuseMs: number): void {
  if (isEmpty(grant.resources)) return;
  agent.free = addDisjoint(agent.free, grant.resources);
  assert(contains(agent.total, agent.free), 'more is free on an agent than it has');
  allocator.recover(grant, refuseMs);
}

/** What the allocator calls it. */
export function grantOf(hold: Hold): Grant {
  return { frameworkId: hold.frameworkId, role: hold.role, agentId: hold.agentId, resources: hold.resources };
}

function note(state: ClusterState, task: TaskRecord, status: TaskStatus): void {
  const { data, ...kept } = status;
  task.last = data === undefined ? status : kept;
  const { history } = task;
  const previous = history.at(-1);
  // A resent status is no news.
  if (previous?.uuid !== undefined && previous.uuid === status.uuid) return;
  task.history = [...(history.length < state.options.statusHistoryMax ? history : history.slice(1)), task.last];
}

function remember<K, V>(cache: Map<K, V>, key: K, value: V, max: number): void {
  cache.delete(key);
  cache.set(key, value);
  if (cache.size <= max) return;
  for (const oldest of cache.keys()) {
    cache.delete(oldest);
    return;
  }
}

function frameworkOf(state: ClusterState, id: FrameworkId): FrameworkRecord {
  return must(state.frameworks.get(id), 'the framework');
}

function anyFrameworkOf(state: ClusterState, id: FrameworkId): FrameworkRecord {
  return must(state.frameworks.get(id) ?? state.completedFrameworks.get(id), 'the framework');
}

function agentOf(state: ClusterState, id: AgentId): AgentRecord {
  return must(state.agents.get(id), 'the agent');
}

function taskOf(state: ClusterState, frameworkId: FrameworkId, id: TaskId): TaskRecord {
  return must(frameworkOf(state, frameworkId).tasks.get(id), 'the task');
}
