// When to run: the batch interval, runs asked for at once, runs after resources came back. In: requests. Out: calls of `run`, coalesced.
import { assert } from '../base/assert.js';
import type { Clock, Timer } from '../env/clock.js';
import { every } from '../env/clock.js';

/** A batch run visits all agents and lets filters age; an event run visits what changed. */
export type RunKind = 'batch' | 'event';

export interface LoopOptions {
  readonly allocationIntervalMs: number;
  readonly recoveryIntervalMs: number;
}

/** Calls `run`, never from within a request and never while paused. */
export class AllocationLoop {
  readonly #clock: Clock;
  readonly #options: LoopOptions;
  readonly #run: (kind: RunKind) => void;
  readonly #batchTimer: Timer;
  #recoveryTimer: Timer | undefined;
  #lastRecoveryRunMs = Number.NEGATIVE_INFINITY;
  #soonAsked = false;
  #pauses = 0;
  // What came due while paused.
  #owed: RunKind | undefined;
  #closed = false;

  constructor(clock: Clock, options: LoopOptions, run: (kind: RunKind) => void) {
    this.#clock = clock;
    this.#options = options;
    this.#run = run;
    this.#batchTimer = every(clock, options.allocationIntervalMs, () => this.#fire('batch'));
  }

  /** A run at the end of this turn. */
  askNow(): void {
    if (this.#soonAsked) return;
    this.#soonAsked = true;
    this.#clock.soon(() => {
      this.#soonAsked = false;
      this.#fire('event');
    });
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
    if (this.#pauses === 0 && this.#owed !== undefined) this.askNow();
  }

  close(): void {
    this.#closed = true;
    this.#batchTimer.cancel();
    this.#recoveryTimer?.cancel();
  }

  #fire(kind: RunKind): void {
    if (this.#closed) return;
    if (this.#pauses > 0) {
      if (this.#owed !== 'batch') this.#owed = kind;
      return;
    }
    const owed = this.#owed;
    this.#owed = undefined;
    this.#run(owed === 'batch' ? owed : kind);
  }
}
