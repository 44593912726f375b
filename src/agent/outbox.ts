// Statuses leave here, once they are durable: completed with who and when, queued until acknowledged, sent again by one timer.
// In: drafts of reports, acknowledgements, the session with the master. Out: STATUS_UPDATE calls.
import type { FrameworkId, StatusUuid, TaskId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { AgentCall } from '../protocol/agent-api.js';
import type { ContainerStatus, TaskStatus } from '../protocol/entities.js';
import { fittingStatus, wireBytes } from '../protocol/wire-size.js';
import type { Peer } from '../transport/peer.js';
import type { Counts } from './counts.js';
import type { Keeper } from './keeper.js';
import { isTerminal } from '../protocol/task-state.js';
import type { AgentState, TaskRecord } from './state.js';
import type { StatusSend } from './status-queue.js';
import { StatusQueue } from './status-queue.js';
import type { StatusDraft } from './task-machine.js';

/** How a report is to travel. */
export interface ReportWays {
  /** A newer one of the same state says it all. */
  readonly replaceable: boolean;
  /** False: its framework is gone; it is told to the master once, without a uuid. */
  readonly acknowledged: boolean;
  readonly source: 'AGENT' | 'EXECUTOR';
}

const statusBytesMax = 256 * 1024;

/** The outbox of one agent. */
export class Outbox {
  readonly #env: Env;
  readonly #state: AgentState;
  readonly #counts: Counts;
  readonly #keeper: Keeper;
  readonly #queue = new StatusQueue();
  #peer: Peer<AgentCall> | undefined;
  /** Told without acknowledgement since the registration under way was made, which says otherwise; undefined: none is. */
  #meanwhile: StatusSend[] | undefined;
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(env: Env, state: AgentState, counts: Counts, keeper: Keeper) {
    this.#counts = counts;
    this.#keeper = keeper;
    this.#env = env;
    this.#state = state;
  }

  /** Statuses not yet acknowledged. */
  get unacknowledged(): number {
    return this.#queue.size;
  }

  /** Makes a status of `draft` and sends it when it is its turn. */
  report(record: TaskRecord, draft: StatusDraft, ways: ReportWays): void {
    const { clock, ids } = this.#env;
    const { agentId } = this.#state;
    const { uuid = ids.uuid(), ...said } = draft;
    const container = containerStatus(record);
    const whole: TaskStatus = {
      taskId: record.task.taskId,
      source: ways.source,
      timestampMs: clock.wallMs(),
      ...said,
      ...(agentId === undefined ? {} : { agentId }),
      ...(record.executorId === undefined ? {} : { executorId: record.executorId }),
      ...(container === undefined ? {} : { container }),
      ...(ways.acknowledged ? { uuid } : {}),
    };
    // It travels with its task at each registration, which must fit into a frame.
    const status = fittingStatus(whole, statusBytesMax);
    if (status !== whole)
      this.#env.log.warn('a status is too long: only the beginning of its message is told', {
        task: status.taskId,
        bytes: wireBytes(whole),
        bytesMax: statusBytesMax,
      });
    record.status = status;
    if (ways.acknowledged) {
      this.#keeper.status(record, { ...status, uuid });
      this.#keeper.after(() => this.#enqueue(record, status, ways.replaceable));
    } else {
      this.#keeper.after(() => this.#tellOnce(record, status));
    }
  }

  /** A status of an earlier agent process that was not acknowledged. */
  restore(record: TaskRecord, status: TaskStatus): void {
    this.#enqueue(record, status, false);
  }

  /** The framework acknowledged: the next status follows once that is durable. Gives the task if this was its last one; nothing follows that. */
  acknowledge(frameworkId: FrameworkId, taskId: TaskId, uuid: StatusUuid): TaskRecord | undefined {
    const record = this.#state.task(frameworkId, taskId);
    if (record === undefined || !this.#queue.inFlight(frameworkId, taskId, uuid)) return undefined;
    if (isTerminal(record.life.state) && record.status?.uuid === uuid) {
      this.#queue.forget(frameworkId, taskId);
      return record;
    }
    this.#keeper.acknowledged(record, uuid);
    this.#keeper.after(() => {
      const { next } = this.#queue.acknowledge(frameworkId, taskId, uuid, this.#env.clock.now());
      if (next !== undefined) this.#send(next);
      this.#arm();
    });
    return undefined;
  }

  /** Whether this status of the task was reported before, as far as that is remembered: until the next one is acknowledged. */
  has({ statusesKept }: TaskRecord, uuid: StatusUuid): boolean {
    return statusesKept.some(kept => kept.uuid === uuid);
  }

  /** Nobody is left to acknowledge the statuses of a task that has ended; that it has, the master may not have heard. */
  tellEnd(record: TaskRecord): void {
    const { status } = record;
    this.#keeper.after(() => {
      if (status === undefined) this.#queue.forget(record.frameworkId, record.task.taskId);
      else this.#tellOnce(record, status);
    });
  }

  #enqueue({ frameworkId }: TaskRecord, status: TaskStatus, isReplaceable: boolean): void {
    const send = this.#queue.enqueue(frameworkId, status, this.#env.clock.now(), isReplaceable);
    if (send !== undefined) this.#send(send);
    this.#arm();
  }

  #tellOnce({ frameworkId }: TaskRecord, { uuid: _uuid, ...status }: TaskStatus): void {
    this.#queue.forget(frameworkId, status.taskId);
    const send = { frameworkId, status, latestState: status.state, repeated: false };
    if (this.#peer === undefined) this.#meanwhile?.push(send);
    else this.#send(send);
  }

  /** The agent describes itself as it is now: what was told before is part of that. */
  describe(): void {
    this.#meanwhile = [];
  }

  /** The master has registered the agent: everything due goes out at once. */
  open(peer: Peer<AgentCall>): void {
    this.#peer = peer;
    for (const send of this.#meanwhile ?? []) this.#send(send);
    this.#meanwhile = undefined;
    for (const send of this.#queue.open(this.#env.clock.now())) this.#send(send);
    this.#arm();
  }

  /** A scheduler of the framework has subscribed: what nobody has acknowledged goes out at once. */
  flush(frameworkId: FrameworkId): void {
    for (const send of this.#queue.flush(frameworkId, this.#env.clock.now())) this.#send(send);
    this.#arm();
  }

  /** The master is gone; statuses wait. */
  close(): void {
    this.#peer = undefined;
    this.#meanwhile = undefined;
    this.#queue.close();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  #send({ frameworkId, status, latestState, repeated }: StatusSend): void {
    if (this.#peer === undefined) return;
    this.#counts.sent(repeated);
    this.#peer.send({ type: 'STATUS_UPDATE', frameworkId, status, latestState });
  }

  // One timer for all streams; it may ring early, which costs nothing.
  #arm(): void {
    const dueMs = this.#queue.nextDueMs();
    if (dueMs === undefined || dueMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    this.#timer = this.#env.clock.after(dueMs - this.#env.clock.now(), () => {
      this.#timer = undefined;
      this.#timerMs = Number.POSITIVE_INFINITY;
      for (const send of this.#queue.due(this.#env.clock.now())) this.#send(send);
      this.#arm();
    });
  }
}

function containerStatus({ containerId, life }: TaskRecord): ContainerStatus | undefined {
  if (containerId === undefined || !life.started) return undefined;
  return {
    containerId,
    ...(life.pid === undefined ? {} : { pid: life.pid }),
    ...(life.ip === undefined ? {} : { ip: life.ip }),
  };
}
