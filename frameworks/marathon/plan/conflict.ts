// Who may go on beside whom. In: a plan and those that run. Out: those that touch the same run specs. Pure.
import type { PathId } from '../model/path.js';
import { affectedIds } from './plan.js';
import type { DeploymentPlan } from './plan.js';

/** The running plans that share a run spec with `plan`; without them it may begin at once. */
export function conflictsWith(plan: DeploymentPlan, running: Iterable<DeploymentPlan>): DeploymentPlan[] {
  return [...running].filter(other => other.id !== plan.id && sharesRunSpec(plan, other));
}

/** The running plans that touch any of `ids`. */
export function plansOn(ids: Iterable<PathId>, running: Iterable<DeploymentPlan>): DeploymentPlan[] {
  const wanted = [...ids];
  return [...running].filter(plan => wanted.some(id => plan.runSpecs.has(id)));
}

function sharesRunSpec(a: DeploymentPlan, b: DeploymentPlan): boolean {
  const [small, large] = a.runSpecs.size <= b.runSpecs.size ? [a, b] : [b, a];
  for (const id of affectedIds(small)) if (large.runSpecs.has(id)) return true;
  return false;
}
