// Generated resources for property tests, and the naive model they are compared with.
import fc from 'fast-check';
import type { Bag, DiskSource, LabelParts, Reservation, Resource, Resources } from '../../src/resources/index.js';
import {
  add,
  bagOf,
  compareResources,
  diskRootProblem,
  keyOf,
  labelOf,
  roleProblem,
  sum,
  volumePathProblem,
} from '../../src/resources/index.js';
import { idProblem } from '../../src/base/id-rules.js';

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
const role = fc.constantFrom(
  '',
  '(ads)',
  '(ads/eu)',
  '(ads/eu/x)',
  '(web)',
  '(*)',
  '(ads,dynamic)',
  '(ads)(ads/eu,dynamic,@ops,team=blue)',
  '{revocable}',
);

const entry = fc.oneof(
  fc.tuple(fc.constantFrom('cpus', 'mem', 'disk'), role, scalar),
  fc.tuple(
    fc.constantFrom('disk<path=/mnt/a>', 'disk<path=/mnt/b>'),
    role.filter(suffix => suffix !== '{revocable}'),
    scalar,
  ),
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

// Texts that the grammar of labels might trip over.
const text = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      '7',
      '%',
      ',',
      '=',
      '(',
      ')',
      '[',
      ']',
      '<',
      '>',
      '{',
      '}',
      ':',
      ';',
      '@',
      ' ',
      '-',
      '.',
      'ß',
      '🦊',
      '\u2028',
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map(chars => chars.join(''));
const rolePart = text
  .map(part => part.replaceAll(/[\s()]/g, '_'))
  .filter(part => roleProblem(part) === undefined && part !== '*');
const volumePath = text
  .map(part => `/${part.replaceAll(':', '_')}`)
  .filter(path => volumePathProblem(path) === undefined);
const volumeId = text.filter(id => idProblem(id) === undefined);
const source: fc.Arbitrary<DiskSource> = fc.record(
  {
    type: fc.constantFrom('MOUNT', 'PATH'),
    root: volumePath.filter(root => diskRootProblem(root) === undefined),
  },
  { noNullPrototype: true },
);
/** A disk of its own, or that of the sandboxes. */
const place: fc.Arbitrary<{ readonly source?: DiskSource }> = fc.oneof(
  fc.constant({}),
  source.map(each => ({ source: each })),
);

/** Stacks of one to three reservations, each of a role below the one before; only the bottom one may be static. */
export const anyReservations: fc.Arbitrary<readonly Reservation[]> = fc
  .array(
    fc.record({
      part: rolePart,
      isStatic: fc.boolean(),
      principal: fc.option(text.filter(isVisible), { nil: undefined }),
      labels: fc.dictionary(text.filter(isVisible), text.filter(isVisible), { maxKeys: 3, noNullPrototype: true }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map(steps => {
    let role = '';
    return steps.map(({ part, isStatic, principal, labels }, i): Reservation => {
      role = role === '' ? part : `${role}/${part}`;
      if (i === 0 && isStatic) return { type: 'STATIC', role };
      return {
        type: 'DYNAMIC',
        role,
        ...(principal === undefined ? {} : { principal }),
        ...(Object.keys(labels).length === 0 ? {} : { labels }),
      };
    });
  });

/** Everything a label of disk can say. */
export const anyLabelParts: fc.Arbitrary<LabelParts> = fc.oneof(
  place.map(disk => ({ ...disk, reservations: [] })),
  fc.constant({ reservations: [], revocable: true }),
  fc.tuple(place, anyReservations).map(([disk, reservations]) => ({ ...disk, reservations })),
  fc
    .tuple(place, anyReservations, volumeId, volumePath, fc.constantFrom('RW' as const, 'RO' as const), fc.boolean())
    .map(([disk, reservations, id, containerPath, mode, shared]) => ({
      ...disk,
      reservations,
      volume: { id, containerPath, mode },
      shared,
    })),
);

/** An entry of disk under any label. */
export const anyDisk: fc.Arbitrary<Resource> = fc
  .tuple(anyLabelParts, fc.integer({ min: 1, max: 5_000_000 }))
  .map(([parts, milli]) => {
    const label = labelOf(parts);
    return { kind: 'scalar', key: keyOf('disk', label), name: 'disk', label, milli };
  });

/** Disk under all kinds of labels, each once, volumes and disks of their own included. */
export const anyDisks: fc.Arbitrary<Bag> = fc
  .uniqueArray(anyDisk, { maxLength: 5, selector: r => r.key })
  .map(entries => [...entries].sort(compareResources));

/** Bags with volumes among all the rest. */
export const anyLabelledBag: fc.Arbitrary<Bag> = fc
  .tuple(anyBag, anyDisks)
  .map(([bag, disks]) => sum([bag.filter(r => r.name !== 'disk'), disks]));

/** Several parts that can be added up: of volumes that are not shared and mount disks, each is in one of them. */
export function splitAmong(bag: Bag, choices: readonly number[], parts: number): Bag[] {
  const out: Bag[] = Array.from({ length: parts }, () => []);
  for (const [i, r] of bag.entries()) {
    const at = (choices[i % choices.length] ?? 0) % parts;
    out[at] = add(out[at] ?? [], [r]);
  }
  return out;
}

function isVisible(value: string): boolean {
  return !/[\p{Cc}\p{Cs}]/u.test(value);
}
