// What the master knows: frameworks, agents, offers, tasks. Changed in changes.ts alone; decide/ and views read it.
import { must } from '../base/assert.js';
import type { AgentId, ExecutorId, FrameworkId, OfferId, Role, StatusUuid, TaskId } from '../base/ids.js';
import type {
  AgentInfo,
  ExecutorInfo,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  Offer,
  OfferConstraints,
  TaskInfo,
  TaskStatus,
} from '../protocol/entities.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import type { MasterOptions } from './options.js';

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
  readonly resources: Bag;
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
  readonly resources: Bag;
}

export interface OfferRecord {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: Role;
  readonly resources: Bag;
  readonly madeAtMs: number;
}

export interface FrameworkRecord {
  readonly id: FrameworkId;
  /** With `id`. */
  info: FrameworkInfo;
  state: 'ACTIVE' | 'DISCONNECTED' | 'RECOVERED' | 'COMPLETED';
  partitionAware: boolean;
  suppressed: ReadonlySet<Role>;
  constraints: OfferConstraints;
  demand: readonly DemandHint[];
  /** The session it is subscribed over. */
  peerId: number | undefined;
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
  /** Tasks and executors that hold resources. */
  holds: number;
}

/** RECOVERED: known from the registry, not yet back. */
export type AgentState = 'REGISTERED' | 'DISCONNECTED' | 'RECOVERED' | 'UNREACHABLE';

export interface AgentRecord {
  readonly id: AgentId;
  info: AgentInfo;
  total: Bag;
  /** Neither offered nor held. Taking more than this is an assertion failure: nothing is given twice. */
  free: Bag;
  state: AgentState;
  /** Its removal is being written to the registry. */
  leaving: boolean;
  peerId: number | undefined;
  registeredAtMs: number;
  unreachableAtMs: number | undefined;
  readonly offers: Set<OfferRecord>;
  /** Live and ended tasks placed there, and those only held (`held`). */
  readonly tasks: Set<TaskRecord>;
  /** Tasks the framework has done with, whose end the agent has not confirmed; by `heldKey`. */
  readonly held: Map<string, TaskRecord>;
  /** By `executorKey`. */
  readonly executors: Map<string, ExecutorRecord>;
}

/** What decisions may look at. */
export interface ClusterView {
  readonly master: MasterInfo;
  readonly options: MasterOptions;
  readonly frameworks: ReadonlyMap<FrameworkId, Readonly<FrameworkRecord>>;
  readonly completedFrameworks: ReadonlyMap<FrameworkId, Readonly<FrameworkRecord>>;
  readonly agents: ReadonlyMap<AgentId, Readonly<AgentRecord>>;
  /** Agents declared gone for ever. */
  readonly goneAgents: ReadonlySet<AgentId>;
  /** Outstanding, oldest first. */
  readonly offers: ReadonlyMap<OfferId, OfferRecord>;
  /** Agents of the registry that have not come back. */
  readonly agentsRecovering: number;
  /** Longest gone first. */
  readonly unreachableAgents: ReadonlySet<AgentId>;
  readonly nextFramework: number;
  readonly nextAgent: number;
  readonly nextOffer: number;
}

export class ClusterState implements ClusterView {
  readonly frameworks = new Map<FrameworkId, FrameworkRecord>();
  readonly completedFrameworks = new Map<FrameworkId, FrameworkRecord>();
  readonly agents = new Map<AgentId, AgentRecord>();
  readonly goneAgents = new Set<AgentId>();
  readonly offers = new Map<OfferId, OfferRecord>();
  agentsRecovering = 0;
  readonly unreachableAgents = new Set<AgentId>();
  nextFramework = 0;
  nextAgent = 0;
  nextOffer = 0;

  constructor(
    readonly master: MasterInfo,
    readonly options: MasterOptions,
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
    state: 'RECOVERED',
    partitionAware: isPartitionAware(info),
    suppressed: new Set(),
    constraints: {},
    demand: [],
    peerId: undefined,
    failoverAtMs: undefined,
    registeredAtMs: wallMs,
    tasks: new Map(),
    unreachable: new Map(),
    completed: new Map(),
    offers: new Set(),
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
