// The simulator from a shell: `npm run sim -- --seed 8121 --scenario churn` repeats one run, `--seeds 200` tries many. In: flags. Out: a line per
// run, and for a failure what broke and how to see it again.
import { parseArgs } from 'node:util';
import { messageOf, ProfferError, shown } from '../base/errors.js';
import { SimulationFailure } from './failure.js';
import { runScenario, scenarioNamed, scenarios } from './scenario.js';
import type { ScenarioName } from './scenario.js';

const help = `Runs the production master, agents and schedulers under virtual time, with faults, by seed.

  npm run sim -- [--seed N] [--scenario NAME] [--seeds COUNT] [--journal] [--codec] [--json]

  --seed N         the first seed (default 1)
  --seeds COUNT    how many seeds, counting up (default 1)
  --scenario NAME  one of the below, or all (default everything)
  --journal        print every line of the journal
  --codec          send every message through the real codec
  --json           one JSON document per run

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
  };
}

function count(text: string, path: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 0xffff_ffff) return value;
  throw new ProfferError('USAGE', `${shown(text)} is not a whole number below 2^32`, { path });
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
        : `ok ${name} ${seed}: ${steps} steps, ${Math.round(virtualMs / 1000)} s, settled in ${Math.round(settledInMs / 1000)} s, ${counts.launches} launches, ${counts.rescinds} rescinds, ${counts.kills} kills, ${counts.reconnects} reconnects, ${digest.slice(0, 16)}`,
    );
    return true;
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    say(`FAILED ${name} ${seed}: ${error.describe()}`);
    return false;
  }
}

function main(): void {
  const flags = readFlags();
  if (flags === undefined) return say(help);
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
  main();
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exitCode = 2;
}
