// `tasksStaged`, `tasksRunning`, `tasksHealthy`, `tasksUnhealthy`. In: the instances of an app. Out: numbers. Pure.
import type { Instance } from '../machine/instance.js';

/** Numbers of instances; those without health checks are neither healthy nor unhealthy. */
export interface TaskCounts {
  /** On their way to run. */
  readonly tasksStaged: number;
  readonly tasksRunning: number;
  /** Running, and all checks say yes. */
  readonly tasksHealthy: number;
  /** Running, and a check says no. */
  readonly tasksUnhealthy: number;
}

export function taskCounts(instances: Iterable<Instance>): TaskCounts {
  let tasksStaged = 0;
  let tasksRunning = 0;
  let tasksHealthy = 0;
  let tasksUnhealthy = 0;
  for (const { condition, hasHealthChecks, healthy } of instances) {
    if (condition === 'Provisioned' || condition === 'Staging' || condition === 'Starting') tasksStaged += 1;
    if (condition !== 'Running') continue;
    tasksRunning += 1;
    if (hasHealthChecks && healthy === true) tasksHealthy += 1;
    if (hasHealthChecks && healthy === false) tasksUnhealthy += 1;
  }
  return { tasksStaged, tasksRunning, tasksHealthy, tasksUnhealthy };
}
