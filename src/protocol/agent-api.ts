// What an agent and the master say to each other.
import type { Problem } from '../base/errors.js';
import type { AgentId, ExecutorId, FrameworkId, StatusUuid, TaskId } from '../base/ids.js';
import type {
  AgentInfo,
  ExecutorInfo,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  TaskInfo,
  TaskStatus,
} from './entities.js';
import type { TaskState } from './task-state.js';

/** A task as its agent knows it, told at registration. */
export interface AgentTask {
  readonly frameworkId: FrameworkId;
  readonly task: TaskInfo;
  /** The newest state, which may be ahead of what the framework has acknowledged. */
  readonly state: TaskState;
  readonly groupId?: string;
  /** The last status made for it. */
  readonly status?: TaskStatus;
}

/** A live executor of a framework's own, told at registration. */
export interface AgentExecutor {
  readonly frameworkId: FrameworkId;
  readonly executor: ExecutorInfo;
}

/** From agent to master. */
export type AgentCall =
  /** First message, and again after every reconnect, with the id once there is one. Long lists travel in parts: `more` until the last. */
  | {
      readonly type: 'REGISTER';
      readonly agentId?: AgentId;
      readonly agent: AgentInfo;
      readonly frameworks: readonly FrameworkInfo[];
      readonly tasks: readonly AgentTask[];
      readonly executors: readonly AgentExecutor[];
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
      readonly reconcile: readonly { readonly frameworkId: FrameworkId; readonly taskId: TaskId }[];
    }
  | { readonly type: 'REFUSED'; readonly problems: readonly Problem[] }
  | { readonly type: 'PING' }
  | {
      readonly type: 'LAUNCH';
      readonly framework: FrameworkInfo;
      readonly tasks: readonly TaskInfo[];
      readonly groupId?: string;
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
  | { readonly type: 'SHUTDOWN_FRAMEWORK'; readonly frameworkId: FrameworkId }
  | { readonly type: 'SHUTDOWN_EXECUTOR'; readonly frameworkId: FrameworkId; readonly executorId: ExecutorId }
  | { readonly type: 'UPDATE_FRAMEWORK'; readonly framework: FrameworkInfo }
  /** End all tasks and exit. */
  | { readonly type: 'SHUTDOWN'; readonly message: string };
