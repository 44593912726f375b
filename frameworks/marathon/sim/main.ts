// Simulated runs of Marathon from a shell: `npm run sim:marathon -- --seed 12` repeats one, `--seeds 100` tries many. In: flags. Out: a line per run; for a failure what broke
// and how to see it again.
import { parseArgs } from 'node:util';
import { SimulationFailure } from 'proffer/sim';
import { runMarathonScenario } from './run.js';

const help = `Runs Marathon on a cluster under virtual time, with users and faults, by seed.

  npm run sim:marathon -- [--seed N] [--seeds COUNT] [--journal] [--json]

  --seed N       the first seed (default 1)
  --seeds COUNT  how many seeds, counting up (default 1)
  --journal      print every line of the journal
  --json         one JSON document per run
`;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function count(text: string, flag: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`error: ${flag} ${JSON.stringify(text)} is not a whole number below 10^9\n`);
  process.exit(2);
}

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    journal: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
process.stdout.on('error', () => process.exit(0));
if (flags.help) {
  say(help);
  process.exit(0);
}
const first = count(flags.seed, '--seed');
const seeds = count(flags.seeds, '--seeds');
let failed = 0;
for (let seed = first; seed < first + seeds; seed += 1) {
  try {
    const run = await runMarathonScenario(seed, flags.journal ? { onJournalLine: say } : {});
    const { steps, virtualMs, settledInMs, marathon, counts, digest } = run;
    const faults = Object.values(counts.faults).reduce((sum, n) => sum + n, 0);
    say(
      flags.json
        ? JSON.stringify(run)
        : `ok marathon ${seed}: ${steps} steps, ${Math.round(virtualMs / 1000)} s, settled in ${Math.round(settledInMs / 1000)} s, ${faults} faults, ${marathon['processes'] ?? 0} processes, ${counts.launches} launches, ${digest.slice(0, 16)}`,
    );
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    failed += 1;
    say(`FAILED marathon ${seed}: ${error.describe()}`);
  }
}
if (failed > 0) {
  say(`${failed} of ${seeds} runs failed`);
  process.exitCode = 1;
}
