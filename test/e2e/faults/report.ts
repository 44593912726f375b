// What a drill hands in: faults injected, what was checked, what was lost, times beside those expected.

export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail?: string;
}

export interface Timing {
  readonly what: string;
  readonly ms: number;
  /** What the fault matrix allows. */
  readonly limitMs: number;
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
    this.times.push({ what, ms, limitMs });
    this.#say(`${what}: ${ms} ms (at most ${limitMs})`);
    return value;
  }

  get passed(): boolean {
    return (
      this.checks.every(({ ok }) => ok) &&
      this.times.every(({ ms, limitMs }) => ms <= limitMs) &&
      this.lost.length === 0 &&
      // A drill that did nothing has shown nothing.
      Object.keys(this.injected).length > 0 &&
      this.checks.length > 0
    );
  }
}
