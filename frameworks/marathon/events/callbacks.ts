// The older way to hear of events: they are posted to the addresses that asked for them. In: events, subscriptions. Out: one POST after the other to each
// address; one that is slow or dead delays nobody else, and loses what does not fit its queue.
import type { Clock, Logger, Timer } from 'proffer';
import type { EventBus, Published } from './bus.js';

export interface CallbackOptions {
  /** An answer that takes longer has failed. Default 10 s. */
  readonly timeoutMs?: number;
  /** Events that wait for one address; older ones give way. Default 1,024. */
  readonly waitingMax?: number;
  /** After a failure the next attempt waits so long, then twice as long each time. Default 1 s. */
  readonly backoffMs?: number;
  /** At most. Default 60 s. */
  readonly backoffMaxMs?: number;
}

/** Posts `body` as JSON; resolves when it was taken, rejects when not. */
export type Post = (url: string, body: string, signal: AbortSignal) => Promise<void>;

/** Why a callback address is not allowed; undefined when it is. */
export function callbackProblem(url: string): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed?.protocol === 'http:' || parsed?.protocol === 'https:' ? undefined : `${url} is not an http address`;
}

/** Everybody who is called. The addresses themselves are kept by who calls `add` and `remove`. */
export class Callbacks {
  readonly #bus: EventBus;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #post: Post;
  readonly #options: Required<CallbackOptions>;
  readonly #called = new Map<string, { readonly callee: Callee; readonly unsubscribe: () => void }>();

  constructor(
    bus: EventBus,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
    options: CallbackOptions = {},
    post: Post = postByFetch,
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
    this.#post = post;
    this.#options = { timeoutMs: 10_000, waitingMax: 1024, backoffMs: 1000, backoffMaxMs: 60_000, ...options };
  }

  /** Addresses, in the order in which they came. */
  urls(): string[] {
    return [...this.#called.keys()];
  }

  /** From now on events are posted there; false when they were already. */
  add(url: string): boolean {
    if (this.#called.has(url)) return false;
    const callee = new Callee(url, this.#clock, this.#log, this.#post, this.#options);
    const unsubscribe = this.#bus.subscribe(published => callee.tell(published));
    this.#called.set(url, { callee, unsubscribe });
    return true;
  }

  /** No more; what waits is dropped. False when there was none. */
  remove(url: string): boolean {
    const known = this.#called.get(url);
    if (known === undefined) return false;
    known.unsubscribe();
    known.callee.close();
    return this.#called.delete(url);
  }

  close(): void {
    for (const url of this.urls()) this.remove(url);
  }
}

/** One address. */
class Callee {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #post: Post;
  readonly #options: Required<CallbackOptions>;
  readonly #waiting: Published[] = [];
  #failures = 0;
  #lost = 0;
  #busy = false;
  #underway: AbortController | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(url: string, clock: Clock, log: Logger, post: Post, options: Required<CallbackOptions>) {
    this.#url = url;
    this.#clock = clock;
    this.#log = log;
    this.#post = post;
    this.#options = options;
  }

  tell(published: Published): void {
    this.#waiting.push(published);
    if (this.#waiting.length > this.#options.waitingMax) {
      this.#waiting.shift();
      this.#lost += 1;
    }
    this.#next();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#underway?.abort();
  }

  #next(): void {
    if (this.#busy || this.#closed) return;
    const published = this.#waiting.shift();
    if (published === undefined) return;
    this.#busy = true;
    const underway = new AbortController();
    this.#underway = underway;
    const { timeoutMs } = this.#options;
    const late = this.#clock.after(timeoutMs, () => underway.abort(new Error(`no answer within ${timeoutMs} ms`)));
    this.#post(this.#url, published.text, underway.signal).then(
      () => {
        late.cancel();
        this.#taken();
      },
      (error: unknown) => {
        late.cancel();
        this.#failed(error);
      },
    );
  }

  #taken(): void {
    if (this.#failures > 0 && !this.#closed)
      this.#log.info('a callback answers again', { url: this.#url, lost: this.#lost });
    this.#failures = 0;
    this.#lost = 0;
    this.#busy = false;
    this.#next();
  }

  // What it did not take is lost to it, as with Marathon: whoever must not miss anything reads the stream.
  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#failures += 1;
    this.#lost += 1;
    if (this.#failures === 1) this.#log.warn('a callback does not take events', { url: this.#url, why: String(error) });
    const { backoffMs, backoffMaxMs } = this.#options;
    const waitMs = Math.min(backoffMaxMs, backoffMs * 2 ** (this.#failures - 1));
    this.#timer = this.#clock.after(waitMs, () => {
      this.#busy = false;
      this.#next();
    });
  }
}

async function postByFetch(url: string, body: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal,
    redirect: 'manual',
  });
  // Its connection is used again only when the answer has been read.
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
}
