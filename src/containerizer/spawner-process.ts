// The agent's end of one spawner process (spawner-main.ts), from its start to its end. In: what to start. Out: what becomes of it.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { assertNever } from '../base/assert.js';
import { messageOf } from '../base/errors.js';
import type { Clock } from '../env/clock.js';
import type { ContainerExit } from './containerizer.js';
import { OutputHead } from './process-exec.js';
import type { SpawnerOrder, SpawnerWord, SpawnListener, SpawnRequest } from './spawner-messages.js';

interface Ordered {
  readonly listener: SpawnListener;
  readonly onRefused: (why: string) => void;
}

/** Holds this process up only while it has something to watch. */
export class SpawnerProcess {
  readonly #clock: Clock;
  readonly #onEnded: (why: string | undefined) => void;
  readonly #ordered = new Map<number, Ordered>();
  readonly #stderr = new OutputHead(stderrMaxBytes);
  #child: ChildProcess | undefined;
  #pending = '';
  #lastId = 0;
  #wasReady = false;
  #ending = false;
  #over = false;
  #unfit: string | undefined;

  /** `onEnded` comes once, not from within a call here, with the reason unless it was told to end; then all that it watched are `lost`. */
  constructor(clock: Clock, onEnded: (why: string | undefined) => void, program = spawnerProgram) {
    this.#clock = clock;
    this.#onEnded = onEnded;
    try {
      this.#child = this.#launch(program);
    } catch (error) {
      clock.soon(() => this.#ended(messageOf(error)));
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** It takes orders. */
  get ready(): boolean {
    return this.#wasReady && !this.#ending;
  }

  get wasReady(): boolean {
    return this.#wasReady;
  }

  /** How many it was to start and that have not ended. */
  get watched(): number {
    return this.#ordered.size;
  }

  /** `onRefused` is called instead of the listener when it was not started but could be by the agent itself. */
  spawn(request: SpawnRequest, listener: SpawnListener, onRefused: (why: string) => void): void {
    this.#lastId += 1;
    const order: SpawnerOrder = { id: this.#lastId, ...request };
    this.#ordered.set(order.id, { listener, onRefused });
    if (this.#ordered.size === 1) this.#holdUp(true);
    this.#child?.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** Ends it. What it started lives on. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#holdUp(true);
    const child = this.#child;
    if (!this.#wasReady) child?.kill('SIGKILL');
    child?.stdin?.end();
    // It has nothing to do that takes time; it can have been stopped.
    const force = this.#clock.after(endWithinMs, () => child?.kill('SIGKILL'));
    child?.once('exit', () => force.cancel());
  }

  #launch(program: string): ChildProcess {
    // It is missing where all code was bundled into one file; one executable of Node and that would start itself.
    if (!existsSync(program)) throw new Error(`${program} is missing`);
    // Options for the agent's Node, a debugger's say, are not meant for this one.
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(process.execPath, [...nodeFlags, program, String(process.pid)], {
      cwd: '/',
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.add(chunk));
    child.once('error', error => child.pid === undefined && this.#ended(messageOf(error)));
    // With its output all read, after `exit`.
    child.once('close', (code, signal) => this.#ended(signal ?? `exit code ${code}`));
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Socket).unref();
    return child;
  }

  #read(text: string): void {
    const lines = text.split('\n');
    lines[0] = this.#pending + (lines[0] ?? '');
    this.#pending = lines.pop() ?? '';
    for (const line of lines) this.#heard(JSON.parse(line) as SpawnerWord);
  }

  #heard(word: SpawnerWord): void {
    switch (word.type) {
      case 'READY':
        this.#wasReady = true;
        return;
      case 'UNFIT':
        this.#unfit = word.message;
        return;
      case 'STARTED':
        return this.#ordered.get(word.id)?.listener.started(word.pid);
      case 'EXITED':
        return this.#take(word.id)?.listener.exited(exitOf(word.code, word.signal));
      case 'FAILED':
        return this.#take(word.id)?.listener.failed(word.message);
      case 'REFUSED':
        return this.#take(word.id)?.onRefused(word.message);
      default:
        return assertNever(word);
    }
  }

  #take(id: number): Ordered | undefined {
    const ordered = this.#ordered.get(id);
    this.#ordered.delete(id);
    if (this.#ordered.size === 0 && !this.#ending) this.#holdUp(false);
    return ordered;
  }

  #ended(how: string): void {
    if (this.#over) return;
    this.#over = true;
    const asked = this.#ending;
    this.#ending = true;
    const said = this.#stderr.text();
    this.#onEnded(asked ? undefined : (this.#unfit ?? (said === '' ? how : `${how}: ${said}`)));
    const left = [...this.#ordered.values()];
    this.#ordered.clear();
    for (const { listener } of left) listener.lost();
  }

  #holdUp(hold: boolean): void {
    if (hold) this.#child?.ref();
    else this.#child?.unref();
  }
}

const spawnerProgram = fileURLToPath(new URL('spawner-main.js', import.meta.url));

/** How a child process ended, as Node tells it. */
export function exitOf(code: number | null, signal: string | null): ContainerExit {
  return signal === null ? { exitCode: code ?? 0, oomKilled: false } : { signal, oomKilled: false };
}

/** No compiler and no threads for it, and a small heap: less memory, and less for a fork to copy. */
const nodeFlags = ['--no-opt', '--v8-pool-size=0', '--max-semi-space-size=1'];
const endWithinMs = 1000;
const stderrMaxBytes = 1024;
