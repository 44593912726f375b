// Lets work through in the order it came; while something is being written, what comes behind waits. In: work, holds. Out: the work, later.

/** The gate of one agent. */
export class Gate {
  #holds = 0;
  #waiting: (() => void)[] = [];

  /** Whether work waits. */
  get held(): boolean {
    return this.#holds > 0;
  }

  /** Does `work` now, or once nothing is held and what came before is done. */
  pass(work: () => void): void {
    if (this.#holds > 0 || this.#waiting.length > 0) this.#waiting.push(work);
    else work();
  }

  /** Work that comes from now on waits until the function returned is called; once. */
  hold(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      this.#run();
    };
  }

  /** Forgets what waits: its session is over. */
  drop(): void {
    this.#waiting = [];
  }

  // Work may hold the gate again: what is behind it then goes on waiting.
  #run(): void {
    while (this.#holds === 0) {
      const work = this.#waiting.shift();
      if (work === undefined) return;
      work();
    }
  }
}
