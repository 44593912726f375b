// Properties in AVA: the test fails with fast-check's report (seed, path, smallest counterexample) instead of the first bare assertion.
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';

/**
 * Checks `property`. Inside it use `node:assert`, not `t`: a failed `t` assertion ends the test at once, before anything is shrunk.
 */
export function holds<Args>(
  t: ExecutionContext,
  property: fc.IProperty<Args>,
  options: fc.Parameters<Args> = {},
): void {
  t.notThrows(() => fc.assert(property, { includeErrorInReport: true, ...options }));
}
