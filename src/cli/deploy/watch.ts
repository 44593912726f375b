// What Marathon tells of deployments while somebody waits. In: its stream of events, as long as there is one. Out: how deployments ended; a ring at every news.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../base/errors.js';
import type { EventView, MarathonClient } from './marathon-client.js';

/** How a deployment ended. */
export type Ending =
  | { readonly type: 'DONE' }
  | { readonly type: 'FAILED'; readonly why: string; readonly takenBackBy?: string };

const types = [
  'deployment_info',
  'deployment_step_success',
  'deployment_step_failure',
  'deployment_success',
  'deployment_failed',
  'deployment_stalled',
] as const;

/** So long a beginning is waited for. */
const beginMs = 2000;

/** Listens from before the first deployment on, so that no end is missed. */
export class Watch {
  readonly #endings = new Map<string, Ending>();
  readonly #leaving = new AbortController();
  #live = false;
  #news = false;
  #ring: (() => void) | undefined;

  /** Resolves once it listens, or cannot soon: then `isLive` is false, and who waits has to ask. */
  static async start(marathon: MarathonClient, onLost: (why: string) => void): Promise<Watch> {
    const watch = new Watch();
    // Something between may hold the beginning back until there is an event.
    await Promise.race([watch.#listen(marathon, onLost), delay(beginMs, undefined, { ref: false })]);
    return watch;
  }

  get isLive(): boolean {
    return this.#live;
  }

  endingOf(deploymentId: string): Ending | undefined {
    return this.#endings.get(deploymentId);
  }

  /** Resolves at the next news, when `ms` have passed, or when `signal` is aborted. */
  async next(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#news && !signal.aborted) {
      await new Promise<void>(resolve => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.#ring = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done);
        this.#ring = done;
      });
    }
    this.#news = false;
  }

  close(): void {
    this.#leaving.abort();
  }

  async #listen(marathon: MarathonClient, onLost: (why: string) => void): Promise<void> {
    try {
      const events = await marathon.events(types, this.#leaving.signal);
      this.#live = true;
      void this.#follow(events, onLost);
    } catch (error) {
      if (!this.#leaving.signal.aborted) onLost(messageOf(error));
    }
  }

  async #follow(events: AsyncIterable<EventView>, onLost: (why: string) => void): Promise<void> {
    let why = 'it has ended';
    try {
      for await (const event of events) this.#hear(event);
    } catch (error) {
      why = messageOf(error);
    }
    this.#live = false;
    if (this.#leaving.signal.aborted) return;
    onLost(why);
    this.#tell();
  }

  #hear({ eventType, id, reason = 'Marathon does not say why', takenBackBy }: EventView): void {
    if (id !== undefined) {
      if (eventType === 'deployment_success') this.#endings.set(id, { type: 'DONE' });
      if (eventType === 'deployment_failed')
        this.#endings.set(id, {
          type: 'FAILED',
          why: reason,
          ...(takenBackBy === undefined ? {} : { takenBackBy }),
        });
    }
    this.#tell();
  }

  #tell(): void {
    this.#news = true;
    this.#ring?.();
  }
}
