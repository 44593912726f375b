// What an agent must not lose, on its way to the disk: all changes of a turn are one write, and what depends on them waits for it. In: changes,
// effects. Out: writes to the store; the effects, in their order, once everything that was put before them is durable.
import { must } from '../base/assert.js';
import type { Clock } from '../env/clock.js';
import type { Store, StoreChange } from '../store/store.js';

interface Batch {
  /** By key: of several changes of one record the last counts. */
  readonly changes: Map<string, StoreChange>;
  readonly effects: (() => void)[];
}

/** The journal of one agent. Without a store nothing is kept, and every effect comes at once. */
export class Journal {
  readonly #clock: Clock;
  readonly #store: Store | undefined;
  readonly #onFailed: (error: Error) => void;
  /** Of this turn. */
  #open: Batch | undefined;
  readonly #underWay: Batch[] = [];
  /** Its effects are being carried out. */
  #running: Batch | undefined;
  #over = false;

  /** `onFailed` is called once; nothing more is written or carried out then. */
  constructor(clock: Clock, store: Store | undefined, onFailed: (error: Error) => void) {
    this.#clock = clock;
    this.#store = store;
    this.#onFailed = onFailed;
  }

  /** It is closed, or the store has failed: nothing is written or carried out any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Keeps a record from now on, or drops it. */
  put(change: StoreChange): void {
    if (this.#store === undefined || this.#over) return;
    if (this.#open === undefined) {
      const batch: Batch = { changes: new Map(), effects: [] };
      this.#open = batch;
      this.#clock.soon(() => {
        if (this.#open === batch) this.#flush();
      });
    }
    this.#open.changes.set(change.key, change);
  }

  /** Does `effect` once all that was put until now is durable, after the effects that were given before: at once if nothing is waited for. */
  after(effect: () => void): void {
    if (this.#over) return;
    const batch = this.#open ?? this.#underWay.at(-1) ?? this.#running;
    if (batch === undefined) effect();
    else batch.effects.push(effect);
  }

  /** Writes what is still to be written, and carries out nothing more. */
  close(): void {
    if (this.#over) return;
    if (this.#open !== undefined) this.#flush();
    this.#over = true;
  }

  #flush(): void {
    const batch = must(this.#open, 'open batch');
    this.#open = undefined;
    this.#underWay.push(batch);
    must(this.#store, 'store').write([...batch.changes.values()], error => {
      if (this.#over) return;
      if (error !== undefined) {
        this.#over = true;
        return this.#onFailed(error);
      }
      this.#underWay.shift();
      this.#running = batch;
      // An effect may add others that come right after.
      for (const effect of batch.effects) if (!this.over) effect();
      this.#running = undefined;
    });
  }
}
