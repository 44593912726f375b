// What the master knows: frameworks, agents, offers, tasks. Changed in changes.ts alone; decide/ and views read it.
import { must } from '../base/assert.js';
import type { Quota } from '../allocator/model.js';
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
} from '../base/ids.js';
import type {
  AgentInfo,
  ExecutorInfo,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  Offer,
  OfferConstraints,
  OperationState,
  OperationStatus,
  TaskInfo,
  TaskStatus,
} from '../protocol/entities.js';
import type { DemandHint, ResourceOperationType } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import type { Bag, Conversion } from '../resources/index.js';
import type { ConflictRule } from './conflict.js';
import { fitOrNot } from './conflict.js';
import type { MasterOptions } from './options.js';
import type { AgentAdmin, InverseRecord, Maintenance } from './upkeep-state.js';
import { noMaintenance, unavailabilityOf } from './upkeep-state.js';

/** One moment on both clocks. */
export interface Moment {
  /** Monotonic milliseconds, for deadlines. */
  readonly nowMs: number;
  /** Wall milliseconds, for statuses and people. */
  readonly wallMs: number;
}

export interface TaskRecord {
  readonly id: TaskId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  /** As launched, without `data`. */
  readonly info: TaskInfo;
  /** Changes only when the agent has lost the reservation or volume it was given of. */
  resources: Bag;
  readonly groupId: string | undefined;
  readonly launchedAtMs: number;
  /** The newest state known, which decides whether resources are held. */
  state: TaskState;
  /** The state the agent's ordered stream of statuses has reached at the framework. */
  streamState: TaskState;
  /** The last status forwarded or made by the master, without `data`. */
  last: TaskStatus | undefined;
  /** The uuid of the last status forwarded: what the framework has to acknowledge. */
  uuid: StatusUuid | undefined;
  /** Whether `resources` are booked at the agent: until the agent has confirmed the end. */
  holds: boolean;
  /** A KILL asked for, to be repeated when the agent returns. */
  kill: { readonly policy?: KillPolicy } | undefined;
  unreachableAtMs: number | undefined;
  /** The newest statuses, oldest first, for views. */
  history: readonly TaskStatus[];
}

export interface ExecutorRecord {
  readonly id: ExecutorId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  readonly info: ExecutorInfo;
  /** As in TaskRecord. */
  resources: Bag;
}

/** An operation on an agent's resources that the agent has not answered, or whose outcome is not acknowledged. */
export interface OperationRecord {
  readonly uuid: OperationUuid;
  /** Given by the framework when it wants to hear of the outcome. */
  readonly id: OperationId | undefined;
  /** Undefined: an operator's. */
  readonly frameworkId: FrameworkId | undefined;
  readonly agentId: AgentId;
  /** Undefined: an earlier master's. */
  readonly kind: ResourceOperationType | undefined;
  /** In the books already: operations are expected to succeed. */
  readonly conversion: Conversion;
  /** What the agent said last; undefined while it has said nothing. */
  status: OperationStatus | undefined;
}

/** An operator's operation that the registry keeps until its agent has told the outcome: an acknowledged one survives both. */
export interface IntentRecord {
  readonly uuid: OperationUuid;
  readonly agentId: AgentId;
  readonly kind: ResourceOperationType;
  readonly conversion: Conversion;
  readonly askedAtMs: number;
  /** The agent was told over its present session, or has it already. */
  sent: boolean;
  /** Why it is not sent. */
  waits: string | undefined;
}

/** How an operator's operation ended. */
export interface OutcomeRecord extends Ending {
  readonly intent: Readonly<IntentRecord>;
}

export interface Ending {
  readonly state: OperationState;
  readonly message?: string;
  readonly wallMs: number;
}

export interface OfferRecord {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  readonly resources: Bag;
  readonly madeAtMs: number;
  /** The grant's, under optimistic commit only: then nothing is booked for the offer, and others may hold the same resources. */
  readonly sequence?: number;
  /** The agent's when the offer was made. */
  readonly version: number;
}

export interface FrameworkRecord {
  readonly id: FrameworkId;
  /** With `id`. */
  info: FrameworkInfo;
  /** `info` as it was last written to the registry, which may not be durable yet. */
  plan: FrameworkInfo;
  /** Its end is being written to the registry. That of its failover timeout is taken back when it returns meanwhile. */
  ending: 'FAILOVER_TIMEOUT' | 'CALL' | undefined;
  state: 'ACTIVE' | 'DISCONNECTED' | 'RECOVERED' | 'COMPLETED';
  partitionAware: boolean;
  suppressed: ReadonlySet<Role>;
  constraints: OfferConstraints;
  demand: readonly DemandHint[];
  /** The session it is subscribed over. */
  peerId: number | undefined;
  /** The session it subscribed over last: what comes over an older one comes late. */
  newestPeerId: number | undefined;
  /** When it is removed unless it returns, on the monotonic clock. */
  failoverAtMs: number | undefined;
  readonly registeredAtMs: number;
  /** Live tasks, and ended ones whose end is not acknowledged. */
  readonly tasks: Map<TaskId, TaskRecord>;
  /** Tasks of unreachable agents, oldest first. */
  readonly unreachable: Map<TaskId, TaskRecord>;
  /** Ended and acknowledged tasks, oldest first. */
  readonly completed: Map<TaskId, TaskRecord>;
  readonly offers: Set<OfferRecord>;
  /** Operations with an id. */
  readonly operations: Map<OperationId, OperationRecord>;
  /** Tasks and executors that hold resources. */
  holds: number;
}

/** RECOVERED: known from the registry, not yet back. */
export type AgentState = 'REGISTERED' | 'DISCONNECTED' | 'RECOVERED' | 'UNREACHABLE';

export interface AgentRecord {
  readonly id: AgentId;
  info: AgentInfo;
  /** With all reservations and volumes, and what is revocable. */
  total: Bag;
  /**
   * Neither held nor (but for optimistic commit) offered; shared volumes are always in it. Taking more than this is an assertion failure:
   * nothing is given twice.
   */
  free: Bag;
  /** More of what is revocable is held than there is: its estimate went down. */
  overbooked: boolean;
  /** Counts what was taken of it and converted, for optimistic commit: what was offered at an earlier one may be gone. */
  version: number;
  state: AgentState;
  /** It has registered with this master, which has forgotten none of its tasks since. */
  tasksKnown: boolean;
  /** What operators want of it. */
  admin: AgentAdmin;
  /** `admin` with what is being written to the registry: calls close to each other go by what the one before wants. */
  plan: AgentAdmin;
  /** Its removal is being written to the registry. */
  leaving: boolean;
  peerId: number | undefined;
  /** The session it registered over last: what comes over an older one is of a process that has ended, or given that session up. */
  newestPeerId: number | undefined;
  registeredAtMs: number;
  unreachableAtMs: number | undefined;
  readonly offers: Set<OfferRecord>;
  /** Live and ended tasks placed there, and those only held (`held`). */
  readonly tasks: Set<TaskRecord>;
  /** Tasks the framework has done with, whose end the agent has not confirmed; by `heldKey`. */
  readonly held: Map<string, TaskRecord>;
  /**
   * While it is unreachable: whose tasks and executors it may still run, and which of the tasks are over for their frameworks. What is forgotten of
   * those meanwhile has to end all the same when it is back.
   */
  readonly leftBehind: Map<FrameworkId, Set<TaskId>>;
  /** By `executorKey`. */
  readonly executors: Map<string, ExecutorRecord>;
  /** Who was asked to leave it for maintenance. */
  readonly inverse: Map<FrameworkId, InverseRecord>;
  /** In the order they were sent. */
  readonly operations: Map<OperationUuid, OperationRecord>;
}

/** What decisions may look at. */
export interface ClusterView {
  readonly master: MasterInfo;
  readonly options: MasterOptions;
  readonly frameworks: ReadonlyMap<FrameworkId, Readonly<FrameworkRecord>>;
  /** The longest ended first. */
  readonly completedFrameworks: ReadonlyMap<FrameworkId, Readonly<FrameworkRecord>>;
  /** Those of them of which nothing is held, so that they may be forgotten. */
  readonly idleFrameworks: ReadonlySet<FrameworkId>;
  /** Frameworks whose subscription is being written to the registry, with the newest session of each. They may be unknown, and do not end meanwhile. */
  readonly returningFrameworks: ReadonlyMap<FrameworkId, number>;
  readonly agents: ReadonlyMap<AgentId, Readonly<AgentRecord>>;
  /** Agents whose admission is being written to the registry, with the newest session of each. They may be unknown; nothing is given up of them meanwhile. */
  readonly registeringAgents: ReadonlyMap<AgentId, number>;
  /** Agents declared gone for ever, and when on the wall clock. */
  readonly goneAgents: ReadonlyMap<AgentId, number>;
  /** Agents whose being gone is being written to the registry, where it must stay the last word on them. */
  readonly goingAgents: ReadonlySet<AgentId>;
  /** Outstanding, oldest first. */
  readonly offers: ReadonlyMap<OfferId, OfferRecord>;
  /** Agents of the registry that have not come back. */
  readonly agentsRecovering: number;
  /** Agents that may have tasks this master does not know: of the registry and not seen yet, or away for too long with too many. */
  readonly agentsOfUnknownTasks: number;
  /** Until when agents of earlier masters that are not in the registry may still come: it may be an older copy, or a new one. */
  readonly strangersUntilMs: number;
  /** The registry is known to be an older copy, and their time is not over: tasks nobody here knows may run on them. */
  readonly strangersExpected: boolean;
  /** Longest gone first. */
  readonly unreachableAgents: ReadonlySet<AgentId>;
  /** The policy's, for optimistic commit. */
  readonly conflict: ConflictRule;
  readonly quotas: ReadonlyMap<Role, Quota>;
  /** With those being written to the registry; new ones are checked against these. */
  readonly quotasPlanned: ReadonlyMap<Role, Quota>;
  /** Roles that are not here have 1. */
  readonly weights: ReadonlyMap<Role, number>;
  readonly maintenance: Maintenance;
  /** With what is being written to the registry; calls are judged by it. */
  readonly maintenancePlan: Maintenance;
  /** Schedules that are being written, oldest first. */
  readonly maintenanceWrites: readonly Maintenance[];
  readonly intents: ReadonlyMap<OperationUuid, Readonly<IntentRecord>>;
  /** Of operators' operations; the oldest first. */
  readonly outcomes: ReadonlyMap<OperationUuid, OutcomeRecord>;
  /** Those that wait for an answer. */
  readonly inverseOffers: ReadonlyMap<OfferId, Readonly<InverseRecord>>;
  readonly nextInverseOffer: number;
  readonly nextFramework: number;
  readonly nextAgent: number;
  readonly nextOffer: number;
  readonly nextOperation: number;
}

export class ClusterState implements ClusterView {
  readonly frameworks = new Map<FrameworkId, FrameworkRecord>();
  readonly completedFrameworks = new Map<FrameworkId, FrameworkRecord>();
  readonly idleFrameworks = new Set<FrameworkId>();
  readonly returningFrameworks = new Map<FrameworkId, number>();
  readonly agents = new Map<AgentId, AgentRecord>();
  readonly registeringAgents = new Map<AgentId, number>();
  readonly goneAgents = new Map<AgentId, number>();
  readonly goingAgents = new Set<AgentId>();
  readonly offers = new Map<OfferId, OfferRecord>();
  agentsRecovering = 0;
  agentsOfUnknownTasks = 0;
  strangersExpected = false;
  readonly unreachableAgents = new Set<AgentId>();
  conflict: ConflictRule = fitOrNot;
  quotas: ReadonlyMap<Role, Quota> = new Map();
  quotasPlanned: ReadonlyMap<Role, Quota> = new Map();
  readonly weights = new Map<Role, number>();
  maintenance: Maintenance = noMaintenance;
  maintenancePlan: Maintenance = noMaintenance;
  readonly maintenanceWrites: Maintenance[] = [];
  readonly intents = new Map<OperationUuid, IntentRecord>();
  readonly outcomes = new Map<OperationUuid, OutcomeRecord>();
  readonly inverseOffers = new Map<OfferId, InverseRecord>();
  nextInverseOffer = 0;
  nextFramework = 0;
  nextAgent = 0;
  nextOffer = 0;
  nextOperation = 0;

  constructor(
    readonly master: MasterInfo,
    readonly options: MasterOptions,
    readonly strangersUntilMs = 0,
  ) {}
}

export function heldKey(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}

export function executorKey(frameworkId: FrameworkId, executorId: ExecutorId): string {
  return `${frameworkId}\n${executorId}`;
}

export function newFramework(info: FrameworkInfo & { readonly id: FrameworkId }, wallMs: number): FrameworkRecord {
  return {
    id: info.id,
    info,
    plan: info,
    ending: undefined,
    state: 'RECOVERED',
    partitionAware: isPartitionAware(info),
    suppressed: new Set(),
    constraints: {},
    demand: [],
    peerId: undefined,
    newestPeerId: undefined,
    failoverAtMs: undefined,
    registeredAtMs: wallMs,
    tasks: new Map(),
    unreachable: new Map(),
    completed: new Map(),
    offers: new Set(),
    operations: new Map(),
    holds: 0,
  };
}

export function isPartitionAware(info: FrameworkInfo): boolean {
  return info.capabilities?.includes('PARTITION_AWARE') ?? false;
}

/** The offer as its framework gets it. */
export function offerMessage(
  view: ClusterView,
  offer: OfferRecord,
  agent: Readonly<AgentRecord>,
  resources: Offer['resources'],
): Offer {
  const executorIds: ExecutorId[] = [];
  const unavailability = unavailabilityOf(view.maintenance, agent.info.hostname);
  for (const executor of agent.executors.values()) {
    if (executor.frameworkId === offer.frameworkId) executorIds.push(executor.id);
  }
  return {
    id: offer.id,
    frameworkId: offer.frameworkId,
    agentId: offer.agentId,
    hostname: agent.info.hostname,
    port: agent.info.port,
    role: offer.role,
    resources,
    attributes: agent.info.attributes,
    ...(agent.info.domain === undefined ? {} : { domain: agent.info.domain }),
    containerizers: agent.info.containerizers,
    executorIds,
    expiresInMs: view.options.offerTimeoutMs,
    ...(unavailability === undefined ? {} : { unavailability }),
  };
}

// Lookups that cannot miss: a decision has just seen what it names.

export function frameworkOf(state: ClusterState, id: FrameworkId): FrameworkRecord {
  return must(state.frameworks.get(id), 'the framework');
}

export function anyFrameworkOf(state: ClusterState, id: FrameworkId): FrameworkRecord {
  return must(state.frameworks.get(id) ?? state.completedFrameworks.get(id), 'the framework');
}

export function agentOf(state: ClusterState, id: AgentId): AgentRecord {
  return must(state.agents.get(id), 'the agent');
}

export function taskOf(state: ClusterState, frameworkId: FrameworkId, id: TaskId): TaskRecord {
  return must(frameworkOf(state, frameworkId).tasks.get(id), 'the task');
}
