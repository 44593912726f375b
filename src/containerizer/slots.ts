// A few at a time: what is known to gain nothing from more at once waits its turn, first come, first served.

/** A number of places. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Resolves when a place is free; its result gives the place back, once. When `signal` aborts the wait, it resolves at once, without a place. */
  async enter(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return () => {};
    if (this.#free > 0) this.#free -= 1;
    else if (!(await this.#wait(signal))) return () => {};
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const [next] = this.#waiting;
      if (next === undefined) this.#free += 1;
      else next();
    };
  }

  /** Whether a place was handed over. */
  #wait(signal: AbortSignal): Promise<boolean> {
    return new Promise(resolve => {
      const end = (handedOver: boolean): void => {
        this.#waiting.delete(take);
        signal.removeEventListener('abort', giveUp);
        resolve(handedOver);
      };
      const take = (): void => end(true);
      const giveUp = (): void => end(false);
      this.#waiting.add(take);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}
