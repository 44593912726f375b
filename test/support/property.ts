// Properties in AVA: the test fails with fast-check's report (seed, path, smallest counterexample) instead of the first bare assertion.
// PROFFER_SEED makes every property of a run draw the same examples again; without it each run looks elsewhere.
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';

const seed = process.env['PROFFER_SEED'];
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });

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
