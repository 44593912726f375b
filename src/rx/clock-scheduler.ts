// A Clock as an rxjs scheduler, so that every time operator (throttleTime, timer, timeout, …) follows virtual time. In: a Clock. Out: a SchedulerLike.
import { Subscription } from 'rxjs';
import type { SchedulerAction, SchedulerLike } from 'rxjs';
import type { Clock, Timer } from '../env/clock.js';

/**
 * The scheduler of `clock`; hand it to every operator that takes one. Its `now` is the clock's monotonic time, so give operators delays, not dates.
 * As with rxjs's own asyncScheduler, work never runs inside `schedule`, and an error thrown by work leaves through the clock's timer.
 */
export function clockScheduler(clock: Clock): SchedulerLike {
  return {
    now: () => clock.now(),
    schedule: <T>(work: Work<T>, delayMs?: number, state?: T): Subscription =>
      new ClockAction(clock, work).schedule(state, delayMs),
  };
}

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/** One piece of work; it may schedule itself again from within, as rxjs's repeating operators do. */
class ClockAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #clock: Clock;
  readonly #work: Work<T>;
  #timer: Timer | undefined;

  constructor(clock: Clock, work: Work<T>) {
    super();
    this.#clock = clock;
    this.#work = work;
  }

  schedule(state?: T, delayMs = 0): Subscription {
    if (this.closed) return this;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, () => this.#run(state));
    return this;
  }

  override unsubscribe(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    super.unsubscribe();
  }

  #run(state: T | undefined): void {
    this.#timer = undefined;
    if (this.closed) return;
    try {
      this.#work.call(this, state);
    } catch (error) {
      this.unsubscribe();
      throw error;
    }
    // Work that did not ask for more is done: let go of it, so that parents do not keep it.
    if (this.#timer === undefined && !this.closed) this.unsubscribe();
  }
}
