// What a benchmark gives and is given: rows, options, and the arithmetic of times.
import { build } from 'hdr-histogram-js';

/** One measured number. */
export interface BenchRow {
  /** `benchmark/what`. */
  readonly name: string;
  readonly params: BenchParams;
  readonly value: number;
  readonly unit: string;
}

export interface BenchParams {
  readonly [name: string]: number | string;
}

export interface BenchOptions {
  /** Few and small rounds, to see that it runs. */
  readonly quick?: boolean;
  /** All sizes there are, however long it takes. */
  readonly full?: boolean;
  /** Hears, in words, where a long benchmark is. */
  readonly progress?: (text: string) => void;
}

/** A row with a number that is worth reading: at most two decimals, more below 1. */
export function row(name: string, params: BenchParams, value: number, unit: string): BenchRow {
  const decimals = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 4;
  return { name, params, value: Number(value.toFixed(decimals)), unit };
}

/** The middle one, the upper of two. NaN without values. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Durations with percentiles, within 0.1 % from 1 µs to an hour. */
export class Durations {
  readonly #histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });

  add(ms: number, count = 1): void {
    if (count > 0) this.#histogram.recordValueWithCount(Math.max(1, Math.round(ms * 1000)), count);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Milliseconds that `percent` % of the durations did not exceed. */
  at(percent: number): number {
    return this.#histogram.getValueAtPercentile(percent) / 1000;
  }

  /** One row for each percentile. */
  rows(name: string, params: BenchParams, percents: readonly number[]): BenchRow[] {
    return percents.map(percent => row(`${name} p${percent}`, params, this.at(percent), 'ms'));
  }
}
