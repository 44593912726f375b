// Statuses on their way to the frameworks: one ordered stream per task, its head in flight and sent again until acknowledged. Pure core: it
// is told the time and says what to send. In: statuses, acknowledgements, flushes. Out: what to send now, and when to ask again.
import { assert, must } from '../base/assert.js';
import type { Backoff } from '../base/backoff.js';
import { backoffMs } from '../base/backoff.js';
import { StableHeap } from '../base/heap.js';
import type { FrameworkId, StatusUuid, TaskId } from '../base/ids.js';
import type { TaskStatus } from '../protocol/entities.js';
import type { TaskState } from '../protocol/task-state.js';
import { isTerminal } from '../protocol/task-state.js';

/** One status to send; `latestState` is the task's newest, which may be further. */
export interface StatusSend {
  readonly frameworkId: FrameworkId;
  readonly status: TaskStatus;
  readonly latestState: TaskState;
  readonly repeated: boolean;
}

/** What an acknowledgement did. */
export interface Acknowledged {
  /** False: it named nothing in flight, and changed nothing. */
  readonly matched: boolean;
  /** The task's last status is acknowledged: its stream is gone. */
  readonly over: boolean;
  readonly next?: StatusSend;
}

interface Entry {
  readonly status: TaskStatus;
  readonly replaceable: boolean;
  sent: boolean;
}

interface Stream {
  readonly frameworkId: FrameworkId;
  readonly taskId: TaskId;
  /** Never empty once made, until it is over or all is acknowledged. */
  readonly pending: Entry[];
  /** Sends of the head so far; 0: not in flight. */
  sends: number;
  dueMs: number;
}

/** Mesos's retry: after 10 s, doubling to 10 min. */
export const statusRetry: Backoff = { baseMs: 10_000, capMs: 600_000, factor: 2 };

// Behind an unacknowledged head the end of a task is news to the master alone, which frees its resources: told by sending the head again.
const endToldWithinMs = 1000;

/** The streams of one agent. While it is closed (no master), statuses wait; `open` sends every head. */
export class StatusQueue {
  readonly #retry: Backoff;
  readonly #streams = new Map<FrameworkId, Map<TaskId, Stream>>();
  // Entries whose time is no longer the stream's are stale, and skipped.
  readonly #agenda = new StableHeap<Stream>();
  #open = false;
  #size = 0;

  constructor(retry: Backoff = statusRetry) {
    this.#retry = retry;
  }

  /** Statuses not yet acknowledged. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends a status, which must have a uuid. A waiting replaceable one of the same state at the end gives way to it. Says what to send, if
   * it is its turn.
   */
  enqueue(frameworkId: FrameworkId, status: TaskStatus, now: number, replaceable = false): StatusSend | undefined {
    assert(status.uuid !== undefined, 'a status to be acknowledged needs a uuid');
    const stream = this.#streamFor(frameworkId, status.taskId);
    const last = stream.pending.at(-1);
    assert(last === undefined || !isTerminal(last.status.state), 'nothing comes after a terminal status');
    const waits = stream.pending.length > 1 || stream.sends === 0;
    if (last?.replaceable === true && waits && last.status.state === status.state) {
      stream.pending.pop();
      this.#size -= 1;
    }
    stream.pending.push({ status, replaceable, sent: false });
    this.#size += 1;
    if (stream.pending.length === 1) return this.#open ? this.#send(stream, now) : undefined;
    const soonMs = now + endToldWithinMs;
    if (isTerminal(status.state) && stream.sends > 0 && stream.dueMs > soonMs) {
      stream.dueMs = soonMs;
      this.#agenda.push(soonMs, stream);
    }
    return undefined;
  }

  /** Whether this status is the head of its stream and was sent: what can be acknowledged. */
  inFlight(frameworkId: FrameworkId, taskId: TaskId, uuid: StatusUuid): boolean {
    const stream = this.#streams.get(frameworkId)?.get(taskId);
    return stream !== undefined && stream.sends > 0 && stream.pending[0]?.status.uuid === uuid;
  }

  /** The framework has the head of this task's stream if `uuid` is its; anything else is ignored. */
  acknowledge(frameworkId: FrameworkId, taskId: TaskId, uuid: StatusUuid, now: number): Acknowledged {
    if (!this.inFlight(frameworkId, taskId, uuid)) return { matched: false, over: false };
    const stream = this.#streamFor(frameworkId, taskId);
    const head = must(stream.pending.shift(), 'head');
    this.#size -= 1;
    stream.sends = 0;
    stream.dueMs = Number.POSITIVE_INFINITY;
    const over = isTerminal(head.status.state);
    assert(!over || stream.pending.length === 0, 'nothing comes after a terminal status');
    if (stream.pending.length === 0) {
      this.#remove(stream);
      return { matched: true, over };
    }
    return this.#open ? { matched: true, over, next: this.#send(stream, now) } : { matched: true, over };
  }

  /** A master is there: every head, to be sent at once; retries begin anew. */
  open(now: number): StatusSend[] {
    this.#open = true;
    return [...this.#streams.keys()].flatMap(frameworkId => this.flush(frameworkId, now));
  }

  /** Somebody hears the framework's statuses now: every head of it, to be sent at once; retries begin anew. */
  flush(frameworkId: FrameworkId, now: number): StatusSend[] {
    const sends: StatusSend[] = [];
    if (!this.#open) return sends;
    for (const stream of this.#streams.get(frameworkId)?.values() ?? []) {
      stream.sends = 0;
      sends.push(this.#send(stream, now));
    }
    return sends;
  }

  /** No master is there: nothing is sent until `open`. */
  close(): void {
    this.#open = false;
  }

  /** What is to be sent again by now. */
  due(now: number): StatusSend[] {
    const sends: StatusSend[] = [];
    for (;;) {
      const key = this.#agenda.peekKey();
      if (key === undefined || key > now) return sends;
      const stream = must(this.#agenda.pop(), 'stream');
      if (this.#open && stream.sends > 0 && stream.dueMs === key) sends.push(this.#send(stream, now));
    }
  }

  /** When to call `due` next; undefined while nothing is in flight or it is closed. May be early. */
  nextDueMs(): number | undefined {
    if (!this.#open) return undefined;
    for (;;) {
      const stream = this.#agenda.peek();
      if (stream === undefined) return undefined;
      if (stream.sends > 0 && stream.dueMs === this.#agenda.peekKey()) return stream.dueMs;
      this.#agenda.pop();
    }
  }

  /** Forgets a task's statuses: nobody is left to acknowledge them. */
  forget(frameworkId: FrameworkId, taskId: TaskId): void {
    const stream = this.#streams.get(frameworkId)?.get(taskId);
    if (stream === undefined) return;
    this.#size -= stream.pending.length;
    stream.pending.length = 0;
    stream.sends = 0;
    this.#remove(stream);
  }

  #send(stream: Stream, now: number): StatusSend {
    const head = must(stream.pending[0], 'head');
    const repeated = head.sent;
    head.sent = true;
    const last = must(stream.pending.at(-1), 'last');
    stream.dueMs = now + backoffMs(this.#retry, stream.sends);
    stream.sends += 1;
    this.#agenda.push(stream.dueMs, stream);
    return { frameworkId: stream.frameworkId, status: head.status, latestState: last.status.state, repeated };
  }

  #streamFor(frameworkId: FrameworkId, taskId: TaskId): Stream {
    let tasks = this.#streams.get(frameworkId);
    if (tasks === undefined) this.#streams.set(frameworkId, (tasks = new Map<TaskId, Stream>()));
    let stream = tasks.get(taskId);
    if (stream === undefined) {
      stream = { frameworkId, taskId, pending: [], sends: 0, dueMs: Number.POSITIVE_INFINITY };
      tasks.set(taskId, stream);
    }
    return stream;
  }

  #remove(stream: Stream): void {
    const tasks = must(this.#streams.get(stream.frameworkId), 'streams of the framework');
    tasks.delete(stream.taskId);
    if (tasks.size === 0) this.#streams.delete(stream.frameworkId);
  }
}
