// How long a run spec that keeps ending waits before its next start. In: ends, starts, its strategy. Out: a delay as a value. Pure.
import type { BackoffStrategy } from '../model/spec.js';

/** A delay; none at all is `undefined`. One per run spec and configuration (`backoffKeyOf`): another configuration starts afresh. */
export interface Delay {
  /** What it is counted from. */
  readonly since: number;
  readonly delayMs: number;
  readonly maxMs: number;
}

/** After an end that counts: the first waits `backoffMs`, each further one `factor` times as long as the last, up to the maximum. */
export function afterFailure(delay: Delay | undefined, strategy: BackoffStrategy, now: number): Delay {
  const { backoffMs, factor, maxLaunchDelayMs: maxMs } = strategy;
  return { since: now, delayMs: Math.min(maxMs, delay === undefined ? backoffMs : delay.delayMs * factor), maxMs };
}

/** After a start that came to run: the same delay, counted from now. */
export function afterStart(delay: Delay | undefined, now: number): Delay | undefined {
  return delay === undefined ? undefined : { ...delay, since: now };
}

/** When the next start may be. */
export function launchableAt(delay: Delay | undefined, now: number): number {
  return delay === undefined ? now : delay.since + delay.delayMs;
}

/** Milliseconds until then; 0 when it may be now. */
export function waitMs(delay: Delay | undefined, now: number): number {
  return Math.max(0, launchableAt(delay, now) - now);
}

/** Whether nothing went wrong for so long that failures are forgotten: its delay and the maximum have passed. */
export function isForgotten({ since, delayMs, maxMs }: Delay, now: number): boolean {
  return now > since + delayMs + maxMs;
}
