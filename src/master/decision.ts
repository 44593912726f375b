// What a decision consists of: changes of the state, and effects outside it in the order in which they are carried out.
import type { Quota } from '../allocator/model.js';
import type { Problem } from '../base/errors.js';
import type { AgentId, FrameworkId, OperationUuid, Role } from '../base/ids.js';
import type {
  AgentInfo,
  FrameworkInfo,
  OfferConstraints,
  OperationState,
  StatusReason,
  TaskStatus,
} from '../protocol/entities.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { ConversionCall, WeightView } from '../protocol/operator-api.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import { withoutPartitionAwareness } from '../protocol/task-state.js';
import { firstProblems } from '../protocol/validate.js';
import type { StoreChange } from '../store/store.js';
import type { CloseCode } from '../transport/transport.js';
import type { Change, OfferEnd } from './changes.js';
import type { ClusterView, FrameworkRecord, IntentRecord, Moment, OfferRecord, TaskRecord } from './state.js';
import { grantOf } from './books.js';
import type { AgentAdmin, Maintenance } from './upkeep-state.js';

export type Effect =
  | { readonly type: 'TO_AGENT'; readonly agentId: AgentId; readonly event: AgentEvent }
  | { readonly type: 'TO_AGENT_PEER'; readonly peerId: number; readonly event: AgentEvent }
  | { readonly type: 'TO_FRAMEWORK'; readonly frameworkId: FrameworkId; readonly event: SchedulerEvent }
  | { readonly type: 'TO_SCHEDULER_PEER'; readonly peerId: number; readonly event: SchedulerEvent }
  | { readonly type: 'CLOSE_PEER'; readonly peerId: number; readonly code: CloseCode; readonly reason: string }
  /** To the operator whose call is being decided. */
  | {
      readonly type: 'ANSWER_OPERATOR';
      readonly ticket: number;
      readonly problems: readonly Problem[];
      readonly operation?: OperationUuid;
    }
  /** `next` is decided once the changes are durable, on the state of that time. */
  | { readonly type: 'STORE'; readonly changes: readonly StoreChange[]; readonly next?: Durable };

/** A call merged from the parts it came in. */
export type Registration = Omit<Extract<AgentCall, { type: 'REGISTER' }>, 'type' | 'part' | 'more'>;

/** What goes on after a write. Whatever it names may have ended meanwhile. */
export type Durable =
  | {
      readonly type: 'FRAMEWORK_STORED';
      readonly peerId: number;
      readonly isNew: boolean;
      readonly info: FrameworkInfo & { readonly id: FrameworkId };
      readonly suppressed: readonly Role[];
      readonly constraints: OfferConstraints;
      readonly callId?: number;
    }
  | {
      readonly type: 'FRAMEWORK_CHANGE_STORED';
      readonly peerId: number;
      readonly info: FrameworkInfo & { readonly id: FrameworkId };
      /** All suppressed roles; undefined: those that are when it is durable, and `suppressedNew`. */
      readonly suppressed: readonly Role[] | undefined;
      /** Suppressed ones among the roles that this change adds. */
      readonly suppressedNew?: readonly Role[];
      readonly constraints: OfferConstraints;
      readonly callId?: number;
    }
  /** The end of the framework that a scheduler asked for too late. */
  | {
      readonly type: 'LATE_SUBSCRIPTION_STORED';
      readonly peerId: number;
      readonly frameworkId: FrameworkId;
      readonly callId?: number;
    }
  | { readonly type: 'FRAMEWORK_END_STORED'; readonly frameworkId: FrameworkId; readonly cause: FrameworkEndCause }
  | {
      readonly type: 'AGENT_STORED';
      readonly peerId: number;
      readonly agentId: AgentId;
      readonly isNew: boolean;
      readonly registration: Registration;
    }
  | { readonly type: 'AGENT_UNREACHABLE_STORED'; readonly agentId: AgentId; readonly info: AgentInfo }
  | {
      readonly type: 'FORGOTTEN_STORED';
      readonly unreachable: readonly AgentId[];
      readonly gone: readonly AgentId[];
      readonly why: string;
    }
  | { readonly type: 'AGENT_REMOVAL_STORED'; readonly agentId: AgentId; readonly why: string }
  | {
      readonly type: 'QUOTA_STORED';
      readonly quotas: readonly { readonly role: Role; readonly quota: Quota | undefined }[];
      readonly ticket: number;
    }
  | {
      readonly type: 'INTENT_STORED';
      readonly intent: IntentRecord;
      readonly call: ConversionCall;
      readonly ticket: number;
    }
  /** The agent has told the outcome, and the registry has forgotten the operation: the agent may, too. */
  | {
      readonly type: 'INTENT_REMOVAL_STORED';
      readonly agentId: AgentId;
      readonly uuid: OperationUuid;
      readonly state: OperationState;
      readonly message?: string;
    }
  | { readonly type: 'WEIGHTS_STORED'; readonly weights: readonly WeightView[]; readonly ticket: number }
  /** `ticket`: of the operator who asked for it. */
  | {
      readonly type: 'AGENT_ADMIN_STORED';
      readonly agentId: AgentId;
      readonly admin: AgentAdmin;
      readonly ticket?: number;
    }
  | { readonly type: 'AGENT_GONE_STORED'; readonly agentId: AgentId; readonly ticket?: number }
  /** `removed`: agents that the registry does not have any more. */
  | {
      readonly type: 'MAINTENANCE_STORED';
      readonly maintenance: Maintenance;
      readonly removed: ReadonlySet<AgentId>;
      readonly ticket: number;
    };

/** Who ended a framework. */
export type FrameworkEndCause =
  | { readonly by: 'SCHEDULER'; readonly peerId: number; readonly callId?: number }
  | { readonly by: 'OPERATOR'; readonly ticket: number }
  | { readonly by: 'FAILOVER_TIMEOUT' };

export interface Decision {
  readonly changes: readonly Change[];
  readonly effects: readonly Effect[];
}

/** A decision under way. */
export class Draft implements Decision {
  readonly changes: Change[] = [];
  readonly effects: Effect[] = [];

  change(change: Change): this {
    this.changes.push(change);
    return this;
  }

  toFramework(frameworkId: FrameworkId, event: SchedulerEvent): this {
    this.effects.push({ type: 'TO_FRAMEWORK', frameworkId, event });
    return this;
  }

  toSchedulerPeer(peerId: number, event: SchedulerEvent): this {
    this.effects.push({ type: 'TO_SCHEDULER_PEER', peerId, event });
    return this;
  }

  toAgent(agentId: AgentId, event: AgentEvent): this {
    this.effects.push({ type: 'TO_AGENT', agentId, event });
    return this;
  }

  toAgentPeer(peerId: number, event: AgentEvent): this {
    this.effects.push({ type: 'TO_AGENT_PEER', peerId, event });
    return this;
  }

  close(peerId: number, code: CloseCode, reason: string): this {
    this.effects.push({ type: 'CLOSE_PEER', peerId, code, reason });
    return this;
  }

  store(changes: readonly StoreChange[], next?: Durable): this {
    this.effects.push(next === undefined ? { type: 'STORE', changes } : { type: 'STORE', changes, next });
    return this;
  }

  /** The one answer to a scheduler's call: ANSWERED when it has a callId, ERROR when it has none and there are problems. */
  answer(peerId: number, callId: number | undefined, found: readonly Problem[]): this {
    // A call may name more offers that are gone than an answer has room for.
    const problems = firstProblems(found);
    if (callId !== undefined) this.toSchedulerPeer(peerId, { type: 'ANSWERED', callId, problems });
    else if (problems.length > 0) this.toSchedulerPeer(peerId, { type: 'ERROR', problems, fatal: false });
    return this;
  }

  answerOperator(ticket: number, problems: readonly Problem[], operation?: OperationUuid): this {
    const answer = { type: 'ANSWER_OPERATOR', ticket, problems: firstProblems(problems) } as const;
    this.effects.push(operation === undefined ? answer : { ...answer, operation });
    return this;
  }

  /** Ends an offer and gives all of it back. */
  endOffer(offer: OfferRecord, how: OfferEnd, refuseMs = 0): this {
    this.changes.push({ type: 'OFFER_ENDED', offerId: offer.id, how });
    this.changes.push({ type: 'RETURNED', grant: grantOf(offer), refuseMs });
    return this;
  }

  /** Sends a status, in the words the framework understands. */
  sendStatus(framework: Readonly<FrameworkRecord>, status: TaskStatus): this {
    if (framework.state !== 'ACTIVE') return this;
    return this.toFramework(framework.id, { type: 'UPDATE', status: statusFor(framework, status) });
  }
}

export const nothing: Decision = { changes: [], effects: [] };

/** The answer to a scheduler's call that cannot be decided, alone. */
export function complain(peerId: number, callId: number | undefined, what: Problem): Decision {
  return new Draft().answer(peerId, callId, [what]);
}

/** The answer to an operator, alone. */
export function answered(ticket: number, problems: readonly Problem[]): Draft {
  return new Draft().answerOperator(ticket, problems);
}

/** A status made by the master: sent once, never acknowledged. */
export function masterStatus(
  task: { readonly taskId: TaskRecord['id']; readonly agentId?: AgentId },
  state: TaskState,
  reason: StatusReason,
  message: string,
  at: Moment,
): TaskStatus {
  return {
    taskId: task.taskId,
    state,
    source: 'MASTER',
    reason,
    message,
    ...(task.agentId === undefined ? {} : { agentId: task.agentId }),
    timestampMs: at.wallMs,
  };
}

/** `status` with its state as `framework` sees it. */
export function statusFor(framework: Readonly<FrameworkRecord>, status: TaskStatus): TaskStatus {
  if (framework.partitionAware) return status;
  const state = withoutPartitionAwareness(status.state);
  return state === status.state ? status : { ...status, state };
}

/** The agents a framework has tasks or executors on. */
export function agentsOf(view: ClusterView, frameworkId: FrameworkId): AgentId[] {
  const found: AgentId[] = [];
  for (const agent of view.agents.values()) {
    if (agent.state !== 'REGISTERED') continue;
    for (const task of agent.tasks) {
      if (task.frameworkId === frameworkId) {
        found.push(agent.id);
        break;
      }
    }
    if (found.at(-1) === agent.id) continue;
    for (const executor of agent.executors.values()) {
      if (executor.frameworkId === frameworkId) {
        found.push(agent.id);
        break;
      }
    }
  }
  return found;
}
