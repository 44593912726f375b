// The store port: small durable records by key, and who may write them. A write is visible outside only after its callback.
import type { ProfferError } from '../base/errors.js';

/** One change of a batch. */
export type StoreChange =
  | { readonly key: string; readonly value: unknown }
  | { readonly key: string; readonly remove: true };

/** Durable key-value records. Values are JSON-like. After the first failed write every later one fails: open it again to go on. */
export interface Store {
  /**
   * Every record with a key that starts with `prefix`, in key order. For start-up.
   * @throws ProfferError STORE_DAMAGED for a record that cannot be read; it is never left out.
   */
  load(prefix: string): readonly { readonly key: string; readonly value: unknown }[];
  /**
   * Makes all of `changes` durable, or none; `onDurable` is called once, in the order of the writes, with the error if it failed:
   * STORE_FENCED when another has claimed the store since this one was opened or claimed it, else STORE_FAILED.
   */
  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void;
  /**
   * Takes the lead among all who write here: `epoch` is later than any before and at least `atLeast`, and durable before the callback.
   * Whoever claims later fences this one off. With an error `epoch` is 0.
   */
  claim(atLeast: number, onClaimed: (error: ProfferError | undefined, epoch: number) => void): void;
  /** Waits for what is under way, then releases the store. */
  close(onClosed: () => void): void;
}
