// How many must stay and how many may be while instances are replaced. In: a number of instances, an upgrade strategy. Out: bounds. Pure.
import type { UpgradeStrategy } from '../model/spec.js';

/** Bounds of a rolling restart. */
export interface RestartBounds {
  /** Fewer than these must not serve by our own doing. */
  readonly minHealthy: number;
  /** More than these must not be there, ending ones included. */
  readonly maxCapacity: number;
}

/** What `restartBounds` looks at. */
export interface RestartSituation {
  readonly resident: boolean;
  /** How many serve, or may do so for all that is known. */
  readonly serving: number;
  /** Whether nothing ends or may go at once, which would make room by itself. */
  readonly settled: boolean;
}

/**
 * `minHealthy = ceil(n · minimumHealthCapacity)`, `maxCapacity = floor(n · (1 + maximumOverCapacity))`. Where the two coincide and all serve, nothing could ever
 * begin: then one more may be there, or, as residents cannot have two of one volume, one less may serve.
 */
export function restartBounds(n: number, strategy: UpgradeStrategy, situation: RestartSituation): RestartBounds {
  const { resident, serving, settled } = situation;
  const minHealthy = Math.ceil(steady(n * strategy.minimumHealthCapacity));
  const maxCapacity = Math.floor(steady(n * (1 + strategy.maximumOverCapacity)));
  if (n === 0 || minHealthy !== maxCapacity || !settled || serving < maxCapacity) return { minHealthy, maxCapacity };
  return resident ? { minHealthy: minHealthy - 1, maxCapacity } : { minHealthy, maxCapacity: maxCapacity + 1 };
}

// 100 · 0.07 is 7.000000000000001 in doubles, and must not ask for 8.
function steady(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
