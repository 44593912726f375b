// The bug zoo from a shell: `npm run zoo`. Each bug is put into the code and the simulator must notice, without having been told where to look; the
// code without bugs must pass the same runs. In: flags. Out: a table; exit code 1 when a bug escapes, does not fit, or an alarm is false.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Bug } from './bug.js';
import { bugs } from './bugs.js';
import type { Task } from './child.js';
import { misfits } from './patch.js';
import { complaints, lineOf, listOf, tableOf } from './report.js';
import { attempt, attemptAll } from './trial.js';

const help = `Puts bugs into the code, one at a time, and lets the simulator find them.

  npm run zoo -- [--bug NAME,...] [--seeds N] [--catches N] [--quick] [--jobs N] [--json] [--list]

  --bug NAME    only these; part of a name will do
  --seeds N     how many runs each bug faces at most (default 500)
  --catches N   go on until a bug was caught so often, for a median (default 5; with --quick 1)
  --quick       without the bugs that are marked rare
  --jobs N      how many bugs at a time (default: one per core)
  --json        one JSON document instead of the table
  --list        name the bugs, run nothing
`;

interface Flags {
  readonly names: readonly string[];
  readonly seeds: number;
  readonly catches: number;
  readonly quick: boolean;
  readonly jobs: number;
  readonly json: boolean;
  readonly list: boolean;
}

function readFlags(): Flags | undefined {
  const { values } = parseArgs({
    options: {
      bug: { type: 'string', multiple: true, default: [] },
      seeds: { type: 'string', default: '500' },
      catches: { type: 'string' },
      quick: { type: 'boolean', default: false },
      jobs: { type: 'string', default: String(availableParallelism()) },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, json, list } = values;
  return {
    names: values.bug.flatMap(text => text.split(',')),
    seeds: count(values.seeds, '--seeds'),
    catches: count(values.catches ?? (quick ? '1' : '5'), '--catches'),
    jobs: count(values.jobs, '--jobs'),
    quick,
    json,
    list,
  };
}

function count(text: string, flag: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 100_000) return value;
  throw new Error(`${flag}: ${JSON.stringify(text)} is not a whole number from 1 to 100000`);
}

function chosen({ names, quick }: Flags): Bug[] {
  const named = bugs.filter(({ name }) => names.length === 0 || names.some(part => name.includes(part)));
  for (const part of names) {
    if (!bugs.some(({ name }) => name.includes(part)))
      throw new Error(`--bug: no bug has ${JSON.stringify(part)} in its name; --list names them`);
  }
  return quick && names.length === 0 ? named.filter(({ rare }) => rare !== true) : named;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Where progress goes: not into a document. */
function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function main(): Promise<boolean> {
  const flags = readFlags();
  if (flags === undefined) {
    say(help);
    return true;
  }
  const all = chosen(flags);
  if (flags.list) {
    say(flags.json ? JSON.stringify(all) : listOf(all));
    return true;
  }
  const wrong = misfits(all);
  if (wrong.length > 0) {
    for (const each of wrong) tell(each);
    return false;
  }
  const { seeds, catches, jobs } = flags;
  let done = 0;
  const tasks: Task[] = all.map(bug => ({ bug, runsMax: seeds, catches }));
  const outcomes = await attemptAll(tasks, jobs, outcome => {
    done += 1;
    tell(`${String(done).padStart(3)}/${all.length} ${lineOf(outcome)}`);
  });
  // The code as it is has to stand what any bug had to.
  const runsMax = Math.max(...outcomes.map(({ runs }) => runs));
  const control = await attempt({ runsMax, catches: 1 });
  tell(`        ${lineOf(control)}`);
  const round = { outcomes, control };
  const problems = complaints(round);
  say(flags.json ? JSON.stringify({ ...round, problems }, undefined, 2) : tableOf(round));
  for (const problem of problems) tell(`\n${problem}`);
  return problems.length === 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  tell(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
