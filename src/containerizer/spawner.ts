// Who starts the wrappers of process tasks: this process, or a small one beside it when there are many. In: what to start. Out: its pid, its end.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { messageOf } from '../base/errors.js';
import type { Clock, Timer } from '../env/clock.js';
import { exitOf, SpawnerProcess } from './spawner-process.js';
import type { SpawnListener, SpawnRequest } from './spawner-messages.js';

export interface Spawner {
  /** The caller keeps the descriptors of the request open until it hears the first word. */
  spawn(request: SpawnRequest, listener: SpawnListener): void;
  /** Calls back when no process of the spawner's own is left; those it started are to have ended before. */
  close(onClosed: () => void): void;
}

/** Starts all by itself: the caller waits for the fork, 1 ms from a process of 40 MB, 24 ms from one of 350 MB. */
export function spawnHere({ argv, cwd, env, user, fds }: SpawnRequest, listener: SpawnListener): void {
  const [file, ...rest] = argv;
  let child: ChildProcess;
  try {
    const stdio = ['ignore' as const, ...fds.map(fd => fd ?? ('ignore' as const))];
    child = spawn(file, rest, { cwd, env, detached: true, stdio, ...user });
  } catch (error) {
    return listener.failed(messageOf(error));
  }
  child.once('error', error => child.pid === undefined && listener.failed(messageOf(error)));
  child.once('exit', (code, signal) => listener.exited(exitOf(code, signal)));
  if (child.pid !== undefined) listener.started(child.pid);
}

/**
 * Starts rare processes here. The second within half a minute is worth a process beside, which then starts those that come when it is ready. That one ends
 * when it has had nothing to start and nobody to watch for as long.
 */
export class LazySpawner implements Spawner {
  readonly #clock: Clock;
  readonly #onNotice: (notice: string) => void;
  readonly #program: string | undefined;
  readonly #told = new Set<string>();
  /** It cannot be had where descriptors are not found in /proc. */
  #usable = process.platform === 'linux';
  #beside: SpawnerProcess | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #idleTimer: Timer | undefined;
  #onClosed: (() => void) | undefined;

  /** `onNotice` hears, once each, why there is no process beside. `program` is replaceable for tests. */
  constructor(clock: Clock, onNotice: (notice: string) => void, program?: string) {
    this.#clock = clock;
    this.#onNotice = onNotice;
    this.#program = program;
  }

  /** Of the process beside, once it is ready. */
  get pid(): number | undefined {
    return this.#beside?.ready === true ? this.#beside.pid : undefined;
  }

  spawn(request: SpawnRequest, listener: SpawnListener): void {
    const now = this.#clock.now();
    const often = now - this.#askedAt < idleMs;
    this.#askedAt = now;
    if (often && this.#usable) this.#start();
    if (!this.#usable || this.#beside?.ready !== true) return spawnHere(request, listener);
    this.#beside.spawn(request, listener, why => {
      this.#giveUp(why);
      spawnHere(request, listener);
    });
  }

  close(onClosed: () => void): void {
    this.#usable = false;
    if (this.#beside === undefined) return this.#clock.soon(onClosed);
    const before = this.#onClosed;
    this.#onClosed = () => {
      before?.();
      onClosed();
    };
    this.#beside.end();
  }

  #start(): void {
    if (this.#beside !== undefined) return;
    const onEnded = (why: string | undefined): void => {
      this.#beside = undefined;
      this.#idleTimer?.cancel();
      if (why !== undefined && !beside.wasReady) this.#giveUp(why);
      else if (why !== undefined) this.#tell(`the process that starts tasks ended (${why}); no task is lost by that`);
      this.#onClosed?.();
    };
    const beside: SpawnerProcess = new SpawnerProcess(this.#clock, onEnded, this.#program);
    this.#beside = beside;
    this.#endWhenIdle(beside);
  }

  #endWhenIdle(beside: SpawnerProcess): void {
    this.#idleTimer = this.#clock.after(idleMs, () => {
      if (beside.watched === 0 && this.#clock.now() - this.#askedAt >= idleMs) beside.end();
      else this.#endWhenIdle(beside);
    });
  }

  #giveUp(why: string): void {
    this.#usable = false;
    this.#tell(`the agent itself starts its tasks, which takes longer: a process beside it cannot (${why})`);
  }

  #tell(notice: string): void {
    if (this.#told.has(notice)) return;
    this.#told.add(notice);
    this.#onNotice(notice);
  }
}

const idleMs = 30_000;
