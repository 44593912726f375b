// What a scheduler and the master say to each other: Mesos's v1 scheduler API under our field names.
import type { Problem } from '../base/errors.js';
import type { AgentId, ExecutorId, FrameworkId, OfferId, Role, StatusUuid, TaskId } from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type {
  Filters,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  Offer,
  OfferConstraints,
  TaskInfo,
  TaskStatus,
} from './entities.js';

/** What to do with accepted offers; carried out in order, each validated by itself. */
export type Operation =
  | { readonly type: 'LAUNCH'; readonly tasks: readonly TaskInfo[] }
  /** All or nothing: the tasks start together, and the end of one ends the others. */
  | { readonly type: 'LAUNCH_GROUP'; readonly groupId?: string; readonly tasks: readonly TaskInfo[] };

/** A task as named in RECONCILE. */
export interface TaskReference {
  readonly taskId: TaskId;
  readonly agentId?: AgentId;
}

/** What a framework still wants to launch; a hint for policies that need demand, and for explaining. */
export interface DemandHint {
  readonly role: Role;
  /** Resources of one task. */
  readonly resources: Resources;
  /** How many such tasks wait. */
  readonly count: number;
}

/** From scheduler to master. A call with a `callId` is answered by one ANSWERED event; without, only its problems are reported, by ERROR. */
export type SchedulerCall = { readonly callId?: number } & (
  | {
      readonly type: 'SUBSCRIBE';
      readonly framework: FrameworkInfo;
      readonly suppressedRoles?: readonly Role[];
      readonly offerConstraints?: OfferConstraints;
    }
  | { readonly type: 'TEARDOWN' }
  | {
      readonly type: 'ACCEPT';
      readonly offerIds: readonly OfferId[];
      readonly operations: readonly Operation[];
      readonly filters?: Filters;
    }
  | { readonly type: 'DECLINE'; readonly offerIds: readonly OfferId[]; readonly filters?: Filters }
  /** No roles: all roles of the framework. Also removes their decline filters. */
  | { readonly type: 'REVIVE'; readonly roles?: readonly Role[] }
  /** No roles: all roles. Outstanding offers stay. */
  | { readonly type: 'SUPPRESS'; readonly roles?: readonly Role[] }
  | { readonly type: 'KILL'; readonly taskId: TaskId; readonly agentId?: AgentId; readonly killPolicy?: KillPolicy }
  | { readonly type: 'SHUTDOWN'; readonly executorId: ExecutorId; readonly agentId: AgentId }
  | { readonly type: 'ACKNOWLEDGE'; readonly agentId: AgentId; readonly taskId: TaskId; readonly uuid: StatusUuid }
  /** Empty list: implicit reconciliation, all tasks. */
  | { readonly type: 'RECONCILE'; readonly tasks: readonly TaskReference[] }
  | { readonly type: 'MESSAGE'; readonly agentId: AgentId; readonly executorId: ExecutorId; readonly data: string }
  | { readonly type: 'REQUEST'; readonly requests: readonly DemandHint[] }
  | {
      readonly type: 'UPDATE_FRAMEWORK';
      readonly framework: FrameworkInfo;
      readonly suppressedRoles?: readonly Role[];
      readonly offerConstraints?: OfferConstraints;
    }
);

/** From master to scheduler. */
export type SchedulerEvent =
  | {
      readonly type: 'SUBSCRIBED';
      readonly frameworkId: FrameworkId;
      readonly heartbeatIntervalMs: number;
      readonly master: MasterInfo;
    }
  | { readonly type: 'OFFERS'; readonly offers: readonly Offer[] }
  | { readonly type: 'RESCIND'; readonly offerIds: readonly OfferId[]; readonly why: RescindReason }
  | { readonly type: 'UPDATE'; readonly status: TaskStatus }
  | { readonly type: 'MESSAGE'; readonly agentId: AgentId; readonly executorId: ExecutorId; readonly data: string }
  /** An agent was removed, or (with executorId) an executor ended. Not reliable. */
  | { readonly type: 'FAILURE'; readonly agentId: AgentId; readonly executorId?: ExecutorId; readonly status?: number }
  /** Problems with a call. Fatal: the subscription is over and the connection closes. */
  | { readonly type: 'ERROR'; readonly problems: readonly Problem[]; readonly fatal: boolean }
  | { readonly type: 'ANSWERED'; readonly callId: number; readonly problems: readonly Problem[] }
  | { readonly type: 'HEARTBEAT' };

/** Why an offer was taken back. */
export type RescindReason =
  | 'EXPIRED'
  | 'AGENT_LOST'
  | 'AGENT_DEACTIVATED'
  | 'ROLE_REMOVED'
  | 'WEIGHTS_CHANGED'
  | 'RESOURCES_CHANGED'
  | 'FRAMEWORK_REMOVED'
  | 'OPERATOR';

export type SchedulerCallType = SchedulerCall['type'];
export type SchedulerEventType = SchedulerEvent['type'];
