// Generated resources for property tests, and the naive model they are compared with.
import fc from 'fast-check';
import type { Bag, Resources } from '../../src/resources/index.js';
import { bagOf } from '../../src/resources/index.js';

const amount = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 10_000_000_000_000 }),
  fc.constantFrom(1, 100, 200, 300, 999, 1000, 9_999_999_999_999),
);
const scalar = amount.map(milli => milli / 1000);
const wholeScalar = fc.integer({ min: 0, max: 16 });
const numbers = fc.uniqueArray(fc.integer({ min: 31_000, max: 31_020 }), { maxLength: 12 });
const ranges = numbers.map(points => [...points].sort((a, b) => a - b).map((n): readonly [number, number] => [n, n]));
const items = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'é', '-', 'x:y', '(z)'), { maxLength: 6 });
const role = fc.constantFrom('', '(ads)', '(ads/eu)', '(ads/eu/x)', '(web)', '(*)');

const entry = fc.oneof(
  fc.tuple(fc.constantFrom('cpus', 'mem', 'disk'), role, scalar),
  fc.tuple(fc.constant('gpus'), role, wholeScalar),
  fc.tuple(fc.constant('ports'), role, ranges),
  fc.tuple(fc.constant('zones'), role, items),
  // Agents may disagree about what kind of thing a custom resource is.
  fc.tuple(fc.constantFrom('odd', 'cpu', '-'), role, fc.oneof(scalar, ranges, items)),
);

/** Valid resources in the boundary form. */
export const anyResources: fc.Arbitrary<Resources> = fc
  .uniqueArray(entry, { maxLength: 7, selector: ([name, suffix]) => name + suffix.replace('(*)', '') })
  .map(entries => Object.fromEntries(entries.map(([name, suffix, value]) => [name + suffix, value])));

/** Valid bags. */
export const anyBag: fc.Arbitrary<Bag> = anyResources.map(resources => bagOf(resources));

/** What a bag holds, told without any cleverness: how many thousandths per key, and each port and item by name. */
export type Model = ReadonlyMap<string, bigint>;

/** The model of a bag. */
export function modelOf(bag: Bag): Model {
  const model = new Map<string, bigint>();
  for (const r of bag) {
    if (r.kind === 'scalar') model.set(`${r.key} amount`, BigInt(r.milli));
    else if (r.kind === 'set') for (const item of r.items) model.set(`${r.key} item ${item}`, 1n);
    else
      for (const [begin, end] of r.ranges) for (let n = begin; n <= end; n += 1) model.set(`${r.key} number ${n}`, 1n);
  }
  return model;
}

/** Amounts added, things united. */
export function addModels(a: Model, b: Model): Model {
  const out = new Map(a);
  for (const [key, n] of b) out.set(key, key.endsWith(' amount') ? (a.get(key) ?? 0n) + n : 1n);
  return out;
}

/** `a` without `b`, or undefined when `b` is not in it. */
export function subtractModels(a: Model, b: Model): Model | undefined {
  const out = new Map(a);
  for (const [key, n] of b) {
    const left = (a.get(key) ?? 0n) - n;
    if (left < 0n) return undefined;
    if (left === 0n) out.delete(key);
    else out.set(key, left);
  }
  return out;
}

/** Entries of a model in one order, for comparing. */
export function sortedModel(model: Model): (readonly [string, bigint])[] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What is wrong with the form of a bag: order, doubles, zeros, ranges that touch, items out of order. Undefined when nothing is. */
export function malformed(bag: Bag): string | undefined {
  const order = { scalar: 0, ranges: 1, set: 2 };
  for (const [i, r] of bag.entries()) {
    if (r.key !== r.name + r.label.suffix) return `key ${r.key}`;
    const next = bag[i + 1];
    if (next !== undefined && (next.key < r.key || (next.key === r.key && order[next.kind] <= order[r.kind]))) {
      return `order at ${r.key}`;
    }
    if (r.kind === 'scalar' && !(Number.isSafeInteger(r.milli) && r.milli > 0)) return `amount ${r.milli}`;
    if (r.kind === 'ranges') {
      if (r.ranges.length === 0) return 'no ranges';
      for (const [k, [begin, end]] of r.ranges.entries()) {
        const after = r.ranges[k + 1];
        if (begin > end || (after !== undefined && after[0] <= end + 1)) return `ranges ${JSON.stringify(r.ranges)}`;
      }
    }
    if (r.kind === 'set') {
      if (r.items.length === 0) return 'no items';
      for (const [k, item] of r.items.entries()) {
        const after = r.items[k + 1];
        if (after !== undefined && after <= item) return `items ${r.items.join(',')}`;
      }
    }
  }
  return undefined;
}
