// What became of launched tasks. In: launches and status updates. Out: the state of each task and counts. A late or repeated update changes nothing.
import type { AgentId, TaskId } from '../base/ids.js';
import type { TaskInfo, TaskStatus } from '../protocol/entities.js';
import type { TaskReference } from '../protocol/scheduler-api.js';
import type { TaskState } from '../protocol/task-state.js';
import { isTerminal } from '../protocol/task-state.js';

/** A task as its scheduler knows it. */
export interface TrackedTask {
  readonly taskId: TaskId;
  readonly agentId: AgentId | undefined;
  /** The definition; undefined for a task learnt of by reconciliation. */
  readonly info: TaskInfo | undefined;
  readonly state: TaskState;
  readonly status: TaskStatus | undefined;
  readonly launchedAt: number;
}

/** What an update did. */
export interface TrackedChange {
  readonly task: TrackedTask;
  readonly from: TaskState | undefined;
  /** The task has reached its end. True once per task, but for one whose end was wrong (`mayBeWrong`). */
  readonly ended: boolean;
}

/** Ends that are not final: TASK_LOST, and that of a launch under an id that may have been in use. */
export function mayBeWrong({ state, status }: Pick<TrackedTask, 'state' | 'status'>): boolean {
  return state === 'TASK_LOST' || (isTerminal(state) && status?.reason === 'AGENTS_RECOVERING');
}

/** Whether no other task can be launched under its id. TASK_UNKNOWN is no state of a task: nobody has one of that id. */
export function holdsItsId({ state }: Pick<TrackedTask, 'state'>): boolean {
  return !isTerminal(state) && state !== 'TASK_UNKNOWN';
}

/** The tasks of one framework. Of those that have ended the newest `endedMax` stay (default 1,000, as the master keeps). */
export class TaskTracker {
  readonly #endedMax: number;
  readonly #ended = new Set<TaskId>();
  readonly #tasks = new Map<TaskId, TrackedTask>();
  readonly #counts = new Map<TaskState, number>();
  readonly #onIdFree = new Set<(taskId: TaskId) => void>();

  constructor(endedMax = 1000) {
    this.#endedMax = endedMax;
  }

  /** Notes a launch about to be sent: TASK_STAGING. */
  launched(info: TaskInfo, agentId: AgentId, now: number): void {
    this.#put({ taskId: info.taskId, agentId, info, state: 'TASK_STAGING', status: undefined, launchedAt: now });
  }

  /** Takes in an update. Undefined when it says nothing new: it came before, or the task has ended, and ended it stays. */
  update(status: TaskStatus, now: number): TrackedChange | undefined {
    const known = this.#tasks.get(status.taskId);
    if (status.uuid !== undefined && known?.status?.uuid === status.uuid) return undefined;
    if (known !== undefined && isTerminal(known.state) && (!mayBeWrong(known) || isTerminal(status.state)))
      return undefined;
    const task: TrackedTask = {
      taskId: status.taskId,
      agentId: status.agentId ?? known?.agentId,
      info: known?.info,
      state: status.state,
      status,
      launchedAt: known?.launchedAt ?? now,
    };
    this.#put(task);
    return { task, from: known?.state, ended: isTerminal(status.state) };
  }

  get(taskId: TaskId): TrackedTask | undefined {
    return this.#tasks.get(taskId);
  }

  /** Drops a task, usually one that has ended. */
  forget(taskId: TaskId): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    this.#tasks.delete(taskId);
    this.#ended.delete(taskId);
    this.#count(task.state, -1);
    if (holdsItsId(task)) this.#idFree(taskId);
  }

  /** Calls back when an id that a task held can be launched again: the task has ended, or was forgotten. Returns the way to stop. */
  onIdFree(listener: (taskId: TaskId) => void): () => void {
    this.#onIdFree.add(listener);
    return () => this.#onIdFree.delete(listener);
  }

  /** Tasks that have not ended. */
  live(): TrackedTask[] {
    return [...this.#tasks.values()].filter(task => !isTerminal(task.state));
  }

  /** As they are asked about. */
  references(): TaskReference[] {
    return this.live().map(({ taskId, agentId }) => (agentId === undefined ? { taskId } : { taskId, agentId }));
  }

  all(): TrackedTask[] {
    return [...this.#tasks.values()];
  }

  /** Number of tasks in a state. */
  count(state: TaskState): number {
    return this.#counts.get(state) ?? 0;
  }

  get size(): number {
    return this.#tasks.size;
  }

  #put(task: TrackedTask): void {
    const before = this.#tasks.get(task.taskId);
    if (before !== undefined) this.#count(before.state, -1);
    this.#tasks.set(task.taskId, task);
    this.#count(task.state, 1);
    this.#ended.delete(task.taskId);
    if (before !== undefined && holdsItsId(before) && !holdsItsId(task)) this.#idFree(task.taskId);
    if (!isTerminal(task.state)) return;
    this.#ended.add(task.taskId);
    const [oldest] = this.#ended;
    if (this.#ended.size > this.#endedMax && oldest !== undefined) this.forget(oldest);
  }

  #idFree(taskId: TaskId): void {
    for (const listener of this.#onIdFree) listener(taskId);
  }

  #count(state: TaskState, by: number): void {
    this.#counts.set(state, (this.#counts.get(state) ?? 0) + by);
  }
}
