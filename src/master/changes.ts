// Every change of the master's state, as data: what decisions consist of, and what apply.ts carries out.
import type { AgentId, ExecutorId, FrameworkId, OfferId, OperationUuid, Role, TaskId } from '../base/ids.js';
import type { Conversion, Grant, Holder, Quota } from '../allocator/model.js';
import type {
  AgentInfo,
  FrameworkInfo,
  KillPolicy,
  OfferConstraints,
  OperationStatus,
  TaskStatus,
} from '../protocol/entities.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import type { AgentAdmin, Maintenance } from './upkeep-state.js';
import type { Ending, ExecutorRecord, IntentRecord, OfferRecord, OperationRecord, TaskRecord } from './state.js';

/** How an offer ended; each ends once. DISCARDED: silently, as its framework is gone or was replaced. */
export type OfferEnd = 'ACCEPTED' | 'DECLINED' | 'RESCINDED' | 'EXPIRED' | 'DISCARDED';

export type Change =
  | { readonly type: 'NUMBER_TAKEN'; readonly of: 'FRAMEWORK' | 'AGENT' | 'OPERATION' }
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
  /** Its description is being written to the registry; FRAMEWORK_CHANGED follows. */
  | { readonly type: 'FRAMEWORK_PLANNED'; readonly info: FrameworkInfo & { readonly id: FrameworkId } }
  /** Its subscription is being written to the registry; FRAMEWORK_CONNECTED or FRAMEWORK_RETURN_FAILED follows. */
  | {
      readonly type: 'FRAMEWORK_RETURNING';
      readonly info: FrameworkInfo & { readonly id: FrameworkId };
      readonly peerId: number;
    }
  | { readonly type: 'FRAMEWORK_RETURN_FAILED'; readonly frameworkId: FrameworkId }
  | { readonly type: 'FRAMEWORK_CONNECTED'; readonly frameworkId: FrameworkId; readonly peerId: number }
  | { readonly type: 'FRAMEWORK_DISCONNECTED'; readonly frameworkId: FrameworkId; readonly failoverAtMs: number }
  /** Being written to the registry; FRAMEWORK_ENDED follows, unless it returns before its time was over. */
  | {
      readonly type: 'FRAMEWORK_ENDING';
      readonly frameworkId: FrameworkId;
      readonly by: 'FAILOVER_TIMEOUT' | 'CALL';
    }
  /** Its offers have ended before. Live tasks become TASK_KILLED and hold resources until their agents confirm. */
  | {
      readonly type: 'FRAMEWORK_ENDED';
      readonly frameworkId: FrameworkId;
      readonly why: string;
      readonly wallMs: number;
    }
  /** It ended so long ago, and before so many others, that its id is not refused any more. */
  | { readonly type: 'FRAMEWORK_FORGOTTEN'; readonly frameworkId: FrameworkId }
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
  /** Parts of an accepted offer are in use by `tasks` new tasks, which were added before; what was not used follows as RETURNED. */
  | { readonly type: 'COMMITTED'; readonly grant: Grant; readonly tasks: number }
  /** Offers accepted together are one holding from now on; what was not used of it follows as RETURNED. */
  | { readonly type: 'OFFERS_JOINED'; readonly grants: readonly Grant[]; readonly joined: Grant }
  /** An accept lost what it was offered to a faster one (optimistic commit): of `claims` tasks and operations, `conflicts`. */
  | { readonly type: 'ACCEPT_JUDGED'; readonly claims: number; readonly conflicts: number }
  /** Nothing more comes of an accepted offer. */
  | { readonly type: 'OFFER_SETTLED'; readonly grant: Grant }
  /** A grant that no offer was made of. */
  | { readonly type: 'GRANT_REFUSED'; readonly grant: Grant; readonly refuseMs: number }
  /**
   * `booked`: its resources come out of an accepted offer, and COMMITTED follows; otherwise they are booked now if it holds them. Shared
   * volumes are booked now in any case, as the offer goes on having them.
   */
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
  /** Part of an agent's resources becomes other resources: in what the holder was offered, or without one in what is free. */
  | {
      readonly type: 'CONVERTED';
      readonly agentId: AgentId;
      readonly conversion: Conversion;
      readonly holder?: Holder;
    }
  /** The number of an operation is taken with it. */
  | { readonly type: 'OPERATION_ADDED'; readonly operation: OperationRecord }
  | {
      readonly type: 'OPERATION_UPDATED';
      readonly agentId: AgentId;
      readonly uuid: OperationUuid;
      readonly status: OperationStatus;
    }
  /** Its outcome is acknowledged, or will never be told. */
  | { readonly type: 'OPERATION_FORGOTTEN'; readonly agentId: AgentId; readonly uuid: OperationUuid }
  /** An operator's operation is durable. */
  | { readonly type: 'INTENT_KEPT'; readonly intent: IntentRecord }
  /** Whether the agent has it. */
  | { readonly type: 'INTENT_MARKED'; readonly uuid: OperationUuid; readonly sent: boolean }
  /** It cannot be sent yet. */
  | { readonly type: 'INTENT_WAITS'; readonly uuid: OperationUuid; readonly why: string }
  | { readonly type: 'INTENT_ENDED'; readonly uuid: OperationUuid; readonly ending: Ending }
  /** The agent says what it has; offers of what changed have ended before. */
  | { readonly type: 'AGENT_RESOURCES'; readonly agentId: AgentId; readonly total: Bag }
  /** Being written to the registry. Undefined takes the quota off. */
  | { readonly type: 'QUOTA_PLANNED'; readonly role: Role; readonly quota: Quota | undefined }
  | { readonly type: 'QUOTA_SET'; readonly role: Role; readonly quota: Quota | undefined }
  | { readonly type: 'WEIGHT_SET'; readonly role: Role; readonly weight: number }
  /** From the registry: known, not yet back. */
  | {
      readonly type: 'AGENT_RECOVERED';
      readonly agentId: AgentId;
      readonly info: AgentInfo;
      readonly total: Bag;
      readonly unreachableAtMs?: number;
    }
  /** Its admission is being written to the registry; AGENT_CONNECTED or AGENT_REGISTRATION_FAILED follows. */
  | { readonly type: 'AGENT_REGISTERING'; readonly agentId: AgentId; readonly peerId: number }
  | { readonly type: 'AGENT_REGISTRATION_FAILED'; readonly agentId: AgentId }
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
  | { readonly type: 'AGENT_GONE'; readonly agentId: AgentId; readonly sinceMs: number }
  /** It was so long ago that its id is not refused any more. */
  | { readonly type: 'AGENT_GONE_FORGOTTEN'; readonly agentId: AgentId }
  /** Whether agents that the registry does not know may come with tasks: it was restored from a copy. */
  | { readonly type: 'STRANGERS_EXPECTED'; readonly expected: boolean }
  /** Being written to the registry; AGENT_GONE follows. */
  | { readonly type: 'AGENT_GOING'; readonly agentId: AgentId }
  /** Being written to the registry; AGENT_ADMIN_CHANGED follows. */
  | { readonly type: 'AGENT_PLANNED'; readonly agentId: AgentId; readonly plan: AgentAdmin }
  | { readonly type: 'AGENT_ADMIN_CHANGED'; readonly agentId: AgentId; readonly admin: AgentAdmin }
  /** Being written to the registry; MAINTENANCE_CHANGED follows. */
  | { readonly type: 'MAINTENANCE_PLANNED'; readonly maintenance: Maintenance }
  | { readonly type: 'MAINTENANCE_CHANGED'; readonly maintenance: Maintenance }
  | {
      readonly type: 'INVERSE_OFFER_MADE';
      readonly inverseOfferId: OfferId;
      readonly agentId: AgentId;
      readonly frameworkId: FrameworkId;
      /** On the monotonic clock. */
      readonly expiresAtMs: number;
    }
  /** Nobody answered it in time; what was answered before still holds. */
  | { readonly type: 'INVERSE_OFFER_EXPIRED'; readonly inverseOfferId: OfferId; readonly refuseUntilMs: number }
  | {
      readonly type: 'INVERSE_OFFER_ANSWERED';
      readonly inverseOfferId: OfferId;
      readonly answer: 'ACCEPT' | 'DECLINE';
      readonly wallMs: number;
      readonly refuseUntilMs: number;
    }
  /** The framework is not asked about the agent any more, and what it answered is forgotten. */
  | { readonly type: 'INVERSE_OFFER_FORGOTTEN'; readonly agentId: AgentId; readonly frameworkId: FrameworkId };
