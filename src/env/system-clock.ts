// The real clock. Sole place where Node's time and timers are read.
import { performance } from 'node:perf_hooks';
import { assert } from '../base/assert.js';
import type { Clock, Timer } from './clock.js';

const timeoutMaxMs = 2_147_483_647;

/** The machine's clock. Timers longer than 24.8 days are chained, as Node would fire them at once. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  soon: run => {
    setImmediate(run);
  },
  after: (delayMs, run) => {
    assert(!Number.isNaN(delayMs), 'a timer needs a delay');
    return new SystemTimer(delayMs, run);
  },
};

// Of one that is called off and still referred to, as of a deadline that was met, nothing but this is kept: there is one for each connection.
class SystemTimer implements Timer {
  #handle: NodeJS.Timeout | undefined;

  constructor(delayMs: number, run: () => void) {
    this.#arm(delayMs, run);
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  #arm(leftMs: number, run: () => void): void {
    this.#handle =
      leftMs > timeoutMaxMs
        ? setTimeout(() => this.#arm(leftMs - timeoutMaxMs, run), timeoutMaxMs)
        : setTimeout(run, Math.max(0, leftMs));
  }
}
