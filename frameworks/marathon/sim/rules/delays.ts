// G8: what keeps failing waits longer each time before its next start. In: ends of tasks, turns. Out: reports.
import type { TaskStatus } from 'proffer';
import { isTerminal } from '../../machine/condition.js';
import type { PathId } from '../../model/path.js';
import { runSpecAt } from '../../model/group.js';
import type { MarathonService } from '../../service/service.js';
import type { Request } from '../users.js';
import type { Report, Rule, Turn } from './rule.js';

/** Failures in a row of one configuration of an app. */
interface Failures {
  count: number;
  /** What the next delay is counted from: the last failure, or start after it. */
  since: number;
  delayMs: number;
  maxMs: number;
}

const failing: ReadonlySet<TaskStatus['state']> = new Set([
  'TASK_FAILED',
  'TASK_FINISHED',
  'TASK_ERROR',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

export class DelaysRule implements Rule {
  readonly name = 'G8 delays';
  readonly counts = { failures: 0, delayed: 0, longest: 0 };
  readonly #failures = new Map<string, Failures>();

  /** Delays begin anew with the process. */
  began(): void {
    this.#failures.clear();
  }

  asked(request: Request): void {
    const reset = request.type === 'RESET_DELAY' ? request.id : request.type === 'CHANGE' ? '/' : undefined;
    if (reset === undefined) return;
    for (const key of this.#failures.keys()) {
      const id = key.slice(0, key.lastIndexOf('@'));
      const isGone = request.type === 'CHANGE' && runSpecAt(request.after, id) === undefined;
      if (id === reset || isGone) this.#failures.delete(key);
    }
  }

  heard(status: TaskStatus, service: MarathonService, now: number): void {
    const instance = service.instanceOfTask(status.taskId);
    const task = instance?.tasks.find(({ id }) => id === status.taskId);
    if (instance === undefined || task === undefined || isTerminal(task.condition) || instance.goal !== 'Running')
      return;
    if (!failing.has(status.state) || instance.tasks.length > 1 || !isAimed(service, instance)) return;
    const { backoffMs, factor, maxLaunchDelayMs: maxMs } = service.specOf(instance).backoff;
    const key = keyOf(instance);
    const last = this.#failures.get(key);
    const forgotten = last === undefined || isForgotten(last, now);
    this.counts.failures += 1;
    const count = forgotten ? 1 : last.count + 1;
    this.counts.longest = Math.max(this.counts.longest, count);
    this.#failures.set(key, { count, maxMs, since: now, delayMs: Math.min(maxMs, backoffMs * factor ** (count - 1)) });
  }

  turned({ changes, now }: Turn, report: Report): void {
    for (const { before, after } of changes) {
      if (after === undefined || after.goal !== 'Running') continue;
      const last = this.#failures.get(keyOf(after));
      if (last === undefined) continue;
      if (after.incarnation > (before?.incarnation ?? 0)) {
        this.counts.delayed += 1;
        if (now < last.since + last.delayMs - 1)
          report(
            `${after.id} starts ${now - last.since} ms after failure ${last.count} of ${after.runSpecId}, ${last.delayMs} ms are to pass`,
          );
      }
      if (after.condition !== 'Running' || before?.activeSince !== undefined) continue;
      if (isForgotten(last, now)) this.#failures.delete(keyOf(after));
      else last.since = now;
    }
  }
}

function isForgotten({ since, delayMs, maxMs }: Failures, now: number): boolean {
  return now > since + delayMs + maxMs;
}

function keyOf({ runSpecId, configVersion }: { readonly runSpecId: PathId; readonly configVersion: number }): string {
  return `${runSpecId}@${configVersion}`;
}

// What gives way to another configuration does not delay that.
function isAimed(
  service: MarathonService,
  { runSpecId, configVersion }: { readonly runSpecId: PathId; readonly configVersion: number },
): boolean {
  if (service.deploymentsOf(runSpecId).length > 0) return false;
  return runSpecAt(service.root, runSpecId)?.versionInfo.lastConfigChangeAt === configVersion;
}
