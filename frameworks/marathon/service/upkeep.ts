// What has to be done at times, although nothing happens. In: instances as they change, times of others. Out: DUE events, one timer.
import type { Timer } from 'proffer';
import TinyQueue from 'tinyqueue';
import { dueAt } from '../machine/due.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Core } from './core.js';

interface Due {
  readonly at: number;
  readonly id: InstanceId;
}

/** Wall clocks jump: no timer is longer than this. */
const longestMs = 60_000;

export class Upkeep {
  readonly #core: Core;
  readonly #wake: () => void;
  /** Times of before stay in it until they come. */
  readonly #queue = new TinyQueue<Due>([], (a, b) => a.at - b.at);
  readonly #known = new Map<InstanceId, number>();
  #timer: Timer | undefined;

  constructor(core: Core, wake: () => void) {
    this.#core = core;
    this.#wake = wake;
    for (const [id, instance] of core.ledger.instances) this.note(id, instance);
  }

  /** An instance as it is now. */
  note(id: InstanceId, instance: Instance | undefined): void {
    const at = instance === undefined ? undefined : dueAt(instance, this.#core.options.times);
    if (at === undefined) {
      this.#known.delete(id);
      return;
    }
    if (this.#known.get(id) === at) return;
    this.#known.set(id, at);
    this.#queue.push({ at, id });
  }

  /** Instances whose time has come are told. */
  due(): void {
    const { now } = this.#core;
    for (let next = this.#queue.peek(); next !== undefined && next.at <= now; next = this.#queue.peek()) {
      const { at, id } = next;
      this.#queue.pop();
      if (this.#known.get(id) !== at) continue;
      this.#known.delete(id);
      this.#core.happen(id, { type: 'DUE' });
      const instance = this.#core.ledger.instances.get(id);
      // It is not due again by the same time: what cannot be done is not done over and over.
      if (instance !== undefined && dueAt(instance, this.#core.options.times) !== at) this.note(id, instance);
    }
  }

  /** Wakes at the earliest of these times, and when an instance is due. */
  arm(...others: readonly (number | undefined)[]): void {
    this.#timer?.cancel();
    let at = this.#queue.peek()?.at ?? Number.POSITIVE_INFINITY;
    for (const other of others) if (other !== undefined) at = Math.min(at, other);
    const waitMs = Math.min(longestMs, Math.max(0, at - this.#core.now));
    this.#timer = this.#core.env.clock.after(waitMs, this.#wake);
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
