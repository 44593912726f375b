// Arbitraries for what is no message: anything a codec or a careless program may hand over, and valid messages with one thing changed.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';

/** Values beyond JSON that MessagePack or a program may give, and names that reach into the language. */
export const arbitraryJunk: Arbitrary<unknown> = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: true,
    withSparseArray: true,
    withBoxedValues: true,
  }),
  fc.constantFrom<unknown>(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    1e308,
    2 ** 53,
    '',
    '.',
    '..',
    '../x',
    'a\u0000b',
    '\ud800',
    'x'.repeat(300),
    JSON.parse('{"__proto__":{"polluted":true}}'),
    { constructor: 1 },
    [[]],
    { type: 'ACCEPT' },
    { type: '__proto__' },
    () => 1,
    Symbol('s'),
  ),
);

/** A copy of a message of `valid` in which one value is replaced by junk, or one field is dropped, renamed or added. */
export function arbitraryNearMiss(valid: Arbitrary<unknown>): Arbitrary<unknown> {
  const change = fc.constantFrom('replace' as const, 'drop' as const, 'rename' as const, 'add' as const);
  return fc
    .tuple(
      valid,
      fc.nat({ max: 10_000 }),
      change,
      arbitraryJunk,
      fc.constantFrom('extra', '__proto__', 'constructor', 'typ', ''),
    )
    .map(([message, place, how, junk, name]) => {
      const copy: unknown = structuredClone(message);
      const spots = spotsOf(copy);
      const spot = spots[place % Math.max(1, spots.length)];
      if (spot === undefined) return junk;
      const { holder, key } = spot;
      const old = holder[key];
      if (how === 'add') set(holder, name, junk);
      else if (how === 'replace') holder[key] = junk;
      else {
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else delete holder[key];
        if (how === 'rename') set(holder, `${key}${name}`, old);
      }
      return copy;
    });
}

interface Spot {
  readonly holder: { [key: string]: unknown };
  readonly key: string;
}

/** Every place in a tree that holds a value. */
function spotsOf(value: unknown): Spot[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Spot['holder'];
  return Object.keys(holder).flatMap(key => [{ holder, key }, ...spotsOf(holder[key])]);
}

/** Sets an own property, also one called `__proto__`, as decoders do. */
function set(holder: object, key: string, value: unknown): void {
  if (!Array.isArray(holder))
    Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}
