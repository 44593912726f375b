// Laws of labels and conversions over generated ones: keys say all there is, amounts survive every operation, and what is undone was never done.
import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.js';
import { shown } from '../../src/base/errors.js';
import type { Bag, Conversion, Converted, Resource, ScalarResource } from '../../src/resources/index.js';
import {
  add,
  addTotals,
  bareBag,
  contains,
  convert,
  createVolume,
  createVolumes,
  destroyVolume,
  destroyVolumes,
  equals,
  exclusive,
  forRole,
  formatResources,
  fromBag,
  growVolume,
  keyOf,
  labelOf,
  nonRevocable,
  overlaps,
  parseKey,
  parseResources,
  quantities,
  remainder,
  reserve,
  reserved,
  revocable,
  shared,
  shortages,
  shrinkVolume,
  subtract,
  sum,
  take,
  toBag,
  unreserve,
  unreserved,
  volumesOf,
  withoutCapabilities,
} from '../../src/resources/index.js';
import { holds } from '../support/property.js';
import {
  anyDisks,
  anyLabelledBag,
  anyLabelParts,
  anyReservations,
  malformed,
  modelOf,
  sortedModel,
  splitAmong,
} from './arbitraries.js';

const runs = { numRuns: 400 };
const choices = fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 8 });

test('a key says all that its label says, and nothing else does', t => {
  holds(
    t,
    fc.property(anyLabelParts, anyLabelParts, (parts, others) => {
      const label = labelOf(parts);
      const parsed = parseKey(keyOf('disk', label));
      ok(typeof parsed !== 'string', shown(parsed));
      deepStrictEqual(parsed.label, label);
      deepStrictEqual(parsed.label.reservations, parts.reservations);
      deepStrictEqual(parsed.label.volume, parts.volume);
      deepStrictEqual(parsed.label.source, parts.source);
      strictEqual(parsed.label.indivisible, parts.volume !== undefined || parts.source?.type === 'MOUNT');
      strictEqual(parsed.label.shared, parts.shared ?? false);
      strictEqual(parsed.label.revocable, parts.revocable ?? false);
      strictEqual(parsed.label.role, parts.reservations.at(-1)?.role);
      ok(!/[\s\p{Cc}]/u.test(parsed.key), 'a key is one word');
      strictEqual(
        label.suffix === labelOf(others).suffix,
        JSON.stringify(canonical(parts)) === JSON.stringify(canonical(others)),
      );
    }),
    runs,
  );
});

test('however a key is spelled, it is read as the shortest', t => {
  holds(
    t,
    fc.property(anyLabelParts, fc.infiniteStream(fc.boolean()), (parts, coin) => {
      const key = keyOf('disk', labelOf(parts));
      // Letters and digits of texts may be encoded as well; words of the grammar must not.
      const longer = key.replaceAll(/(?<![%A-Za-z]|%.)[ab7](?![a-z])/g, char =>
        coin.next().value === true ? `%${char.charCodeAt(0).toString(16)}` : char,
      );
      const parsed = parseKey(longer);
      ok(typeof parsed !== 'string', `${longer}: ${shown(parsed)}`);
      strictEqual(parsed.key, key);
    }),
    runs,
  );
});

test('any text is a key or told why it is none, and a key is read as itself', t => {
  const pieces = fc.constantFrom(
    'cpus',
    'disk',
    'ads',
    '/x',
    '(',
    ')',
    '[',
    ']',
    ',',
    '@',
    '=',
    ':',
    '%',
    '%2C',
    '{revocable}',
    '<shared>',
    '<mount=',
    '<path=/x>',
    '>',
    ',dynamic',
    ' ',
    '\u0000',
    '__proto__',
    'ro',
  );
  let keys = 0;
  holds(
    t,
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces, { maxLength: 12 }).map(all => all.join('')),
      ),
      text => {
        const parsed = parseKey(text);
        if (typeof parsed === 'string') return ok(parsed.length > 0 && parsed.length < 1000);
        keys += 1;
        deepStrictEqual(parseKey(parsed.key), parsed);
        deepStrictEqual(labelOf(parsed.label), parsed.label);
        strictEqual(keyOf(parsed.name, parsed.label), parsed.key);
      },
    ),
    { numRuns: 3000 },
  );
  t.true(keys > 100, `only ${keys} texts were keys`);
});

test('bags with volumes survive both outer forms', t => {
  holds(
    t,
    fc.property(anyLabelledBag, bag => {
      strictEqual(malformed(bag), undefined);
      // Kinds that disagree have no common boundary form.
      fc.pre(new Set(bag.map(r => r.key)).size === bag.length);
      deepStrictEqual(toBag(fromBag(bag)), { bag, problems: [] });
      deepStrictEqual(toBag(JSON.parse(JSON.stringify(fromBag(bag)))), { bag, problems: [] });
      deepStrictEqual(parseResources(formatResources(bag)), { bag, problems: [] });
    }),
    runs,
  );
});

test('a bag is the sum of its parts, in any order, and each can be taken out again', t => {
  holds(
    t,
    fc.property(anyLabelledBag, choices, fc.integer({ min: 1, max: 4 }), (bag, chosen, count) => {
      const parts = splitAmong(bag, chosen, count);
      deepStrictEqual(sum(parts), bag);
      deepStrictEqual(sum(parts.toReversed()), bag);
      let left = bag;
      for (const part of parts) {
        ok(contains(left, part));
        deepStrictEqual(shortages(left, part), []);
        const rest = subtract(left, part);
        strictEqual(malformed(rest), undefined);
        ok(equals(add(rest, part), left));
        deepStrictEqual(remainder(left, part), rest);
        left = rest;
      }
      strictEqual(left.length, 0);
    }),
    runs,
  );
});

test('a volume or a mount disk is whole or not there, and not there twice unless it is shared', t => {
  holds(
    t,
    fc.property(anyDisks, fc.nat({ max: 10 }), fc.integer({ min: 1, max: 10 }), (bag, which, less) => {
      const wholes = bag.filter((r): r is ScalarResource => r.kind === 'scalar' && r.label.indivisible);
      fc.pre(wholes.length > 0);
      const resource = wholes[which % wholes.length] as ScalarResource;
      fc.pre(resource.milli > less);
      const part: Resource = { ...resource, milli: resource.milli - less };
      for (const other of [[part], [{ ...resource, milli: resource.milli + less }]]) {
        strictEqual(contains(bag, other), false);
        strictEqual(shortages(bag, other).length, 1);
        throws(() => subtract(bag, other), AssertionError);
        strictEqual(take(bag, other).shortages.length, 1);
        throws(() => add(bag, other), AssertionError);
        deepStrictEqual(remainder(bag, other), subtract(bag, [resource]));
      }
      deepStrictEqual(take(bag, [resource]), { taken: [resource], shortages: [] });
      if (resource.label.shared) deepStrictEqual(add(bag, [resource]), bag);
      else throws(() => add(bag, [resource]), AssertionError);
      strictEqual(overlaps(bag, [resource]), !resource.label.shared);
      strictEqual(
        quantities(addTotals(bag, [resource])).get('disk'),
        (quantities(bag).get('disk') ?? 0) + resource.milli,
      );
    }),
    runs,
  );
});

test('the views of a bag are parts of it that make up the whole', t => {
  holds(
    t,
    fc.property(anyLabelledBag, bag => {
      deepStrictEqual(sum([exclusive(bag), shared(bag)]), bag);
      deepStrictEqual(sum([revocable(bag), nonRevocable(bag)]), bag);
      deepStrictEqual(sum([revocable(bag), unreserved(bag), reserved(bag)]), bag);
      deepStrictEqual(withoutCapabilities(bag, { revocable: true, shared: true }), bag);
      deepStrictEqual(withoutCapabilities(bag, { revocable: false, shared: false }), nonRevocable(exclusive(bag)));
      deepStrictEqual(withoutCapabilities(bag, { revocable: true, shared: false }), exclusive(bag));
      for (const { label } of bag) {
        if (label.role !== undefined) {
          ok(contains(forRole(bag, label.role), reserved(bag, label.role)));
          ok(contains(forRole(bag, `${label.role}/below`), reserved(bag, label.role)));
        }
      }
      deepStrictEqual(forRole(bag, 'nobody'), sum([revocable(bag), unreserved(bag)]));
    }),
    runs,
  );
});

test('reserving and unreserving keep every amount, and undo each other', t => {
  holds(
    t,
    fc.property(anyLabelledBag, choices, anyReservations, fc.boolean(), (have, chosen, stack, below) => {
      const [want = []] = splitAmong(have, chosen, 2);
      const last = stack.at(-1);
      ok(last !== undefined);
      const above = want.find(r => r.label.role !== undefined)?.label.role;
      const { type: _, ...spec } = last;
      const reservation = below && above !== undefined ? { ...spec, role: `${above}/${spec.role}` } : spec;
      const made = reserve(have, want, reservation, 'here');
      if (!made.ok) {
        ok(made.problems.length > 0 && made.problems.every(p => p.path.startsWith('here.')));
        const odd = want.some(
          r =>
            r.label.revocable ||
            r.label.volume !== undefined ||
            (r.label.role !== undefined && !reservation.role.startsWith(`${r.label.role}/`)),
        );
        ok(odd || want.length === 0 || reservation.role.length > 255, JSON.stringify(made.problems));
        return;
      }
      ok(
        made.conversion.produced.every(
          r => r.label.reservations.at(-1)?.type === 'DYNAMIC' && r.label.role === reservation.role,
        ),
      );
      const after = keeps(have, made.conversion);
      const undone = unreserve(after, made.conversion.produced, 'here');
      ok(undone.ok, JSON.stringify(undone));
      deepStrictEqual(undone.conversion.produced, want);
      deepStrictEqual(keeps(after, undone.conversion), have);
    }),
    runs,
  );
});

test('reservations that differ in the last one only are alike without it', t => {
  holds(
    t,
    fc.property(anyLabelledBag, have => {
      const want = have.filter(r => r.label.reservations.at(-1)?.type === 'DYNAMIC' && r.label.volume === undefined);
      const undone = unreserve(have, want, 'here');
      strictEqual(undone.ok, want.length > 0);
      if (undone.ok) keeps(have, undone.conversion);
    }),
    runs,
  );
});

const sizes = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 3 });

test('volumes are made of disk, grow, shrink and become disk again, and no amount is lost on the way', t => {
  holds(
    t,
    fc.property(
      anyReservations,
      fc.integer({ min: 1, max: 9000 }),
      sizes,
      fc.boolean(),
      fc.boolean(),
      (stack, disk, amounts, isShared, below) => {
        const label = labelOf({ reservations: stack });
        const key = keyOf('disk', label);
        const have = toBag({ cpus: 3, disk: 7, [key]: disk }).bag;
        const role = below ? `${label.role}/x` : (label.role ?? '');
        const volumes = amounts.map((amount, i) => ({
          id: `v${i}`,
          disk: amount,
          containerPath: `/v${i}`,
          shared: isShared,
        }));
        const made = createVolumes(have, volumes, role, 'here');
        if (amounts.reduce((a, b) => a + b) > disk) {
          strictEqual(made.ok, false);
          return;
        }
        ok(made.ok, JSON.stringify(made));
        const after = keeps(have, made.conversion);
        deepStrictEqual(
          volumesOf(after).map(v => v.resource.milli),
          amounts.map(amount => amount * 1000),
        );
        refused(createVolume(after, { id: 'v0', disk: 1, containerPath: '/x', from: key }, role, 'here'));
        refused(createVolume(after, { id: 'w', disk: 1, containerPath: '/x' }, 'stranger', 'here'));
        for (const [i, amount] of amounts.entries()) {
          const smaller = shrinkVolume(after, `v${i}`, amount * 999, role, 'here');
          if (isShared) {
            refused(smaller);
            continue;
          }
          ok(smaller.ok, JSON.stringify(smaller));
          const shrunk = keeps(after, smaller.conversion);
          refused(shrinkVolume(shrunk, `v${i}`, amount, role, 'here'));
          const larger = growVolume(shrunk, `v${i}`, amount * 999, role, 'here');
          ok(larger.ok, JSON.stringify(larger));
          deepStrictEqual(keeps(shrunk, larger.conversion), after);
        }
        refused(destroyVolume(after, 'v9', role, 'here'));
        refused(destroyVolume(after, 'v0', 'stranger', 'here'));
        const gone = destroyVolumes(
          after,
          volumes.map(v => v.id),
          role,
          'here',
        );
        ok(gone.ok, JSON.stringify(gone));
        deepStrictEqual(keeps(after, gone.conversion), have);
      },
    ),
    runs,
  );
});

const anyStep = fc.record({
  kind: fc.constantFrom('reserve', 'unreserve', 'create', 'destroy', 'grow', 'shrink', 'take'),
  role: fc.constantFrom('ads', 'ads', 'ads/video', 'ads/video', 'web', '*', 'a//b'),
  id: fc.constantFrom('v', 'w'),
  amount: fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ min: 0, max: 60 }),
    fc.constantFrom(20, 30),
    fc.constantFrom(-1, NaN, 0.0001, 1e300),
  ),
  which: fc.nat(),
  shared: fc.boolean(),
});

test('whatever is asked of an agent in whatever order, it keeps what it has and says why not', t => {
  const done = new Map<string, number>();
  holds(
    t,
    fc.property(fc.array(anyStep, { maxLength: 40, size: 'max' }), steps => {
      const start = toBag({
        cpus: 4,
        disk: 100,
        'disk(ads)': 50,
        'disk<mount=/mnt/a>': 20,
        'disk<mount=/mnt/b>(ads)': 30,
        'disk<path=/mnt/c>': 40,
        ports: [[1, 20]],
        'cpus{revocable}': 2,
      }).bag;
      let total = start;
      // What tasks hold of it: converted by nobody.
      let held: Bag = [];
      for (const { kind, role, id, amount, which, shared: isShared } of steps) {
        const free = subtract(total, held);
        const entry = free[which % Math.max(1, free.length)];
        if (kind === 'take') {
          if (which % 3 === 0) held = [];
          else if (entry !== undefined && !entry.label.shared) held = add(held, [entry]);
          continue;
        }
        const part = entry === undefined ? [] : [entry];
        const milli = Number.isFinite(amount) ? Math.round(Math.abs(amount) * 1000) : 1;
        const converted: Converted =
          kind === 'reserve'
            ? reserve(free, part, { role }, 'here')
            : kind === 'unreserve'
              ? unreserve(free, part, 'here')
              : kind === 'create'
                ? createVolume(
                    free,
                    { id, disk: amount, containerPath: `/${id}`, shared: isShared },
                    role,
                    'here',
                    total,
                  )
                : kind === 'destroy'
                  ? destroyVolume(free, id, role, 'here')
                  : (kind === 'grow' ? growVolume : shrinkVolume)(free, id, milli, role, 'here');
        if (!converted.ok) {
          refused(converted);
          continue;
        }
        done.set(kind, (done.get(kind) ?? 0) + 1);
        keeps(free, converted.conversion);
        total = keeps(total, converted.conversion);
        ok(contains(total, held), 'what tasks hold is untouched');
        const ids = volumesOf(total).map(({ volume, resource }) => `${volume.id} of ${resource.label.role}`);
        strictEqual(new Set(ids).size, ids.length, 'each role has a volume of an id once');
      }
      deepStrictEqual([...quantities(total)].sort(asText), [...quantities(start)].sort(asText));
    }),
    { numRuns: 1500 },
  );
  for (const kind of ['reserve', 'unreserve', 'create', 'destroy', 'grow', 'shrink']) {
    t.true((done.get(kind) ?? 0) > 20, `only ${done.get(kind)} times ${kind}`);
  }
});

function refused(converted: Converted): void {
  ok(!converted.ok);
  ok(converted.problems.every(p => p.path.startsWith('here') && p.message !== ''));
}

/** What the conversion gives, having checked that it is well formed and that amounts and things by name are as before. */
function keeps(bag: Bag, conversion: Conversion): Bag {
  const after = convert(bag, conversion);
  for (const each of [conversion.consumed, conversion.produced, after]) strictEqual(malformed(each), undefined);
  deepStrictEqual([...quantities(after)].sort(asText), [...quantities(bag)].sort(asText));
  deepStrictEqual(things(after), things(bag));
  // Nothing goes from one disk to another.
  deepStrictEqual(amountsOf(bareBag(after)), amountsOf(bareBag(bag)));
  deepStrictEqual(after.map(mountIn).filter(isThere).sort(), bag.map(mountIn).filter(isThere).sort());
  return after;
}

function amountsOf(bag: Bag): readonly (readonly [string, number])[] {
  return bag.flatMap(r => (r.kind === 'scalar' ? [[r.key, r.milli] as const] : []));
}

/** A mount disk and its amount, whatever it is reserved to or made of it. */
function mountIn(r: Resource): string | undefined {
  return r.label.source?.type === 'MOUNT' && r.kind === 'scalar' ? `${r.label.source.root} ${r.milli}` : undefined;
}

function isThere(text: string | undefined): text is string {
  return text !== undefined;
}

function asText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Ports and items by name, whatever their labels. */
function things(bag: Bag): readonly string[] {
  return sortedModel(modelOf(bag.map((r): Resource => ({ ...r, key: r.name })).filter(r => r.kind !== 'scalar')))
    .map(([name]) => name)
    .sort();
}

function canonical(parts: { readonly reservations: readonly { readonly labels?: object }[] }): unknown {
  const { reservations, ...more } = parts;
  const sorted = reservations.map(({ labels, ...rest }) => [
    Object.entries(rest).sort(asText),
    Object.entries(labels ?? {}).sort(asText),
  ]);
  return [sorted, { shared: false, revocable: false, ...more }];
}
