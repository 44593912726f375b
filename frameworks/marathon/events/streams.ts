// Server-sent events: `GET /v2/events`. In: a request and its response, of node:http. Out: CRLF lines until one side ends it; who does not read is dropped.
import type { ServerResponse } from 'node:http';
import type { Clock, Logger, Timer } from 'proffer';
import type { EventBus, Published } from './bus.js';
import { eventTypes } from './event.js';

export interface StreamOptions {
  /** Events a client has not taken yet, after which it is dropped. Default 1,024. */
  readonly waitingMax?: number;
  /** The same in bytes, beyond one event. Default 8 MiB. */
  readonly waitingBytesMax?: number;
  /** A blank line this often, so that a dead connection is noticed. Default 10 s. */
  readonly keepAliveMs?: number;
}

/** What one client asked for. */
export interface StreamRequest {
  /** As it is told in `event_stream_attached`. */
  readonly remoteAddress: string;
  /** Values of `event_type`; none: all. Unknown ones never come. */
  readonly types: readonly string[];
}

/** One event as it is sent. */
export function frameOf({ event, text }: Published): string {
  return `event: ${event.type}\r\ndata: ${text}\r\n\r\n`;
}

/** All open streams. */
export class EventStreams {
  readonly #bus: EventBus;
  readonly #log: Logger;
  readonly #options: Required<StreamOptions>;
  readonly #open = new Set<Stream>();
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(
    bus: EventBus,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
    options: StreamOptions = {},
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
    this.#options = { waitingMax: 1024, waitingBytesMax: 8 * 1024 * 1024, keepAliveMs: 10_000, ...options };
  }

  get size(): number {
    return this.#open.size;
  }

  /** Answers with a stream of events. The response is this stream's from now on. */
  serve(response: ServerResponse, { remoteAddress, types }: StreamRequest): void {
    // Gone before it was answered.
    if (response.destroyed) return;
    response.writeHead(200, {
      'content-type': 'text/event-stream;charset=utf-8',
      'cache-control': 'no-cache, no-store, must-revalidate',
      connection: 'close',
    });
    response.flushHeaders();
    const stream = new Stream(response, this.#options, why => {
      this.#log.warn('a reader of events was dropped', { remoteAddress, why });
    });
    const wanted = types.length === 0 ? undefined : new Set(eventTypes.filter(type => types.includes(type)));
    const unsubscribe = this.#bus.subscribe(published => stream.send(frameOf(published)), wanted);
    this.#open.add(stream);
    response.once('close', () => {
      unsubscribe();
      this.#open.delete(stream);
      this.#keepAlive();
      this.#bus.publish({ type: 'event_stream_detached', remoteAddress });
    });
    // Nobody else listens to it: a reset connection must not end the process.
    response.on('error', () => {});
    this.#keepAlive();
    this.#bus.publish({ type: 'event_stream_attached', remoteAddress });
  }

  /** Ends every stream after what is on its way. */
  close(): void {
    for (const stream of this.#open) stream.end();
  }

  #keepAlive(): void {
    if (this.#open.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    this.#timer ??= this.#clock.after(this.#options.keepAliveMs, () => {
      this.#timer = undefined;
      for (const stream of this.#open) stream.send('\r\n');
      this.#keepAlive();
    });
  }
}

/** One client. */
class Stream {
  readonly #response: ServerResponse;
  readonly #options: Required<StreamOptions>;
  readonly #onDropped: (why: string) => void;
  #waiting = 0;

  constructor(response: ServerResponse, options: Required<StreamOptions>, onDropped: (why: string) => void) {
    this.#response = response;
    this.#options = options;
    this.#onDropped = onDropped;
  }

  send(text: string): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    const { waitingMax, waitingBytesMax } = this.#options;
    if (this.#waiting >= waitingMax) return this.#drop(`${this.#waiting} events wait for it`);
    if (response.writableLength > waitingBytesMax) return this.#drop(`${response.writableLength} bytes wait for it`);
    this.#waiting += 1;
    response.write(text, () => {
      this.#waiting -= 1;
    });
  }

  end(): void {
    this.#response.end();
  }

  #drop(why: string): void {
    this.#onDropped(why);
    this.#response.destroy();
  }
}

/** The types a query asks for: `event_type`, as often as wanted. */
export function typesIn(query: URLSearchParams): string[] {
  return query.getAll('event_type');
}
