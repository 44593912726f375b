// Outcomes of operations on their way to the master: each is sent at once and again, with backoff, until it is acknowledged. In: outcomes,
// acknowledgements, sessions. Out: sends.
import type { Backoff } from '../base/backoff.js';
import { backoffMs } from '../base/backoff.js';
import type { OperationUuid } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';
import type { OperationStatus } from '../protocol/entities.js';
import { statusRetry } from './status-queue.js';

interface Entry {
  readonly status: OperationStatus;
  sends: number;
  dueMs: number;
}

/** The outcomes of one agent; few at a time, as operations are rare beside statuses of tasks. */
export class OperationQueue {
  readonly #clock: Clock;
  readonly #send: (status: OperationStatus) => void;
  readonly #retry: Backoff;
  readonly #entries = new Map<OperationUuid, Entry>();
  #open = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, send: (status: OperationStatus) => void, retry: Backoff = statusRetry) {
    this.#clock = clock;
    this.#send = send;
    this.#retry = retry;
  }

  get size(): number {
    return this.#entries.size;
  }

  all(): readonly OperationStatus[] {
    return Array.from(this.#entries.values(), ({ status }) => status);
  }

  /** Adds an outcome, which has a uuid, and sends it if a master is there. */
  add(status: OperationStatus): void {
    if (status.uuid === undefined || this.#entries.has(status.uuid)) return;
    const entry: Entry = { status, sends: 0, dueMs: Number.POSITIVE_INFINITY };
    this.#entries.set(status.uuid, entry);
    this.#sendIfOpen(entry);
    this.#arm();
  }

  /** Sends the outcome of this operation again; false when none waits. */
  repeat(uuid: OperationUuid): boolean {
    const entry = this.#entries.get(uuid);
    if (entry === undefined) return false;
    this.#sendIfOpen(entry);
    return true;
  }

  /** The outcome has arrived; false when it was not waited for. */
  acknowledge(uuid: OperationUuid): boolean {
    return this.#entries.delete(uuid);
  }

  /** A master is there: all are sent, and retries begin anew. */
  open(): void {
    this.#open = true;
    for (const entry of this.#entries.values()) {
      entry.sends = 0;
      this.#sendIfOpen(entry);
    }
    this.#arm();
  }

  /** No master is there: outcomes wait. */
  close(): void {
    this.#open = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #sendIfOpen(entry: Entry): void {
    if (!this.#open) return;
    entry.dueMs = this.#clock.now() + backoffMs(this.#retry, entry.sends);
    entry.sends += 1;
    this.#send(entry.status);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#open || this.#entries.size === 0) return;
    const dueMs = Math.min(...Array.from(this.#entries.values(), entry => entry.dueMs));
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.now()), () => {
      const now = this.#clock.now();
      for (const entry of this.#entries.values()) if (entry.dueMs <= now) this.#sendIfOpen(entry);
      this.#arm();
    });
  }
}
