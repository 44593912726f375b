// What an agent and the master say to each other.
import type { Problem } from '../base/errors.js';
import type {
  AgentId,
  ExecutorId,
  FrameworkId,
  OperationId,
  OperationUuid,
  Role,
  StatusUuid,
  TaskId,
} from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type {
  AgentInfo,
  ExecutorInfo,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  OperationStatus,
  TaskInfo,
  TaskStatus,
} from './entities.js';
import type { ResourceOperationType } from './scheduler-api.js';
import type { TaskState } from './task-state.js';

/** A task as its agent knows it, told at registration. */
export interface AgentTask {
  readonly frameworkId: FrameworkId;
  readonly task: TaskInfo;
  /** The newest state, which may be ahead of what the framework has acknowledged. */
  readonly state: TaskState;
  readonly groupId?: string;
  /** When the agent was told to launch it, in wall milliseconds at the agent. */
  readonly launchedAtMs?: number;
  /** The last status made for it. */
  readonly status?: TaskStatus;
}

/** A live executor of a framework's own, told at registration. */
export interface AgentExecutor {
  readonly frameworkId: FrameworkId;
  readonly executor: ExecutorInfo;
  /** Whose share it counts in: that of the task it was started for. Default: that of a task it has. */
  readonly role?: Role;
}

/** From agent to master. */
export type AgentCall =
  /** First message, and again after every reconnect, with the id once there is one. Long lists travel in parts: `more` until the last. */
  | {
      readonly type: 'REGISTER';
      readonly agentId?: AgentId;
      /** Its `resources` are its present total with all conversions and revocable ones. */
      readonly agent: AgentInfo;
      readonly frameworks: readonly FrameworkInfo[];
      readonly tasks: readonly AgentTask[];
      readonly executors: readonly AgentExecutor[];
      /** Outcomes that nobody acknowledged. */
      readonly operations?: readonly OperationStatus[];
      /** How many parts of this registration came before. Default 0: it begins anew. */
      readonly part?: number;
      readonly more: boolean;
    }
  | { readonly type: 'PONG' }
  /** One status of a task. `latestState` frees resources at once while the framework still sees updates in order. */
  | {
      readonly type: 'STATUS_UPDATE';
      readonly frameworkId: FrameworkId;
      readonly status: TaskStatus;
      readonly latestState: TaskState;
    }
  | {
      readonly type: 'EXECUTOR_EXITED';
      readonly frameworkId: FrameworkId;
      readonly executorId: ExecutorId;
      readonly status: number;
    }
  | {
      readonly type: 'MESSAGE';
      readonly frameworkId: FrameworkId;
      readonly executorId: ExecutorId;
      readonly data: string;
    }
  /** How an operation of APPLY_OPERATION ended; repeated until acknowledged by its uuid, which it always carries. */
  | { readonly type: 'OPERATION_STATUS'; readonly status: OperationStatus }
  /** The whole total of the agent from now on, revocable ones included. */
  | { readonly type: 'UPDATE_RESOURCES'; readonly resources: Resources }
  /** The agent is going away on purpose; its tasks are ended. */
  | { readonly type: 'UNREGISTER'; readonly message: string };

/** From master to agent. */
export type AgentEvent =
  /** `reconcile` names tasks the master has and the agent did not list: the agent answers TASK_DROPPED for those it lacks. */
  | {
      readonly type: 'REGISTERED';
      readonly agentId: AgentId;
      readonly master: MasterInfo;
      readonly pingTimeoutMs: number;
      /** Pings missed until the master gives the agent up. Default: the agent's own setting. */
      readonly pingMissesMax?: number;
      readonly reconcile: readonly { readonly frameworkId: FrameworkId; readonly taskId: TaskId }[];
    }
  | { readonly type: 'REFUSED'; readonly problems: readonly Problem[] }
  | { readonly type: 'PING' }
  | {
      readonly type: 'LAUNCH';
      readonly framework: FrameworkInfo;
      readonly tasks: readonly TaskInfo[];
      readonly groupId?: string;
      /** Executors that are to be started for them. Any other that a task names runs there already, or the task is dropped. */
      readonly newExecutorIds?: readonly ExecutorId[];
    }
  | {
      readonly type: 'KILL';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly killPolicy?: KillPolicy;
    }
  | {
      readonly type: 'ACKNOWLEDGE';
      readonly frameworkId: FrameworkId;
      readonly taskId: TaskId;
      readonly uuid: StatusUuid;
    }
  | {
      readonly type: 'MESSAGE';
      readonly frameworkId: FrameworkId;
      readonly executorId: ExecutorId;
      readonly data: string;
    }
  /** Turn `consumed`, a part of the total, into `produced`; comes in order with LAUNCH. */
  | {
      readonly type: 'APPLY_OPERATION';
      readonly uuid: OperationUuid;
      readonly operationId?: OperationId;
      readonly frameworkId?: FrameworkId;
      readonly kind: ResourceOperationType;
      readonly consumed: Resources;
      readonly produced: Resources;
    }
  | { readonly type: 'ACKNOWLEDGE_OPERATION'; readonly uuid: OperationUuid }
  /** Kill all tasks, with at most this grace; stay registered. */
  | { readonly type: 'DRAIN'; readonly gracePeriodMs?: number }
  | { readonly type: 'SHUTDOWN_FRAMEWORK'; readonly frameworkId: FrameworkId }
  | { readonly type: 'SHUTDOWN_EXECUTOR'; readonly frameworkId: FrameworkId; readonly executorId: ExecutorId }
  /** The framework has changed, or a scheduler of it has subscribed: its statuses that nobody has acknowledged are sent again at once. */
  | { readonly type: 'UPDATE_FRAMEWORK'; readonly framework: FrameworkInfo }
  /** End all tasks and exit. */
  | { readonly type: 'SHUTDOWN'; readonly message: string };
