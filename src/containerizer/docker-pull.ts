// Image pulls: one per image at a time, whoever asks, with the layers' progress as one fraction. In: the engine's JSON lines. Out: fractions and done, or
// the engine's reason.
import type { Readable } from 'node:stream';
import { formatBytes } from '../base/units.js';
import type { DockerEngine } from './docker-engine.js';
import { EngineError } from './docker-engine.js';

/** How far a pull is. `fraction` in [0, 1], absent until a size is known. */
export interface PullState {
  readonly message: string;
  readonly fraction?: number;
}

/** One line of the engine's answer to a pull. */
export interface PullLine {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
}

/** Adds up layers. A layer counts for its bytes, downloading for nine tenths of them and unpacking for one; what is there already counts as done. */
export class PullProgress {
  readonly #layers = new Map<string, { totalBytes: number; done: number }>();
  #best = 0;

  add(line: PullLine): PullState {
    const { id, status = '' } = line;
    if (id !== undefined && layerStatus.test(status)) this.#layer(id, status, line.progressDetail);
    let total = 0;
    let done = 0;
    let finished = 0;
    for (const layer of this.#layers.values()) {
      total += layer.totalBytes;
      done += layer.totalBytes * layer.done;
      if (layer.done === 1) finished += 1;
    }
    // Sizes of further layers turn up late; the bar does not go back.
    this.#best = Math.max(this.#best, total === 0 ? 0 : done / total);
    const count = `${finished} of ${this.#layers.size} layers`;
    if (this.#layers.size === 0) return { message: status };
    if (total === 0) return { message: count };
    return { message: `${count}, ${formatBytes(done)} of ${formatBytes(total)}`, fraction: this.#best };
  }

  #layer(id: string, status: string, detail: PullLine['progressDetail']): void {
    const layer = this.#layers.get(id) ?? { totalBytes: 0, done: 0 };
    this.#layers.set(id, layer);
    const { current = 0, total } = detail ?? {};
    if (total !== undefined && total > 0) layer.totalBytes = Math.max(layer.totalBytes, total);
    const part = layer.totalBytes === 0 ? 0 : Math.min(1, current / layer.totalBytes);
    if (/^(Pull complete|Already exists)/.test(status)) layer.done = 1;
    else if (status.startsWith('Extracting')) layer.done = Math.max(layer.done, 0.9 + 0.1 * part);
    else if (status.startsWith('Download complete')) layer.done = Math.max(layer.done, 0.9);
    else if (status.startsWith('Downloading')) layer.done = Math.max(layer.done, 0.9 * part);
  }
}

const layerStatus =
  /^(Pulling fs layer|Waiting|Downloading|Verifying|Download complete|Extracting|Pull complete|Already exists)/;

/** Who waits for an image. */
interface Waiter {
  readonly onProgress: (state: PullState) => void;
}

/** Pulls images through one engine. */
export class DockerPuller {
  readonly #engine: DockerEngine;
  readonly #running = new Map<
    string,
    { readonly waiters: Set<Waiter>; readonly abort: AbortController; readonly done: Promise<void> }
  >();

  constructor(engine: DockerEngine) {
    this.#engine = engine;
  }

  /**
   * Resolves when `image` is there. Joins a pull of the same image that is under way; the pull ends when `signal` has ended the wait of all who asked.
   * @throws EngineError with the engine's own reason.
   */
  async pull(image: string, onProgress: (state: PullState) => void, signal: AbortSignal): Promise<void> {
    const waiter: Waiter = { onProgress };
    let pull = this.#running.get(image);
    if (pull === undefined || pull.abort.signal.aborted) {
      const waiters = new Set<Waiter>();
      const abort = new AbortController();
      const done = this.#run(image, waiters, abort.signal).finally(() => {
        if (this.#running.get(image)?.abort === abort) this.#running.delete(image);
      });
      // Everyone may have left when it fails.
      done.catch(() => {});
      pull = { waiters, abort, done };
      this.#running.set(image, pull);
    }
    const { waiters, abort, done } = pull;
    waiters.add(waiter);
    let leave = (): void => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        waiters.delete(waiter);
        if (waiters.size === 0) abort.abort();
        reject(new EngineError('ABORTED', 'it was called off'));
      };
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      await Promise.race([done, left]);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  async #run(image: string, waiters: ReadonlySet<Waiter>, signal: AbortSignal): Promise<void> {
    const stream = await this.#engine.pull(image, signal);
    const progress = new PullProgress();
    const stopStall = this.#engine.watchStall(
      stream,
      pullStallMs,
      `the pull of ${image} made no progress for ${pullStallMs / 1000} s`,
    );
    try {
      for await (const text of lines(stream)) {
        if (text === '') continue;
        const line = JSON.parse(text) as PullLine;
        if (line.error !== undefined) throw new EngineError('REFUSED', line.error);
        const state = progress.add(line);
        for (const waiter of waiters) waiter.onProgress(state);
      }
    } finally {
      stopStall();
      stream.destroy();
    }
    if (signal.aborted) throw new EngineError('ABORTED', 'nobody waits for it any more');
  }
}

// Not node:readline, whose iterator never ends when its input breaks.
async function* lines(stream: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = parts.pop() ?? '';
    yield* parts;
  }
  yield rest;
}

/** Large layers unpack in silence for a while. */
const pullStallMs = 300_000;
