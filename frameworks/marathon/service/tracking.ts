// The SDK asks the master about every task it knows, over and over until there is an answer. In: instances an earlier process has left. Out: their tasks, made known to it.
import type { Framework, TaskState, TaskStatus } from 'proffer';
import { isTerminal } from '../machine/condition.js';
import type { Condition } from '../machine/condition.js';
import type { Instance } from '../machine/instance.js';

const states: { readonly [condition in Condition]?: TaskState } = {
  Unreachable: 'TASK_UNREACHABLE',
  UnreachableInactive: 'TASK_UNREACHABLE',
  Killing: 'TASK_KILLING',
  Starting: 'TASK_STARTING',
  Running: 'TASK_RUNNING',
};

/** Before the first subscription. */
export function trackTasks(framework: Pick<Framework, 'tasks' | 'env'>, instances: Iterable<Instance>): void {
  const { clock } = framework.env;
  for (const { tasks, place } of instances) {
    for (const { id: taskId, condition } of tasks) {
      if (isTerminal(condition)) continue;
      const status: TaskStatus = {
        taskId,
        state: states[condition] ?? 'TASK_STAGING',
        source: 'MASTER',
        timestampMs: clock.wallMs(),
        ...(place === undefined ? {} : { agentId: place.agentId }),
      };
      framework.tasks.update(status, clock.now());
    }
  }
}
