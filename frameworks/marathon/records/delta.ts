// An older definition as what sets it apart from a newer one: most versions differ in a field or two, and there are fifty of each. Pure.
import { isDeepStrictEqual } from 'node:util';
import type { RunSpec } from '../model/run-spec.js';

/** Members of the older definition that are other than in the newer one, and names of those it does not have. */
export interface Delta {
  readonly differs: { readonly [member: string]: unknown };
  readonly lacks?: readonly string[];
}

type Members = { readonly [member: string]: unknown };

/** What makes `older` out of `newer`. */
export function deltaOf(newer: RunSpec, older: RunSpec): Delta {
  const from = newer as unknown as Members;
  const to = older as unknown as Members;
  const names = Object.keys(to).filter(name => !Object.hasOwn(from, name) || !isSame(from[name], to[name]));
  const lacks = Object.keys(from).filter(name => !Object.hasOwn(to, name));
  const differs = Object.fromEntries(names.map(name => [name, to[name]]));
  return lacks.length === 0 ? { differs } : { differs, lacks };
}

/** The older definition. */
export function applied(newer: RunSpec, { differs, lacks = [] }: Delta): RunSpec {
  const older: { [member: string]: unknown } = { ...newer, ...differs };
  for (const name of lacks) delete older[name];
  return older as unknown as RunSpec;
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b));
}
