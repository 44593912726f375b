// Laws of disk in several places: quota lets whole mount disks pass or none of them, and what is looked for elsewhere is found where it can be.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import {
  bare,
  bareBag,
  contains,
  isForAnything,
  quantities,
  reserved,
  revocable,
  shrink,
  shrinkUnreserved,
  subtract,
  take,
  takeAlike,
  unreserved,
} from '../../src/resources/index.js';
import { holds } from '../support/property.js';
import { anyBag, anyDisk, anyDisks, anyLabelledBag, malformed } from './arbitraries.js';

test('what is asked for without a label comes from no volume, no disk of its own, and nothing that may be taken away', t => {
  holds(
    t,
    fc.property(anyLabelledBag, anyBag, (bag, wish) => {
      const want = wish.filter(r => r.label.suffix === '');
      const { taken, shortages: short } = take(bag, want);
      ok(taken.every(r => r.label.volume === undefined && r.label.source === undefined && !r.label.revocable));
      ok(contains(bag, taken));
      const fit = bag.filter(isForAnything);
      deepStrictEqual(take(fit, want), { taken, shortages: short });
    }),
    { numRuns: 400 },
  );
});

test('shrinking leaves a volume or a mount disk whole or out, and is within the limits', t => {
  holds(
    t,
    fc.property(anyDisks, fc.nat({ max: 10_000_000 }), (bag, limit) => {
      const cut = shrink(bag, new Map([['disk', limit]]));
      strictEqual(malformed(cut), undefined);
      ok(contains(bag, cut));
      const kept = quantities(cut).get('disk') ?? 0;
      ok(kept <= limit);
      // What was left out, and is divisible, would have found no room.
      const out = subtract(bag, cut).filter(r => !r.label.indivisible);
      ok(out.length === 0 || kept === limit);
    }),
    { numRuns: 400 },
  );
});

test('what quota lets pass of disk is within it, whole where it must be, and all that is reserved or lent', t => {
  holds(
    t,
    fc.property(anyDisks, fc.nat({ max: 10_000_000 }), (bag, limit) => {
      const cut = shrinkUnreserved(bag, name => (name === 'disk' ? limit : 0));
      strictEqual(malformed(cut), undefined);
      ok(contains(bag, cut));
      deepStrictEqual(reserved(cut), reserved(bag));
      deepStrictEqual(revocable(cut), revocable(bag));
      const kept = quantities(unreserved(cut)).get('disk') ?? 0;
      ok(kept <= limit);
      const out = subtract(unreserved(bag), unreserved(cut));
      ok(out.every(r => r.label.indivisible) || kept === limit);
      // A mount disk that was left out does not fit into what was left when its turn came.
      for (const r of out) {
        if (!r.label.indivisible || r.kind !== 'scalar') continue;
        const before = quantities(unreserved(cut).filter(({ key }) => key < r.key)).get('disk') ?? 0;
        ok(before + r.milli > limit);
      }
    }),
    { numRuns: 1000 },
  );
});

test('the same of the same thing is found under whatever reservation', t => {
  holds(
    t,
    fc.property(anyDisks, anyDisk, fc.nat({ max: 10 }), fc.boolean(), (bag, other, which, fromBag) => {
      const entry = (fromBag ? bag[which % Math.max(1, bag.length)] : undefined) ?? other;
      fc.pre(!entry.label.revocable);
      const found = takeAlike(bag, entry);
      if (found === undefined) {
        ok(!contains(bag, [entry]) || entry.label.volume !== undefined);
        return;
      }
      ok(contains(bag, found));
      ok(found.every(r => r.label.volume === undefined));
      deepStrictEqual(bareBag(found), [bare(entry)]);
    }),
    { numRuns: 2000 },
  );
});
