// Reconciliation rounds: ask about tasks until each has answered, with truncated exponential backoff; then again every quarter of an hour.
// In: connection ups and downs, status updates. Out: RECONCILE calls by way of `ask`.
import type { Backoff } from '../base/backoff.js';
import { backoffMs } from '../base/backoff.js';
import type { TaskId } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';
import type { TaskReference } from '../protocol/scheduler-api.js';

/** Times of reconciliation. Source: Mesos docs/reconciliation.md. */
export interface ReconcileOptions {
  /** From one full round to the next. Default 15 min. */
  readonly periodMs?: number;
  /** Between asking again about tasks that have not answered. Default 5 s doubling to 5 min. */
  readonly backoff?: Backoff;
}

/** Sends one RECONCILE; `then` is called when the master has answered it, or cannot. */
export type Ask = (tasks: readonly TaskReference[], then?: (error: Error | undefined) => void) => void;

/** Runs rounds while connected. `live` lists the tasks to ask about. */
export class Reconciler {
  readonly #clock: Clock;
  readonly #live: () => readonly TaskReference[];
  readonly #ask: Ask;
  readonly #periodMs: number;
  readonly #backoff: Backoff;
  #waiting = new Map<TaskId, TaskReference>();
  #attempt = 0;
  #timer: Timer | undefined;
  #running = false;

  constructor(clock: Clock, live: () => readonly TaskReference[], ask: Ask, options: ReconcileOptions = {}) {
    this.#clock = clock;
    this.#live = live;
    this.#ask = ask;
    this.#periodMs = options.periodMs ?? 900_000;
    this.#backoff = options.backoff ?? { baseMs: 5000, factor: 2, capMs: 300_000 };
  }

  /**
   * Starts a round: implicit first (tasks we may not know; `then`: they have been told), then explicit for each we know. Call on every subscription.
   */
  start(then?: (error: Error | undefined) => void): void {
    this.#running = true;
    this.#round(then);
  }

  /** Stops until the next `start`. Call when disconnected. */
  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  /** Any status of a task is an answer. */
  answered(taskId: TaskId): void {
    this.#waiting.delete(taskId);
  }

  /** Tasks that have not answered in the current round. */
  get outstanding(): number {
    return this.#waiting.size;
  }

  #round(then?: (error: Error | undefined) => void): void {
    this.#attempt = 0;
    this.#ask([], then);
    this.#waiting = new Map(this.#live().map(task => [task.taskId, task]));
    this.#askWaiting();
  }

  // A message names at most so many tasks, to stay far below the bound of a frame.
  #askWaiting(): void {
    if (!this.#running) return;
    this.#timer?.cancel();
    if (this.#waiting.size === 0) {
      this.#timer = this.#clock.after(this.#periodMs, () => this.#round());
      return;
    }
    const tasks = [...this.#waiting.values()];
    for (let at = 0; at < tasks.length; at += tasksPerCall) this.#ask(tasks.slice(at, at + tasksPerCall));
    const waitMs = backoffMs(this.#backoff, this.#attempt);
    this.#attempt += 1;
    this.#timer = this.#clock.after(waitMs, () => this.#askWaiting());
  }
}

const tasksPerCall = 1000;
