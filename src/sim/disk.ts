// A simulated disk behind the Store port, as a store of LMDB keeps it: writes take time and are never torn, a crash keeps a prefix of those under way, a failing
// or full disk says so, and what rots is told from what is there.
// In: changes, crashes. Out: records that outlive the process, callbacks when they are durable.
import { messageOf, ProfferError } from '../base/errors.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import { deadStore, epochAfter, fenced } from '../store/fencing.js';
import type { Store, StoreChange } from '../store/store.js';

/** What was on a disk at one moment. */
export type DiskCopy = ReadonlyMap<string, unknown>;

/** The disk of one node; `open` gives a Store to each process that runs there. */
export class SimDisk {
  /** Time a write takes. */
  latencyMs = diskLatencyMs;
  /** While set every write fails with it, as on EIO. One that has failed may be there all the same, unless there was no room. */
  trouble: string | undefined;
  readonly #random: Random;
  readonly #records = new Map<string, unknown>();
  /** Records whose checksum does not match any more. */
  readonly #rotten = new Set<string>();
  #epoch = 0;
  #underway: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Number of durable records. */
  get size(): number {
    return this.#records.size;
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  some(prefix: string, is: (value: unknown) => boolean): boolean {
    for (const [key, value] of this.#records) if (key.startsWith(prefix) && is(value)) return true;
    return false;
  }

  /** The store as the process with `env` sees it. */
  open(env: Env): Store {
    let lastDueMs = 0;
    let own = this.#epoch;
    let dead: ProfferError | undefined;
    // `land` is what the disk does when its time has come, or what a crash may still let through.
    const enqueue = (land: () => void, done: (error?: ProfferError) => void): void => {
      const [min, max] = this.latencyMs;
      const { trouble } = this;
      // After one that failed none is taken: what is on the disk has no gaps.
      const may = (): void => {
        if (dead === undefined) land();
      };
      this.#underway.push(may);
      // One write path: a later write is not durable before an earlier one.
      lastDueMs = Math.max(lastDueMs, env.clock.now() + this.#random.int(min, max));
      env.clock.after(lastDueMs - env.clock.now(), () => {
        this.#underway = this.#underway.filter(other => other !== may);
        if (dead !== undefined) return done(deadStore(dead));
        try {
          // Room is looked for before anything is written. Any other failure says only that nobody knows: a disk that answers too late has written.
          const isLost = trouble?.startsWith('ENOSPC') ?? false;
          if (trouble === undefined || (!isLost && this.#random.chance(0.5))) land();
          if (trouble !== undefined) throw new Error(trouble);
        } catch (error) {
          dead = error instanceof ProfferError ? error : new ProfferError('STORE_FAILED', messageOf(error));
          return done(dead);
        }
        done();
      });
    };
    return {
      load: prefix => {
        for (const key of this.#rotten) if (key.startsWith(prefix)) throw damaged(key);
        return [...this.#records]
          .filter(([key]) => key.startsWith(prefix))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => ({ key, value: structuredClone(value) }));
      },
      write: (changes, onDurable) => {
        const copies = structuredClone(changes);
        enqueue(() => {
          if (own !== this.#epoch) throw fenced(own, this.#epoch);
          this.#apply(copies);
        }, onDurable);
      },
      claim: (atLeast, onClaimed) =>
        enqueue(
          () => {
            own = epochAfter(this.#epoch, atLeast);
            this.#epoch = own;
          },
          error => onClaimed(error, error === undefined ? own : 0),
        ),
      close: onClosed => {
        env.clock.after(Math.max(0, lastDueMs - env.clock.now()), onClosed);
      },
    };
  }

  /** The process is gone: of the writes under way a random prefix made it to the disk, nobody was told. */
  crash(): void {
    const survivors = this.#random.int(0, this.#underway.length);
    for (const land of this.#underway.slice(0, survivors)) {
      try {
        land();
      } catch {
        // Refused; nobody is left to be told.
      }
    }
    this.#underway = [];
  }

  /** One of the records is damaged: whoever reads it is told. False when there is none. */
  rot(random: Random): boolean {
    if (this.#records.size === 0) return false;
    this.#rotten.add(random.pick([...this.#records.keys()]));
    return true;
  }

  /** Whether a record on it cannot be read. */
  get isDamaged(): boolean {
    return this.#rotten.size > 0;
  }

  /** All of it as it is now; undefined when it cannot be read: a copy is verified. */
  copy(): DiskCopy | undefined {
    // What is stored is never changed in place.
    return this.isDamaged ? undefined : new Map(this.#records);
  }

  /** Nothing but `copy` and `added` is on it any more. Its epoch goes on from the later of both, so that nobody who led before is believed again. */
  restore(copy: DiskCopy, added: readonly { readonly key: string; readonly value: unknown }[] = []): void {
    const epoch = this.#epoch;
    this.erase();
    this.#epoch = epoch;
    for (const [key, value] of copy) this.#records.set(key, value);
    for (const { key, value } of added) this.#records.set(key, value);
  }

  /** Nothing is on it any more. */
  erase(): void {
    this.#rotten.clear();
    this.#records.clear();
    this.#epoch = 0;
    this.#underway = [];
  }

  #apply(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      if ('remove' in change) this.#records.delete(change.key);
      else this.#records.set(change.key, change.value);
    }
  }
}

/** Time a write takes on a disk that is well. */
export const diskLatencyMs: readonly [number, number] = [0, 5];

function damaged(key: string): ProfferError {
  return new ProfferError('STORE_DAMAGED', `the record ${key} cannot be read: its checksum does not match`, {
    path: key,
    hint: 'restore the store from a copy',
  });
}
