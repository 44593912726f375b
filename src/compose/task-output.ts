// What tasks print, as they print it: follows stdout and stderr of each at its agent. In: tasks and where they run. Out: bytes per stream,
// no faster than they are taken.
import { request } from 'node:http';
import type { Clock } from '../env/clock.js';

/** Where a task runs. */
export interface OutputPlace {
  readonly hostname: string;
  readonly port: number;
  readonly frameworkId: string;
  readonly taskId: string;
}

export type OutputName = 'stdout' | 'stderr';

/** How many files are read at once; further tasks wait their turn, nothing is lost. */
const openMax = 256;

/** Takes what a task printed; the next chunk of that file comes when the promise has resolved. */
export type OnChunk = (place: OutputPlace, name: OutputName, chunk: Buffer) => Promise<void> | void;

/** Follows the output of many tasks. */
export class TaskOutputs {
  readonly #onChunk: OnChunk;
  readonly #waiting: (() => void)[] = [];
  readonly #pending = new Set<Promise<void>>();
  #open = 0;
  #chunks = 0;
  #held = 0;

  constructor(onChunk: OnChunk) {
    this.#onChunk = onChunk;
  }

  /** Starts to follow a task that has started; each output ends with the task. */
  follow(place: OutputPlace): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const pending = this.#slot()
        .then(() => this.#read(place, name))
        .finally(() => {
          this.#open -= 1;
          this.#waiting.shift()?.();
        });
      this.#pending.add(pending);
      void pending.then(() => this.#pending.delete(pending));
    }
  }

  /** Resolves when all that was followed has ended, or nothing more came for `quietMs` though all that came was taken. */
  async settled(clock: Clock, quietMs: number): Promise<void> {
    while (this.#pending.size > 0) {
      const before = this.#chunks;
      const isQuiet = await new Promise<boolean>(resolve => {
        const timer = clock.after(quietMs, () => resolve(this.#chunks === before && this.#held === 0));
        void Promise.all(this.#pending).then(() => {
          timer.cancel();
          resolve(false);
        });
      });
      if (isQuiet) return;
    }
  }

  async #slot(): Promise<void> {
    while (this.#open >= openMax) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve);
      });
    }
    this.#open += 1;
  }

  // Best effort: an agent that is gone takes its output with it, and the task's state tells the rest.
  #read(place: OutputPlace, name: OutputName): Promise<void> {
    const { hostname, port, frameworkId, taskId } = place;
    const query = new URLSearchParams({ follow: 'true', framework: frameworkId });
    const path = `/tasks/${encodeURIComponent(taskId)}/files/${name}?${query.toString()}`;
    return new Promise(resolve => {
      const sent = request({ host: hostname, port, path, agent: false }, response => {
        if (response.statusCode === 200) void this.#take(response, place, name).then(resolve, () => resolve());
        else
          response
            .on('close', resolve)
            .on('error', () => {})
            .resume();
      });
      sent.on('error', () => resolve());
      sent.end();
    });
  }

  async #take(chunks: AsyncIterable<Buffer>, place: OutputPlace, name: OutputName): Promise<void> {
    for await (const chunk of chunks) {
      this.#chunks += 1;
      this.#held += 1;
      try {
        await this.#onChunk(place, name, chunk);
      } finally {
        this.#held -= 1;
      }
    }
  }
}
