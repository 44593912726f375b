// What a drill hands in: faults injected, what was checked, what was lost, times beside those expected.
import { availableParallelism, loadavg } from 'node:os';

export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail?: string;
}

export interface Timing {
  readonly what: string;
  readonly ms: number;
  /** What is expected of a machine that has nothing else to do. */
  readonly limitMs: number;
  /** What was allowed, as this one had. */
  readonly allowedMs: number;
}

/** Gathers what a drill finds; it goes on after a check that fails, so that all of them are told. */
export class Report {
  readonly injected: Record<string, number> = {};
  readonly checks: Check[] = [];
  readonly times: Timing[] = [];
  readonly lost: string[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  fault(what: string, count = 1): void {
    this.injected[what] = (this.injected[what] ?? 0) + count;
    this.#say(`fault: ${what}`);
  }

  check(what: string, ok: boolean, detail?: string): void {
    this.checks.push(detail === undefined ? { what, ok } : { what, ok, detail });
    if (!ok) this.#say(`BROKEN: ${what}${detail === undefined ? '' : `: ${detail}`}`);
  }

  /** Each of `expected` is in `found`; what is not is lost. */
  nothingLost(what: string, expected: Iterable<string>, found: Iterable<string>): void {
    const there = new Set(found);
    const all = [...expected];
    const missing = all.filter(one => !there.has(one));
    this.lost.push(...missing.map(one => `${what}: ${one}`));
    this.check(`${what}: all ${all.length} there`, missing.length === 0, missing.slice(0, 5).join(', '));
  }

  /** How long `wait` takes, which must not be more than `limitMs`. */
  async within<T>(what: string, limitMs: number, wait: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const value = await wait();
    const ms = Math.round(performance.now() - begun);
    const allowedMs = Math.round(limitMs * crowding());
    this.times.push({ what, ms, limitMs, allowedMs });
    this.#say(`${what}: ${ms} ms (at most ${limitMs}${allowedMs > limitMs ? `; ${allowedMs} on a busy machine` : ''})`);
    return value;
  }

  get passed(): boolean {
    return (
      this.checks.every(({ ok }) => ok) &&
      this.times.every(({ ms, allowedMs }) => ms <= allowedMs) &&
      this.lost.length === 0 &&
      // A drill that did nothing has shown nothing.
      Object.keys(this.injected).length > 0 &&
      this.checks.length > 0
    );
  }
}

/** How many times more there was to do in the last minute than the machine has cores for, from 1 to 5. What we expect takes that much longer. */
export function crowding(): number {
  return Math.min(5, Math.max(1, (loadavg()[0] ?? 0) / availableParallelism()));
}
