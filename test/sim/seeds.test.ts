// Seeds: the cluster keeps its invariants under every mixture of faults and settles when they end; runs repeat byte for byte; and enough happened
// for that to mean something. A tenth of the plan; `npm run sim -- --plan` takes all of it.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { addCounts, noCounts, runScenario, scenarioNamed, scenarios, SimulationFailure } from '../../src/sim/index.js';
import type { Counts, RunResult, ScenarioName } from '../../src/sim/index.js';
import { belowFloors } from '../../src/sim/checkers/floors.js';
import { plan, tooLittle } from '../../src/sim/plan.js';

for (const [name, { seeds }] of Object.entries(plan) as [ScenarioName, { readonly seeds: number }][]) {
  test.serial(`${name}: ${scenarios[name].about}`, async t => {
    const runs = await runSeeds(t, name, Math.ceil(seeds / 10));
    t.deepEqual(
      tooLittle(name, runs.length, totalOf(runs)),
      [],
      'too little happened for the seeds to have shown anything',
    );
  });
}

async function runSeeds(t: ExecutionContext, name: ScenarioName, seeds: number): Promise<RunResult[]> {
  const runs: RunResult[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    // Between runs the reporter may say that there is progress.
    await new Promise(resolve => setImmediate(resolve));
    try {
      runs.push(runScenario(name, seed));
    } catch (error) {
      t.fail(error instanceof SimulationFailure ? error.describe() : String(error));
    }
  }
  return runs;
}

function totalOf(runs: readonly RunResult[]): Counts {
  const counts = noCounts();
  for (const run of runs) addCounts(counts, run.counts);
  return counts;
}

test('the plan has two thousand seeds and more', t => {
  t.true(Object.values(plan).reduce((sum, { seeds }) => sum + seeds, 0) >= 2000);
});

test('counts below their floors are named, those of tables by kind', t => {
  const counts = noCounts();
  counts.launches = 5;
  addCounts(counts, { ...noCounts(), launches: 2, operatorCalls: { UPDATE_QUOTA: 3 } });
  t.deepEqual(belowFloors(counts, { launches: 8, operatorCalls: { UPDATE_QUOTA: 3, DRAIN_AGENT: 1 } }), [
    'launches: 7, at least 8 expected',
    'operatorCalls of kind DRAIN_AGENT: 0, at least 1 expected',
  ]);
  t.true(tooLittle('calm', 100, counts).some(line => line.startsWith('launches: 7')));
});

test('two runs of one seed are equal, line by line, and another seed is another run', t => {
  const lines: string[][] = [[], [], []];
  const [first, second, other] = [7, 7, 8].map((seed, index) =>
    runScenario('everything', seed, { onJournalLine: line => lines[index]?.push(line) }),
  );
  t.deepEqual(lines[0], lines[1]);
  t.is(first?.digest, second?.digest);
  t.not(first?.digest, other?.digest);
  t.true((lines[0]?.length ?? 0) > 500);
});

test('what happens does not depend on how messages are carried: copies or the real codec', t => {
  for (const name of ['everything', 'allocation'] as const) {
    const copied = runScenario(name, 11);
    const coded = runScenario(name, 11, { encode: 'msgpack' });
    t.is(copied.digest, coded.digest);
  }
});

test('a scenario that is not there is named with those that are', t => {
  const error = t.throws(() => scenarioNamed('chrun'), { code: 'USAGE' });
  t.regex(error?.message ?? '', /"chrun" is not a scenario; there are calm, churn/);
});
