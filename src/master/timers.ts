// The master's own deadlines: offers that nobody answers, frameworks that do not come back. In: the clock. Out: calls when one is due.
import type { FrameworkId } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';
import type { ClusterView } from './state.js';

/** Offers expire in the order they were made, so one timer for the oldest serves them all. */
export class OfferExpiry {
  #timer: Timer | undefined;
  #closed = false;
  readonly #clock: Clock;
  readonly #view: ClusterView;
  readonly #expire: () => void;

  constructor(clock: Clock, view: ClusterView, expire: () => void) {
    this.#clock = clock;
    this.#view = view;
    this.#expire = expire;
  }

  /** After an offer was made. */
  arm(): void {
    if (this.#timer !== undefined || this.#closed) return;
    for (const oldest of this.#view.offers.values()) {
      const dueMs = oldest.madeAtMs + this.#view.options.offerTimeoutMs;
      this.#timer = this.#clock.after(dueMs - this.#clock.now(), () => {
        this.#timer = undefined;
        this.#expire();
        this.arm();
      });
      return;
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}

/** Failover timeouts of frameworks that are away. */
export class Failovers {
  readonly #timers = new Map<FrameworkId, Timer>();
  readonly #clock: Clock;
  readonly #end: (id: FrameworkId) => void;

  constructor(clock: Clock, end: (id: FrameworkId) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  /** `atMs` on the monotonic clock; replaces an earlier deadline. */
  arm(id: FrameworkId, atMs: number): void {
    this.disarm(id);
    const timer = patientTimer(this.#clock, atMs, () => {
      this.#timers.delete(id);
      this.#end(id);
    });
    this.#timers.set(id, timer);
  }

  disarm(id: FrameworkId): void {
    this.#timers.get(id)?.cancel();
    this.#timers.delete(id);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}

const pauseMinMs = 1_000;
const patienceMaxMs = 60_000;

/**
 * For the time others have to come back, at `atMs` on the monotonic clock. They can come back only while we listen: a timer that fires late,
 * because this process was blocked or stopped, waits once more for as long as it was late, a minute at most.
 */
export function patientTimer(clock: Clock, atMs: number, run: () => void): Timer {
  let timer = clock.after(atMs - clock.now(), () => {
    const lateMs = clock.now() - atMs;
    if (lateMs < pauseMinMs) return run();
    timer = clock.after(Math.min(lateMs, patienceMaxMs), run);
  });
  return { cancel: () => timer.cancel() };
}
