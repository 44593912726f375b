// Actions as replies and events tell them. In: a plan. Out: Marathon's words. Pure.
import type { PathId } from '../model/path.js';
import { runSpecOf } from './plan.js';
import type { ActionType, DeploymentAction, DeploymentPlan } from './plan.js';

/** Names as in `/v2/deployments`. */
export type ActionName = `${ActionType}${'Application' | 'Pod'}`;

/** One action as in `/v2/deployments`. */
export type ActionJson =
  | { readonly action: ActionName; readonly app: PathId }
  | { readonly action: ActionName; readonly pod: PathId };

export function actionJson(plan: DeploymentPlan, action: DeploymentAction): ActionJson {
  const { type, runSpecId } = action;
  return runSpecOf(plan, action)?.kind === 'pod'
    ? { action: `${type}Pod`, pod: runSpecId }
    : { action: `${type}Application`, app: runSpecId };
}

/** All steps as in `/v2/deployments` and in a dry run. */
export function stepsJson(plan: DeploymentPlan): { readonly actions: readonly ActionJson[] }[] {
  return plan.steps.map(({ actions }) => ({ actions: actions.map(action => actionJson(plan, action)) }));
}
