// How resources change hands or shape: committed, converted, told anew by their agent. In: the state, the allocator, the change. Out: both changed.
import { assertNever, must } from '../base/assert.js';
import type { OperationUuid } from '../base/ids.js';
import type { Allocator } from '../allocator/allocator.js';
import type { Grant } from '../allocator/model.js';
import type { Bag } from '../resources/index.js';
import { add, contains, convert, equals, exclusive, remainder, shared, subtract } from '../resources/index.js';
import type { Hold } from './books.js';
import { allocatorAgent, grantOf, holdsOn, recount, relabelled, takeFree } from './books.js';
import type { Change } from './changes.js';
import type { AgentRecord, ClusterState, IntentRecord, OperationRecord } from './state.js';
import { agentOf } from './state.js';

export type ResourceChange = Extract<
  Change,
  {
    type:
      | 'COMMITTED'
      | 'OFFERS_JOINED'
      | 'ACCEPT_JUDGED'
      | 'OFFER_SETTLED'
      | 'CONVERTED'
      | 'OPERATION_ADDED'
      | 'OPERATION_UPDATED'
      | 'OPERATION_FORGOTTEN'
      | 'AGENT_RESOURCES'
      | 'INTENT_KEPT'
      | 'INTENT_MARKED'
      | 'INTENT_WAITS'
      | 'INTENT_ENDED';
  }
>;

export function applyResources(state: ClusterState, allocator: Allocator, change: ResourceChange): void {
  switch (change.type) {
    case 'COMMITTED': {
      const { grant } = change;
      const agent = agentOf(state, grant.agentId);
      agent.version += 1;
      if (grant.sequence !== undefined) takeFree(agent, grant.resources);
      allocator.commit(grant, change.tasks);
      return;
    }
    case 'OFFERS_JOINED':
      for (const grant of change.grants) allocator.recover(grant);
      allocator.book(change.joined);
      return;
    case 'ACCEPT_JUDGED':
      return;
    case 'OFFER_SETTLED':
      allocator.offerEnded(change.grant);
      return;
    case 'CONVERTED': {
      const agent = agentOf(state, change.agentId);
      const { consumed, produced } = change.conversion;
      agent.version += 1;
      agent.total = convert(agent.total, change.conversion);
      // Shared volumes are always free, whoever holds them.
      if (change.holder === undefined) agent.free = convert(agent.free, change.conversion);
      else agent.free = add(subtract(agent.free, shared(consumed)), shared(produced));
      allocator.convert(agent.id, change.conversion, change.holder);
      return;
    }
    case 'OPERATION_ADDED': {
      const { operation } = change;
      state.nextOperation += 1;
      agentOf(state, operation.agentId).operations.set(operation.uuid, operation);
      const framework = operation.frameworkId === undefined ? undefined : state.frameworks.get(operation.frameworkId);
      if (operation.id !== undefined)
        must(framework, 'the framework of an operation').operations.set(operation.id, operation);
      return;
    }
    case 'OPERATION_UPDATED': {
      const operation = must(agentOf(state, change.agentId).operations.get(change.uuid), 'the operation told of');
      operation.status = change.status;
      return;
    }
    case 'OPERATION_FORGOTTEN': {
      const { operations } = agentOf(state, change.agentId);
      const operation = must(operations.get(change.uuid), 'the operation that is over');
      operations.delete(change.uuid);
      forgetOperation(state, operation);
      return;
    }
    case 'INTENT_KEPT':
      state.intents.set(change.intent.uuid, change.intent);
      return;
    case 'INTENT_MARKED':
      intentOf(state, change.uuid).sent = change.sent;
      if (change.sent) intentOf(state, change.uuid).waits = undefined;
      return;
    case 'INTENT_WAITS':
      intentOf(state, change.uuid).waits = change.why;
      return;
    case 'INTENT_ENDED': {
      const intent = intentOf(state, change.uuid);
      state.intents.delete(change.uuid);
      state.outcomes.set(change.uuid, { intent, ...change.ending });
      for (const oldest of state.outcomes.keys()) {
        if (state.outcomes.size <= state.options.operationOutcomesMax) break;
        state.outcomes.delete(oldest);
      }
      return;
    }
    case 'AGENT_RESOURCES': {
      const agent = agentOf(state, change.agentId);
      if (equals(agent.total, change.total)) return;
      agent.version += 1;
      setTotal(agent, change.total, allocator);
      return;
    }
    default:
      assertNever(change, 'change of resources');
  }
}

function intentOf(state: ClusterState, uuid: OperationUuid): IntentRecord {
  return must(state.intents.get(uuid), 'the intent');
}

/** Takes an operation out of its framework's list. */
export function forgetOperation(state: ClusterState, operation: OperationRecord): void {
  if (operation.id === undefined || operation.frameworkId === undefined) return;
  const framework = state.frameworks.get(operation.frameworkId);
  if (framework?.operations.get(operation.id) === operation) framework.operations.delete(operation.id);
}

/**
 * Gives an agent another total. Tasks that have lost the reservation or volume they run on keep running, on what is left of the same names;
 * where that is not enough, or the estimate of what is revocable went down, more is held than there is.
 */
export function setTotal(agent: AgentRecord, total: Bag, allocator: Allocator): void {
  agent.total = total;
  const moved = moveHolds(agent);
  for (const { before } of moved) allocator.recover(before);
  allocator.updateAgent(allocatorAgent(agent));
  for (const { hold } of moved) allocator.book(grantOf(hold));
  recount(agent);
}

// Holds that are in the new total as they are go first, so that the others do not take what is theirs.
function moveHolds(agent: AgentRecord): { readonly hold: Hold; readonly before: Grant }[] {
  let left = agent.total;
  for (const offer of agent.offers)
    if (offer.sequence === undefined) left = remainder(left, exclusive(offer.resources));
  const homeless: Hold[] = [];
  for (const hold of holdsOn(agent)) {
    if (contains(left, hold.resources)) left = subtract(left, exclusive(hold.resources));
    else homeless.push(hold);
  }
  const moved: { hold: Hold; before: Grant }[] = [];
  for (const hold of homeless) {
    const before = grantOf(hold);
    hold.resources = relabelled(left, hold);
    left = remainder(left, exclusive(hold.resources));
    if (!equals(hold.resources, before.resources)) moved.push({ hold, before });
  }
  return moved;
}
