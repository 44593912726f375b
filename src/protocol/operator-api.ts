// What the master tells operators over HTTP and the CLI prints: views of its state, and the operator calls.
import type { AgentId, FrameworkId, OfferId, OperationUuid, Role, TaskId, VolumeId } from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type {
  AgentInfo,
  Attributes,
  FaultDomain,
  FrameworkCapability,
  Labels,
  MasterInfo,
  OperationState,
  TaskStatus,
  Unavailability,
} from './entities.js';
import type { DemandHint, ReservationSpec, ResourceOperationType, VolumeResize, VolumeSpec } from './scheduler-api.js';
import type { TaskState } from './task-state.js';

/** `GET /health` */
export interface HealthView {
  readonly healthy: boolean;
  readonly leader: boolean;
  readonly master: MasterInfo;
  readonly uptimeMs: number;
}

export type AgentLiveness = 'REGISTERED' | 'DISCONNECTED' | 'UNREACHABLE' | 'GONE' | 'REMOVED';

/** Whether an agent is offered: DEACTIVATED by an operator, DRAINING while its tasks are killed, DRAINED when none is left. */
export type AgentActivity = 'ACTIVE' | 'DEACTIVATED' | 'DRAINING' | 'DRAINED';

/** One of `GET /agents` */
export interface AgentView {
  readonly id: AgentId;
  readonly hostname: string;
  readonly port: number;
  readonly liveness: AgentLiveness;
  readonly activity: AgentActivity;
  /** When maintenance is planned for its host. */
  readonly unavailability?: Unavailability;
  readonly total: Resources;
  readonly used: Resources;
  readonly offered: Resources;
  readonly free: Resources;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
  readonly containerizers: AgentInfo['containerizers'];
  readonly version: string;
  readonly tasks: number;
  readonly registeredAtMs: number;
}

/** One of `GET /frameworks` */
export interface FrameworkView {
  readonly id: FrameworkId;
  readonly name: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly webuiUrl?: string;
  readonly principal?: string;
  readonly roles: readonly Role[];
  readonly suppressedRoles: readonly Role[];
  readonly capabilities: readonly FrameworkCapability[];
  readonly labels: Labels;
  readonly state: 'ACTIVE' | 'DISCONNECTED' | 'RECOVERED' | 'COMPLETED';
  readonly failoverTimeoutMs: number;
  readonly used: Resources;
  readonly offered: Resources;
  readonly tasks: { readonly [state in TaskState]?: number };
  readonly offers: number;
  /** What it said it still wants to launch; absent when it said nothing. */
  readonly demand?: readonly DemandHint[];
  readonly registeredAtMs: number;
}

/** Amounts of scalars by name, as people write them (cpus, MiB). */
export type Amounts = { readonly [name: string]: number };

/** A role's quota; an absent name has no limit, or no guarantee. */
export interface QuotaAmounts {
  readonly limits: Amounts;
  readonly guarantees: Amounts;
}

/** One of `GET /quota` */
export interface QuotaView extends QuotaAmounts {
  readonly role: Role;
  /** What counts against the limits: see `RoleView.consumed`. */
  readonly consumed: Amounts;
}

/** One of `GET /weights` */
export interface WeightView {
  readonly role: Role;
  readonly weight: number;
}

/** One of `GET /roles` */
export interface RoleView {
  readonly name: Role;
  readonly weight: number;
  readonly frameworks: readonly FrameworkId[];
  readonly used: Resources;
  readonly offered: Resources;
  /** Dominant share over weight at its level of the tree. */
  readonly share: number;
  readonly quota?: QuotaAmounts;
  /** What counts against limits: unreserved non-revocable scalars offered to and used by it and its sub-roles, and all reservations to them, used or not. */
  readonly consumed: Amounts;
  /** All that is reserved to it on registered agents, sub-roles not included; labels left out. */
  readonly reserved: Resources;
}

/** One of `GET /tasks` */
export interface TaskView {
  readonly id: TaskId;
  readonly name: string;
  readonly frameworkId: FrameworkId;
  readonly frameworkName: string;
  readonly agentId: AgentId;
  /** Of the agent; empty when the master does not know the agent any more. */
  readonly hostname: string;
  /** 0 when the agent has no HTTP server, or is not known any more. */
  readonly agentPort: number;
  readonly role: Role;
  readonly state: TaskState;
  readonly resources: Resources;
  readonly labels: Labels;
  readonly healthy?: boolean;
  readonly groupId?: string;
  readonly launchedAtMs: number;
  readonly statuses: readonly TaskStatus[];
}

/** One of `GET /offers` */
export interface OfferView {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly frameworkName: string;
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly role: Role;
  readonly resources: Resources;
  readonly ageMs: number;
}

/** Too many agents are silent together: none is declared unreachable before enough are back, or `untilMs`. */
export interface SafeModeView {
  readonly silentAgents: number;
  /** Silent and others. */
  readonly agents: number;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** One of `GET /operations`: what operators had done to resources of agents. Outcomes are remembered by the master that heard them. */
export interface OperationView {
  readonly uuid: OperationUuid;
  readonly type: ResourceOperationType;
  readonly agentId: AgentId;
  /** OPERATION_PENDING until the agent has told how it ended. */
  readonly state: OperationState;
  /** Why it failed, or what it waits for. */
  readonly message?: string;
  readonly consumed: Resources;
  readonly produced: Resources;
  readonly askedAtMs: number;
  readonly endedAtMs?: number;
}

/** Answer to an operator's call. */
export interface AcceptedView {
  readonly accepted: true;
  /** What to look for in `GET /operations`, of calls that end with an agent's word. */
  readonly operation?: OperationUuid;
}

/** `GET /state` */
export interface StateView {
  readonly master: MasterInfo;
  readonly startedAtMs: number;
  readonly policy: { readonly [axis: string]: unknown };
  /** Only while it holds. */
  readonly safeMode?: SafeModeView;
  /** Only when peers have followed a master of a later epoch than this one's, and refuse it. */
  readonly laterEpochSeen?: number;
  /** Only while it holds: the registry was restored from a copy, and agents that it does not know have until then to come back. */
  readonly restored?: { readonly untilMs: number };
  readonly flags: { readonly [name: string]: unknown };
  readonly agents: readonly AgentView[];
  readonly frameworks: readonly FrameworkView[];
  readonly completedFrameworks: readonly FrameworkView[];
  readonly roles: readonly RoleView[];
  readonly tasks: readonly TaskView[];
  readonly completedTasks: readonly TaskView[];
  readonly offers: readonly OfferView[];
  /** Operators' ones: those under way, and the last that have ended. */
  readonly operations: readonly OperationView[];
}

/** The calls that turn resources of an agent into others. */
export type ConversionCall = Extract<
  OperatorCall,
  { type: 'RESERVE' | 'UNRESERVE' | 'CREATE_VOLUMES' | 'DESTROY_VOLUMES' | 'GROW_VOLUME' | 'SHRINK_VOLUME' }
>;

/** One server-sent event of `GET /events`; the first is SNAPSHOT. */
export type ClusterEvent =
  | { readonly type: 'SNAPSHOT'; readonly state: StateView }
  | { readonly type: 'AGENT_ADDED' | 'AGENT_UPDATED'; readonly agent: AgentView }
  | { readonly type: 'AGENT_REMOVED'; readonly agentId: AgentId; readonly why: string }
  | { readonly type: 'FRAMEWORK_ADDED' | 'FRAMEWORK_UPDATED'; readonly framework: FrameworkView }
  | { readonly type: 'FRAMEWORK_REMOVED'; readonly frameworkId: FrameworkId; readonly why: string }
  | { readonly type: 'TASK_ADDED'; readonly task: TaskView }
  | {
      readonly type: 'TASK_UPDATED';
      readonly frameworkId: FrameworkId;
      readonly status: TaskStatus;
      readonly state: TaskState;
    }
  /** The schedule or what is down changed; what frameworks answer is seen by `GET /maintenance`. */
  | { readonly type: 'MAINTENANCE_UPDATED'; readonly maintenance: MaintenanceView }
  /** An operator's operation begins, waits for something, or has ended. */
  | { readonly type: 'OPERATION_UPDATED'; readonly operation: OperationView }
  | { readonly type: 'HEARTBEAT' };

/** When machines are to be absent. */
export interface MaintenanceWindow {
  readonly hostnames: readonly string[];
  readonly unavailability: Unavailability;
}

/** `GET /maintenance` */
export interface MaintenanceView {
  readonly windows: readonly MaintenanceWindow[];
  readonly machines: readonly {
    readonly hostname: string;
    /** DRAINING: in the schedule; DOWN: maintenance was started. */
    readonly mode: 'UP' | 'DRAINING' | 'DOWN';
    readonly unavailability?: Unavailability;
    readonly inverseOffers: readonly {
      readonly frameworkId: FrameworkId;
      readonly answer: 'UNKNOWN' | 'ACCEPT' | 'DECLINE';
      readonly atMs?: number;
    }[];
  }[];
}

/** Quota of one role as an operator sets it; empty limits and guarantees remove it. */
export interface QuotaSpec {
  readonly role: Role;
  readonly limits?: Amounts;
  readonly guarantees?: Amounts;
}

/** Calls of an operator: each a POST of its own. */
export type OperatorCall =
  | {
      readonly type: 'KILL';
      readonly taskId: TaskId;
      readonly frameworkId?: FrameworkId;
      readonly gracePeriodMs?: number;
    }
  | { readonly type: 'TEARDOWN'; readonly frameworkId: FrameworkId }
  /** All or nothing. `force` skips the check that nobody is over a new limit. */
  | { readonly type: 'UPDATE_QUOTA'; readonly quotas: readonly QuotaSpec[]; readonly force?: boolean }
  | { readonly type: 'UPDATE_WEIGHTS'; readonly weights: readonly WeightView[] }
  | {
      readonly type: 'RESERVE';
      readonly agentId: AgentId;
      readonly resources: Resources;
      readonly reservation: ReservationSpec;
    }
  | { readonly type: 'UNRESERVE'; readonly agentId: AgentId; readonly resources: Resources }
  | {
      readonly type: 'CREATE_VOLUMES';
      readonly agentId: AgentId;
      readonly role: Role;
      readonly volumes: readonly VolumeSpec[];
    }
  | {
      readonly type: 'DESTROY_VOLUMES';
      readonly agentId: AgentId;
      readonly role: Role;
      readonly volumeIds: readonly VolumeId[];
    }
  | (VolumeResize & { readonly type: 'GROW_VOLUME'; readonly agentId: AgentId; readonly role: Role })
  | (VolumeResize & { readonly type: 'SHRINK_VOLUME'; readonly agentId: AgentId; readonly role: Role })
  /** Replaces the whole schedule. */
  | { readonly type: 'UPDATE_MAINTENANCE'; readonly windows: readonly MaintenanceWindow[] }
  | { readonly type: 'START_MAINTENANCE'; readonly hostnames: readonly string[] }
  | { readonly type: 'STOP_MAINTENANCE'; readonly hostnames: readonly string[] }
  | {
      readonly type: 'DRAIN_AGENT';
      readonly agentId: AgentId;
      /** Most grace that a task gets; default: its own. */
      readonly gracePeriodMs?: number;
      /** Mark it gone once it is drained. Default false. */
      readonly markGone?: boolean;
    }
  | { readonly type: 'DEACTIVATE_AGENT'; readonly agentId: AgentId }
  | { readonly type: 'REACTIVATE_AGENT'; readonly agentId: AgentId }
  | { readonly type: 'MARK_AGENT_GONE'; readonly agentId: AgentId };

export type OperatorCallType = OperatorCall['type'];
