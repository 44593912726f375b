// The near end of the thread that writes a store's file. In: requests. Out: answers, or that it ended or is stuck.
import { isMainThread, Worker } from 'node:worker_threads';
import { messageOf } from '../base/errors.js';
import type { LmdbAnswer, LmdbRequest } from './lmdb-messages.js';

/** One request at a time. */
export class LmdbThread {
  readonly #worker: Worker;
  readonly #timeoutMs: number;
  #waiting: ((answer: LmdbAnswer) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended: string | undefined;

  /** A request that takes longer than `timeoutMs` has failed; its thread may hang in the disk for ever. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#worker = new Worker(new URL('./lmdb-worker.js', import.meta.url), {
      // Memory counts: there is one for each agent, and it holds one batch at a time.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
      execArgv: [],
    });
    this.#worker.on('message', (answer: LmdbAnswer) => this.#answer(answer));
    this.#worker.on('error', error => this.#end(messageOf(error)));
    this.#worker.on('exit', () => this.#end('its thread ended'));
    this.#worker.unref();
  }

  /** `onAnswer` is called once, and not before this call returns. */
  ask(request: LmdbRequest, onAnswer: (answer: LmdbAnswer) => void): void {
    const ended = this.#ended;
    if (ended !== undefined) {
      setImmediate(() => onAnswer({ type: 'FAILED', message: ended }));
      return;
    }
    this.#waiting = onAnswer;
    // Whoever waits keeps the process alive.
    this.#worker.ref();
    this.#timer = setTimeout(() => this.#onTimeout(), this.#timeoutMs);
    const transfer = 'batch' in request ? [request.batch] : [];
    this.#worker.postMessage(request, transfer);
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
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    this.#worker.unref();
    waiting?.(answer);
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#answer({ type: 'FAILED', message: this.#ended });
  }
}

function killOneself(): void {
  process.kill(process.pid, 'SIGKILL');
}
