// A store that lives as long as its process: for simulations, tests, and masters that may forget. In: writes. Out: callbacks, in order.
import { ProfferError } from '../base/errors.js';
import type { Store, StoreChange } from './store.js';

/**
 * Keeps records in memory. `defer` runs a callback soon, in the order given: a virtual clock's `soon` under simulation, a microtask by default.
 * Values are copied on the way in and out, as a disk would.
 */
export class MemoryStore implements Store {
  readonly #records = new Map<string, unknown>();
  readonly #defer: (run: () => void) => void;
  #closed = false;

  constructor(defer: (run: () => void) => void = queueMicrotask) {
    this.#defer = defer;
  }

  load(prefix: string): readonly { readonly key: string; readonly value: unknown }[] {
    const found: { key: string; value: unknown }[] = [];
    for (const [key, value] of this.#records)
      if (key.startsWith(prefix)) found.push({ key, value: structuredClone(value) });
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void {
    if (this.#closed) {
      this.#defer(() => onDurable(new ProfferError('STORE_FAILED', 'the store is closed')));
      return;
    }
    for (const change of changes) {
      if ('remove' in change) this.#records.delete(change.key);
      else this.#records.set(change.key, structuredClone(change.value));
    }
    this.#defer(onDurable);
  }

  close(onClosed: () => void): void {
    this.#closed = true;
    this.#defer(onClosed);
  }
}
