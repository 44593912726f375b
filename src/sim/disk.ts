// A simulated disk behind the Store port: writes take time, a crash keeps a prefix of those under way, a failing disk says so.
// In: changes, crashes. Out: records that outlive the process, callbacks when they are durable.
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { Store, StoreChange } from '../store/store.js';

/** The disk of one node; `open` gives a Store to each process that runs there. */
export class SimDisk {
  /** Time a write takes. */
  latencyMs: readonly [number, number] = [0, 5];
  /** While true every write fails, as on EIO. */
  failing = false;
  readonly #random: Random;
  readonly #records = new Map<string, unknown>();
  #underway: { readonly changes: readonly StoreChange[] }[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Number of durable records. */
  get size(): number {
    return this.#records.size;
  }

  /** The store as the process with `env` sees it. */
  open(env: Env): Store {
    let lastDueMs = 0;
    return {
      load: prefix =>
        [...this.#records]
          .filter(([key]) => key.startsWith(prefix))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => ({ key, value: structuredClone(value) })),
      write: (changes, onDurable) => {
        const write = { changes: structuredClone(changes) };
        this.#underway.push(write);
        const [min, max] = this.latencyMs;
        const failing = this.failing;
        // One write path: a later write is not durable before an earlier one.
        lastDueMs = Math.max(lastDueMs, env.clock.now() + this.#random.int(min, max));
        env.clock.after(lastDueMs - env.clock.now(), () => {
          this.#underway = this.#underway.filter(other => other !== write);
          if (failing) return onDurable(new Error('EIO: i/o error, write'));
          this.#apply(write.changes);
          onDurable();
        });
      },
      close: onClosed => {
        env.clock.after(Math.max(0, lastDueMs - env.clock.now()), onClosed);
      },
    };
  }

  /** The process is gone: of the writes under way a random prefix made it to the disk, nobody was told. */
  crash(): void {
    const survivors = this.#random.int(0, this.#underway.length);
    for (const { changes } of this.#underway.slice(0, survivors)) this.#apply(changes);
    this.#underway = [];
  }

  /** Nothing is on it any more. */
  erase(): void {
    this.#records.clear();
    this.#underway = [];
  }

  #apply(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      if ('remove' in change) this.#records.delete(change.key);
      else this.#records.set(change.key, change.value);
    }
  }
}
