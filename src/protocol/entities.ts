// The nouns of the protocol: frameworks, agents, offers, tasks, statuses. Plain data as it crosses the wire; Mesos's fields in camelCase.
import type {
  AgentId,
  ContainerId,
  ExecutorId,
  FrameworkId,
  MasterId,
  OfferId,
  OperationId,
  OperationUuid,
  Role,
  StatusUuid,
  TaskId,
} from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type { TaskState } from './task-state.js';

/** Free key-value pairs, passed through. */
export type Labels = { readonly [name: string]: string };

/** An attribute of an agent: text, scalar, ranges or set. */
export type AttributeValue = string | number | readonly (readonly [number, number])[] | readonly string[];
export type Attributes = { readonly [name: string]: AttributeValue };

/** What a framework can cope with. Without PARTITION_AWARE it sees TASK_LOST where others see finer states. */
export const frameworkCapabilities = [
  'REVOCABLE_RESOURCES',
  'TASK_KILLING_STATE',
  'GPU_RESOURCES',
  'SHARED_RESOURCES',
  'PARTITION_AWARE',
  'REGION_AWARE',
] as const;
export type FrameworkCapability = (typeof frameworkCapabilities)[number];

/** What a framework says of itself when it subscribes. */
export interface FrameworkInfo {
  readonly name: string;
  /** The id of an earlier subscription, to take over its tasks. Absent for a new framework. */
  readonly id?: FrameworkId;
  /** Roles whose offers it wants; each valid, no duplicates, at least one. */
  readonly roles: readonly Role[];
  /** The user its tasks run as unless the task says otherwise. Default: the agent's user. */
  readonly user?: string;
  readonly hostname?: string;
  readonly principal?: string;
  readonly webuiUrl?: string;
  /** How long tasks outlive a lost scheduler, in milliseconds. Default 0: they end at once. At most 365 days. */
  readonly failoverTimeoutMs?: number;
  /** Whether tasks outlive an agent process. Default true. */
  readonly checkpoint?: boolean;
  readonly capabilities?: readonly FrameworkCapability[];
  readonly labels?: Labels;
  /** Per role: offers below every one of these amounts are not made. An empty list means anything. Default `cpus:0.01|mem:32`. */
  readonly offerFilters?: { readonly [role: Role]: { readonly minAllocatableResources: readonly Resources[] } };
}

export const constraintPredicates = [
  'EXISTS',
  'NOT_EXISTS',
  'TEXT_EQUALS',
  'TEXT_NOT_EQUALS',
  'TEXT_MATCHES',
  'TEXT_NOT_MATCHES',
] as const;
export type ConstraintPredicate = (typeof constraintPredicates)[number];

/** One condition on an agent. Attributes that are not text pass every predicate but NOT_EXISTS. */
export interface AttributeConstraint {
  /** An attribute's name, or `@hostname`, `@region`, `@zone`. */
  readonly attribute: string;
  readonly predicate: ConstraintPredicate;
  /** The text or regular expression (RE2 syntax, whole match) for the TEXT_ predicates. */
  readonly value?: string;
}

/** Per role: an OR of groups, each an AND of constraints; agents that match none are not offered. */
export type OfferConstraints = { readonly [role: Role]: readonly (readonly AttributeConstraint[])[] };

/** Where a machine stands: region and zone. */
export interface FaultDomain {
  readonly region: string;
  readonly zone: string;
}

/** What an agent says of itself when it registers. */
export interface AgentInfo {
  readonly hostname: string;
  /** Port of the agent's HTTP server; 0 when it has none. */
  readonly port: number;
  readonly resources: Resources;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
  /** Container types it can run, e.g. `['PROCESS', 'DOCKER']`. */
  readonly containerizers: readonly ContainerType[];
  readonly version: string;
}

export interface MasterInfo {
  readonly id: MasterId;
  readonly hostname: string;
  readonly port: number;
  readonly version: string;
  readonly domain?: FaultDomain;
}

/** A planned time of absence of an agent, in wall milliseconds. */
export interface Unavailability {
  readonly startMs: number;
  readonly durationMs?: number;
}

/** Resources of one agent, for one role of one framework, to be answered by ACCEPT or DECLINE. */
export interface Offer {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly hostname: string;
  /** Port of the agent's HTTP server; 0 when it has none. */
  readonly port: number;
  readonly role: Role;
  readonly resources: Resources;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
  readonly containerizers: readonly ContainerType[];
  /** Executors of this framework already running on the agent. */
  readonly executorIds: readonly ExecutorId[];
  readonly unavailability?: Unavailability;
  /** When the master takes it back if unanswered, in milliseconds from its sending. */
  readonly expiresInMs: number;
}

/** Asks a framework to leave an agent that is to go away; answered by ACCEPT_INVERSE_OFFERS (it will) or DECLINE_INVERSE_OFFERS (it cannot). */
export interface InverseOffer {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly unavailability: Unavailability;
}

/** How long the same resources are not to be offered again. Default 5 s; 0 means no filter; at most 365 days. */
export interface Filters {
  readonly refuseMs?: number;
}

/** A file to bring into the sandbox before the task starts: `http:`, `https:` or `file:`. */
export interface FetchUri {
  readonly value: string;
  readonly executable?: boolean;
  /** Unpack `.tar`, `.tar.gz`, `.tgz`, `.zip`. Default true. */
  readonly extract?: boolean;
  readonly outputFile?: string;
  /** Whether the agent keeps what it fetched, and gives it to later tasks of the same user that say so too, without asking its server again. Default false. */
  readonly cache?: boolean;
}

/** A small file that the scheduler brings itself, such as a secret. Only the task's user can read it: in a container root, unless the command names one. */
export interface TaskFile {
  /** Where it is in the sandbox. */
  readonly path: string;
  readonly base64: string;
}

/** What to run. `value` is a shell line (`sh -c`); `argv` a program and its arguments without a shell. One of them, or neither for an image's own command. */
export interface CommandInfo {
  readonly value?: string;
  readonly argv?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly uris?: readonly FetchUri[];
  /** In the sandbox before anything is fetched. They travel with the task, so they count for its size. */
  readonly files?: readonly TaskFile[];
  readonly user?: string;
}

export const containerTypes = ['PROCESS', 'DOCKER'] as const;
export type ContainerType = (typeof containerTypes)[number];

export const dockerNetworks = ['BRIDGE', 'HOST', 'NONE'] as const;

/** One port of the container bound to one of the task's host ports. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol?: 'tcp' | 'udp';
}

export interface DockerInfo {
  readonly image: string;
  /** `BRIDGE` (default), `HOST`, `NONE`, or the name of a user network. */
  readonly network?: string;
  readonly portMappings?: readonly PortMapping[];
  /** Pull even when the image is there. Default false. */
  readonly forcePullImage?: boolean;
  /** Root file system read-only. Default false. */
  readonly readOnly?: boolean;
  readonly privileged?: boolean;
  readonly parameters?: readonly { readonly key: string; readonly value: string }[];
}

/**
 * A directory, or a file, of the container. It is an empty one of its own unless `hostPath` or `external` says what it is. Processes see the machine's file
 * system, so theirs is a link in the sandbox, and RO is not enforced.
 */
export interface VolumeMount {
  /** Absolute, or relative to the sandbox; of a process relative, or the `hostPath` itself. */
  readonly containerPath: string;
  /** On the agent's machine; relative to the sandbox when it is not absolute. */
  readonly hostPath?: string;
  /** Of a volume driver of the Docker engine. */
  readonly external?: ExternalVolume;
  readonly mode: 'RW' | 'RO';
}

/** A volume that a driver outside the cluster keeps; it is made when there is none of that name, and stays. */
export interface ExternalVolume {
  readonly driver: string;
  readonly name: string;
  readonly options?: { readonly [name: string]: string };
}

export interface ContainerInfo {
  readonly type: ContainerType;
  readonly docker?: DockerInfo;
  readonly volumes?: readonly VolumeMount[];
  readonly hostname?: string;
  /** A terminal for its output, all of which then goes to `stdout`. Type DOCKER only. Default false. */
  readonly tty?: boolean;
}

export const ipProtocols = ['IPv4', 'IPv6'] as const;
/** Which address of a task is looked at. */
export type IpProtocol = (typeof ipProtocols)[number];

/** How to look at a task: a command in its container, an HTTP request or a TCP connection to it, by IPv4 unless it says otherwise. */
export type Probe =
  | { readonly type: 'COMMAND'; readonly command: CommandInfo }
  | {
      readonly type: 'HTTP';
      readonly port: number;
      readonly path?: string;
      readonly scheme?: 'http' | 'https';
      readonly ipProtocol?: IpProtocol;
    }
  | { readonly type: 'TCP'; readonly port: number; readonly ipProtocol?: IpProtocol };

/** A check whose result the framework interprets. Times default to delay 15 s, interval 10 s, timeout 20 s (0: none). */
export interface CheckInfo {
  readonly probe: Probe;
  readonly delayMs?: number;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

/**
 * A check that kills the task when it fails `consecutiveFailures` (default 3) times in a row after the grace period (default 10 s). With 0 it never
 * does, and only tells.
 */
export interface HealthCheckInfo extends CheckInfo {
  readonly gracePeriodMs?: number;
  readonly consecutiveFailures?: number;
}

/** What a check saw last: the exit code, the HTTP status, or whether TCP connected. Empty fields: it timed out. */
export type CheckStatus =
  | { readonly type: 'COMMAND'; readonly exitCode?: number }
  | { readonly type: 'HTTP'; readonly statusCode?: number }
  | { readonly type: 'TCP'; readonly succeeded?: boolean };

/** How one health check of a task stands. Times are wall milliseconds at the agent, of the last look that was told of. */
export interface HealthStatus {
  /** 0 when the last look succeeded, or none has been made that counts. */
  readonly consecutiveFailures: number;
  readonly firstSuccessMs?: number;
  readonly lastSuccessMs?: number;
  readonly lastFailureMs?: number;
  /** What the last failed look saw. */
  readonly lastFailureCause?: string;
}

/** How to end a task: SIGTERM, then SIGKILL after the grace period. Default 3 s. */
export interface KillPolicy {
  readonly gracePeriodMs?: number;
}

/** Ports and names under which others find the task; passed through. */
export interface DiscoveryInfo {
  readonly name?: string;
  readonly ports?: readonly {
    readonly number: number;
    readonly name?: string;
    readonly protocol?: string;
    readonly labels?: Labels;
  }[];
}

/** A program of the framework's own that runs tasks on the agent and speaks the executor API. */
export interface ExecutorInfo {
  readonly executorId: ExecutorId;
  readonly name?: string;
  readonly command: CommandInfo;
  readonly container?: ContainerInfo;
  readonly resources: Resources;
  readonly data?: string;
  readonly labels?: Labels;
}

/** One task to launch. Exactly one of `command`, `container` (with its image's own command) or `executor` says what runs. */
export interface TaskInfo {
  readonly taskId: TaskId;
  /**
   * The id may have been launched before: it is not while an agent of before may come back with such a task, and the task is dropped for the reason
   * AGENTS_RECOVERING. Default false: the id is new.
   */
  readonly unlessRunning?: boolean;
  readonly name: string;
  /** The offer's agent; filled in by the master when absent. */
  readonly agentId?: AgentId;
  /** The offer's role; filled in by the master when absent, so that agents can tell it to the next master. */
  readonly role?: Role;
  readonly resources: Resources;
  /**
   * Whether `resources`, and those of `executor`, are taken exactly under their keys: `cpus` from what is unreserved only, as in Mesos. Default false: what is
   * named without a reservation may come from any in the offer, and comes from there first. A key with a reservation, as `cpus(ads,dynamic,team=blue)`, always means exactly that one.
   */
  readonly exactResources?: boolean;
  readonly command?: CommandInfo;
  readonly container?: ContainerInfo;
  readonly executor?: ExecutorInfo;
  readonly check?: CheckInfo;
  readonly healthCheck?: HealthCheckInfo;
  /** Further ones besides `check`, each on its own. */
  readonly checks?: readonly CheckInfo[];
  /** Further ones besides `healthCheck`; the task is healthy when all say so. */
  readonly healthChecks?: readonly HealthCheckInfo[];
  readonly killPolicy?: KillPolicy;
  /** Ends as TASK_FAILED, MAX_COMPLETION_TIME_REACHED, when it runs longer. */
  readonly maxCompletionTimeMs?: number;
  /** Upper bounds above the request for cpus and mem (MiB); `Infinity` for none. Default: the request itself. */
  readonly limits?: { readonly cpus?: number; readonly mem?: number };
  readonly data?: string;
  readonly labels?: Labels;
  readonly discovery?: DiscoveryInfo;
}

export const statusSources = ['MASTER', 'AGENT', 'EXECUTOR'] as const;
export type StatusSource = (typeof statusSources)[number];

/** What is known of a task's container. */
export interface ContainerStatus {
  readonly containerId: ContainerId;
  readonly pid?: number;
  readonly ip?: string;
}

/** One report on a task. */
export interface TaskStatus {
  readonly taskId: TaskId;
  readonly state: TaskState;
  readonly source: StatusSource;
  readonly reason?: StatusReason;
  readonly message?: string;
  readonly data?: string;
  readonly agentId?: AgentId;
  readonly executorId?: ExecutorId;
  /** Wall milliseconds at its source. */
  readonly timestampMs: number;
  /** Present exactly when the framework must acknowledge. */
  readonly uuid?: StatusUuid;
  readonly healthy?: boolean;
  readonly check?: CheckStatus;
  /** Of the task's `checks`, in their order. */
  readonly checks?: readonly CheckStatus[];
  /** Of `healthCheck`, then of `healthChecks` in their order, once one of them has something to tell. */
  readonly health?: readonly HealthStatus[];
  readonly container?: ContainerStatus;
  readonly exitCode?: number;
  /** The signal that ended the process, e.g. `SIGKILL`. */
  readonly signal?: string;
  readonly labels?: Labels;
  readonly unreachableTimeMs?: number;
}

/** Why a status is what it is; Mesos's reasons. */
export const statusReasons = [
  'TASK_INVALID',
  'TASK_GROUP_INVALID',
  'TASK_UNAUTHORIZED',
  'TASK_GROUP_UNAUTHORIZED',
  'INVALID_OFFERS',
  'AGENT_REMOVED',
  'AGENT_DISCONNECTED',
  'RESOURCES_UNKNOWN',
  'AGENT_REMOVED_BY_OPERATOR',
  'FRAMEWORK_REMOVED',
  'RECONCILIATION',
  'AGENT_REREGISTERED',
  'CONTAINER_LAUNCH_FAILED',
  'CONTAINER_LIMITATION_MEMORY',
  'CONTAINER_LIMITATION_DISK',
  'EXECUTOR_REGISTRATION_TIMEOUT',
  'EXECUTOR_REREGISTRATION_TIMEOUT',
  'EXECUTOR_TERMINATED',
  'COMMAND_EXECUTOR_FAILED',
  'MAX_COMPLETION_TIME_REACHED',
  'TASK_KILLED_DURING_LAUNCH',
  'TASK_GROUP_MEMBER_ENDED',
  'TASK_UNHEALTHY',
  'AGENT_DRAINING',
  'AGENT_SHUT_DOWN',
  'CONTAINER_PREEMPTED',
  /** Optimistic commit: another framework took the offered resources first. */
  'OFFER_CONFLICT',
  /** Agents that may run a task of this id are not back after a restart of the master. */
  'AGENTS_RECOVERING',
  'AGENT_RESTARTED',
  'GC_ERROR',
  'TASK_CHECK_STATUS_UPDATED',
  'TASK_HEALTH_CHECK_STATUS_UPDATED',
] as const;
export type StatusReason = (typeof statusReasons)[number];

/** How an operation on resources stands; Mesos's states. The first and UNREACHABLE, RECOVERING and UNKNOWN may still change. */
export const operationStates = [
  'OPERATION_PENDING',
  'OPERATION_FINISHED',
  /** The agent could not carry it out; the resources are as before. */
  'OPERATION_FAILED',
  /** It is not valid. */
  'OPERATION_ERROR',
  /** It never reached the agent. */
  'OPERATION_DROPPED',
  'OPERATION_GONE_BY_OPERATOR',
  'OPERATION_UNREACHABLE',
  'OPERATION_RECOVERING',
  'OPERATION_UNKNOWN',
] as const;
export type OperationState = (typeof operationStates)[number];

/** One report on an operation on resources. */
export interface OperationStatus {
  /** Absent when the framework or operator gave none. */
  readonly operationId?: OperationId;
  /** Absent for operations of an operator. */
  readonly frameworkId?: FrameworkId;
  readonly agentId?: AgentId;
  readonly state: OperationState;
  readonly message?: string;
  /** Present exactly when it must be acknowledged; that of APPLY_OPERATION. */
  readonly uuid?: OperationUuid;
  /** What the resources became; with OPERATION_FINISHED only. */
  readonly converted?: Resources;
}
