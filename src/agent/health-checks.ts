// Checks and health checks of one running task as streams of events for its machine; time comes from the given scheduler.
// In: what to check, and whom. Out: CHECK when the result changed; HEALTH at each failure and each first success; UNHEALTHY at the limit.
import { concatMap, distinctUntilChanged, exhaustMap, from, map, scan, skip, startWith, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import type { CheckInfo, CheckStatus, HealthCheckInfo } from '../protocol/entities.js';
import type { ProbeResult, ProbeSubject } from './probe.js';
import { emptyResult, look } from './probe.js';

/** Mesos's defaults. */
export const checkDefaults = {
  delayMs: 15_000,
  intervalMs: 10_000,
  timeoutMs: 20_000,
  gracePeriodMs: 10_000,
  consecutiveFailures: 3,
} as const;

/** What checking says of a task. */
export type Verdict =
  | { readonly type: 'CHECK'; readonly check: CheckStatus }
  | { readonly type: 'HEALTH'; readonly healthy: boolean; readonly message: string }
  | { readonly type: 'UNHEALTHY'; readonly message: string };

/** Results for the framework, each time they change; what it knows at first is the empty one. */
export function checkVerdicts$(info: CheckInfo, subject: ProbeSubject, scheduler: SchedulerLike): Observable<Verdict> {
  return looks$(info, subject, scheduler).pipe(
    map(result => result.status),
    startWith(emptyResult(info.probe)),
    distinctUntilChanged(sameResult),
    skip(1),
    map(check => ({ type: 'CHECK', check })),
  );
}

interface Health {
  readonly failures: number;
  readonly everHealthy: boolean;
  readonly verdicts: readonly Verdict[];
}

/** Healthy or not. Failures within the grace period count only after a first success. `consecutiveFailures` 0: it is never given up. */
export function healthVerdicts$(
  info: HealthCheckInfo,
  subject: ProbeSubject,
  scheduler: SchedulerLike,
): Observable<Verdict> {
  const graceUntil = scheduler.now() + (info.gracePeriodMs ?? checkDefaults.gracePeriodMs);
  const limit = info.consecutiveFailures ?? checkDefaults.consecutiveFailures;
  const start: Health = { failures: 0, everHealthy: false, verdicts: [] };
  return looks$(info, subject, scheduler).pipe(
    scan((health, result) => nextHealth(health, result, limit, scheduler.now() < graceUntil), start),
    concatMap(health => from(health.verdicts)),
  );
}

function nextHealth(health: Health, { ok, message }: ProbeResult, limit: number, inGrace: boolean): Health {
  if (ok) {
    const news = !health.everHealthy || health.failures > 0;
    return { failures: 0, everHealthy: true, verdicts: news ? [{ type: 'HEALTH', healthy: true, message }] : [] };
  }
  if (inGrace && !health.everHealthy) return { ...health, verdicts: [] };
  const failures = health.failures + 1;
  const verdicts: Verdict[] = [{ type: 'HEALTH', healthy: false, message }];
  if (limit > 0 && failures >= limit)
    verdicts.push({
      type: 'UNHEALTHY',
      message:
        failures === 1
          ? `the health check failed: ${message}`
          : `${failures} health checks failed in a row; the last: ${message}`,
    });
  return { ...health, failures, verdicts };
}

// A look that takes longer than the interval is not overtaken.
function looks$(info: CheckInfo, subject: ProbeSubject, scheduler: SchedulerLike): Observable<ProbeResult> {
  const intervalMs = Math.max(1, info.intervalMs ?? checkDefaults.intervalMs);
  return timer(info.delayMs ?? checkDefaults.delayMs, intervalMs, scheduler).pipe(
    exhaustMap(() => look(info.probe, subject, info.timeoutMs ?? checkDefaults.timeoutMs, scheduler)),
  );
}

function sameResult(a: CheckStatus, b: CheckStatus): boolean {
  switch (a.type) {
    case 'COMMAND':
      return b.type === 'COMMAND' && a.exitCode === b.exitCode;
    case 'HTTP':
      return b.type === 'HTTP' && a.statusCode === b.statusCode;
    case 'TCP':
      return b.type === 'TCP' && a.succeeded === b.succeeded;
    default:
      return false;
  }
}
