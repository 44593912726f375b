// From those who tell to those who listen. In: events. Out: to every listener all that it asked for, in order; its text is made once.
import type { Clock, Logger } from 'proffer';
import type { EventType, MarathonEvent, Telling } from './event.js';
import { eventJson } from './event-json.js';

/** An event on its way: its text is the same for all. */
export class Published {
  readonly event: MarathonEvent;
  #text: string | undefined;

  constructor(event: MarathonEvent) {
    this.event = event;
  }

  /** Its JSON. */
  get text(): string {
    this.#text ??= JSON.stringify(eventJson(this.event));
    return this.#text;
  }
}

export type Listener = (published: Published) => void;

/** All who listen. */
export class EventBus {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Map<Listener, ReadonlySet<EventType> | undefined>();
  readonly #waiting: Published[] = [];
  #delivering = false;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `types` absent: all. Returns the way to stop. */
  subscribe(listener: Listener, types?: ReadonlySet<EventType>): () => void {
    this.#listeners.set(listener, types);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Tells it now; what a listener tells meanwhile comes after. */
  publish(telling: Telling): void {
    this.#waiting.push(new Published({ ...telling, at: this.#clock.wallMs() }));
    if (this.#delivering) return;
    this.#delivering = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#deliver(next);
    this.#delivering = false;
  }

  #deliver(published: Published): void {
    for (const [listener, types] of this.#listeners) {
      if (types !== undefined && !types.has(published.event.type)) continue;
      try {
        listener(published);
      } catch (error) {
        // One who fails must not keep the others from hearing it.
        this.#log.error('a listener for events failed', { type: published.event.type, error: String(error) });
      }
    }
  }
}
