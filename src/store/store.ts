// The store port: small durable records by key. A write is visible outside only after its callback.

/** One change of a batch. */
export type StoreChange =
  | { readonly key: string; readonly value: unknown }
  | { readonly key: string; readonly remove: true };

/** Durable key-value records. Values are JSON-like. */
export interface Store {
  /** Every record with a key that starts with `prefix`, in key order. For start-up. */
  load(prefix: string): readonly { readonly key: string; readonly value: unknown }[];
  /** Makes all of `changes` durable, or none; `onDurable` is called once, in the order of the writes, with the error if it failed. */
  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void;
  /** Waits for what is under way, then releases the store. */
  close(onClosed: () => void): void;
}
