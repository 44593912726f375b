// One direction of one proxied connection: messages wait here until the faults in force let them go on. In: messages. Out: the same, late, twice, or never.
import type { Clock, Timer } from '../env/clock.js';
import type { Random } from '../env/random.js';
import { concerns } from './ws-proxy-faults.js';
import type { LiveFault, ProxyDirection } from './ws-proxy-faults.js';

export interface LaneOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly direction: ProxyDirection;
  readonly path: string;
  /** All that are in force, in the order they came. */
  readonly faults: readonly LiveFault[];
  /** Numbers messages anew and rewrites the counts in heartbeats, so that nobody misses or meets anything twice. */
  readonly hideFromHeartbeats: boolean;
  /** Sends these on, behind `before` others of their side; without it, behind all that were. Gives the bytes it took. */
  readonly emit: (messages: readonly unknown[], before?: number) => number;
}

/** A message, and how many came before it. */
interface Numbered {
  readonly message: unknown;
  readonly number: number;
}

interface Waiting extends Numbered {
  readonly dueMs: number;
}

const reorderWithinDefaultMs = 100;

/** Keeps order, except where a fault says otherwise. Closed until `open`. */
export class Lane {
  readonly #options: LaneOptions;
  #queue: Waiting[] = [];
  #held = new Map<LiveFault, Numbered[]>();
  /** Set aside to be overtaken. */
  #aside: (Numbered & { readonly timer: Timer })[] = [];
  /** Of copies that come later. */
  readonly #late = new Set<Timer>();
  #pushed = 0;
  #lastDueMs = 0;
  #busyUntilMs = 0;
  #timer: Timer | undefined;
  #delivered = 0;
  #opened = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether a partition closes this way. */
  get stopped(): boolean {
    const { faults, direction, path } = this.#options;
    return faults.some(({ fault }) => fault.kind === 'partition' && concerns(fault, direction, path));
  }

  /** There is somebody to send to. */
  open(): void {
    this.#opened = true;
    this.flush();
  }

  /** Takes a message; those of one frame are followed by one `flush`. */
  push(message: unknown): void {
    const { clock, random, direction, path, faults } = this.#options;
    const type = typeOf(message);
    const numbered = { message, number: this.#pushed };
    this.#pushed += 1;
    let copies = 1;
    let delayMs = 0;
    const late: number[] = [];
    for (const live of faults) {
      const fault = live.striking(direction, path, type, random);
      switch (fault?.kind) {
        case undefined:
          break;
        case 'drop':
          return;
        case 'hold':
          this.#hold(live, numbered);
          return;
        case 'reorder':
          this.#setAside(numbered, fault.withinMs ?? reorderWithinDefaultMs);
          return;
        case 'duplicate':
          if (fault.afterMs === undefined) copies += fault.copies ?? 1;
          else for (let n = 0; n < (fault.copies ?? 1); n += 1) late.push(fault.afterMs);
          break;
        case 'delay':
          delayMs += fault.delayMs + (fault.jitterMs === undefined ? 0 : random.unit() * fault.jitterMs);
          break;
      }
    }
    // What the session says of itself overtakes nothing: its counts would be wrong though nothing is.
    if (type.startsWith('$')) this.#letAsideGo();
    for (let n = 0; n < copies; n++) this.#enqueue(numbered, clock.now() + delayMs);
    for (const afterMs of late) this.#comeLater(numbered, delayMs + afterMs);
    this.#letAsideGo();
  }

  /** Sends on what is due; called after a frame, and whenever the faults changed. */
  flush(): void {
    for (const [fault, messages] of this.#held) {
      if (!fault.lifted) continue;
      this.#held.delete(fault);
      for (const message of messages) this.#enqueue(message, this.#options.clock.now());
    }
    if (this.#opened && !this.stopped) this.#send();
  }

  /** Calls `then` once all that waits has been sent on, except what is held back; nothing is pushed any more. */
  end(then: () => void): void {
    this.#onEmpty = then;
    this.#letAsideGo();
    this.flush();
    this.#tellWhenEmpty();
  }

  /** Forgets everything; nothing is called any more. */
  destroy(): void {
    this.#timer?.cancel();
    for (const { timer } of this.#aside) timer.cancel();
    for (const timer of this.#late) timer.cancel();
    this.#aside = [];
    this.#late.clear();
    this.#queue = [];
    this.#held.clear();
    this.#opened = false;
    this.#onEmpty = undefined;
  }

  #send(): void {
    const { clock, faults, direction, path } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    const slow = Math.min(
      ...faults.map(({ fault }) =>
        fault.kind === 'slow' && concerns(fault, direction, path) ? fault.bytesPerSecond : Number.POSITIVE_INFINITY,
      ),
    );
    for (;;) {
      const nowMs = clock.now();
      const [first] = this.#queue;
      if (first === undefined) break;
      const waitMs = Math.max(first.dueMs, slow === Number.POSITIVE_INFINITY ? 0 : this.#busyUntilMs) - nowMs;
      if (waitMs > 0) {
        this.#timer = clock.after(waitMs, () => this.flush());
        return;
      }
      // A slow line is taken by one message after another; else all that is due shares frames.
      const later = this.#queue.findIndex(({ dueMs }) => dueMs > nowMs);
      const count = slow < Number.POSITIVE_INFINITY ? 1 : later === -1 ? this.#queue.length : later;
      const bytes = this.#emit(this.#queue.splice(0, count));
      if (slow < Number.POSITIVE_INFINITY) this.#busyUntilMs = nowMs + (bytes * 1000) / slow;
    }
    this.#tellWhenEmpty();
  }

  #emit(messages: readonly Waiting[]): number {
    const { emit, hideFromHeartbeats } = this.#options;
    const counted = messages.map(({ message }) => this.#counted(message));
    if (hideFromHeartbeats) return emit(counted);
    let bytes = 0;
    for (let from = 0; from < messages.length; ) {
      const { number } = messages[from] as Waiting;
      let to = from + 1;
      while (messages[to]?.number === number + to - from) to += 1;
      bytes += emit(counted.slice(from, to), number);
      from = to;
    }
    return bytes;
  }

  /** A heartbeat says how many messages its side has sent; here, when hiding, how many arrive. */
  #counted(message: unknown): unknown {
    const type = typeOf(message);
    if (!type.startsWith('$')) this.#delivered += 1;
    else if (type === '$HEARTBEAT' && this.#options.hideFromHeartbeats)
      return { ...(message as object), sent: this.#delivered };
    return message;
  }

  #enqueue({ message, number }: Numbered, dueMs: number): void {
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#queue.push({ message, number, dueMs: this.#lastDueMs });
  }

  #comeLater(message: Numbered, afterMs: number): void {
    const { clock } = this.#options;
    const timer = clock.after(afterMs, () => {
      this.#late.delete(timer);
      this.#enqueue(message, clock.now());
      this.flush();
    });
    this.#late.add(timer);
  }

  #hold(fault: LiveFault, message: Numbered): void {
    const messages = this.#held.get(fault);
    if (messages === undefined) this.#held.set(fault, [message]);
    else messages.push(message);
  }

  #setAside({ message, number }: Numbered, withinMs: number): void {
    const timer = this.#options.clock.after(withinMs, () => {
      this.#letAsideGo();
      this.flush();
    });
    this.#aside.push({ message, number, timer });
  }

  #letAsideGo(): void {
    const aside = this.#aside;
    this.#aside = [];
    for (const { message, number, timer } of aside) {
      timer.cancel();
      this.#enqueue({ message, number }, this.#options.clock.now());
    }
  }

  #tellWhenEmpty(): void {
    if (this.#queue.length > 0 || this.#onEmpty === undefined || this.stopped) return;
    const told = this.#onEmpty;
    this.#onEmpty = undefined;
    told();
  }
}

/** The `type` of a message; empty for anything without one. */
export function typeOf(message: unknown): string {
  const type = typeof message === 'object' && message !== null ? (message as { type?: unknown }).type : undefined;
  return typeof type === 'string' ? type : '';
}
