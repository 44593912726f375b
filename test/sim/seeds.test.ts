// Seeds: the cluster keeps its invariants under every mixture of faults and settles when they end; runs repeat byte for byte; and enough happened
// for that to mean something.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import {
  addCounts,
  belowFloors,
  runScenario,
  scenarioNamed,
  scenarios,
  SimulationFailure,
} from '../../src/sim/index.js';
import type { Counts, Floors, RunResult, ScenarioName } from '../../src/sim/index.js';
import { FloorsChecker } from '../../src/sim/checkers/floors.js';

/** Seeds of each scenario, and the least that must have happened in all of them together. */
const plan: { readonly [name in ScenarioName]: { readonly seeds: number; readonly floors: Floors } } = {
  calm: { seeds: 15, floors: { launches: 300, finished: 150, failed: 20, killed: 20, kills: 50, declines: 100 } },
  churn: {
    seeds: 40,
    floors: {
      launches: 800,
      finished: 300,
      kills: 100,
      reconnects: 60,
      reregistrations: 100,
      masterStarts: 60,
      faults: {
        'agent-crash': 20,
        'agent-power-cut': 20,
        'scheduler-crash': 20,
        'master-crash': 10,
        'slow-disk': 10,
        'disk-failure': 10,
      },
    },
  },
  partitions: {
    seeds: 40,
    floors: {
      launches: 800,
      rescinds: 60,
      reconnects: 40,
      reregistrations: 60,
      faults: { partition: 20, 'one-way-partition': 20, reset: 20, swizzle: 40, delay: 10, pause: 20 },
    },
  },
  lossy: {
    seeds: 25,
    floors: {
      launches: 500,
      reconnects: 40,
      reregistrations: 40,
      faults: { drop: 20, duplicate: 20, delay: 20, reset: 10 },
    },
  },
  rogues: { seeds: 15, floors: { launches: 400, rescinds: 400, kills: 400, invalidCalls: 1000, reconnects: 100 } },
  hoarding: { seeds: 20, floors: { launches: 300 } },
  allocation: { seeds: 60, floors: { launches: 300 } },
  optimistic: { seeds: 30, floors: { launches: 300 } },
  everything: {
    seeds: 60,
    floors: {
      launches: 1200,
      rescinds: 150,
      kills: 500,
      reconnects: 200,
      reregistrations: 150,
      masterStarts: 80,
      invalidCalls: 1000,
    },
  },
};

for (const [name, { seeds, floors }] of Object.entries(plan) as [ScenarioName, (typeof plan)[ScenarioName]][]) {
  test.serial(`${name}: ${scenarios[name].about}`, async t => {
    const runs = await runSeeds(t, name, seeds);
    t.deepEqual(belowFloors(totalOf(runs), floors), [], 'too little happened for the seeds to have shown anything');
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
  const { counts } = new FloorsChecker();
  for (const run of runs) addCounts(counts, run.counts);
  return counts;
}

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
  const copied = runScenario('everything', 11);
  const coded = runScenario('everything', 11, { encode: 'msgpack' });
  t.is(copied.digest, coded.digest);
});

test('a scenario that is not there is named with those that are', t => {
  const error = t.throws(() => scenarioNamed('chrun'), { code: 'USAGE' });
  t.regex(error?.message ?? '', /"chrun" is not a scenario; there are calm, churn/);
});
