// Assertions: trouble we say to ourselves. They stay on in production; a failed one is a bug of ours, never a peer's.

/** A broken invariant of Proffer itself. Never thrown for what a peer or a user sent. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws an AssertionError with `message` unless `condition` holds. A function delays building a costly message. */
export function assert(condition: unknown, message: string | (() => string) = 'assertion failed'): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'function' ? message() : message);
}

/** Closes a `switch` over a union: a new member makes the compiler point here. */
export function assertNever(value: never, what = 'value'): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/** The value, which must be there: for lookups that cannot miss. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`${what} is missing`);
  return value;
}
