// Delays between launches of one thing that keeps failing: exponential per key, reset by success. Pure state over the caller's clock.
import type { Backoff } from '../base/backoff.js';
import { backoffMs } from '../base/backoff.js';

interface Entry {
  failures: number;
  until: number;
}

/** Marathon's defaults: 1 s, growing by 1.15 up to 5 min. */
export const defaultLaunchDelay: Backoff = { baseMs: 1000, factor: 1.15, capMs: 300_000 };

/** When a key may be launched again. */
export class LaunchDelay {
  readonly #policy: Backoff;
  readonly #entries = new Map<string, Entry>();

  constructor(policy: Backoff = defaultLaunchDelay) {
    this.#policy = policy;
  }

  /** Counts a failure; returns when the next launch may be. */
  failed(key: string, now: number): number {
    const entry = this.#entries.get(key) ?? { failures: 0, until: now };
    entry.until = now + backoffMs(this.#policy, entry.failures);
    entry.failures += 1;
    this.#entries.set(key, entry);
    return entry.until;
  }

  /** Forgets the failures of a key. */
  succeeded(key: string): void {
    this.#entries.delete(key);
  }

  /** Milliseconds until `key` may be launched; 0 when it may be now. */
  waitMs(key: string, now: number): number {
    return Math.max(0, (this.#entries.get(key)?.until ?? now) - now);
  }

  failures(key: string): number {
    return this.#entries.get(key)?.failures ?? 0;
  }
}
