// Tasks and instances that nobody asked for. In: a status, what is known. Out: ignored, or ended on purpose. Pure.
import type { TaskStatus } from 'proffer';
import { conditionOf, isActive } from './condition.js';
import { parseTaskId } from './ids.js';
import type { InstanceId } from './ids.js';
import type { Instance } from './instance.js';

/**
 * Whose a status is. `KNOWN`: the machine of that instance decides, which also takes back a task that it had given up. `KILL`: it runs, and no record of ours
 * tells of it; it must not go on unseen. `IGNORE`: it has ended or cannot be reached.
 */
export type Ownership =
  | { readonly type: 'KNOWN'; readonly instanceId: InstanceId }
  | { readonly type: 'KILL' }
  | { readonly type: 'IGNORE' };

/** Whose the task of `status` is. */
export function ownershipOf(status: TaskStatus, isKnown: (id: InstanceId) => boolean): Ownership {
  const parts = parseTaskId(status.taskId);
  if (parts !== undefined && isKnown(parts.instanceId)) return { type: 'KNOWN', instanceId: parts.instanceId };
  return isActive(conditionOf(status)) ? { type: 'KILL' } : { type: 'IGNORE' };
}

/** Instances that are wanted, but whose run spec is gone: to be decommissioned. */
export function orphansOf(instances: Iterable<Instance>, exists: (runSpecId: string) => boolean): Instance[] {
  const orphans: Instance[] = [];
  for (const instance of instances) {
    if (instance.goal !== 'Decommissioned' && !exists(instance.runSpecId)) orphans.push(instance);
  }
  return orphans;
}
