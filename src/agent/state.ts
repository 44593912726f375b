// What an agent knows: its frameworks, their tasks and executors, and the tasks that are over. In: records. Out: lookups.
import type { AgentId, ContainerId, ExecutorId, FrameworkId, Role, StatusUuid, TaskId } from '../base/ids.js';
import type { Container } from '../containerizer/containerizer.js';
import type { Timer } from '../env/clock.js';
import type { ExecutorInfo, FrameworkInfo, MasterInfo, TaskInfo, TaskStatus } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { ExecutorEvent } from '../protocol/executor-api.js';
import type { Bag } from '../resources/index.js';
import type { Peer } from '../transport/peer.js';
import type { StatusDraft, TaskLife } from './task-machine.js';

/** A status of a task that is on disk. */
export interface KeptNumber {
  readonly n: number;
  readonly uuid: StatusUuid;
}

/** One task. It stays until the framework has acknowledged its last status. */
export interface TaskRecord {
  readonly frameworkId: FrameworkId;
  readonly task: TaskInfo;
  readonly groupId: string | undefined;
  readonly executorId: ExecutorId | undefined;
  readonly containerId: ContainerId | undefined;
  /** Undefined when it never got one. */
  readonly sandbox: string | undefined;
  /** What it holds of the ledger until it has ended. */
  readonly resources: Bag;
  readonly receivedAtMs: number;
  /** The same on the monotonic scale. */
  readonly launchedAtMs: number;
  /** It was never here: it stands for the report that says so. */
  readonly phantom: boolean;
  life: TaskLife;
  container: Container | undefined;
  /** Stops its checks and timers. */
  unwatch: (() => void) | undefined;
  /** The last status made for it. */
  status: TaskStatus | undefined;
  /** Statuses on disk, in order. */
  statusesKept: readonly KeptNumber[];
  /** The one of them that is acknowledged: it only says where the task stands. */
  acknowledged: StatusUuid | undefined;
  /** When it began to run, on the scale of `KeptBoot.aliveAtMs`. */
  startedAtMs: number | undefined;
}

/** RESERVED until its container is asked for; then it has to register, and again when its session breaks. */
export type ExecutorState = 'RESERVED' | 'REGISTERING' | 'REGISTERED' | 'TERMINATING';

/** One executor of a framework's own. */
export interface ExecutorRecord {
  readonly frameworkId: FrameworkId;
  readonly info: ExecutorInfo;
  /** Of the task it was started for: in whose share its resources count, also when that task has ended. */
  readonly role: Role | undefined;
  readonly containerId: ContainerId;
  readonly sandbox: string;
  readonly resources: Bag;
  /** On the monotonic scale. */
  readonly launchedAtMs: number;
  state: ExecutorState;
  container: Container | undefined;
  pid: number | undefined;
  peer: Peer<ExecutorEvent> | undefined;
  /** Ends it if it does not register, or does not end, in time. */
  timer: Timer | undefined;
  /** Launches it has not been sent yet. */
  waiting: { readonly tasks: readonly TaskRecord[]; readonly groupId: string | undefined }[];
  /** It was started by an earlier agent process, and its container has not been heard of since. */
  adopting: boolean;
  /** How its tasks end if it ends now; default: EXECUTOR_TERMINATED. */
  verdict: StatusDraft | undefined;
}

/** One framework, as long as it has tasks or executors here. */
export interface FrameworkRecord {
  readonly id: FrameworkId;
  info: FrameworkInfo;
  /** It was removed: its tasks are being ended, and nobody acknowledges. */
  closing: boolean;
  readonly tasks: Map<TaskId, TaskRecord>;
  readonly executors: Map<ExecutorId, ExecutorRecord>;
}

/** Keeps what changes here. */
export interface StateKeeper {
  framework(record: FrameworkRecord): void;
  dropFramework(id: FrameworkId): void;
  dropTask(record: TaskRecord): void;
}

/** The state of one agent. */
export class AgentState {
  agentId: AgentId | undefined;
  master: MasterInfo | undefined;
  readonly frameworks = new Map<FrameworkId, FrameworkRecord>();
  /** Set while its tasks are killed because it is to be empty: the most grace they get, undefined for their own. */
  draining: { readonly graceMs: number | undefined } | undefined = undefined;
  /** Containers that were asked for and have not ended. */
  containers = 0;
  /** Tasks that are over, oldest first. */
  readonly completed: TaskRecord[] = [];
  readonly #completedMax: number;
  readonly #keeper: StateKeeper;

  constructor(completedMax: number, keeper: StateKeeper) {
    this.#completedMax = completedMax;
    this.#keeper = keeper;
  }

  /** The record of a framework, made when there is none; brings its description up to date. */
  framework(id: FrameworkId, info: FrameworkInfo): FrameworkRecord {
    const known = this.frameworks.get(id);
    if (known !== undefined) {
      if (JSON.stringify(known.info) === JSON.stringify(info)) return known;
      known.info = info;
      this.#keeper.framework(known);
      return known;
    }
    const record: FrameworkRecord = { id, info, closing: false, tasks: new Map(), executors: new Map() };
    this.frameworks.set(id, record);
    this.#keeper.framework(record);
    return record;
  }

  /** A framework of an earlier agent process. */
  restore(id: FrameworkId, info: FrameworkInfo, closing: boolean): FrameworkRecord {
    const record: FrameworkRecord = { id, info, closing, tasks: new Map(), executors: new Map() };
    this.frameworks.set(id, record);
    return record;
  }

  /** The framework was removed. */
  close(framework: FrameworkRecord): void {
    framework.closing = true;
    this.#keeper.framework(framework);
  }

  task(frameworkId: FrameworkId, taskId: TaskId): TaskRecord | undefined {
    return this.frameworks.get(frameworkId)?.tasks.get(taskId);
  }

  /** Every task that is not over, framework by framework. */
  *tasks(): IterableIterator<TaskRecord> {
    for (const framework of this.frameworks.values()) yield* framework.tasks.values();
  }

  /** Of all that runs, or may: what is in any other sandbox is over. */
  *sandboxes(): IterableIterator<string> {
    for (const { tasks, executors } of this.frameworks.values()) {
      for (const { sandbox, life } of tasks.values())
        if (sandbox !== undefined && !isTerminal(life.state)) yield sandbox;
      for (const { sandbox } of executors.values()) yield sandbox;
    }
  }

  /** The task is over, and everybody knows. */
  retire(record: TaskRecord): void {
    this.frameworks.get(record.frameworkId)?.tasks.delete(record.task.taskId);
    this.#keeper.dropTask(record);
    if (!record.phantom) this.completed.push(record);
    // Cut in batches, as shifting one by one would move them all each time.
    if (this.completed.length > this.#completedMax * 1.25) {
      this.completed.splice(0, this.completed.length - this.#completedMax);
    }
    this.forgetIfIdle(record.frameworkId);
  }

  /** A framework without tasks and executors is no longer known. */
  forgetIfIdle(frameworkId: FrameworkId): void {
    const framework = this.frameworks.get(frameworkId);
    if (framework === undefined || framework.tasks.size > 0 || framework.executors.size > 0) return;
    this.frameworks.delete(frameworkId);
    this.#keeper.dropFramework(frameworkId);
  }
}
