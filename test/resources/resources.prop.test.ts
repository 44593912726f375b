// Laws of resource arithmetic, against a naive model over generated bags, and every small case of ranges and sets.
import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.js';
import type { Bag, Range } from '../../src/resources/index.js';
import {
  add,
  addDisjoint,
  bagOf,
  contains,
  differenceRanges,
  emptyBag,
  equals,
  forRole,
  formatResources,
  fromBag,
  intersectRanges,
  lowestOfRanges,
  nonRevocable,
  overlaps,
  parseResources,
  quantities,
  reserved,
  revocable,
  shortages,
  shrink,
  subtract,
  sum,
  take,
  takePorts,
  takeScalars,
  toBag,
  unionRanges,
  unreserved,
  wishShortages,
} from '../../src/resources/index.js';
import {
  coalesceRanges,
  containsRanges,
  countRanges,
  expandRanges,
  overlapRanges,
} from '../../src/resources/ranges.js';
import { containsSets, differenceSets, overlapSets, unionSets } from '../../src/resources/sets.js';
import { everyCase } from '../support/exhaustive.js';
import { holds } from '../support/property.js';
import {
  addModels,
  anyBag,
  anyLabelledBag,
  anyResources,
  malformed,
  modelOf,
  sortedModel,
  subtractModels,
} from './arbitraries.js';

const runs = { numRuns: 500 };

test('adding agrees with the model, in any order and grouping, and keeps bags well formed', t => {
  holds(
    t,
    fc.property(anyBag, anyBag, anyBag, (a, b, c) => {
      const ab = add(a, b);
      strictEqual(malformed(ab), undefined);
      deepStrictEqual(sortedModel(modelOf(ab)), sortedModel(addModels(modelOf(a), modelOf(b))));
      deepStrictEqual(add(b, a), ab);
      deepStrictEqual(add(ab, c), add(a, add(b, c)));
      deepStrictEqual(sum([a, b, c]), add(ab, c));
      ok(contains(ab, a) && contains(ab, b));
      strictEqual(add(a, emptyBag), a);
      strictEqual(add(emptyBag, a), a);
    }),
    runs,
  );
});

test('subtracting undoes adding; what is not there cannot be subtracted; contains and shortages foretell it', t => {
  let held = 0;
  holds(
    t,
    // Unrelated bags seldom hold each other, so half of the time the second is a part of the first.
    fc.property(anyBag, anyBag, fc.boolean(), (x, y, related) => {
      const [a, b] = related ? [add(x, y), y] : [x, y];
      const model = subtractModels(modelOf(a), modelOf(b));
      strictEqual(contains(a, b), model !== undefined);
      strictEqual(shortages(a, b).length === 0, model !== undefined);
      if (model === undefined) {
        throws(() => subtract(a, b), AssertionError);
        return;
      }
      held += 1;
      const left = subtract(a, b);
      strictEqual(malformed(left), undefined);
      deepStrictEqual(sortedModel(modelOf(left)), sortedModel(model));
      deepStrictEqual(addDisjoint(left, b), a);
      ok(equals(subtract(a, left), b));
    }),
    runs,
  );
  t.true(held > 100, `only ${held} pairs were subtracted`);
});

test('giving back what is there already is caught', t => {
  holds(
    t,
    fc.property(anyBag, anyBag, (a, b) => {
      const inB = modelOf(b);
      const twice = [...modelOf(a).keys()].some(key => inB.has(key) && !key.endsWith(' amount'));
      strictEqual(overlaps(a, b), twice);
      strictEqual(overlaps(b, a), twice);
      if (twice) throws(() => addDisjoint(a, b), AssertionError);
      else deepStrictEqual(addDisjoint(a, b), add(a, b));
    }),
    runs,
  );
});

test('equality is equality of content', t => {
  holds(
    t,
    fc.property(anyBag, anyBag, (a, b) => {
      const alike =
        JSON.stringify(sortedModel(modelOf(a)).map(String)) === JSON.stringify(sortedModel(modelOf(b)).map(String));
      strictEqual(equals(a, b), alike);
      ok(equals(a, structuredClone(a)));
    }),
    runs,
  );
});

test('a shortage says how much would suffice', t => {
  holds(
    t,
    fc.property(anyBag, anyBag, (have, want) => {
      for (const short of shortages(have, want)) {
        if (typeof short.short !== 'number' || typeof short.have !== 'number' || typeof short.wanted !== 'number')
          continue;
        ok(short.short > 0);
        const enough = add(have, bagOf({ [short.key]: short.short }));
        deepStrictEqual(
          shortages(enough, want).map(s => s.key),
          shortages(have, want)
            .map(s => s.key)
            .filter(key => key !== short.key),
        );
      }
      deepStrictEqual(shortages(add(have, want), want), []);
    }),
    runs,
  );
});

test('both outer forms give the same bag back', t => {
  holds(
    t,
    fc.property(anyResources, resources => {
      const bag = bagOf(resources);
      strictEqual(malformed(bag), undefined);
      deepStrictEqual(toBag(fromBag(bag)), { bag, problems: [] });
      deepStrictEqual(toBag(JSON.parse(JSON.stringify(fromBag(bag)))), { bag, problems: [] });
      deepStrictEqual(parseResources(formatResources(bag)), { bag, problems: [] });
    }),
    runs,
  );
});

test('thousandths are counted exactly, however often they are added up', t => {
  t.deepEqual(fromBag(sum(Array.from({ length: 10 }, () => bagOf({ cpus: 0.1 })))), { cpus: 1 });
  holds(
    t,
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 50 }), amounts => {
      const total = sum(amounts.map(milli => bagOf({ mem: milli / 1000 })));
      strictEqual(
        quantities(total).get('mem') ?? 0,
        amounts.reduce((a, b) => a + b, 0),
      );
    }),
    runs,
  );
});

test('an agent whose parts are handed out and given back in any order ends whole', t => {
  holds(
    t,
    fc.property(
      anyBag,
      fc.array(anyBag, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (base, parts, order) => {
        const total = sum([base, ...parts]);
        const out: Bag[] = [];
        let free = total;
        for (const part of parts) {
          if (!contains(free, part)) continue;
          free = subtract(free, part);
          out.push(part);
        }
        for (const pick of order) {
          const [back] = out.length === 0 ? [] : out.splice(pick % out.length, 1);
          if (back !== undefined) free = addDisjoint(free, back);
        }
        deepStrictEqual(addDisjoint(free, out.reduce(addDisjoint, emptyBag)), total);
      },
    ),
    runs,
  );
});

test('a part is taken from the bag, equals the wish, and is refused exactly when something is short', t => {
  let served = 0;
  holds(
    t,
    fc.property(anyBag, anyBag, fc.boolean(), (x, want, related) => {
      const bag = related ? add(x, want) : x;
      const { taken, shortages: missing } = take(bag, want);
      strictEqual(malformed(taken), undefined);
      ok(contains(bag, taken));
      if (related) deepStrictEqual(missing, []);
      if (missing.length > 0) return;
      served += 1;
      deepStrictEqual(withoutLabels(taken), withoutLabels(want));
    }),
    runs,
  );
  t.true(served > 100, `only ${served} wishes were served`);
});

test('ports and amounts are taken as asked or not at all', t => {
  holds(
    t,
    fc.property(anyBag.map(nonRevocable), fc.nat(30), fc.nat(10_000), (bag, count, milli) => {
      const available = bag.flatMap(r =>
        r.kind === 'ranges' && r.name === 'ports' ? expandRanges(r.ranges) : [],
      ).length;
      const ports = takePorts(bag, 'ports', count);
      strictEqual(ports !== undefined, available >= count);
      if (ports !== undefined) {
        strictEqual(malformed(ports), undefined);
        ok(contains(bag, ports));
        strictEqual(
          ports.reduce((n, r) => n + (r.kind === 'ranges' ? countRanges(r.ranges) : 0), 0),
          count,
        );
      }
      const cpus = takeScalars(bag, 'cpus', milli);
      strictEqual(cpus !== undefined, (quantities(bag).get('cpus') ?? 0) >= milli);
      if (cpus !== undefined) {
        strictEqual(malformed(cpus), undefined);
        ok(contains(bag, cpus));
        strictEqual(quantities(cpus).get('cpus') ?? 0, milli);
      }
    }),
    runs,
  );
});

test('shrinking keeps within the limits and cuts no more than it must', t => {
  const limits = fc.dictionary(fc.constantFrom('cpus', 'mem', 'gpus', 'odd'), fc.nat(20_000));
  holds(
    t,
    fc.property(anyBag, limits, (bag, limit) => {
      const byName = new Map(Object.entries(limit));
      const cut = shrink(bag, byName);
      strictEqual(malformed(cut), undefined);
      ok(contains(bag, cut));
      const before = quantities(bag);
      const after = quantities(cut);
      for (const [name, milli] of before) strictEqual(after.get(name) ?? 0, Math.min(milli, byName.get(name) ?? milli));
      deepStrictEqual(
        cut.filter(r => r.kind !== 'scalar'),
        bag.filter(r => r.kind !== 'scalar'),
      );
    }),
    runs,
  );
});

test('the parts by reservation make up the whole', t => {
  holds(
    t,
    fc.property(anyBag, bag => {
      deepStrictEqual(sum([unreserved(bag), reserved(bag), revocable(bag)]), bag);
      deepStrictEqual(forRole(bag, '*'), add(unreserved(bag), revocable(bag)));
      ok(contains(forRole(bag, 'ads/eu'), forRole(bag, 'ads')));
      strictEqual(
        forRole(bag, 'ads/eu').some(r => r.label.role === 'ads/eu/x' || r.label.role === 'web'),
        false,
      );
    }),
    runs,
  );
});

test('whatever a peer sends is either a well-formed bag or told with its path', t => {
  const name = fc.constantFrom(
    'cpus',
    'ports',
    'zones',
    'gpus',
    '__proto__',
    'constructor',
    'cpus(ads)',
    'cpus(',
    '',
    'a b',
  );
  const value = fc.oneof(
    fc.anything({ withNullPrototype: true, withSparseArray: true, withBigInt: true }),
    fc.double(),
    fc.array(fc.array(fc.double())),
  );
  holds(
    t,
    fc.property(fc.oneof(fc.anything(), fc.dictionary(name, value), fc.dictionary(fc.string(), value)), input => {
      const { bag, problems } = toBag(input);
      strictEqual(malformed(bag), undefined);
      for (const p of problems) {
        ok(p.path.startsWith('resources') && p.code === 'INVALID_RESOURCES' && p.message.length > 0);
        ok(p.message.length < 1000, 'a message stays short however large the input');
      }
      if (problems.length === 0) deepStrictEqual(toBag(fromBag(bag)).bag, bag);
    }),
    { numRuns: 2000 },
  );
});

test('whatever a person types is either a well-formed bag or told', t => {
  const token = fc.constantFrom(
    'cpus',
    'ports',
    ':',
    ';',
    '[',
    ']',
    '{',
    '}',
    '1',
    '-',
    ',',
    '(ads)',
    '0.5',
    'a',
    ' ',
    '1e9',
  );
  holds(
    t,
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(token, { maxLength: 14 }).map(tokens => tokens.join('')),
      ),
      text => {
        const { bag, problems } = parseResources(text);
        strictEqual(malformed(bag), undefined);
        if (problems.length === 0) deepStrictEqual(parseResources(formatResources(bag)).bag, bag);
        else ok(problems.every(p => p.message.length > 0));
      },
    ),
    { numRuns: 2000 },
  );
});

test('every pair of subsets of six neighbouring numbers', t => {
  const universe = [0, 1, 2, 3, 4, 5];
  const cases = everyCase(choose => {
    const x = choose.some(universe);
    const y = choose.some(universe);
    const a = rangesOf(x);
    const b = rangesOf(y);
    const inBoth = x.filter(n => y.includes(n));
    same(expandRanges(a), x, 'expand');
    same(unionRanges(a, b), rangesOf(universe.filter(n => x.includes(n) || y.includes(n))), 'union');
    same(differenceRanges(a, b), rangesOf(x.filter(n => !y.includes(n))), 'difference');
    same(intersectRanges(a, b), rangesOf(inBoth), 'intersection');
    same(containsRanges(a, b), inBoth.length === y.length, 'contains');
    same(overlapRanges(a, b), inBoth.length > 0, 'overlap');
    same(countRanges(a), x.length, 'count');
    same(lowestOfRanges(a, y.length), rangesOf(x.slice(0, y.length)), 'lowest');
    const p = x.map(String);
    const q = y.map(String);
    same(unionSets(p, q), [...new Set([...p, ...q])].sort(), 'union of sets');
    same(
      differenceSets(p, q),
      p.filter(s => !q.includes(s)),
      'difference of sets',
    );
    same(
      containsSets(p, q),
      q.every(s => p.includes(s)),
      'contains of sets',
    );
    same(
      overlapSets(p, q),
      p.some(s => q.includes(s)),
      'overlap of sets',
    );
  });
  t.is(cases, 64 * 64);
});

test('every list of up to three ranges over four numbers: accepted exactly when none is reversed and none overlap', t => {
  const cases = everyCase(choose => {
    const ranges = choose.list(3, (): Range => [choose.int(3), choose.int(3)]);
    const points = ranges.flatMap(([begin, end]) =>
      Array.from({ length: Math.max(0, end - begin + 1) }, (_, i) => begin + i),
    );
    const reversed = ranges.some(([begin, end]) => begin > end);
    const valid = !reversed && new Set(points).size === points.length;
    const { bag, problems } = toBag({ slots: ranges });
    same(problems.length === 0, valid, JSON.stringify(ranges));
    const expected = rangesOf(points.sort((a, b) => a - b));
    if (valid) same(fromBag(bag), expected.length === 0 ? {} : { slots: expected }, JSON.stringify(ranges));
    if (!reversed) same(coalesceRanges(ranges), rangesOf([...new Set(points)]), 'coalesce');
  });
  t.is(cases, 1 + 16 + 16 ** 2 + 16 ** 3);
});

// What is in a bag, whoever it is reserved to: amounts by name, and each port and item as often as it is there.
function withoutLabels(bag: Bag): string[] {
  const out = [...quantities(bag)].map(([name, milli]) => `${name} ${milli}`);
  for (const r of bag) {
    if (r.kind === 'ranges') out.push(...expandRanges(r.ranges).map(n => `${r.name} number ${n}`));
    if (r.kind === 'set') out.push(...r.items.map(item => `${r.name} item ${item}`));
  }
  return out.sort();
}

// Joins sorted numbers into ranges, by the definition.
function rangesOf(numbers: readonly number[]): Range[] {
  const out: [number, number][] = [];
  for (const n of numbers) {
    const last = out.at(-1);
    if (last !== undefined && last[1] === n - 1) last[1] = n;
    else out.push([n, n]);
  }
  return out;
}

// Far cheaper than a test assertion for each of many thousand small cases.
function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
}

test('a wish is short of something exactly when it cannot be taken, ports last', t => {
  const few = fc.integer({ min: 1, max: 3 });
  // Near what is there, so that it often just fits, or just does not.
  const near = fc.record({ cpus: few, mem: few, ports: few.map(last => [[1, last]] as const) }, { requiredKeys: [] });
  let fitting = 0;
  holds(
    t,
    fc.property(
      fc.oneof(anyLabelledBag, fc.constant(emptyBag)),
      near.map(bagOf),
      fc.oneof(
        anyBag,
        near.map(({ ports: _ports, ...amounts }) => bagOf(amounts)),
      ),
      fc.nat({ max: 4 }),
      (labelled, plainly, want, ports) => {
        const bag = add(labelled, overlaps(labelled, plainly) ? emptyBag : plainly);
        const { taken, shortages: short } = take(bag, want);
        const found = wishShortages({ resources: want, ports }, bag);
        deepStrictEqual(found.slice(0, short.length), short);
        const rest = takePorts(subtract(bag, taken), 'ports', ports);
        strictEqual(found.length, short.length + (ports > 0 && rest === undefined ? 1 : 0));
        if (found.length === 0 && want.length > 0) fitting += 1;
      },
    ),
    { numRuns: 500 },
  );
  t.true(fitting > 20, `${fitting} wishes fit`);
});
