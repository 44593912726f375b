// Statuses leave here: completed with who and when, queued until acknowledged, sent again by one timer.
// In: drafts of reports, acknowledgements, the session with the master. Out: STATUS_UPDATE calls.
import type { FrameworkId, StatusUuid, TaskId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { AgentCall } from '../protocol/agent-api.js';
import type { ContainerStatus, TaskStatus } from '../protocol/entities.js';
import type { Peer } from '../transport/peer.js';
import type { Counts } from './counts.js';
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

/** The outbox of one agent. */
export class Outbox {
  readonly #env: Env;
  readonly #state: AgentState;
  readonly #counts: Counts;
  readonly #queue = new StatusQueue();
  #peer: Peer<AgentCall> | undefined;
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(env: Env, state: AgentState, counts: Counts) {
    this.#counts = counts;
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
    const status: TaskStatus = {
      taskId: record.task.taskId,
      source: ways.source,
      timestampMs: clock.wallMs(),
      ...said,
      ...(agentId === undefined ? {} : { agentId }),
      ...(record.executorId === undefined ? {} : { executorId: record.executorId }),
      ...(container === undefined ? {} : { container }),
      ...(ways.acknowledged ? { uuid } : {}),
    };
    record.status = status;
    const { frameworkId } = record;
    if (ways.acknowledged) {
      const send = this.#queue.enqueue(frameworkId, status, clock.now(), ways.replaceable);
      if (send !== undefined) this.#send(send);
      this.#arm();
    } else {
      this.#queue.forget(frameworkId, status.taskId);
      this.#send({ frameworkId, status, latestState: status.state, repeated: false });
    }
  }

  /** The framework acknowledged. True when that was the task's last status. */
  acknowledge(frameworkId: FrameworkId, taskId: TaskId, uuid: StatusUuid): boolean {
    const { over, next } = this.#queue.acknowledge(frameworkId, taskId, uuid, this.#env.clock.now());
    if (next !== undefined) this.#send(next);
    this.#arm();
    return over;
  }

  /** Whether this status waits for its acknowledgement. */
  has(frameworkId: FrameworkId, taskId: TaskId, uuid: StatusUuid): boolean {
    return this.#queue.has(frameworkId, taskId, uuid);
  }

  /** Nobody is left to acknowledge the statuses of a task that has ended; that it has, the master may not have heard. */
  tellEnd(record: TaskRecord): void {
    const { frameworkId, status } = record;
    this.#queue.forget(frameworkId, record.task.taskId);
    if (status === undefined) return;
    const { uuid: _uuid, ...last } = status;
    this.#send({ frameworkId, status: last, latestState: last.state, repeated: false });
  }

  /** The master has registered the agent: everything due goes out at once. */
  open(peer: Peer<AgentCall>): void {
    this.#peer = peer;
    for (const send of this.#queue.open(this.#env.clock.now())) this.#send(send);
    this.#arm();
  }

  /** The master is gone; statuses wait. */
  close(): void {
    this.#peer = undefined;
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
