// When to run: the batch interval, runs asked for at once, runs after resources came back. In: requests. Out: calls of `run`, coalesced, and of
// the turns that long runs are cut into.
import { assert } from '../../base/assert.js';
import type { Clock, Timer } from '../../env/clock.js';
import { every } from '../../env/clock.js';

/** A batch run visits all agents and lets filters age; an event run visits what changed. */
export type RunKind = 'batch' | 'event';

/** A part of a run; true when there is more of it to do, in a later turn. */
export type Turn = () => boolean;

export interface LoopOptions {
  readonly allocationIntervalMs: number;
  readonly recoveryIntervalMs: number;
}

// Runs on request take at most a fourth of the time, once they are long enough to be felt.
const longRunMs = 5;
const restPerRun = 3;

/** Calls `run` and the turns it returns, one run at a time, never from within a request and never while paused. */
export class AllocationLoop {
  readonly #clock: Clock;
  readonly #options: LoopOptions;
  readonly #run: (kind: RunKind) => Turn;
  readonly #batchTimer: Timer;
  #lastBatchMs: number;
  #recoveryTimer: Timer | undefined;
  #nowTimer: Timer | undefined;
  #lastRecoveryRunMs = Number.NEGATIVE_INFINITY;
  #soonAsked = false;
  #lastRunEndMs = Number.NEGATIVE_INFINITY;
  #lastRunMs = 0;
  #pauses = 0;
  // The run in progress, and the time its turns took so far.
  #turn: Turn | undefined;
  #workedMs = 0;
  // Its next turn waits for the end of a pause.
  #halted = false;
  // What came due while paused or during a run.
  #owed: RunKind | undefined;
  #closed = false;

  constructor(clock: Clock, options: LoopOptions, run: (kind: RunKind) => Turn) {
    this.#clock = clock;
    this.#options = options;
    this.#run = run;
    this.#lastBatchMs = clock.now();
    this.#batchTimer = every(clock, options.allocationIntervalMs, () => {
      this.#lastBatchMs = clock.now();
      this.#fire('batch');
    });
  }

  /** When the next batch run is due. */
  get nextBatchMs(): number {
    return this.#lastBatchMs + this.#options.allocationIntervalMs;
  }

  /** A run at the end of this turn; after a long run a little later, so that a storm of requests leaves the master time for its work. */
  askNow(): void {
    if (this.#soonAsked) return;
    this.#soonAsked = true;
    const run = (): void => {
      this.#soonAsked = false;
      this.#fire('event');
    };
    const restMs = this.#lastRunEndMs + this.#lastRunMs * restPerRun - this.#clock.now();
    if (this.#lastRunMs < longRunMs || restMs <= 0) this.#clock.soon(run);
    else this.#nowTimer = this.#clock.after(restMs, run);
  }

  /** A run as soon as the last one of this kind is `recoveryIntervalMs` ago. */
  askRecovered(): void {
    if (this.#soonAsked || this.#recoveryTimer !== undefined) return;
    const waitMs = Math.max(0, this.#lastRecoveryRunMs + this.#options.recoveryIntervalMs - this.#clock.now());
    this.#recoveryTimer = this.#clock.after(waitMs, () => {
      this.#recoveryTimer = undefined;
      this.#lastRecoveryRunMs = this.#clock.now();
      this.#fire('event');
    });
  }

  pause(): void {
    this.#pauses += 1;
  }

  resume(): void {
    assert(this.#pauses > 0, 'resumed without a pause');
    this.#pauses -= 1;
    if (this.#pauses > 0) return;
    if (this.#halted) {
      this.#halted = false;
      this.#clock.soon(() => this.#go());
    } else if (this.#owed !== undefined) this.askNow();
  }

  close(): void {
    this.#closed = true;
    this.#batchTimer.cancel();
    this.#recoveryTimer?.cancel();
    this.#nowTimer?.cancel();
  }

  #fire(kind: RunKind): void {
    if (this.#closed) return;
    if (this.#pauses > 0 || this.#turn !== undefined) {
      if (this.#owed !== 'batch') this.#owed = kind;
      return;
    }
    const owed = this.#owed;
    this.#owed = undefined;
    this.#workedMs = 0;
    const startedMs = this.#clock.now();
    this.#turn = this.#run(owed === 'batch' ? owed : kind);
    this.#workedMs = this.#clock.now() - startedMs;
    this.#go();
  }

  #go(): void {
    const turn = this.#turn;
    if (this.#closed || turn === undefined) return;
    if (this.#pauses > 0) {
      this.#halted = true;
      return;
    }
    const startedMs = this.#clock.now();
    const more = turn();
    this.#lastRunEndMs = this.#clock.now();
    this.#workedMs += this.#lastRunEndMs - startedMs;
    if (more) {
      this.#clock.soon(() => this.#go());
      return;
    }
    this.#turn = undefined;
    this.#lastRunMs = this.#workedMs;
    if (this.#owed !== undefined && this.#pauses === 0) this.askNow();
  }
}
