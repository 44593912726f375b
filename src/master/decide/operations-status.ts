// What becomes of operations: outcomes from agents, acknowledgements, reconciliation; and what agents say they have. In: state, call. Out: changes, effects.
import { assertNever } from '../../base/assert.js';
import type { AgentId } from '../../base/ids.js';
import type { AgentCall } from '../../protocol/agent-api.js';
import type { OperationState, OperationStatus } from '../../protocol/entities.js';
import type { OperationReference, SchedulerCall } from '../../protocol/scheduler-api.js';
import type { Bag, Conversion } from '../../resources/index.js';
import { contains, convert, emptyBag, equals, subtract, toBag, volumesOf } from '../../resources/index.js';
import { holdsOn } from '../books.js';
import type { Decision, Durable } from '../decision.js';
import { Draft, nothing } from '../decision.js';
import type { Registry } from '../registry.js';
import type { AgentRecord, ClusterView, FrameworkRecord, Moment, OperationRecord } from '../state.js';
import { rescind } from './offers.js';

type FromAgent<Type extends AgentCall['type']> = Extract<AgentCall, { type: Type }>;
type FromScheduler<Type extends SchedulerCall['type']> = Extract<SchedulerCall, { type: Type }>;

/** An outcome, which the agent repeats until it is acknowledged: by the framework that gave the operation an id, else by the master. */
export function decideOperationStatus(
  view: ClusterView,
  registry: Registry,
  agent: Readonly<AgentRecord>,
  call: FromAgent<'OPERATION_STATUS'>,
): Decision {
  const draft = new Draft();
  const status: OperationStatus = { ...call.status, agentId: agent.id };
  const { uuid } = status;
  if (uuid === undefined) return draft;
  const known = agent.operations.get(uuid);
  const operationId = known?.id ?? status.operationId;
  const frameworkId = known?.frameworkId ?? status.frameworkId;
  const framework = frameworkId === undefined ? undefined : view.frameworks.get(frameworkId);
  if (operationId === undefined || framework === undefined) {
    if (known !== undefined) draft.change({ type: 'OPERATION_FORGOTTEN', agentId: agent.id, uuid });
    if (view.intents.has(uuid)) {
      // The agent forgets it when the registry has: else a master in between would send it once more.
      const { state, message } = status;
      const why = message === undefined ? {} : { message };
      const next = { type: 'INTENT_REMOVAL_STORED', agentId: agent.id, uuid, state, ...why } as const;
      return draft.store(registry.intentForgotten(uuid), next);
    }
    return draft.toAgent(agent.id, { type: 'ACKNOWLEDGE_OPERATION', uuid });
  }
  if (known !== undefined) draft.change({ type: 'OPERATION_UPDATED', agentId: agent.id, uuid, status });
  else if (!framework.operations.has(operationId)) {
    // Of an earlier master's time.
    const operation: OperationRecord = {
      uuid,
      id: operationId,
      frameworkId: framework.id,
      agentId: agent.id,
      kind: undefined,
      conversion: { consumed: emptyBag, produced: emptyBag },
      status,
    };
    draft.change({ type: 'OPERATION_ADDED', operation });
  }
  if (framework.state !== 'ACTIVE') return draft;
  return draft.toFramework(framework.id, {
    type: 'UPDATE_OPERATION',
    status: { ...status, operationId, frameworkId: framework.id },
  });
}

/** The registry has forgotten an operator's operation. */
export function decideIntentOver(
  view: ClusterView,
  { agentId, uuid, state, message }: Extract<Durable, { type: 'INTENT_REMOVAL_STORED' }>,
  at: Moment,
): Decision {
  const draft = new Draft();
  const ending = { state, wallMs: at.wallMs, ...(message === undefined ? {} : { message }) };
  if (view.intents.has(uuid)) draft.change({ type: 'INTENT_ENDED', uuid, ending });
  return draft.toAgent(agentId, { type: 'ACKNOWLEDGE_OPERATION', uuid });
}

/** ACKNOWLEDGE_OPERATION: goes on to the agent. What comes for an agent that is away is dropped: it will ask again. */
export function decideAcknowledgeOperation(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: FromScheduler<'ACKNOWLEDGE_OPERATION'>,
): Decision {
  const draft = new Draft();
  const { uuid, agentId, operationId } = call;
  const agent = view.agents.get(agentId);
  if (agent?.state === 'REGISTERED') {
    const operation = agent.operations.get(uuid);
    const own = operation === undefined || (operation.frameworkId === framework.id && operation.id === operationId);
    if (own && operation?.status?.uuid === uuid) {
      draft.change({ type: 'OPERATION_FORGOTTEN', agentId, uuid });
      draft.toAgent(agentId, { type: 'ACKNOWLEDGE_OPERATION', uuid });
    }
  }
  return call.callId === undefined ? draft : draft.answer(peerId, call.callId, []);
}

/** RECONCILE_OPERATIONS: how each stands as far as the master knows; nobody acknowledges the answers. */
export function decideReconcileOperations(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: FromScheduler<'RECONCILE_OPERATIONS'>,
): Decision {
  const draft = new Draft();
  const asked: readonly OperationReference[] =
    call.operations.length > 0
      ? call.operations
      : Array.from(framework.operations, ([operationId, { agentId }]) => ({ operationId, agentId }));
  for (const { operationId, agentId } of asked) {
    const known = framework.operations.get(operationId);
    const where = known?.agentId ?? agentId;
    draft.toFramework(framework.id, {
      type: 'UPDATE_OPERATION',
      status: {
        operationId,
        frameworkId: framework.id,
        ...(where === undefined ? {} : { agentId: where }),
        state: known === undefined ? unknownState(view, agentId) : (known.status?.state ?? 'OPERATION_PENDING'),
        message: 'Reconciliation: latest known state',
        ...(known?.status?.converted === undefined ? {} : { converted: known.status.converted }),
      },
    });
  }
  return draft.answer(peerId, call.callId, []);
}

/** The agent's whole total: the truth, but for operations that it has not answered yet. */
export function decideUpdateResources(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  call: FromAgent<'UPDATE_RESOURCES'>,
): Decision {
  const { bag, problems } = toBag(call.resources);
  if (problems.length > 0) return nothing;
  const total = withUnanswered(agent, bag);
  if (equals(total, agent.total)) return nothing;
  const draft = new Draft();
  const changed = changedKeys(agent.total, total);
  // Who runs on what is gone is to have something else, which may be offered now.
  const homeless = holdsOn(agent).some(hold => hold.resources.some(r => !r.label.revocable && !contains(total, [r])));
  const lost = [...agent.offers].filter(offer => homeless || offer.resources.some(r => changed.has(r.key)));
  rescind(view, draft, lost, 'RESOURCES_CHANGED');
  return draft.change({ type: 'AGENT_RESOURCES', agentId: agent.id, total });
}

/** `told`, with the operations that are on their way to the agent, as far as they can succeed there. */
export function withUnanswered(agent: Readonly<AgentRecord>, told: Bag): Bag {
  let total = told;
  for (const { status, conversion } of agent.operations.values())
    if (status === undefined && canBe(total, conversion)) total = convert(total, conversion);
  return total;
}

function canBe(total: Bag, { consumed, produced }: Conversion): boolean {
  if (!contains(total, consumed)) return false;
  const stay = volumesOf(subtract(total, consumed));
  return volumesOf(produced).every(({ volume, resource }) =>
    stay.every(other => other.volume.id !== volume.id || other.resource.label.role !== resource.label.role),
  );
}

/** Tells frameworks of the operations of an agent that is lost to them; the records go with the agent. */
export function tellOperations(
  view: ClusterView,
  draft: Draft,
  agent: Readonly<AgentRecord>,
  state: OperationState,
  message: string,
): void {
  for (const operation of agent.operations.values()) tellOperation(view, draft, operation, state, message);
}

/** The agent is back over a new connection without having heard of these: they are dropped, and operators' ones will be sent again. */
export function dropUnheard(
  view: ClusterView,
  draft: Draft,
  agent: Readonly<AgentRecord>,
  listed: readonly OperationStatus[],
): void {
  for (const operation of agent.operations.values()) {
    const { uuid } = operation;
    if (listed.some(status => status.uuid === uuid)) continue;
    draft.change({ type: 'OPERATION_FORGOTTEN', agentId: agent.id, uuid });
    // Answered ones are not listed any more when their acknowledgement has arrived.
    if (operation.status === undefined)
      tellOperation(view, draft, operation, 'OPERATION_DROPPED', 'the operation did not reach the agent');
  }
  for (const { uuid, agentId } of view.intents.values()) {
    if (agentId !== agent.id) continue;
    const sent = listed.some(status => status.uuid === uuid);
    draft.change({ type: 'INTENT_MARKED', uuid, sent });
  }
}

function tellOperation(
  view: ClusterView,
  draft: Draft,
  operation: OperationRecord,
  state: OperationState,
  message: string,
): void {
  const { id: operationId, frameworkId, agentId } = operation;
  if (operationId === undefined || frameworkId === undefined) return;
  if (view.frameworks.get(frameworkId)?.state !== 'ACTIVE') return;
  draft.toFramework(frameworkId, {
    type: 'UPDATE_OPERATION',
    status: { operationId, frameworkId, agentId, state, message },
  });
}

function unknownState(view: ClusterView, agentId: AgentId | undefined): OperationState {
  if (agentId === undefined) return view.agentsRecovering > 0 ? 'OPERATION_RECOVERING' : 'OPERATION_UNKNOWN';
  if (view.goneAgents.has(agentId)) return 'OPERATION_GONE_BY_OPERATOR';
  const agent = view.agents.get(agentId);
  if (agent === undefined) return 'OPERATION_UNKNOWN';
  switch (agent.state) {
    case 'RECOVERED':
      return 'OPERATION_RECOVERING';
    case 'UNREACHABLE':
      return 'OPERATION_UNREACHABLE';
    case 'REGISTERED':
    case 'DISCONNECTED':
      return 'OPERATION_UNKNOWN';
    default:
      return assertNever(agent.state, 'agent state');
  }
}

// Of what is revocable any change counts, as in Mesos; of the rest, that less is there.
function changedKeys(before: Bag, after: Bag): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const r of before) if (!contains(after, [r])) changed.add(r.key);
  for (const r of after) if (r.label.revocable && !contains(before, [r])) changed.add(r.key);
  return changed;
}
