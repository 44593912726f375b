// The clock of one process that may be stopped: what was due meanwhile runs, late, when it goes on. In: the clock of the world. Out: the process's own.
import type { Clock, Timer } from '../../src/env/clock.js';

export class PausableClock implements Clock {
  readonly #clock: Clock;
  #paused = false;
  #late: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  after(delayMs: number, run: () => void): Timer {
    let cancelled = false;
    const due = (): void => {
      if (cancelled) return;
      if (this.#paused) this.#late.push(due);
      else run();
    };
    const timer = this.#clock.after(delayMs, due);
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  pause(): void {
    this.#paused = true;
  }

  /** Timers come first, before what waits to be read: as in Node. */
  resume(): void {
    this.#paused = false;
    for (const run of this.#late.splice(0)) run();
  }
}
