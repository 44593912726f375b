// HAProxy itself. In: configurations. Out: one that runs with the last good one, in a process that outlives ours if that dies: the next one takes it over.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Clock } from 'proffer';
import { ProfferError } from 'proffer';
import { ask, processesIn } from './control.js';
import type { Processes } from './control.js';

/** How long HAProxy may take to read a configuration, to start, to load another. */
const patienceMs = 20_000;
const pollMs = 20;
/** What it writes beyond that is forgotten with the next configuration. */
const logBytesMax = 1024 * 1024;
/** After a friendly word it may finish what it has begun for so long; twice as long later it is killed. */
const stopMs = 2000;
/** Of the 107 bytes of a socket's path HAProxy needs some for itself while it makes one. */
const dirMax = 80;

/** Waits on the given clock. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => clock.after(ms, resolve));
}

export class HaproxyProcess {
  readonly #clock: Clock;
  readonly #command: string;
  readonly #config: string;
  readonly #log: string;
  /** The master's socket. */
  readonly control: string;
  readonly #onExit: () => void;
  #child: ChildProcess | undefined;
  #master: number | undefined;

  /** `onExit` is told when one that was started here ends. */
  constructor(clock: Clock, dir: string, command: string, onExit: () => void) {
    this.#clock = clock;
    this.#command = command;
    this.#config = join(dir, 'haproxy.cfg');
    this.#log = join(dir, 'haproxy.log');
    this.control = join(dir, 'master.sock');
    this.#onExit = onExit;
  }

  /** Why HAProxy would not take this configuration; undefined when it would. Rejects when there is no HAProxy. */
  async problemOf(text: string): Promise<string | undefined> {
    const path = `${this.#config}.next`;
    await writeFile(path, text, { mode: 0o600 });
    try {
      return await new Promise<string | undefined>((resolve, reject) => {
        execFile(this.#command, ['-c', '-f', path], { timeout: patienceMs }, (error, out, err) => {
          if (error === null) resolve(undefined);
          else if (error.code === 'ENOENT') reject(missing(this.#command, error));
          else resolve(alertIn(`${err}${out}`) ?? error.message);
        });
      });
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Puts this configuration in the place of the last. */
  async write(text: string): Promise<void> {
    // It appends, so that this cuts off what is old and no more.
    const { size } = await stat(this.#log).catch(() => ({ size: 0 }));
    if (size > logBytesMax) await truncate(this.#log);
    const path = `${this.#config}.new`;
    await writeFile(path, text, { mode: 0o600, flush: true });
    await rename(path, this.#config);
  }

  /** What runs; undefined when nothing does. Rejects when one runs that does not answer: another one beside it would share its ports. */
  async processes(): Promise<Processes | undefined> {
    const until = this.#clock.now() + patienceMs;
    for (;;) {
      const now = await this.#answer();
      if (now !== undefined) {
        this.#master = now.master;
        return now;
      }
      if (!(await this.#isAlive())) return undefined;
      if (this.#clock.now() > until) throw new Error(`HAProxy, process ${this.#master}, does not answer`);
      await pause(this.#clock, pollMs);
    }
  }

  /** Ports of the configuration as it lies there: an HAProxy that runs has them. */
  async ownPorts(): Promise<Set<number>> {
    const text = await readFile(this.#config, 'utf8').catch(() => '');
    return new Set([...text.matchAll(/^ {2}bind \S*:(\d{1,5})(?: |$)/gm)].map(([, port]) => Number(port)));
  }

  /** Starts it with what was written. Rejects with what it said when it does not come up. */
  async start(): Promise<void> {
    await rm(this.#log, { force: true });
    const log = openSync(this.#log, 'a', 0o600);
    // A session of its own: the signals of a terminal are for us, and it outlives us.
    const child = spawn(this.#command, ['-W', '-S', `${this.control},mode,600`, '-f', this.#config], {
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.unref();
    this.#child = child;
    let failed: Error | undefined;
    child.once('error', error => {
      failed = error;
    });
    child.once('exit', () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      failed ??= new Error('it ended');
      if (this.#master === child.pid) this.#onExit();
    });
    const until = this.#clock.now() + patienceMs;
    while (failed === undefined) {
      const now = await this.#answer();
      if (now !== undefined && now.workers.length > 0) {
        this.#master = now.master;
        return;
      }
      if (this.#clock.now() > until) failed = new Error('it does not answer');
      else await pause(this.#clock, pollMs);
    }
    const said = await this.#lastWords(0);
    if (this.#child === child) {
      this.#child = undefined;
      child.kill('SIGKILL');
    }
    throw new ProfferError('INTERNAL', `HAProxy has not started: ${said ?? failed.message}`, { cause: failed });
  }

  /** Has it load what was written. Resolves with why it did not, and goes on with what it had; undefined when it did. */
  async reload(before: Processes): Promise<string | undefined> {
    const { size: begin } = await stat(this.#log).catch(() => ({ size: 0 }));
    try {
      await ask(this.control, 'reload');
    } catch {
      // It goes away in the middle of its answer.
    }
    const known = new Set([...before.workers, ...before.oldWorkers]);
    const until = this.#clock.now() + patienceMs;
    for (;;) {
      const now = await this.#answer();
      if (now !== undefined && now.reloads !== before.reloads) {
        if (now.workers.some(pid => !known.has(pid))) return undefined;
        return (await this.#lastWords(begin)) ?? 'HAProxy did not load the new configuration';
      }
      if (this.#clock.now() > until) return 'HAProxy does not answer after a reload';
      await pause(this.#clock, pollMs);
    }
  }

  /** Ends it: what has begun may end within a moment. */
  async stop(): Promise<void> {
    this.#child = undefined;
    const pid = (await this.#answer())?.master ?? this.#master;
    if (pid === undefined || !(await this.#isAlive(pid))) return;
    for (const signal of ['SIGUSR1', 'SIGTERM', 'SIGKILL'] as const) {
      try {
        process.kill(pid, signal);
      } catch {
        return;
      }
      const until = this.#clock.now() + stopMs;
      while (this.#clock.now() < until) {
        await pause(this.#clock, pollMs);
        if (!(await this.#isAlive(pid))) return;
      }
    }
  }

  async #answer(): Promise<Processes | undefined> {
    try {
      return processesIn(await ask(this.control, 'show proc'));
    } catch {
      return undefined;
    }
  }

  // Its number may be somebody else's by now: whose it is stands in its command line.
  async #isAlive(pid = this.#master): Promise<boolean> {
    if (pid === undefined) return false;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return line.includes(this.control);
  }

  async #lastWords(from: number): Promise<string | undefined> {
    const said = await readFile(this.#log).catch(() => Buffer.alloc(0));
    return alertIn(said.subarray(from).toString('utf8'));
  }
}

/** Why a port cannot be had; undefined when it can. Asked before HAProxy is: it would stop listening for a moment, also where it can. */
export async function portProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be listened on (${error.message})`);
    });
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** Makes the directory for configuration and sockets. */
export async function prepare(dir: string): Promise<void> {
  if (!/^\/[A-Za-z0-9/._-]+$/.test(dir) || dir.length > dirMax)
    throw new ProfferError('USAGE', `${JSON.stringify(dir)} cannot be HAProxy's directory`, {
      path: 'dir',
      hint: `an absolute path of at most ${dirMax} letters, digits and /._-`,
    });
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

function alertIn(text: string): string | undefined {
  const alerts = text.split('\n').filter(line => line.includes('[ALERT]'));
  return (
    alerts
      .slice(-3)
      .map(line => line.replace(/^\[ALERT\]\s*(?:\(\d+\) : )?/, '').trim())
      .join('; ')
      .slice(0, 1000) || undefined
  );
}

function missing(command: string, cause: Error): ProfferError {
  return new ProfferError('USAGE', `There is no program ${command}`, {
    path: 'haproxy',
    hint: 'install it, on Debian by: apt-get install haproxy',
    cause,
  });
}
