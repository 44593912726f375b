// Fluid solutions against the numbers of the DRF paper, exact fractions, and what must hold of any solution.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { FluidUser } from '../../../src/allocator/policies/fluid.js';
import { fluidAsset, fluidCeei, fluidDrf } from '../../../src/allocator/policies/fluid.js';
import { holds } from '../../support/property.js';

function users(...demands: readonly (readonly number[])[]): FluidUser[] {
  return demands.map(demand => ({ demand }));
}

test('the paper’s cluster, 9 cpus and 18 GB: drf 3 and 2, asset 63/25 and 54/25, ceei 45/11 and 18/11', t => {
  const both = users([1, 4], [3, 1]);
  const near = (seen: readonly number[], expected: readonly number[]): void => {
    t.is(seen.length, expected.length);
    expected.forEach((value, i) => t.true(Math.abs((seen[i] ?? 0) - value) < 1e-9, `${seen[i]} is not ${value}`));
  };
  near(fluidDrf([9, 18], both), [3, 2]);
  near(fluidAsset([9, 18], both), [63 / 25, 54 / 25]);
  near(fluidCeei([9, 18], both), [45 / 11, 18 / 11]);
  near(fluidDrf([9, 18], [{ demand: [1, 4], weight: 2 }, { demand: [3, 1] }]), [54 / 13, 18 / 13]);
  // Asset fairness breaks the sharing incentive: the second has less than half of both.
  near(fluidAsset([30, 30], users([1, 3], [1, 1])), [6, 12]);
  near(fluidDrf([30, 30], users([1, 3], [1, 1])), [5, 15]);
  // Lying about cpus pays under ceei, not under drf.
  near(fluidCeei([100, 100], users([16, 1], [1, 2])), [100 / 31, 1500 / 31]);
  near(fluidCeei([100, 100], users([16, 8], [1, 2])), [25 / 6, 100 / 3]);
  near(fluidDrf([100, 100], users([16, 1], [1, 2])), [25 / 6, 100 / 3]);
  near(fluidDrf([100, 100], users([16, 8], [1, 2])), [25 / 6, 100 / 3]);
});

test('who needs nothing that is used up goes on', t => {
  t.deepEqual(fluidDrf([10, 20], users([1, 0], [0, 1])), [10, 20]);
  const [a = 0, b = 0, c = 0] = fluidDrf([10, 10], users([1, 0], [1, 0], [0, 1]));
  t.deepEqual(
    [a, b, c].map(x => Number(x.toFixed(9))),
    [5, 5, 10],
  );
});

test('any solution fits, leaves nobody who could have more for nothing, and drf and ceei give everybody a part of an even split', t => {
  const aUser = fc
    .array(fc.integer({ min: 0, max: 8 }), { minLength: 3, maxLength: 3 })
    .filter(demand => demand.some(each => each > 0))
    .map((demand): FluidUser => ({ demand }));
  const capacity = [20, 30, 40];
  holds(
    t,
    fc.property(fc.array(aUser, { minLength: 1, maxLength: 6 }), all => {
      for (const [name, solve] of Object.entries({ fluidDrf, fluidAsset, fluidCeei })) {
        const tasks = solve(capacity, all);
        const left = capacity.map(
          (amount, r) => amount - all.reduce((sum, { demand }, n) => sum + (demand[r] ?? 0) * (tasks[n] ?? 0), 0),
        );
        assert.ok(
          left.every(amount => amount > -1e-3),
          `${name} uses more than there is: ${left.join(' ')}`,
        );
        for (const [n, { demand }] of all.entries()) {
          // Multiplicative prices come near to a resource that is just used up, and never quite there.
          if (name !== 'fluidCeei')
            assert.ok(
              demand.some((each, r) => each > 0 && (left[r] ?? 0) < 1e-6),
              `${name}: ${n} could have more`,
            );
          if (name === 'fluidAsset') continue;
          const even = Math.min(
            ...demand.map((each, r) => (each > 0 ? (capacity[r] ?? 0) / all.length / each : Infinity)),
          );
          assert.ok((tasks[n] ?? 0) >= even - 1e-3, `${name}: ${n} has less than an even part`);
        }
      }
    }),
    { numRuns: 300 },
  );
});
