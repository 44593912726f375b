// One direction of a local link: deliveries that fall due under a Clock, in order unless told otherwise. In: deliveries. Out: their runs, when due.
import { StableHeap } from '../base/heap.js';
import type { Clock, Timer } from '../env/clock.js';

/** What a partition does to messages: `hold` keeps them until healed, as TCP's retransmission does; `drop` loses them. */
export type PartitionMode = 'hold' | 'drop';

/** Deliveries from node `from` to node `to`. One timer at a time, whatever the number on their way. */
export class LocalLane {
  readonly from: string;
  readonly to: string;
  readonly #clock: Clock;
  readonly #keepOrder: boolean;
  readonly #blocked: () => PartitionMode | undefined;
  readonly #due: Waiting;
  #lastDueMs = 0;
  #timer: Timer | undefined;
  #timerDueMs = 0;

  constructor(
    clock: Clock,
    path: { readonly from: string; readonly to: string },
    keepOrder: boolean,
    blocked: () => PartitionMode | undefined,
  ) {
    this.from = path.from;
    this.to = path.to;
    this.#clock = clock;
    this.#keepOrder = keepOrder;
    this.#due = keepOrder ? new Line() : new StableHeap();
    this.#blocked = blocked;
  }

  /** Deliveries on their way, those held by a partition included. */
  get inFlight(): number {
    return this.#due.size;
  }

  /** Runs `deliver` after `delayMs`, unless a partition has its way with it. */
  push(delayMs: number, deliver: () => void): void {
    const dueMs = this.#clock.now() + delayMs;
    const atMs = this.#keepOrder ? Math.max(dueMs, this.#lastDueMs) : dueMs;
    this.#lastDueMs = atMs;
    this.#due.push(atMs, deliver);
    this.resume();
  }

  /** Runs `deliver` after `delayMs`, whatever else is on its way; not at all while a partition is in the way. */
  pushAside(delayMs: number, deliver: () => void): void {
    this.#clock.after(delayMs, () => {
      if (this.#blocked() === undefined) deliver();
    });
  }

  /** Takes up deliveries again after a partition was healed. */
  resume(): void {
    const dueMs = this.#due.peekKey();
    if (dueMs === undefined) return;
    if (this.#timer !== undefined) {
      if (this.#timerDueMs <= dueMs) return;
      this.#timer.cancel();
    }
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.after(dueMs - this.#clock.now(), () => this.#deliver());
  }

  #deliver(): void {
    this.#timer = undefined;
    const mode = this.#blocked();
    if (mode === 'hold') return;
    const nowMs = this.#clock.now();
    try {
      for (let dueMs = this.#due.peekKey(); dueMs !== undefined && dueMs <= nowMs; dueMs = this.#due.peekKey()) {
        const deliver = this.#due.pop();
        if (mode === undefined) deliver?.();
      }
    } finally {
      this.resume();
    }
  }
}

/** Deliveries by the time they fall due. */
type Waiting = Pick<StableHeap<() => void>, 'size' | 'push' | 'peekKey' | 'pop'>;

/** For those that come in order anyway; a network has two for each link, and most are empty. */
class Line implements Waiting {
  #keys: number[] = [];
  #values: ((() => void) | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#keys.length - this.#head;
  }

  push(key: number, value: () => void): void {
    this.#keys.push(key);
    this.#values.push(value);
  }

  peekKey(): number | undefined {
    return this.#keys[this.#head];
  }

  pop(): (() => void) | undefined {
    const value = this.#values[this.#head];
    this.#values[this.#head] = undefined;
    this.#head += 1;
    if (this.#head * 2 > this.#keys.length && (this.size === 0 || this.#head > goneMax)) {
      this.#keys = this.#keys.slice(this.#head);
      this.#values = this.#values.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }
}

const goneMax = 1024;
