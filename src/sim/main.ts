// The simulator from a shell: `npm run sim -- --seed 8121 --scenario churn` repeats one run, `--seeds 200` tries many, `--plan` all that a change has to
// stand. In: flags. Out: a line per run or a table; for a failure what broke and how to see it again.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf, ProfferError, shown } from '../base/errors.js';
import { systemClock } from '../env/system-clock.js';
import { SimulationFailure } from './failure.js';
import { openFailureOf } from './open-failures.js';
import { plan, tooLittle } from './plan.js';
import { runAll } from './pool.js';
import type { Job } from './pool.js';
import { runScenario } from './run-scenario.js';
import { scenarioNamed, scenarios } from './scenario.js';
import type { ScenarioName } from './scenario.js';
import { Tally, tableOf } from './tally.js';

const help = `Runs the production master, agents and schedulers under virtual time, with faults, by seed.

  npm run sim -- [--seed N] [--scenario NAME] [--seeds COUNT] [--journal] [--codec] [--json]
  npm run sim -- --plan [--jobs N] [--part FRACTION]

  --seed N         the first seed (default 1)
  --seeds COUNT    how many seeds, counting up (default 1)
  --scenario NAME  one of the below, or all (default everything)
  --journal        print every line of the journal
  --codec          send every message through the real codec
  --json           one JSON document per run
  --plan           all seeds of all scenarios that a change has to stand, and a table of what happened in them
  --jobs N         how many runs of the plan at a time (default: one per core)
  --part FRACTION  only so much of the plan, e.g. 0.1

Scenarios:
${Object.entries(scenarios)
  .map(([name, { about }]) => `  ${name.padEnd(14)} ${about}`)
  .join('\n')}
`;

interface Flags {
  readonly seed: number;
  readonly seeds: number;
  readonly names: readonly ScenarioName[];
  readonly journal: boolean;
  readonly codec: boolean;
  readonly json: boolean;
  readonly plan: boolean;
  readonly jobs: number;
  readonly part: number;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readFlags(): Flags | undefined {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      scenario: { type: 'string', default: 'everything' },
      journal: { type: 'boolean', default: false },
      codec: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      plan: { type: 'boolean', default: false },
      jobs: { type: 'string', default: String(availableParallelism()) },
      part: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    seed: count(values.seed, '--seed'),
    seeds: count(values.seeds, '--seeds'),
    names: values.scenario === 'all' ? (Object.keys(scenarios) as ScenarioName[]) : [scenarioNamed(values.scenario)],
    journal: values.journal,
    codec: values.codec,
    json: values.json,
    plan: values.plan,
    jobs: Math.max(1, count(values.jobs, '--jobs')),
    part: fraction(values.part, '--part'),
  };
}

function count(text: string, path: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 0xffff_ffff) return value;
  throw new ProfferError('USAGE', `${shown(text)} is not a whole number below 2^32`, { path });
}

function fraction(text: string, path: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new ProfferError('USAGE', `${shown(text)} is not a number above 0 and up to 1`, { path });
}

function run(name: ScenarioName, seed: number, flags: Flags): boolean {
  try {
    const result = runScenario(name, seed, {
      encode: flags.codec ? 'msgpack' : 'none',
      ...(flags.journal ? { onJournalLine: say } : {}),
    });
    const { steps, virtualMs, settledInMs, counts, digest } = result;
    say(
      flags.json
        ? JSON.stringify(result)
        : `ok ${name} ${seed}: ${steps} steps, ${Math.round(virtualMs / 1000)} s, settled in ${Math.round(settledInMs / 1000)} s, ${counts.launches} launches, ${counts.rescinds} rescinds, ${counts.operations} operations, ${counts.conflicts} conflicts, ${counts.kills} kills, ${counts.reconnects} reconnects, ${digest.slice(0, 16)}`,
    );
    return true;
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    say(`FAILED ${name} ${seed}: ${error.describe()}`);
    return false;
  }
}

/** All seeds of the plan, on several cores; a table at the end. False when a run failed or too little happened. */
async function runPlan({ jobs, part }: Flags): Promise<boolean> {
  const names = Object.keys(plan) as ScenarioName[];
  const list: Job[] = names.flatMap(name =>
    Array.from({ length: Math.max(1, Math.ceil(plan[name].seeds * part)) }, (_, i) => ({ name, seed: i + 1 })),
  );
  const tallies = new Map(names.map(name => [name, new Tally()]));
  const beganMs = systemClock.now();
  const open: string[] = [];
  let unexpected = 0;
  await runAll(list, jobs, ({ name, seed }, outcome) => {
    tallies.get(name)?.take(outcome);
    const checker = openFailureOf(name, seed);
    const failure = 'failure' in outcome ? outcome.failure : undefined;
    if (checker !== undefined && failure?.startsWith(`${checker} broke`) === true) {
      open.push(`${name} ${seed}: ${failure.split('\n')[0] ?? ''}`);
      return;
    }
    if (failure === undefined && checker === undefined) return;
    unexpected += 1;
    say(
      failure === undefined
        ? `PASSED ${name} ${seed}, which was known to fail by ${checker}: take it out of src/sim/open-failures.ts\n`
        : `FAILED ${name} ${seed}: ${failure}\n`,
    );
  });
  const seconds = (systemClock.now() - beganMs) / 1000;
  const low = names.flatMap(name => {
    const tally = tallies.get(name);
    return tally === undefined ? [] : tooLittle(name, tally.runs, tally.counts).map(what => `${name}: ${what}`);
  });
  say(tableOf(tallies));
  say(
    `${list.length} runs in ${Math.round(seconds)} s, ${(list.length / seconds).toFixed(1)} a second; ${unexpected} failed, ${open.length} as known`,
  );
  for (const what of open) say(`KNOWN TO FAIL, not mended yet: ${what}`);
  for (const what of low) say(`too little happened to show anything: ${what}`);
  return unexpected === 0 && low.length === 0;
}

async function main(): Promise<void> {
  const flags = readFlags();
  if (flags === undefined) return say(help);
  if (flags.plan) {
    if (!(await runPlan(flags))) process.exitCode = 1;
    return;
  }
  let failed = 0;
  for (const name of flags.names) {
    for (let seed = flags.seed; seed < flags.seed + flags.seeds; seed += 1) if (!run(name, seed, flags)) failed += 1;
  }
  if (failed === 0) return;
  say(`${failed} of ${flags.names.length * flags.seeds} runs failed`);
  process.exitCode = 1;
}

// Who reads may have seen enough, as `head` does.
process.stdout.on('error', () => process.exit(0));
try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exitCode = 2;
}
