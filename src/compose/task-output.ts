// What tasks print, as they print it: follows stdout and stderr of each at its agent. In: tasks and where they run. Out: bytes per stream.
import { request } from 'node:http';

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

/** Follows the output of many tasks. */
export class TaskOutputs {
  readonly #onChunk: (place: OutputPlace, name: OutputName, chunk: Buffer) => void;
  readonly #waiting: (() => void)[] = [];
  readonly #pending = new Set<Promise<void>>();
  #open = 0;

  constructor(onChunk: (place: OutputPlace, name: OutputName, chunk: Buffer) => void) {
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

  /** Resolves when all that was followed has ended. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
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
        response.on('close', resolve);
        response.on('error', () => {});
        if (response.statusCode === 200) response.on('data', (chunk: Buffer) => this.#onChunk(place, name, chunk));
        else response.resume();
      });
      sent.on('error', () => resolve());
      sent.end();
    });
  }
}
