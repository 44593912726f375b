// What a framework's own executor and its agent say to each other: Mesos's v1 executor API under our field names.
import type { Problem } from '../base/errors.js';
import type { AgentId, ContainerId, ExecutorId, FrameworkId, StatusUuid, TaskId } from '../base/ids.js';
import type { AgentInfo, ExecutorInfo, FrameworkInfo, KillPolicy, TaskInfo, TaskStatus } from './entities.js';

/** From executor to agent. */
export type ExecutorCall =
  | {
      readonly type: 'SUBSCRIBE';
      readonly frameworkId: FrameworkId;
      readonly executorId: ExecutorId;
      readonly unacknowledgedTasks: readonly TaskInfo[];
      readonly unacknowledgedUpdates: readonly TaskStatus[];
    }
  /** `status.source` is EXECUTOR and `status.uuid` is set; TASK_STAGING is refused. */
  | { readonly type: 'UPDATE'; readonly status: TaskStatus }
  | { readonly type: 'MESSAGE'; readonly data: string }
  | { readonly type: 'HEARTBEAT' };

/** From agent to executor. */
export type ExecutorEvent =
  | {
      readonly type: 'SUBSCRIBED';
      readonly executor: ExecutorInfo;
      readonly framework: FrameworkInfo;
      readonly agentId: AgentId;
      readonly agent: AgentInfo;
      readonly containerId: ContainerId;
    }
  | { readonly type: 'LAUNCH'; readonly task: TaskInfo }
  | { readonly type: 'LAUNCH_GROUP'; readonly groupId: string; readonly tasks: readonly TaskInfo[] }
  | { readonly type: 'KILL'; readonly taskId: TaskId; readonly killPolicy?: KillPolicy }
  | { readonly type: 'ACKNOWLEDGED'; readonly taskId: TaskId; readonly uuid: StatusUuid }
  | { readonly type: 'MESSAGE'; readonly data: string }
  | { readonly type: 'SHUTDOWN' }
  | { readonly type: 'ERROR'; readonly problems: readonly Problem[] }
  | { readonly type: 'HEARTBEAT' };
