// Trouble we say to ourselves: a broken rule of our own, never what a peer or a user sent.

/** Throws unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Closes a `switch` over a union: a new member makes the compiler point here. */
export function assertNever(value: never, what: string): never {
  throw new Error(`unexpected ${what}: ${JSON.stringify(value)}`);
}
