// From decisions to what is done about them: first all of a turn is durable, in one write. In: changes, things to do. Out: writes, then the things, in order.
import type { Store, StoreChange } from 'proffer';

interface Later {
  readonly run: () => void;
  readonly failed?: ((error: Error) => void) | undefined;
}

/** Of several turns several writes may be under way; what waits for them is done in their order. */
export class Writer {
  readonly #store: Pick<Store, 'write'>;
  readonly #onFailed: (error: Error) => void;
  #changes = new Map<string, StoreChange>();
  #later: Later[] = [];
  /** What waits for the newest write under way. */
  #newest: Later[] | undefined;
  #error: Error | undefined;

  constructor(store: Pick<Store, 'write'>, onFailed: (error: Error) => void) {
    this.#store = store;
    this.#onFailed = onFailed;
  }

  /** To be written with this turn; of several changes of one key the last counts. */
  add(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      this.#changes.delete(change.key);
      this.#changes.set(change.key, change);
    }
  }

  /** To be done when all that was added so far is durable; `failed` when it never will be. */
  after(run: () => void, failed?: (error: Error) => void): void {
    if (this.#error !== undefined) failed?.(this.#error);
    else this.#later.push({ run, failed });
  }

  /** Ends the turn. */
  commit(): void {
    if (this.#error !== undefined) return;
    const later = this.#later;
    const changes = [...this.#changes.values()];
    this.#later = [];
    this.#changes = new Map();
    if (changes.length === 0) {
      // What needs nothing written still comes after what does.
      if (this.#newest === undefined) for (const { run } of later) run();
      else this.#newest.push(...later);
      return;
    }
    this.#newest = later;
    this.#store.write(changes, error => {
      if (this.#newest === later) this.#newest = undefined;
      if (this.#error !== undefined) return;
      if (error !== undefined) {
        for (const each of later) each.failed?.(error);
        this.#onFailed(error);
        return;
      }
      for (const { run } of later) run();
    });
  }

  /** Nothing is written or done any more. */
  stop(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    for (const { failed } of [...(this.#newest ?? []), ...this.#later]) failed?.(error);
    this.#later = [];
  }
}
