// What is known of the checks of a task. In: the task, results so far. Out: which checks it has, where each begins, whether it is healthy. Pure.
import type { HealthCheckInfo, HealthStatus, TaskInfo, TaskStatus } from '../protocol/entities.js';
import { emptyResult } from './probe.js';

/** All health checks of a task: `healthCheck`, then `healthChecks`. */
export function healthChecksOf({ healthCheck, healthChecks = [] }: TaskInfo): readonly HealthCheckInfo[] {
  return healthCheck === undefined ? healthChecks : [healthCheck, ...healthChecks];
}

/** Whether the last look succeeded; undefined before one that counts. */
export function isHealthy({ consecutiveFailures, firstSuccessMs }: HealthStatus): boolean | undefined {
  if (consecutiveFailures > 0) return false;
  return firstSuccessMs === undefined ? undefined : true;
}

/** Before the first look. */
export const noHealth: HealthStatus = { consecutiveFailures: 0 };

/** What is known of a task's checks before the first look: none of what it does not have. */
export function emptyResults(task: TaskInfo): Pick<TaskStatus, 'check' | 'checks' | 'health'> {
  const { check, checks } = task;
  const health = healthChecksOf(task).map(() => noHealth);
  return {
    ...(check === undefined ? {} : { check: emptyResult(check.probe) }),
    ...(checks === undefined ? {} : { checks: checks.map(({ probe }) => emptyResult(probe)) }),
    ...(health.length === 0 ? {} : { health }),
  };
}
