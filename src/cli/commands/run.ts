// `proffer run`: shows what the tasks print, and ends with their exit code.
import { basename } from 'node:path';
import type { AgentView } from '../../protocol/operator-api.js';
import { runProcess } from '../../compose/process-run.js';
import type { RunTasksView } from '../../compose/run-tasks.js';
import { runTasks } from '../../compose/run-tasks.js';
import { masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import type { RunFlags } from '../flag-sets.js';
import { usage } from '../flags.js';
import { ProgressLine } from '../progress-line.js';
import { printable } from '../table.js';
import { TaskLines } from '../task-lines.js';

export const run: RunCommand<RunFlags> = async ({ flags, args, terminal }) => {
  if (args[0] === '') throw usage('the command is ""', 'write for example proffer run -- echo hello');
  const name = flags.name ?? nameOf(args[0] ?? '');
  if (!/^[\w.-]{1,100}$/.test(name) || /^\.+$/.test(name)) {
    throw usage(
      `--name: ${JSON.stringify(name)} cannot be a name`,
      'use letters, digits, dots, dashes and underscores, at most 100',
    );
  }
  const master = masterClient(flags.master);
  const { value: agents } = await master.get<AgentView[]>('/agents');
  const screen = new RunScreen(terminal, name, flags.instances, flags.quiet);
  const code = await runProcess(signal =>
    runTasks(
      {
        master: master.base,
        argv: args,
        name,
        instances: flags.instances,
        cpus: flags.cpus,
        mem: flags.mem,
        disk: flags.disk,
        ports: flags.ports,
        env: environmentOf(flags.env),
        role: flags.role,
        constraints: flags.constraint,
        ...(flags.image === undefined ? {} : { image: flags.image }),
        ...(flags.user === undefined ? {} : { user: flags.user }),
        ...(flags.maxTime === undefined ? {} : { maxTimeMs: flags.maxTime }),
      },
      agents,
      screen,
      signal,
    ),
  );
  screen.finish();
  return code;
};

function nameOf(program: string): string {
  const name = basename(program)
    .replaceAll(/[^\w.-]/g, '-')
    .slice(0, 40);
  return name === '' || /^\.+$/.test(name) ? 'run' : name;
}

function environmentOf(pairs: readonly string[]): { readonly [name: string]: string } {
  return Object.fromEntries(pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

/** Output and notes on one terminal: outputs keep their stream, notes and progress go to standard error. */
class RunScreen implements RunTasksView {
  readonly #terminal: Terminal;
  readonly #line: ProgressLine;
  readonly #name: string;
  readonly #several: boolean;
  readonly #quiet: boolean;
  readonly #lines = new Map<string, TaskLines>();
  readonly #drains = new Map<'stdout' | 'stderr', Promise<void>>();

  constructor(terminal: Terminal, name: string, instances: number, quiet: boolean) {
    this.#terminal = terminal;
    this.#line = new ProgressLine(terminal);
    this.#name = name;
    this.#several = instances > 1;
    this.#quiet = quiet;
  }

  note(line: string): void {
    if (!this.#quiet) this.trouble(line);
  }

  trouble(line: string): void {
    this.#line.clear();
    this.#terminal.err(`${printable(line)}\n`);
  }

  progress(line: string): void {
    if (!this.#quiet) this.#line.show(line);
  }

  output(index: number, name: 'stdout' | 'stderr', chunk: Buffer): Promise<void> | void {
    this.#line.clear();
    if (!this.#several) return this.#write(name, chunk);
    const key = `${name} ${index}`;
    let lines = this.#lines.get(key);
    if (lines === undefined) this.#lines.set(key, (lines = new TaskLines(`${this.#name}.${index}`)));
    const whole = lines.take(chunk);
    return whole.length === 0 ? undefined : this.#write(name, whole);
  }

  /** Shows last lines without an end. */
  finish(): void {
    this.#line.clear();
    for (const [key, lines] of this.#lines) {
      const rest = lines.rest();
      if (rest.length > 0) void this.#write(key.startsWith('stdout ') ? 'stdout' : 'stderr', rest);
    }
  }

  // What a slow reader has not taken yet stays with the agent, not in memory here.
  #write(name: 'stdout' | 'stderr', bytes: Buffer): Promise<void> | void {
    if (process[name].write(bytes)) return;
    const known = this.#drains.get(name);
    if (known !== undefined) return known;
    const drained = new Promise<void>(resolve => {
      process[name].once('drain', () => {
        this.#drains.delete(name);
        resolve();
      });
    });
    this.#drains.set(name, drained);
    return drained;
  }
}
