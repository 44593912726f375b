// Every change of the master's state, as data: what decisions consist of, and what apply.ts carries out.
import type { AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId } from '../base/ids.js';
import type { Grant } from '../allocator/allocator.js';
import type { AgentInfo, FrameworkInfo, KillPolicy, OfferConstraints, TaskStatus } from '../protocol/entities.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import type { ExecutorRecord, OfferRecord, TaskRecord } from './state.js';

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
