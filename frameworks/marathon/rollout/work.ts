// How far a rollout is from its end, as one number. In: what is wanted, what is there. Out: steps left; fewer is closer. Pure.
import { isActive, isUnreachable } from '../machine/condition.js';
import { isEnding, isServing } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';

/** Steps that one instance takes: to be made, launched, started, healthy, ready. */
const stagesAll = 5;

/** Steps of one that is to go: to be told, to be gone. */
const stepsToGo = 2;

/**
 * Steps left until `n` instances stand for which `isWanted`, and no others are there. Without it faults and flapping could pass for progress: only fewer steps than
 * ever before are.
 */
export function workLeft(
  n: number,
  instances: readonly Instance[],
  isWanted: (instance: Instance) => boolean,
  isReady: (instance: Instance) => boolean,
): number {
  const stages = Array.from({ length: stagesAll }, () => 0);
  let work = 0;
  for (const instance of instances) {
    if (isEnding(instance)) work += 1;
    else if (instance.goal !== 'Running' || (instance.condition === 'UnreachableInactive' && isWanted(instance)))
      continue;
    else if (isWanted(instance)) {
      const stage = stageOf(instance, isReady);
      stages[stage] = (stages[stage] ?? 0) + 1;
    } else work += stepsToGo;
  }
  let open = n;
  for (const [stage, count] of stages.entries()) {
    const used = Math.min(open, count);
    work += used * stage + (count - used) * stepsToGo;
    open -= used;
  }
  return work + open * stagesAll;
}

/** Steps that an instance has before it. */
function stageOf(instance: Instance, isReady: (instance: Instance) => boolean): number {
  const { condition } = instance;
  if (isServing(instance)) return isReady(instance) ? 0 : 1;
  if (condition === 'Running') return 2;
  return isActive(condition) && !isUnreachable(condition) ? 3 : 4;
}
