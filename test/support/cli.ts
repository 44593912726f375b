// The compiled command line as a child process, for tests: starts it, waits for what it prints, and looks for processes left behind.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** How long anything may take before the test gives up. */
const patienceMs = 60_000;

/** How a process is started. */
export interface CliOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A command line that starts the rest, in place of itself: `['nsenter', '--net', '-t', '1']`. */
  readonly through?: readonly string[];
  /** A compiled program instead of the command line. Its standard input stays open. */
  readonly program?: string;
}

/** A `proffer …` that runs. */
export class Cli {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  /** The exit code, when it has ended; 128 and more for a signal that ended it. */
  readonly ended: Promise<number>;
  readonly #watchers = new Set<() => void>();

  constructor(args: readonly string[], { cwd, env = {}, through = [], program }: CliOptions) {
    const [command = process.execPath, ...rest] = [...through, process.execPath, program ?? main, ...args];
    this.child = spawn(command, rest, {
      cwd,
      env: { PATH: process.env['PATH'], HOME: cwd, ...env },
      stdio: [program === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
      for (const watch of this.#watchers) watch();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
      for (const watch of this.#watchers) watch();
    });
    this.ended = new Promise(resolve => {
      this.child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 128)));
    });
  }

  /** The first match in its output; rejects when it ends, or takes too long, without one. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const stop = (settle: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        settle();
      };
      const fail = (why: string): void =>
        stop(() => reject(new Error(`${why} without ${String(pattern)}:\n${this.stdout}\n${this.stderr}`)));
      const look = (): void => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match !== null) stop(() => resolve(match));
      };
      const timer = setTimeout(() => fail('too long'), patienceMs);
      this.#watchers.add(look);
      look();
      void this.ended.then(() => fail('ended'));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }
}

/** Runs it to its end. */
export async function cli(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const running = new Cli(args, options);
  const timer = setTimeout(() => running.signal('SIGKILL'), patienceMs);
  const code = await running.ended;
  clearTimeout(timer);
  return { code, stdout: running.stdout, stderr: running.stderr };
}

/** A directory of the test's own. */
export function tempDir(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'proffer-cli-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Pids of processes whose command line or environment names `text`, this one aside: what a cluster in a directory has running. */
export function processesNaming(text: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (readOr(`/proc/${name}/cmdline`).includes(text) || readOr(`/proc/${name}/environ`).includes(text))
      found.push(pid);
  }
  return found;
}

/** Resolves once `holds` does; looks again after short pauses. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await new Promise(resolve => {
      setTimeout(resolve, 50);
    });
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended meanwhile, or is another user's.
    return '';
  }
}
