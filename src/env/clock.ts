// The clock port: elapsed time, wall time and timers are different questions with different answers.
import { assert } from '../base/assert.js';

/** A timer that can be called off. */
export interface Timer {
  /** Calls the timer off; a fired or cancelled timer is left alone. */
  cancel(): void;
}

/** Time as a component sees it. Deadlines and timeouts use `now`, which never jumps; only timestamps for people use `wallMs`. */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary zero. */
  now(): number;
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /** Calls `run` once, `delayMs` from now (not before the current turn ends). */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` once, as soon as the current turn and the input already waiting are done: for coalescing. */
  soon(run: () => void): void;
}

/** Calls `run` every `periodMs` until cancelled; the first time after one period. */
export function every(clock: Clock, periodMs: number, run: () => void): Timer {
  assert(periodMs > 0, 'a period must be positive');
  let cancelled = false;
  let timer = clock.after(periodMs, tick);
  function tick(): void {
    if (cancelled) return;
    timer = clock.after(periodMs, tick);
    run();
  }
  return {
    cancel: () => {
      cancelled = true;
      timer.cancel();
    },
  };
}
