// Work that is to follow changes, though not each of them. In: pokes. Out: runs, the first at once, later ones some time apart.
import type { Clock, Timer } from 'proffer';

/** After a run that took long, this many times as long passes before the next: changes never take more than about a twentieth of the process. */
const restFactor = 19;

/** Runs after pokes, at least `intervalMs` after the end of the last run. */
export class Coalesced {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #run: () => void;
  #timer: Timer | undefined;
  #earliestMs = 0;
  #stopped = false;

  constructor(clock: Clock, intervalMs: number, run: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#run = run;
    this.#earliestMs = clock.now();
  }

  /** Something changed. */
  poke(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = this.#clock.after(Math.max(0, this.#earliestMs - this.#clock.now()), () => {
      this.#timer = undefined;
      const began = this.#clock.now();
      this.#run();
      const ended = this.#clock.now();
      this.#earliestMs = ended + Math.max(this.#intervalMs, restFactor * (ended - began));
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
