// The last failure of an app, as `lastTaskFailure` tells it. Types only.
import type { AgentId, TaskId } from 'proffer';
import type { PathId } from '../model/path.js';

/** How a task of an app last failed; times are wall milliseconds. */
export interface TaskFailure {
  readonly appId: PathId;
  readonly host: string;
  readonly message: string;
  /** Such as `TASK_FAILED`. */
  readonly state: string;
  readonly taskId: TaskId;
  readonly timestamp: number;
  /** Of the app's definition it ran. */
  readonly version: number;
  readonly slaveId?: AgentId;
}
