// Instances and tasks with some fields changed, put together field by field: ten thousand of them share a few hidden classes, where spreads give each its own. Pure.
import type { Instance, InstanceTask } from './instance.js';

/** Fields to change; undefined ones are left out of the result. */
export type Changes<T> = { readonly [key in keyof T]?: T[key] | undefined };

type Mutable<T> = { -readonly [key in keyof T]: T[key] };

/** `instance` with `changes`. */
export function revised(instance: Instance, changes: Changes<Instance>): Instance {
  const all = { ...instance, ...changes } as Changes<Instance> & Instance;
  const out: Mutable<Instance> = {
    id: all.id,
    runSpecId: all.runSpecId,
    role: all.role,
    goal: all.goal,
    condition: all.condition,
    since: all.since,
    incarnation: all.incarnation,
    runSpecVersion: all.runSpecVersion,
    configVersion: all.configVersion,
    hasHealthChecks: all.hasHealthChecks,
    unreachableStrategy: all.unreachableStrategy,
    tasks: all.tasks,
  };
  if (all.place !== undefined) out.place = all.place;
  if (all.activeSince !== undefined) out.activeSince = all.activeSince;
  if (all.healthy !== undefined) out.healthy = all.healthy;
  if (all.reservation !== undefined) out.reservation = all.reservation;
  if (all.unreachableSince !== undefined) out.unreachableSince = all.unreachableSince;
  if (all.killedAt !== undefined) out.killedAt = all.killedAt;
  if (all.lost !== undefined) out.lost = all.lost;
  return out;
}

/** `task` with `changes`. */
export function revisedTask(
  task: Pick<InstanceTask, 'id' | 'hostPorts' | 'container'> & Changes<InstanceTask>,
  changes: Changes<InstanceTask> & Pick<InstanceTask, 'condition' | 'stagedAt'>,
): InstanceTask {
  const all = { ...task, ...changes };
  const out: Mutable<InstanceTask> = {
    id: task.id,
    condition: changes.condition,
    stagedAt: changes.stagedAt,
    hostPorts: task.hostPorts,
  };
  if (task.container !== undefined) out.container = task.container;
  if (all.startedAt !== undefined) out.startedAt = all.startedAt;
  if (all.healthy !== undefined) out.healthy = all.healthy;
  if (all.ip !== undefined) out.ip = all.ip;
  if (all.message !== undefined) out.message = all.message;
  return out;
}
