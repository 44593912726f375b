// Virtual time: one agenda of timers that only moves when told to. The simulator's heart.
import { assert } from '../base/assert.js';
import { StableHeap } from '../base/heap.js';
import type { Clock, Timer } from './clock.js';

interface Entry {
  run: (() => void) | undefined;
}

/** 2026-01-01T00:00:00Z: where virtual wall time starts unless told otherwise. */
export const virtualEpochMs = 1_767_225_600_000;

/** A clock whose time is the key of the agenda's last entry taken. Ties run in the order they were set. */
export class VirtualClock implements Clock {
  #now = 0;
  #pending = 0;
  readonly #agenda = new StableHeap<Entry>();
  readonly #epochMs: number;

  constructor(epochMs: number = virtualEpochMs) {
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#epochMs + this.#now;
  }

  after(delayMs: number, run: () => void): Timer {
    assert(!Number.isNaN(delayMs), 'a timer needs a delay');
    // A timer that is never due must not keep a run from coming to its end.
    if (delayMs === Number.POSITIVE_INFINITY) return { cancel: () => {} };
    const entry: Entry = { run };
    this.#agenda.push(this.#now + Math.max(0, delayMs), entry);
    this.#pending += 1;
    return {
      cancel: () => {
        if (entry.run === undefined) return;
        entry.run = undefined;
        this.#pending -= 1;
      },
    };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** Timers set and neither fired nor cancelled. */
  get pending(): number {
    return this.#pending;
  }

  /** When the next live entry is due; undefined when there is none. */
  nextDue(): number | undefined {
    while (this.#pending > 0 && this.#agenda.peek()?.run === undefined) this.#agenda.pop();
    return this.#pending === 0 ? undefined : this.#agenda.peekKey();
  }

  /** Takes the next live entry if it is due by `untilMs`, moves time there and runs it. False when there is none. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    while (this.#pending > 0) {
      const due = this.#agenda.peekKey();
      if (due === undefined || due > untilMs) return false;
      const entry = this.#agenda.pop();
      if (entry?.run === undefined) continue;
      const { run } = entry;
      entry.run = undefined;
      this.#pending -= 1;
      this.#now = Math.max(this.#now, due);
      run();
      return true;
    }
    return false;
  }

  /** Runs everything due within `ms` from now and leaves time exactly there. */
  advance(ms: number): void {
    const until = this.#now + ms;
    while (this.step(until));
    this.#now = Math.max(this.#now, until);
  }
}
