// The one place that carries out changes, on the state and on the allocator's books together.
import { assert, assertNever, must } from '../base/assert.js';
import type { FrameworkId, Role } from '../base/ids.js';
import type { Allocator } from '../allocator/allocator.js';
import type { Quota } from '../allocator/model.js';
import { isResourceFree, isTerminal } from '../protocol/task-state.js';
import { connectAgent, forgetTasks, leftBehindOf, loseAgent, newAgent, withdrawAgent } from './apply-agents.js';
import { applyResources } from './apply-resources.js';
import { complete, forgetHeld, note, release, remember } from './apply-tasks.js';
import { applyUpkeep, clearInverseFilters, discardInverse, forgetInverse } from './apply-upkeep.js';
import {
  allocatorDemand,
  allocatorFramework,
  book,
  bookShared,
  countHold,
  freeHold,
  giveBack,
  leaveAllocator,
  takeFree,
} from './books.js';
import type { Change } from './changes.js';
import type { ClusterState } from './state.js';
import { agentOf, executorKey, frameworkOf, heldKey, isPartitionAware, newFramework, taskOf } from './state.js';

/** Carries out one change. A change that does not fit the state is a bug of a decision: an assertion fails. */
export function applyChange(state: ClusterState, allocator: Allocator, change: Change): void {
  switch (change.type) {
    case 'NUMBER_TAKEN':
      if (change.of === 'FRAMEWORK') state.nextFramework += 1;
      else if (change.of === 'AGENT') state.nextAgent += 1;
      else state.nextOperation += 1;
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
    case 'FRAMEWORK_PLANNED':
      frameworkOf(state, change.info.id).plan = change.info;
      return;
    case 'FRAMEWORK_RETURNING': {
      const { info, peerId } = change;
      state.returningFrameworks.set(info.id, peerId);
      const framework = state.frameworks.get(info.id);
      if (framework === undefined) return;
      framework.plan = info;
      if (framework.ending === 'FAILOVER_TIMEOUT') framework.ending = undefined;
      return;
    }
    case 'FRAMEWORK_RETURN_FAILED':
      state.returningFrameworks.delete(change.frameworkId);
      return;
    case 'FRAMEWORK_ENDING': {
      const framework = frameworkOf(state, change.frameworkId);
      if (framework.ending !== 'CALL') framework.ending = change.by;
      return;
    }
    case 'FRAMEWORK_FORGOTTEN':
      assert(state.idleFrameworks.delete(change.frameworkId), 'a framework that holds is forgotten');
      state.completedFrameworks.delete(change.frameworkId);
      return;
    case 'FRAMEWORK_CONNECTED': {
      const framework = frameworkOf(state, change.frameworkId);
      if (state.returningFrameworks.get(framework.id) === change.peerId) state.returningFrameworks.delete(framework.id);
      framework.state = 'ACTIVE';
      framework.peerId = change.peerId;
      framework.newestPeerId = change.peerId;
      framework.failoverAtMs = undefined;
      discardInverse(state, framework.id);
      allocator.activateFramework(framework.id);
      return;
    }
    case 'FRAMEWORK_DISCONNECTED': {
      const framework = frameworkOf(state, change.frameworkId);
      framework.state = 'DISCONNECTED';
      framework.peerId = undefined;
      framework.failoverAtMs = change.failoverAtMs;
      discardInverse(state, framework.id);
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
      clearInverseFilters(state, framework.id);
      allocator.revive(framework.id, change.roles);
      return;
    }
    case 'DEMAND_TOLD':
      frameworkOf(state, change.frameworkId).demand = change.demand;
      allocator.setDemand(change.frameworkId, change.demand.map(allocatorDemand));
      return;
    case 'OFFER_MADE': {
      const { offer } = change;
      const agent = agentOf(state, offer.agentId);
      assert(agent.state === 'REGISTERED', 'an offer of an agent that is not registered');
      assert(agent.admin.activity === 'ACTIVE', 'an offer of an agent that is not active');
      assert(!state.offers.has(offer.id), 'an offer id is used twice');
      state.offers.set(offer.id, offer);
      state.nextOffer += 1;
      agent.offers.add(offer);
      if (offer.sequence === undefined) takeFree(agent, offer.resources);
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
    case 'COMMITTED':
    case 'OFFERS_JOINED':
    case 'ACCEPT_JUDGED':
    case 'OFFER_SETTLED':
    case 'CONVERTED':
    case 'OPERATION_ADDED':
    case 'OPERATION_UPDATED':
    case 'OPERATION_FORGOTTEN':
    case 'AGENT_RESOURCES':
    case 'INTENT_KEPT':
    case 'INTENT_MARKED':
    case 'INTENT_WAITS':
    case 'INTENT_ENDED':
      applyResources(state, allocator, change);
      return;
    case 'QUOTA_PLANNED':
      state.quotasPlanned = withQuota(state.quotasPlanned, change.role, change.quota);
      return;
    case 'QUOTA_SET':
      state.quotas = withQuota(state.quotas, change.role, change.quota);
      allocator.setQuota(change.role, change.quota);
      return;
    case 'WEIGHT_SET':
      state.weights.set(change.role, change.weight);
      allocator.setWeight(change.role, change.weight);
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
      else bookShared(allocator, task);
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
      const agent = agentOf(state, task.agentId);
      agent.tasks.delete(task);
      leftBehindOf(agent, framework.id);
      const { unreachable } = framework;
      const oldest = unreachable.values().next().value;
      remember(unreachable, task.id, task, state.options.unreachableTasksMax);
      if (oldest !== undefined && !unreachable.has(oldest.id)) forgetTasks(state, oldest.agentId);
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
      else bookShared(allocator, executor);
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
      if (away) state.unreachableAgents.add(agent.id);
      else state.agentsRecovering += 1;
      state.agentsOfUnknownTasks += 1;
      return;
    }
    case 'AGENT_REGISTERING':
      state.registeringAgents.set(change.agentId, change.peerId);
      return;
    case 'AGENT_REGISTRATION_FAILED':
      state.registeringAgents.delete(change.agentId);
      return;
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
    case 'AGENT_UNREACHABLE':
      loseAgent(state, allocator, agentOf(state, change.agentId), change.wallMs);
      return;
    case 'AGENT_REMOVED': {
      const agent = agentOf(state, change.agentId);
      withdrawAgent(state, allocator, agent);
      if (!agent.tasksKnown) state.agentsOfUnknownTasks -= 1;
      state.agents.delete(agent.id);
      return;
    }
    case 'AGENT_GONE':
      state.goingAgents.delete(change.agentId);
      state.goneAgents.set(change.agentId, change.sinceMs);
      return;
    case 'AGENT_GONE_FORGOTTEN':
      state.goneAgents.delete(change.agentId);
      return;
    case 'STRANGERS_EXPECTED':
      state.strangersExpected = change.expected;
      return;
    case 'AGENT_GOING':
      state.goingAgents.add(change.agentId);
      return;
    case 'AGENT_PLANNED':
    case 'AGENT_ADMIN_CHANGED':
    case 'MAINTENANCE_PLANNED':
    case 'MAINTENANCE_CHANGED':
    case 'INVERSE_OFFER_MADE':
    case 'INVERSE_OFFER_EXPIRED':
    case 'INVERSE_OFFER_ANSWERED':
    case 'INVERSE_OFFER_FORGOTTEN':
      applyUpkeep(state, allocator, change);
      return;
    default:
      assertNever(change, 'change');
  }
}

function withQuota(quotas: ReadonlyMap<Role, Quota>, role: Role, quota: Quota | undefined): ReadonlyMap<Role, Quota> {
  const changed = new Map(quotas);
  if (quota === undefined) changed.delete(role);
  else changed.set(role, quota);
  return changed;
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
  // Its operations stay with their agents until those have told the outcome, which nobody waits for any more.
  framework.operations.clear();
  framework.state = 'COMPLETED';
  framework.ending = undefined;
  framework.peerId = undefined;
  framework.failoverAtMs = undefined;
  framework.demand = [];
  forgetInverse(state, id);
  state.frameworks.delete(id);
  state.completedFrameworks.set(id, framework);
  allocator.deactivateFramework(id);
  leaveAllocator(state, allocator, framework);
}
