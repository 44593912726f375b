// What a scheduler and the master say to each other: Mesos's v1 scheduler API under our field names.
import type { Problem } from '../base/errors.js';
import type {
  AgentId,
  ExecutorId,
  FrameworkId,
  OfferId,
  OperationId,
  OperationUuid,
  Role,
  StatusUuid,
  TaskId,
  VolumeId,
} from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type { VolumeSpec } from '../resources/volume.js';
import type {
  AttributeConstraint,
  Filters,
  FrameworkInfo,
  InverseOffer,
  KillPolicy,
  Labels,
  MasterInfo,
  Offer,
  OfferConstraints,
  OperationStatus,
  TaskInfo,
  TaskStatus,
} from './entities.js';

export type { VolumeSpec } from '../resources/volume.js';

/** Whom resources are to be reserved to. The reservation is DYNAMIC: made and undone at run time. */
export interface ReservationSpec {
  /** Not `*`. For resources that are reserved already: below the role they are reserved to. */
  readonly role: Role;
  /** Who made it. Default: the framework's or operator's principal. */
  readonly principal?: string;
  /** At most 64, together at most 1024 bytes. Reservations that differ in them stay apart. */
  readonly labels?: Labels;
}

/** By how much a volume changes. Not for shared ones. */
export interface VolumeResize {
  readonly volumeId: VolumeId;
  /** MiB to add or to take away. */
  readonly disk: number;
}

/** Turns resources into others on the same agent. With an `id` its outcome is told by UPDATE_OPERATION. */
export type ResourceOperation =
  | {
      readonly type: 'RESERVE';
      readonly id?: OperationId;
      /** As they are now: `cpus` unreserved, `cpus(ads)` to be refined. */
      readonly resources: Resources;
      readonly reservation: ReservationSpec;
    }
  /** Undoes the last reservation, which must be dynamic. */
  | { readonly type: 'UNRESERVE'; readonly id?: OperationId; readonly resources: Resources }
  | { readonly type: 'CREATE'; readonly id?: OperationId; readonly volumes: readonly VolumeSpec[] }
  /** Deletes the data. */
  | { readonly type: 'DESTROY'; readonly id?: OperationId; readonly volumeIds: readonly VolumeId[] }
  | (VolumeResize & { readonly type: 'GROW_VOLUME'; readonly id?: OperationId })
  | (VolumeResize & { readonly type: 'SHRINK_VOLUME'; readonly id?: OperationId });

export type ResourceOperationType = ResourceOperation['type'];

/** What to do with accepted offers; carried out in order, each validated by itself. */
export type Operation =
  /** `id` is not allowed: tasks have statuses of their own. */
  | { readonly type: 'LAUNCH'; readonly id?: never; readonly tasks: readonly TaskInfo[] }
  /** All or nothing: the tasks start together, and the end of one ends the others. */
  | {
      readonly type: 'LAUNCH_GROUP';
      readonly id?: never;
      readonly groupId?: string;
      readonly tasks: readonly TaskInfo[];
    }
  | ResourceOperation;

/** An operation as named in RECONCILE_OPERATIONS. */
export interface OperationReference {
  readonly operationId: OperationId;
  readonly agentId?: AgentId;
}

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
  /** Names the request in explanations. */
  readonly id?: string;
  /** Agents it can run on: any of these groups, each an AND of constraints. Default: all. */
  readonly constraints?: readonly (readonly AttributeConstraint[])[];
  /** Host ports that each picks, beside those in `resources`. Default 0. */
  readonly ports?: number;
  /** See `TaskInfo.exactResources`. Default false. */
  readonly exactResources?: boolean;
  /** Ids of the tasks that wait, or the first of them, so that one can be asked about by its id. */
  readonly taskIds?: readonly TaskId[];
  /** Nothing of it is launched where an announced absence lasts, or begins within this time. Default: absences do not matter. */
  readonly absenceWithinMs?: number;
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
  /** The agents will be left in time. */
  | {
      readonly type: 'ACCEPT_INVERSE_OFFERS';
      readonly inverseOfferIds: readonly OfferId[];
      readonly filters?: Filters;
    }
  /** The agents cannot be left; asked again after the filter. */
  | {
      readonly type: 'DECLINE_INVERSE_OFFERS';
      readonly inverseOfferIds: readonly OfferId[];
      readonly filters?: Filters;
    }
  | {
      readonly type: 'ACKNOWLEDGE_OPERATION';
      readonly operationId: OperationId;
      readonly agentId: AgentId;
      readonly uuid: OperationUuid;
    }
  /** Empty list: all operations of the framework that have an id. */
  | { readonly type: 'RECONCILE_OPERATIONS'; readonly operations: readonly OperationReference[] }
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
  | { readonly type: 'INVERSE_OFFERS'; readonly inverseOffers: readonly InverseOffer[] }
  | { readonly type: 'RESCIND_INVERSE_OFFERS'; readonly inverseOfferIds: readonly OfferId[] }
  | { readonly type: 'UPDATE'; readonly status: TaskStatus }
  | { readonly type: 'UPDATE_OPERATION'; readonly status: OperationStatus }
  | { readonly type: 'MESSAGE'; readonly agentId: AgentId; readonly executorId: ExecutorId; readonly data: string }
  /** An agent was removed, or (with executorId) an executor ended. Not reliable. */
  | { readonly type: 'FAILURE'; readonly agentId: AgentId; readonly executorId?: ExecutorId; readonly status?: number }
  /** Problems with a call. Fatal: the subscription is over and the connection closes. */
  | { readonly type: 'ERROR'; readonly problems: readonly Problem[]; readonly fatal: boolean }
  | { readonly type: 'ANSWERED'; readonly callId: number; readonly problems: readonly Problem[] }
  /**
   * Also told behind SUBSCRIBED. `agentsExpected`: so many agents that may have tasks of the framework have not come back since the master started, and one
   * for all that a restored registry may not know; default 0, which is told at once.
   */
  | { readonly type: 'HEARTBEAT'; readonly agentsExpected?: number };

/** Why an offer was taken back. */
export type RescindReason =
  | 'EXPIRED'
  | 'AGENT_LOST'
  | 'AGENT_DEACTIVATED'
  | 'ROLE_REMOVED'
  | 'WEIGHTS_CHANGED'
  | 'RESOURCES_CHANGED'
  | 'FRAMEWORK_REMOVED'
  | 'OPERATOR'
  | 'QUOTA_CHANGED'
  | 'AGENT_DRAINING'
  /** Someone else waited too long for what it holds. */
  | 'STARVATION'
  | 'MAINTENANCE';

export type SchedulerCallType = SchedulerCall['type'];
export type SchedulerEventType = SchedulerEvent['type'];
