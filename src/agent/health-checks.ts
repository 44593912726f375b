// Checks and health checks of one running task as streams of events for its machine; time comes from the given scheduler.
// In: what to check, and whom. Out: CHECK when the result changed; HEALTH at each failure and each first success; UNHEALTHY at the limit.
import { merged } from '../base/merged.js';
import { concatMap, distinctUntilChanged, exhaustMap, from, map, scan, skip, startWith, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import type { CheckInfo, CheckStatus, HealthCheckInfo, HealthStatus } from '../protocol/entities.js';
import { isHealthy } from './health.js';
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
  /** Of `checks[index]`; without an index, of `check`. */
  | { readonly type: 'CHECK'; readonly check: CheckStatus; readonly index?: number }
  /** Of the health check at this index of `healthChecksOf`. */
  | { readonly type: 'HEALTH'; readonly index: number; readonly health: HealthStatus; readonly message: string }
  | { readonly type: 'UNHEALTHY'; readonly message: string };

/** Results for the framework, each time they change; what it knows at first is the empty one. */
export function checkVerdicts$(
  info: CheckInfo,
  subject: ProbeSubject,
  scheduler: SchedulerLike,
  index?: number,
): Observable<Verdict> {
  return looks$(info, subject, scheduler).pipe(
    map(result => result.status),
    startWith(emptyResult(info.probe)),
    distinctUntilChanged(sameResult),
    skip(1),
    map((check): Verdict => (index === undefined ? { type: 'CHECK', check } : { type: 'CHECK', check, index })),
  );
}

interface Health {
  readonly status: HealthStatus;
  readonly verdicts: readonly Verdict[];
}

/** Which health check of its task it is, how it stood before, and what time people have. */
export interface HealthContext {
  readonly index: number;
  readonly before: HealthStatus;
  readonly wallMs: () => number;
}

/** Healthy or not. Failures within the grace period count only after a first success. `consecutiveFailures` 0: it is never given up. */
export function healthVerdicts$(
  info: HealthCheckInfo,
  subject: ProbeSubject,
  scheduler: SchedulerLike,
  { index, before, wallMs }: HealthContext,
): Observable<Verdict> {
  const graceUntil = scheduler.now() + (info.gracePeriodMs ?? checkDefaults.gracePeriodMs);
  const limit = info.consecutiveFailures ?? checkDefaults.consecutiveFailures;
  const start: Health = { status: before, verdicts: [] };
  return looks$(info, subject, scheduler).pipe(
    scan(({ status }, { ok, message }) => {
      const now = wallMs();
      if (ok) return succeeded(status, index, now, message);
      const inGrace = scheduler.now() < graceUntil && status.firstSuccessMs === undefined;
      return inGrace ? { status, verdicts: [] } : failed(status, index, now, message, limit);
    }, start),
    concatMap(health => from(health.verdicts)),
  );
}

function succeeded(status: HealthStatus, index: number, now: number, message: string): Health {
  if (isHealthy(status) === true) return { status, verdicts: [] };
  const health: HealthStatus = merged(status, {
    consecutiveFailures: 0,
    firstSuccessMs: status.firstSuccessMs ?? now,
    lastSuccessMs: now,
  });
  return { status: health, verdicts: [{ type: 'HEALTH', index, health, message }] };
}

function failed(status: HealthStatus, index: number, now: number, message: string, limit: number): Health {
  const failures = status.consecutiveFailures + 1;
  const health: HealthStatus = merged(status, {
    consecutiveFailures: failures,
    lastFailureMs: now,
    lastFailureCause: message,
  });
  const verdicts: Verdict[] = [{ type: 'HEALTH', index, health, message }];
  if (limit > 0 && failures >= limit)
    verdicts.push({
      type: 'UNHEALTHY',
      message:
        failures === 1
          ? `the health check failed: ${message}`
          : `${failures} health checks failed in a row; the last: ${message}`,
    });
  return { status: health, verdicts };
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
