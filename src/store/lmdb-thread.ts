// The near end of the thread that writes a store's file. In: requests. Out: answers, or that it ended or is stuck.
import { isMainThread, Worker } from 'node:worker_threads';
import { messageOf } from '../base/errors.js';
import type { LmdbAnswer, LmdbRequest } from './lmdb-messages.js';

/** How long a thread may take, and how long it is kept. */
export interface LmdbThreadOptions {
  /** A request that takes longer has failed; its thread may hang in the disk for ever. */
  readonly timeoutMs: number;
  /** After this long without a request the thread ends; the next one starts it again. Default: it is kept. */
  readonly idleMs?: number | undefined;
}

/** One request at a time. */
export class LmdbThread {
  readonly #timeoutMs: number;
  readonly #idleMs: number | undefined;
  #worker = startWorker();
  /** What is open, but for rests. */
  #file: string | undefined;
  #waiting: ((answer: LmdbAnswer) => void) | undefined;
  /** To be asked once the file is open again. */
  #next: LmdbRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Resolves when the worker that rests has ended. */
  #resting: Promise<void> | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #ended: string | undefined;

  constructor({ timeoutMs, idleMs }: LmdbThreadOptions) {
    this.#timeoutMs = timeoutMs;
    this.#idleMs = idleMs;
    this.#watch();
  }

  /** `onAnswer` is called once, and not before this call returns. */
  ask(request: LmdbRequest, onAnswer: (answer: LmdbAnswer) => void): void {
    const ended = this.#ended;
    if (ended !== undefined) {
      setImmediate(() => onAnswer({ type: 'FAILED', message: ended }));
      return;
    }
    clearTimeout(this.#idleTimer);
    this.#waiting = onAnswer;
    this.#timer = setTimeout(() => this.#onTimeout(), this.#timeoutMs);
    if (request.type === 'OPEN') this.#file = request.file;
    if (request.type === 'CLOSE') this.#file = undefined;
    if (this.#resting === undefined) this.#post(request);
    else void this.#resting.then(() => this.#afterRest(request));
  }

  #post(request: LmdbRequest): void {
    // Whoever waits keeps the process alive.
    this.#worker.ref();
    this.#worker.postMessage(request, 'batch' in request ? [request.batch] : []);
  }

  #watch(): void {
    const worker = this.#worker;
    worker.on('message', (answer: LmdbAnswer) => this.#answer(answer));
    worker.on('error', error => this.#end(messageOf(error)));
    worker.on('exit', () => this.#end('its thread ended'));
    worker.unref();
  }

  #rest(): void {
    const worker = this.#worker;
    worker.removeAllListeners();
    this.#resting = new Promise(resolve => {
      worker.once('exit', resolve);
      // It has nothing under way, and ends whatever comes of it; the file is verified before it is opened again.
      worker.on('error', () => {});
    });
    worker.postMessage({ type: 'CLOSE' } satisfies LmdbRequest);
  }

  #afterRest(request: LmdbRequest): void {
    if (this.#ended !== undefined) return;
    const file = this.#file;
    if (file === undefined) return this.#answer({ type: 'DONE', epoch: 0 });
    try {
      this.#worker = startWorker();
    } catch (error) {
      return this.#end(messageOf(error));
    }
    this.#resting = undefined;
    this.#watch();
    this.#next = request;
    this.#post({ type: 'REOPEN', file });
  }

  #onTimeout(): void {
    // Node waits for its threads when it exits, and this one waits for the disk. Should it come back, all is as usual.
    if (isMainThread) {
      process.once('exit', killOneself);
      this.#worker.once('message', () => process.off('exit', killOneself));
    }
    this.#end(`the disk did not answer within ${this.#timeoutMs / 1000} s`);
  }

  #answer(answer: LmdbAnswer): void {
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined && answer.type === 'DONE') return this.#post(next);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    this.#worker.unref();
    if (this.#idleMs !== undefined && this.#file !== undefined && this.#ended === undefined) {
      this.#idleTimer = setTimeout(() => this.#rest(), this.#idleMs).unref();
    }
    waiting?.(answer);
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#answer({ type: 'FAILED', message: this.#ended });
  }
}

function startWorker(): Worker {
  return new Worker(new URL('./lmdb-worker.js', import.meta.url), {
    // Memory counts: it holds one batch at a time.
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
    execArgv: [],
  });
}

function killOneself(): void {
  process.kill(process.pid, 'SIGKILL');
}
