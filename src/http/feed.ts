// Server-sent events of the cluster. In: the master's snapshot and changes, taken together. Out: to each subscriber SNAPSHOT, then every
// change in order, and a heartbeat. Who reads too slowly is cut off; who comes last stays when there are too many.
import type { Clock, Timer } from '../env/clock.js';
import { every } from '../env/clock.js';
import type { ClusterEvent } from '../protocol/operator-api.js';
import type { FeedSink, HttpAnswer } from './route.js';

export interface FeedOptions {
  /** The oldest subscriber leaves when there is one more. Default 1,000. */
  readonly subscribersMax?: number;
  /** Unread bytes after which a subscriber is cut off. Default 8 MiB, beyond the snapshot's size. */
  readonly bufferedBytesMax?: number;
  /** Default 15,000. */
  readonly heartbeatIntervalMs?: number;
}

/** Takes the snapshot and subscribes at once: nothing is missed between. Returns the way to stop. */
export type SubscribeEvents = (listener: (event: ClusterEvent) => void) => () => void;

/** All open event feeds of a server. */
export class EventFeeds {
  readonly #subscribe: SubscribeEvents;
  readonly #subscribersMax: number;
  readonly #bufferedBytesMax: number;
  readonly #heartbeats: Timer;
  readonly #open = new Set<{ close(): void; beat(): void }>();
  // All subscribers get the same event objects: each is rendered once.
  #rendered: { readonly event: ClusterEvent; readonly text: string } | undefined;

  constructor(clock: Clock, subscribe: SubscribeEvents, options: FeedOptions = {}) {
    this.#subscribe = subscribe;
    this.#subscribersMax = options.subscribersMax ?? 1000;
    this.#bufferedBytesMax = options.bufferedBytesMax ?? 8 * 1024 * 1024;
    this.#heartbeats = every(clock, options.heartbeatIntervalMs ?? 15_000, () => {
      for (const feed of this.#open) feed.beat();
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** The answer of `GET /events`. */
  answer(): HttpAnswer {
    return { type: 'FEED', contentType: 'text/event-stream; charset=utf-8', open: sink => this.#add(sink) };
  }

  /** Ends every feed. */
  close(): void {
    this.#heartbeats.cancel();
    for (const feed of this.#open) feed.close();
  }

  #add(sink: FeedSink): () => void {
    let allowance = this.#bufferedBytesMax;
    // Set after the snapshot, which comes while subscribing.
    const subscription: { end?: () => void } = {};
    const put = (event: ClusterEvent): void => {
      const text = this.#render(event);
      // A snapshot may be large by itself; only what gathers on top of it counts as slow reading.
      if (event.type === 'SNAPSHOT') allowance += text.length;
      else if (sink.bufferedBytes > allowance) return sink.destroy();
      sink.write(text);
    };
    const feed = {
      close: () => {
        leave();
        sink.end();
      },
      beat: () => put({ type: 'HEARTBEAT' }),
    };
    const leave = (): void => {
      subscription.end?.();
      this.#open.delete(feed);
    };
    if (this.#open.size >= this.#subscribersMax) {
      const [oldest] = this.#open;
      oldest?.close();
    }
    this.#open.add(feed);
    subscription.end = this.#subscribe(put);
    return leave;
  }

  #render(event: ClusterEvent): string {
    if (this.#rendered?.event !== event) {
      this.#rendered = { event, text: `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n` };
    }
    return this.#rendered.text;
  }
}
