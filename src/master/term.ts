// How long a master may act: until shortly before another one may lead. In: renewals, the clock. Out: one call when it is over.
import type { Clock, Timer } from '../env/clock.js';

/** A term of leading. Once over it stays over, whatever is renewed later: others may have been told something else meanwhile. */
export class Term {
  readonly #clock: Clock;
  readonly #ended: () => void;
  #untilMs = Number.POSITIVE_INFINITY;
  #over = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, ended: () => void) {
    this.#clock = clock;
    this.#ended = ended;
  }

  /** It begins, or is renewed: `atMs` on the monotonic clock; undefined: for ever. */
  until(atMs: number | undefined): void {
    if (this.isOver()) return;
    this.#untilMs = atMs ?? Number.POSITIVE_INFINITY;
    this.#arm();
  }

  /** To be asked before anything is done. */
  isOver(): boolean {
    if (!this.#over && this.#clock.now() >= this.#untilMs) {
      this.#over = true;
      this.#timer?.cancel();
      this.#ended();
    }
    return this.#over;
  }

  close(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer =
      this.#untilMs === Number.POSITIVE_INFINITY
        ? undefined
        : this.#clock.after(this.#untilMs - this.#clock.now(), () => {
            // A real timer may fire a fraction of a millisecond early.
            if (!this.isOver()) this.#arm();
          });
  }
}
