#!/usr/bin/env node
// The command line: words to a command, its work loaded only then, errors to one clear message and an exit code.
import { readFileSync } from 'node:fs';
import { Command as Commander, CommanderError, Option } from 'commander';
import { ProfferError } from '../base/errors.js';
import type { Command, Terminal } from './command.js';
import { exitCodes } from './command.js';
import { commands } from './commands.js';
import { describeError, exitCodeOf } from './failure.js';
import { flagName, variableName } from './flags.js';
import { commandGroups } from './operator-commands.js';
import { settle } from './settings.js';

const { stdout, stderr } = process;
const terminal: Terminal = {
  out: text => void stdout.write(text),
  err: text => void stderr.write(text),
  outIsTerminal: stdout.isTTY,
  errIsTerminal: stderr.isTTY,
  columns: stdout.isTTY ? stdout.columns : 0,
  color: stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb',
};
// A reader that has seen enough (`proffer tasks | head`) is no failure.
stdout.on('error', (error: Error) =>
  process.exit('code' in error && error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failure),
);

let exitCode: number;
try {
  exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  else {
    terminal.err(describeError(error));
    exitCode = exitCodeOf(error);
    // `up`, which started us, then says it in its own voice.
    if (error instanceof ProfferError && process.connected)
      process.send?.({ type: 'FAILED', error: error.toJSON() }, undefined, {}, () => {});
  }
}
await flushed();
process.exit(exitCode);

async function main(argv: readonly string[]): Promise<number> {
  let code: number = exitCodes.ok;
  const program = new Commander('proffer')
    .description(
      'Two-level cluster scheduling: a master offers resources, schedulers decide, agents run processes and containers.',
    )
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ outputError: showUsageError })
    .exitOverride()
    .addHelpText(
      'after',
      examples([
        ['proffer up --sample', 'a cluster on this machine, with something to do'],
        ['proffer run -- echo hello', 'run a command on it'],
        ['proffer run --help', 'help on one command, with examples'],
      ]),
    );
  for (const spec of commands) {
    const words = spec.name.split(' ');
    const parent = words.length === 1 ? program : groupOf(program, words[0] ?? '');
    const sub = parent.command([words.at(-1), spec.args].filter(part => part !== undefined).join(' '), {
      hidden: spec.hidden ?? false,
    });
    sub
      .summary(spec.summary)
      .description(spec.description)
      .helpOption('-h, --help', 'show help')
      .exitOverride()
      .configureOutput({ outputError: showUsageError });
    if (spec.passThrough === true) sub.passThroughOptions();
    addFlags(sub, spec);
    sub.addHelpText(
      'after',
      `${examples(spec.examples)}\nEach flag has a variable PROFFER_<FLAG> and a key in the file of --config.\n`,
    );
    sub.action(async () => {
      code = await invoke(spec, sub);
    });
  }
  if (argv.length === 0) {
    terminal.out(program.helpInformation());
    terminal.out(examples([['proffer up --sample', 'a cluster on this machine, with something to do']]));
    return exitCodes.usage;
  }
  await program.parseAsync(argv, { from: 'user' });
  return code;
}

/** The command that holds those which begin with `name`. */
function groupOf(program: Commander, name: string): Commander {
  const known = program.commands.find(each => each.name() === name);
  if (known !== undefined) return known;
  const summary = commandGroups[name] ?? '';
  return program
    .command(name)
    .summary(summary)
    .description(`${summary.slice(0, 1).toUpperCase()}${summary.slice(1)}.`)
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: showUsageError })
    .addHelpText('after', `\nproffer ${name} COMMAND --help has examples.\n`);
}

async function invoke(spec: Command, sub: Commander): Promise<number> {
  const given = Object.fromEntries(
    Object.entries(sub.opts<{ [key: string]: readonly string[] | boolean }>()).map(([key, value]) => [
      key,
      typeof value === 'boolean' ? [String(value)] : value,
    ]),
  );
  const file = given['config']?.at(-1) ?? process.env[variableName('config')];
  const flags = settle(
    spec.flags,
    { given, variables: process.env, ...(file === undefined || file === '' ? {} : { file }) },
    { command: spec.name, flagsOf: Object.fromEntries(commands.map(one => [one.name, one.flags])) },
  );
  const run = await spec.load();
  try {
    return await run({ flags, args: sub.args, terminal });
  } catch (error) {
    if (!(error instanceof ProfferError) || !('json' in flags) || flags.json !== true) throw error;
    // Whoever reads the answer with a program reads the error with one.
    terminal.err(`${JSON.stringify({ error: error.toJSON() }, undefined, 2)}\n`);
    return exitCodeOf(error);
  }
}

function addFlags(sub: Commander, spec: Command): void {
  for (const [key, flag] of Object.entries(spec.flags)) {
    const name = flagName(key);
    const short = flag.short === undefined ? '' : `-${flag.short}, `;
    const shown =
      flag.default === undefined || flag.default === false || Array.isArray(flag.default)
        ? ''
        : ` (default ${shownDefault(flag.default)})`;
    const option = new Option(
      `${short}${name}${flag.placeholder === undefined ? '' : ` <${flag.placeholder}>`}`,
      flag.help + shown,
    );
    if (flag.hidden === true) option.hideHelp();
    if (flag.placeholder === undefined) {
      sub.addOption(option);
      // A switch that a variable or the file turned on can be turned off.
      sub.addOption(new Option(`--no-${name.slice(2)}`).hideHelp());
    } else {
      option.argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value]);
      sub.addOption(option);
    }
  }
}

function shownDefault(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value === 'string' ? value : '';
}

function examples(lines: Command['examples']): string {
  if (lines.length === 0) return '';
  const width = Math.max(...lines.map(([line]) => line.length));
  return `\nExamples:\n${lines.map(([line, what]) => `  ${line.padEnd(width)}   ${what}\n`).join('')}`;
}

/** Commander's own words, in our form. */
function showUsageError(message: string, write: (text: string) => void): void {
  const [first = '', ...rest] = message
    .trim()
    .replace(/^error: /, '')
    .split('\n');
  const hint = rest
    .join(' ')
    .replace(/^\((.*)\)$/, '$1')
    .replace(/^Did you mean/, 'did you mean');
  write(`error: ${first}\n${hint === '' ? 'hint: --help shows what is possible\n' : `hint: ${hint}\n`}`);
}

function version(): string {
  const { version: value } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return value;
}

// Output to pipes is asynchronous; process.exit would cut it.
async function flushed(): Promise<void> {
  await Promise.all([stdout, stderr].map(stream => new Promise<void>(resolve => stream.write('', () => resolve()))));
}
