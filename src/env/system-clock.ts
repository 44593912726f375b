// The real clock. Sole place where Node's time and timers are read.
import { performance } from 'node:perf_hooks';
import { assert } from '../base/assert.js';
import type { Clock } from './clock.js';

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
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      handle =
        leftMs > timeoutMaxMs
          ? setTimeout(() => arm(leftMs - timeoutMaxMs), timeoutMaxMs)
          : setTimeout(run, Math.max(0, leftMs));
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
