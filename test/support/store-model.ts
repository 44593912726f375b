// What a store must hold after so many writes. In: the number of a write. Out: its changes; and the records after all up to it.
import type { StoreChange } from '../../src/store/store.js';

/** Write `n`: its number, one record put, and one removed. */
export function changesOf(n: number): StoreChange[] {
  return [
    { key: 'newest', value: n },
    { key: `record/${(n * 7) % 50}`, value: { n, text: 'x'.repeat((n * 131) % 6000) } },
    { key: `record/${(n * 3) % 50}`, remove: true },
  ];
}

/** The records after writes 0 to `n`, in the order of their keys. */
export function recordsAfter(n: number): { key: string; value: unknown }[] {
  const records = new Map<string, unknown>();
  for (let i = 0; i <= n; i += 1) apply(records, changesOf(i));
  return [...records].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Does what a store does with changes. */
export function apply(records: Map<string, unknown>, changes: readonly StoreChange[]): void {
  for (const change of changes) {
    if ('remove' in change) records.delete(change.key);
    else records.set(change.key, change.value);
  }
}
