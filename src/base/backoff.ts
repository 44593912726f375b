// Exponential backoff as a pure function of the attempt, with or without full jitter.

/** Delay policy: `baseMs · factor^(attempt)` capped at `capMs`. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
  readonly factor: number;
}

/** Upper bound of the delay before retry number `attempt` (0 is the first retry). */
export function backoffMs(policy: Backoff, attempt: number): number {
  return Math.min(policy.capMs, policy.baseMs * policy.factor ** Math.min(attempt, 64));
}

/**
 * Full jitter by time instead of attempts: uniform in [0, bound), where the bound is `baseMs + factor · elapsedMs` (capped at `capMs`) and `elapsedMs`
 * passed since the trouble began. On average as many attempts as with `jitteredMs`, but who happened to wait little does not wait long for it then:
 * once the trouble is over, everybody is back within the base and `factor` times as long as it lasted.
 */
export function jitteredSinceMs(policy: Backoff, elapsedMs: number, unit: number): number {
  return Math.floor(unit * Math.min(policy.capMs, policy.baseMs + policy.factor * elapsedMs));
}

/** Full jitter: uniform in [0, bound). `unit` is a draw from [0, 1). Source: AWS architecture blog, "Exponential backoff and jitter". */
export function jitteredMs(policy: Backoff, attempt: number, unit: number): number {
  return Math.floor(unit * backoffMs(policy, attempt));
}
