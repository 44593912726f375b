// When an instance has to be looked at again although nothing happens to it. In: an instance. Out: a time. Pure.
import { isActive, isUnreachable } from './condition.js';
import { defaultInstanceTimes } from './events.js';
import type { InstanceTimes } from './events.js';
import type { Instance } from './instance.js';

/** When DUE is to be said to an instance; undefined for never. It may lie in the past. */
export function dueAt(instance: Instance, times: InstanceTimes = defaultInstanceTimes): number | undefined {
  const { condition, since, killedAt, unreachableSince, unreachableStrategy: strategy } = instance;
  if (isUnreachable(condition)) {
    if (strategy === 'disabled' || unreachableSince === undefined) return undefined;
    if (condition === 'Unreachable') return unreachableSince + strategy.inactiveAfterMs;
    return instance.reservation === undefined ? unreachableSince + strategy.expungeAfterMs : undefined;
  }
  if (!isActive(condition)) return undefined;
  if (killedAt !== undefined) return killedAt + times.killRetryMs;
  if (condition === 'Provisioned') return since + times.launchConfirmMs;
  return condition === 'Staging' ? since + times.launchMs : undefined;
}
