// Seeds of Marathon under users and faults: every rule holds, and all comes to rest; runs repeat; and enough happened for that to mean something.
import test from 'ava';
import { SimulationFailure } from 'proffer/sim';
import { runMarathonScenario } from '../../../../frameworks/marathon/sim/run.js';
import type { MarathonRun } from '../../../../frameworks/marathon/sim/run.js';

const seeds = 80;

/** The least in all runs together, about half of what is usual. */
const floors: { readonly [what: string]: number } = {
  processes: 500,
  put: 450,
  part: 200,
  scale: 240,
  pod: 100,
  group: 50,
  broken: 50,
  delete: 100,
  restart: 120,
  kill: 100,
  wipe: 45,
  revert: 50,
  cancel: 50,
  'kill and scale': 50,
  'reset delay': 50,
  'numbers.made': 1500,
  'numbers.deploymentKills': 400,
  'numbers.surplusKills': 15,
  'numbers.replaced': 12,
  'deployments.succeeded': 650,
  'deployments.failed': 400,
  'places.placed': 1900,
  'places.constrained': 480,
  'delays.failures': 160,
  'delays.delayed': 100,
  'data.reserved': 50,
  'data.destroyed': 45,
  'fields.changed': 1100,
  'fields.refused': 550,
};

test.serial('under users and faults every rule holds, and all comes to rest', async t => {
  const total = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      const { marathon } = await runMarathonScenario(seed);
      for (const [what, count] of Object.entries(marathon)) total.set(what, (total.get(what) ?? 0) + count);
    } catch (error) {
      t.fail(error instanceof SimulationFailure ? error.describe() : String(error));
    }
  }
  const low = Object.entries(floors).filter(([what, floor]) => (total.get(what) ?? 0) < floor);
  t.deepEqual(
    low.map(([what, floor]) => `${what}: ${total.get(what) ?? 0}, at least ${floor} expected`),
    [],
    'too little happened for the seeds to have shown anything',
  );
});

test.serial('two runs of one seed are equal, line by line, and another seed is another run', async t => {
  const runs: MarathonRun[] = [];
  const lines: string[][] = [[], [], []];
  for (const [index, seed] of [7, 7, 9].entries())
    runs.push(await runMarathonScenario(seed, { onJournalLine: line => lines[index]?.push(line) }));
  t.deepEqual(lines[0], lines[1]);
  t.is(runs[0]?.digest, runs[1]?.digest);
  t.not(runs[0]?.digest, runs[2]?.digest);
  t.true((lines[0]?.length ?? 0) > 500);
});

test.serial('a failure says which rule broke and how to see it again', async t => {
  const error = await t.throwsAsync(
    runMarathonScenario(3, {
      spoil: (world, { node }) => void world.clock.after(60_000, () => node.disk.rot(world.random)),
    }),
    { instanceOf: SimulationFailure },
  );
  t.regex(error?.message ?? '', /reproduce: npm run sim:marathon -- --seed 3$/);
});
