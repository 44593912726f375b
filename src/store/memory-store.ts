// A store that lives as long as its process: for simulations, tests, and masters that may forget. In: writes. Out: callbacks, in order.
import { ProfferError } from '../base/errors.js';
import { deadStore, epochAfter, fenced } from './fencing.js';
import type { Store, StoreChange } from './store.js';

/**
 * Keeps records in memory. `defer` runs a callback soon, in the order given: a virtual clock's `soon` under simulation, a microtask by default.
 * Values are copied on the way in and out, as a disk would.
 */
export class MemoryStore implements Store {
  #shared: { readonly records: Map<string, unknown>; epoch: number } = { records: new Map(), epoch: 0 };
  readonly #defer: (run: () => void) => void;
  #epoch = 0;
  #dead: ProfferError | undefined;

  constructor(defer: (run: () => void) => void = queueMicrotask) {
    this.#defer = defer;
  }

  /** Another handle on the same records, as another process would have. */
  another(): MemoryStore {
    const other = new MemoryStore(this.#defer);
    other.#shared = this.#shared;
    other.#epoch = this.#shared.epoch;
    return other;
  }

  load(prefix: string): readonly { readonly key: string; readonly value: unknown }[] {
    const found: { key: string; value: unknown }[] = [];
    for (const [key, value] of this.#shared.records)
      if (key.startsWith(prefix)) found.push({ key, value: structuredClone(value) });
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void {
    const refused = this.#refused();
    if (refused !== undefined) return this.#defer(() => onDurable(refused));
    const { records } = this.#shared;
    for (const change of changes) {
      if ('remove' in change) records.delete(change.key);
      else records.set(change.key, structuredClone(change.value));
    }
    this.#defer(onDurable);
  }

  claim(atLeast: number, onClaimed: (error: ProfferError | undefined, epoch: number) => void): void {
    const dead = this.#dead;
    if (dead !== undefined) return this.#defer(() => onClaimed(deadStore(dead), 0));
    const epoch = epochAfter(this.#shared.epoch, atLeast);
    this.#shared.epoch = epoch;
    this.#epoch = epoch;
    this.#defer(() => onClaimed(undefined, epoch));
  }

  close(onClosed: () => void): void {
    this.#dead ??= new ProfferError('STORE_FAILED', 'the store is closed');
    this.#defer(onClosed);
  }

  #refused(): ProfferError | undefined {
    if (this.#dead !== undefined) return deadStore(this.#dead);
    if (this.#epoch !== this.#shared.epoch) this.#dead = fenced(this.#epoch, this.#shared.epoch);
    return this.#dead;
  }
}
