// Which decision a message asks for. In: the state, a call of someone known, the moment. Out: that decision.
import { assertNever } from '../base/assert.js';
import type { AgentCall } from '../protocol/agent-api.js';
import type { ValidatedSchedulerCall } from '../protocol/checked.js';
import type { Decision, Durable } from './decision.js';
import { nothing } from './decision.js';
import { decideAccept } from './decide/accept.js';
import { decideAgentRemoved, decideAgentUnreachable, decideUnregister } from './decide/agents.js';
import { decideAgentAdmin, decideAgentGone } from './decide/drain.js';
import { decideInverseAnswer } from './decide/inverse-offers.js';
import { decideForgotten } from './decide/forget.js';
import { decideMaintained } from './decide/maintenance.js';
import {
  decideDemand,
  decideFrameworkChanged,
  decideRequest,
  decideUpdateFramework,
} from './decide/framework-changes.js';
import { decideEndFramework, decideFrameworkEnded } from './decide/framework-end.js';
import { decideLateSubscription, decideSubscribed } from './decide/frameworks.js';
import { decideDecline } from './decide/offers.js';
import {
  decideAcknowledgeOperation,
  decideIntentOver,
  decideOperationStatus,
  decideReconcileOperations,
  decideUpdateResources,
} from './decide/operations-status.js';
import { decideQuotaSet } from './decide/quota.js';
import { decideIntentStored } from './decide/reservations.js';
import { decideReconcile } from './decide/reconcile.js';
import { decideRegistered } from './decide/registration.js';
import {
  decideAcknowledge,
  decideExecutorExited,
  decideExecutorMessage,
  decideKill,
  decideStatusUpdate,
  decideToExecutor,
} from './decide/tasks.js';
import { decideWeightsSet } from './decide/weights.js';
import type { Registry } from './registry.js';
import type { AgentRecord, ClusterView, FrameworkRecord, Moment } from './state.js';

/** A call over a subscription. */
export function decideSchedulerCall(
  state: ClusterView,
  registry: Registry,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Exclude<ValidatedSchedulerCall, { type: 'SUBSCRIBE' }>,
  at: Moment,
): Decision {
  switch (call.type) {
    case 'ACCEPT':
      return decideAccept(state, framework, peerId, call, at);
    case 'ACKNOWLEDGE':
      return decideAcknowledge(state, framework, peerId, call);
    case 'DECLINE':
      return decideDecline(state, framework, peerId, call);
    case 'REVIVE':
    case 'SUPPRESS':
      return decideDemand(framework, peerId, call);
    case 'KILL':
      return decideKill(state, framework, peerId, call, at);
    case 'SHUTDOWN':
    case 'MESSAGE':
      return decideToExecutor(state, framework, peerId, call);
    case 'RECONCILE':
      return decideReconcile(state, framework, peerId, call, at);
    case 'REQUEST':
      return decideRequest(framework, peerId, call);
    case 'UPDATE_FRAMEWORK':
      return decideUpdateFramework(state, registry, framework, peerId, call);
    case 'TEARDOWN':
      return decideEndFramework(registry, framework, {
        by: 'SCHEDULER',
        peerId,
        ...(call.callId === undefined ? {} : { callId: call.callId }),
      });
    case 'ACCEPT_INVERSE_OFFERS':
    case 'DECLINE_INVERSE_OFFERS':
      return decideInverseAnswer(state, framework, peerId, call, at);
    case 'ACKNOWLEDGE_OPERATION':
      return decideAcknowledgeOperation(state, framework, peerId, call);
    case 'RECONCILE_OPERATIONS':
      return decideReconcileOperations(state, framework, peerId, call);
    default:
      return assertNever(call, 'scheduler call');
  }
}

/** A call of a registered agent; its registration and its pongs are the master's own business. */
export function decideAgentCall(
  state: ClusterView,
  registry: Registry,
  agent: Readonly<AgentRecord>,
  call: Exclude<AgentCall, { type: 'REGISTER' }>,
): Decision {
  switch (call.type) {
    case 'STATUS_UPDATE':
      return decideStatusUpdate(state, agent, call);
    case 'PONG':
      return nothing;
    case 'EXECUTOR_EXITED':
      return decideExecutorExited(state, agent, call);
    case 'MESSAGE':
      return decideExecutorMessage(state, agent, call);
    case 'UNREGISTER':
      return decideUnregister(state, registry, agent, call);
    case 'OPERATION_STATUS':
      return decideOperationStatus(state, registry, agent, call);
    case 'UPDATE_RESOURCES':
      return decideUpdateResources(state, agent, call);
    default:
      return assertNever(call, 'agent call');
  }
}

/** What goes on after a durable write; `isOpen` tells whether a session still is. */
export function decideDurable(
  state: ClusterView,
  registry: Registry,
  step: Durable,
  isOpen: (peerId: number) => boolean,
  at: Moment,
): Decision {
  switch (step.type) {
    case 'FRAMEWORK_STORED':
      return decideSubscribed(state, registry, step, isOpen(step.peerId), at);
    case 'FRAMEWORK_CHANGE_STORED':
      return decideFrameworkChanged(state, step);
    case 'LATE_SUBSCRIPTION_STORED':
      return decideLateSubscription(step);
    case 'FRAMEWORK_END_STORED':
      return decideFrameworkEnded(state, step, at);
    case 'AGENT_STORED':
      return decideRegistered(state, registry, step, isOpen(step.peerId), at);
    case 'AGENT_UNREACHABLE_STORED':
      return decideAgentUnreachable(state, registry, step, at);
    case 'FORGOTTEN_STORED':
      return decideForgotten(state, step, at);
    case 'AGENT_REMOVAL_STORED':
      return decideAgentRemoved(state, step, at);
    case 'QUOTA_STORED':
      return decideQuotaSet(state, step);
    case 'INTENT_STORED':
      return decideIntentStored(state, registry, step, at);
    case 'INTENT_REMOVAL_STORED':
      return decideIntentOver(state, step, at);
    case 'WEIGHTS_STORED':
      return decideWeightsSet(state, step);
    case 'AGENT_ADMIN_STORED':
      return decideAgentAdmin(state, step);
    case 'AGENT_GONE_STORED':
      return decideAgentGone(state, step, at);
    case 'MAINTENANCE_STORED':
      return decideMaintained(state, step, at);
    default:
      return assertNever(step, 'durable step');
  }
}
