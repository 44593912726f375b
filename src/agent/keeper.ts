// Turns what an agent knows into records: one method for each thing that must outlive its process. In: the agent's own records, as they are now. Out:
// changes to the journal.
import type { FrameworkId, StatusUuid } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';
import { every } from '../env/clock.js';
import type { TaskStatus } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { StoreChange } from '../store/store.js';
import type { Journal } from './journal.js';
import type { KeptBoot, KeptExecutor, KeptFramework, KeptStatus, KeptTask } from './records.js';
import { keys } from './records.js';
import type { ExecutorRecord, FrameworkRecord, StateKeeper, TaskRecord } from './state.js';

/** The boot of the machine an agent runs in. */
export interface Boot {
  readonly id: string | undefined;
  /** Milliseconds since that boot when the agent was made; undefined: not known, and wall time is used. */
  readonly uptimeMs: number | undefined;
}

/** Keeps the records of one agent. */
export class Keeper implements StateKeeper {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #boot: Boot;
  readonly #madeAtMs: number;
  #aliveAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(clock: Clock, journal: Journal, boot: Boot) {
    this.#clock = clock;
    this.#journal = journal;
    this.#boot = boot;
    this.#madeAtMs = clock.now();
  }

  /** See {@link KeptBoot.aliveAtMs}. */
  get nowMs(): number {
    const { uptimeMs } = this.#boot;
    return uptimeMs === undefined ? this.#clock.wallMs() : uptimeMs + this.#clock.now() - this.#madeAtMs;
  }

  /** See {@link Journal.after}. */
  after(effect: () => void): void {
    this.#journal.after(effect);
  }

  framework({ id, info, closing }: FrameworkRecord): void {
    const value: KeptFramework = closing ? { info, closing } : { info };
    this.#journal.put({ key: keys.framework(id), value });
  }

  dropFramework(id: FrameworkId): void {
    this.#journal.put({ key: keys.framework(id), remove: true });
  }

  /** The task as it was launched, and that it is to end. Where it stands otherwise is in its statuses. */
  task(record: TaskRecord): void {
    const { frameworkId, task, groupId, executorId, containerId, sandbox, receivedAtMs, life } = record;
    const { ending, killByMs } = life;
    const graceMs = killByMs === undefined ? undefined : Math.max(0, killByMs - this.#clock.now());
    const value: KeptTask = {
      task,
      receivedAtMs,
      ...(groupId === undefined ? {} : { groupId }),
      ...(executorId === undefined ? {} : { executorId }),
      ...(containerId === undefined ? {} : { containerId }),
      ...(sandbox === undefined ? {} : { sandbox }),
      ...(ending === undefined ? {} : { ending }),
      ...(graceMs === undefined ? {} : { graceMs, killAtMs: this.#clock.wallMs() + graceMs }),
    };
    this.#put(record, { key: keys.task(frameworkId, task.taskId), value });
    if (this.#clock.now() >= this.#aliveAtMs + alivePeriodMs) this.alive();
  }

  dropTask(record: TaskRecord): void {
    const { frameworkId, task, statusesKept } = record;
    this.#put(record, { key: keys.task(frameworkId, task.taskId), remove: true });
    for (const { n } of statusesKept)
      this.#put(record, { key: keys.status(frameworkId, task.taskId, n), remove: true });
  }

  executor({ frameworkId, info, role, containerId, sandbox }: ExecutorRecord): void {
    const value: KeptExecutor = { info, containerId, sandbox, ...(role === undefined ? {} : { role }) };
    this.#journal.put({ key: keys.executor(frameworkId, info.executorId), value });
  }

  dropExecutor({ frameworkId, info }: ExecutorRecord): void {
    this.#journal.put({ key: keys.executor(frameworkId, info.executorId), remove: true });
  }

  /** A status that waits for its acknowledgement. One before it that was acknowledged is no longer needed. */
  status(record: TaskRecord, status: TaskStatus & { readonly uuid: StatusUuid }): void {
    const { statusesKept, frameworkId, task, startedAtMs } = record;
    const n = (statusesKept.at(-1)?.n ?? -1) + 1;
    const value: KeptStatus = { status, ...(startedAtMs === undefined ? {} : { startedAtMs }) };
    this.#put(record, { key: keys.status(frameworkId, task.taskId, n), value });
    record.statusesKept = [...this.#withoutAcknowledged(record), { n, uuid: status.uuid }];
  }

  /** It was acknowledged, and so were those before it. The last one of a task stays, to say where the task stands. */
  acknowledged(record: TaskRecord, uuid: StatusUuid): void {
    const { statusesKept, frameworkId, task, status, startedAtMs } = record;
    const at = statusesKept.findIndex(kept => kept.uuid === uuid);
    if (at < 0) return;
    const isLast = at === statusesKept.length - 1;
    for (const { n } of statusesKept.slice(0, isLast ? at : at + 1))
      this.#put(record, { key: keys.status(frameworkId, task.taskId, n), remove: true });
    record.statusesKept = statusesKept.slice(isLast ? at : at + 1);
    if (!isLast || status === undefined || isTerminal(status.state)) return;
    const value = { status, acknowledged: true, ...(startedAtMs === undefined ? {} : { startedAtMs }) };
    this.#put(record, { key: keys.status(frameworkId, task.taskId, statusesKept[at]?.n ?? 0), value });
    record.acknowledged = uuid;
  }

  /** The agent is here now. */
  alive(): void {
    this.#aliveAtMs = this.#clock.now();
    const { id } = this.#boot;
    const value: KeptBoot = { ...(id === undefined ? {} : { bootId: id }), aliveAtMs: this.nowMs };
    this.#journal.put({ key: keys.boot, value });
  }

  /** Says so every minute while `isWorth`. */
  watch(isWorth: () => boolean): void {
    this.#timer = every(this.#clock, alivePeriodMs, () => {
      if (isWorth()) this.alive();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  // What was never here is found missing again by whoever asks; its id may not even be one.
  #put(record: TaskRecord, change: StoreChange): void {
    if (!record.phantom) this.#journal.put(change);
  }

  #withoutAcknowledged(record: TaskRecord): TaskRecord['statusesKept'] {
    const { statusesKept, frameworkId, task, acknowledged } = record;
    if (acknowledged === undefined) return statusesKept;
    record.acknowledged = undefined;
    return statusesKept.filter(({ n, uuid }) => {
      if (uuid !== acknowledged) return true;
      this.#put(record, { key: keys.status(frameworkId, task.taskId, n), remove: true });
      return false;
    });
  }
}

/** How often it is written down that the agent is alive, and so how exact the time is that it was away. */
const alivePeriodMs = 60_000;
