// Processes of our own that are kept running: started, told apart by name, started again with backoff when they die, taken down together.
// Children hold a channel to us: when we are gone, however that came, they notice and end.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { backoffMs } from '../base/backoff.js';
import type { ErrorCode } from '../base/errors.js';
import { errorCodes, ProfferError } from '../base/errors.js';

/** One process to keep. */
export interface ChildSpec {
  readonly name: string;
  /** Arguments of the command line, each time it is started. */
  readonly args: () => readonly string[];
  /** Where its standard error is added. */
  readonly logFile: string;
  /** What asks it to end. Default SIGTERM. */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT';
}

/** What happens to children. */
export interface SupervisorHooks {
  /** It serves at `url`. `restarts` counts how often it was started again. */
  onReady(name: string, pid: number, url: string, restarts: number): void;
  /** It ended though nobody asked it to. */
  onDied(name: string, how: string, restartInMs: number): void;
}

const backoff = { baseMs: 500, factor: 2, capMs: 30_000 };
/** A child that ran this long begins its backoff anew. */
const steadyMs = 30_000;
/** From SIGTERM to SIGKILL at the end. */
const stopMs = 20_000;

/** Starts and keeps children. */
export class Supervisor {
  readonly #program: readonly string[];
  readonly #hooks: SupervisorHooks;
  readonly #children = new Map<string, Child>();
  #stopping = false;

  /** `program`: what to run before each child's arguments, e.g. `[process.execPath, 'main.js']`. */
  constructor(program: readonly string[], hooks: SupervisorHooks) {
    this.#program = program;
    this.#hooks = hooks;
  }

  /**
   * Starts a child and resolves with its url once it serves.
   * @throws (rejects) ProfferError as the child told it, else INTERNAL, when it ends before that: the first start is not tried again.
   */
  start(spec: ChildSpec): Promise<string> {
    const child = new Child(spec, this.#program, this.#hooks, () => this.#stopping);
    this.#children.set(spec.name, child);
    return child.first;
  }

  /** Names of children that died by themselves at least once. */
  get died(): readonly string[] {
    return [...this.#children.values()].filter(child => child.deaths > 0).map(child => child.spec.name);
  }

  /** Ends these children (default: all), politely first, and waits until they are gone. None is started again. */
  async stop(names: readonly string[] = [...this.#children.keys()]): Promise<void> {
    await Promise.all(names.map(name => this.#children.get(name)?.stop() ?? Promise.resolve()));
  }

  /** From here on nothing is started again. */
  drain(): void {
    this.#stopping = true;
  }

  /** SIGKILL to all, at once. */
  kill(): void {
    for (const child of this.#children.values()) child.kill();
  }
}

class Child {
  readonly first: Promise<string>;
  deaths = 0;
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;
  #stopped = false;
  #restarts = 0;
  #failure: ProfferError | undefined;
  #settle: { resolve: (url: string) => void; reject: (error: Error) => void } | undefined;

  constructor(
    readonly spec: ChildSpec,
    readonly program: readonly string[],
    readonly hooks: SupervisorHooks,
    readonly draining: () => boolean,
  ) {
    this.first = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const running = this.#process;
    if (running === undefined) return;
    const gone = new Promise<void>(resolve => running.once('exit', () => resolve()));
    if (running.exitCode !== null || running.signalCode !== null) return;
    running.kill(this.spec.stopSignal ?? 'SIGTERM');
    const force = setTimeout(() => running.kill('SIGKILL'), stopMs);
    await gone;
    clearTimeout(force);
  }

  kill(): void {
    this.#stopped = true;
    this.#process?.kill('SIGKILL');
  }

  #start(): void {
    const [command = process.execPath, ...before] = this.program;
    const log = openSync(this.spec.logFile, 'a');
    // A session of its own: Ctrl-C reaches us alone, and we take down in order.
    const child = spawn(command, [...before, ...this.spec.args()], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#process = child;
    const startedAt = performance.now();
    let ready = false;
    child.on('message', message => {
      this.#failure = failureOf(message) ?? this.#failure;
      const url = urlOf(message);
      if (url === undefined || ready) return;
      ready = true;
      this.hooks.onReady(this.spec.name, child.pid ?? 0, url, this.#restarts);
      this.#settle?.resolve(url);
      this.#settle = undefined;
    });
    child.on('error', () => {});
    child.once('exit', (code, signal) => this.#ended(code, signal, performance.now() - startedAt));
  }

  #ended(code: number | null, signal: NodeJS.Signals | null, ranMs: number): void {
    this.#process = undefined;
    const how = signal ?? `exit code ${code}`;
    if (this.#settle !== undefined) {
      const { name, logFile } = this.spec;
      this.#settle.reject(
        this.#failure ??
          new ProfferError('INTERNAL', `${name} ended before it served: ${how}`, { hint: `see ${logFile}` }),
      );
      this.#settle = undefined;
      this.#stopped = true;
      return;
    }
    if (this.#stopped || this.draining()) return;
    this.deaths += 1;
    this.#attempt = ranMs >= steadyMs ? 0 : this.#attempt;
    const waitMs = backoffMs(backoff, this.#attempt);
    this.#attempt += 1;
    this.#restarts += 1;
    this.hooks.onDied(this.spec.name, how, waitMs);
    this.#timer = setTimeout(() => this.#start(), waitMs);
  }
}

function urlOf(message: unknown): string | undefined {
  const isReady = typeof message === 'object' && message !== null && 'type' in message && message.type === 'READY';
  return isReady && 'url' in message && typeof message.url === 'string' ? message.url : undefined;
}

/** What a child says before it ends for trouble it could name. */
function failureOf(message: unknown): ProfferError | undefined {
  const isFailure = typeof message === 'object' && message !== null && 'type' in message && message.type === 'FAILED';
  if (!isFailure || !('error' in message)) return undefined;
  const error = message.error as { code: ErrorCode; message: string; path: string; hint?: string };
  if (!Object.hasOwn(errorCodes, error.code)) return undefined;
  return new ProfferError(error.code, error.message, {
    path: error.path,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
