// A disk that the test makes durable when it likes, and that may crash before. In: writes. Out: callbacks when told to.
import type { ProfferError } from '../../src/base/errors.js';
import type { Store, StoreChange } from '../../src/store/store.js';
import { MemoryStore } from '../../src/store/memory-store.js';

/** A store whose writes wait for the test. */
export class SlowStore implements Store {
  readonly #inner = new MemoryStore(run => run());
  #waiting: { readonly changes: readonly StoreChange[]; readonly onDurable: (error?: Error) => void }[] = [];

  /** Writes that are under way. */
  get waiting(): number {
    return this.#waiting.length;
  }

  load(prefix: string): ReturnType<Store['load']> {
    return this.#inner.load(prefix);
  }

  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void {
    this.#waiting.push({ changes, onDurable });
  }

  claim(atLeast: number, onClaimed: (error: ProfferError | undefined, epoch: number) => void): void {
    this.#inner.claim(atLeast, onClaimed);
  }

  close(onClosed: () => void): void {
    this.#inner.close(onClosed);
  }

  /** The oldest writes are on disk, all unless told; so is what they lead to. */
  sync(count = Number.POSITIVE_INFINITY): void {
    for (let left = count; left > 0; left -= 1) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inner.write(next.changes, next.onDurable);
    }
  }

  /** The process is gone: the oldest `survivors` of the writes made it to the disk, nobody was told. */
  crash(survivors: number): void {
    for (const { changes } of this.#waiting.slice(0, survivors)) this.#inner.write(changes, () => {});
    this.#waiting = [];
  }
}
