// What tasks print, as they print it: follows stdout and stderr of each at its agent. In: tasks and where they run. Out: bytes per stream,
// no faster than they are taken; and what could not be read.
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { messageOf } from '../base/errors.js';
import { formatDurationMs } from '../base/units.js';
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

/** Told once for each task whose output, or the rest of it, could not be read. */
export type OnLost = (place: OutputPlace, why: string) => void;

/** Follows the output of many tasks. */
export class TaskOutputs {
  readonly #onChunk: OnChunk;
  readonly #onLost: OnLost;
  /** One for each file whose agent has not answered yet. */
  readonly #unanswered = new Set<{ readonly place: OutputPlace }>();
  readonly #lost = new Set<OutputPlace>();
  readonly #waiting: (() => void)[] = [];
  readonly #pending = new Set<Promise<void>>();
  #open = 0;
  /** Nobody waits any more. */
  #over = false;
  #chunks = 0;
  #held = 0;

  constructor(onChunk: OnChunk, onLost: OnLost) {
    this.#onChunk = onChunk;
    this.#onLost = onLost;
  }

  /** Starts to follow a task that has started; each output ends with the task. */
  follow(place: OutputPlace): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const file = { place };
      this.#unanswered.add(file);
      const pending = this.#slot()
        .then(() => this.#read(place, name, () => this.#unanswered.delete(file)))
        .catch((error: unknown) => this.#lose(place, messageOf(error)))
        .finally(() => {
          this.#unanswered.delete(file);
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
      if (!isQuiet) continue;
      for (const { place } of this.#unanswered) this.#lose(place, `no answer within ${formatDurationMs(quietMs)}`);
      this.#over = true;
      return;
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

  #lose(place: OutputPlace, why: string): void {
    if (this.#over || this.#lost.has(place)) return;
    this.#lost.add(place);
    this.#onLost(place, why);
  }

  #read(place: OutputPlace, name: OutputName, onAnswer: () => void): Promise<void> {
    const { hostname, port, frameworkId, taskId } = place;
    const query = new URLSearchParams({ follow: 'true', framework: frameworkId });
    const path = `/tasks/${encodeURIComponent(taskId)}/files/${name}?${query.toString()}`;
    return new Promise((resolve, reject) => {
      const sent = request({ host: hostname, port, path, agent: false }, response => {
        onAnswer();
        const taken = response.statusCode === 200 ? this.#take(response, place, name) : refused(response);
        taken.then(resolve, reject);
      });
      sent.on('error', reject);
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

// A file that is not there has nothing in it: the task ended before it could print. All else is a loss, in the agent's words.
async function refused(response: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const { code, message } = problemOf(Buffer.concat(chunks).toString());
  if (code !== 'NOT_FOUND') throw new Error(message ?? `HTTP status ${String(response.statusCode)}`);
}

function problemOf(body: string): { readonly code?: unknown; readonly message?: string } {
  try {
    const { code, message } = JSON.parse(body) as { code?: unknown; message?: unknown };
    return typeof message === 'string' ? { code, message } : { code };
  } catch {
    return {};
  }
}
