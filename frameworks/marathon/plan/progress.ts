// Where a deployment stands. In: its plan, which actions of the current step are done. Out: the next standing and what to tell of it. Pure.
import type { PathId } from '../model/path.js';
import type { DeploymentPlan, DeploymentStep } from './plan.js';

/** A running deployment. It is stored at each step, so that another leader goes on from there. */
export interface Standing {
  readonly planId: string;
  /** Index of the step in hand; the number of steps when all are done. */
  readonly step: number;
  readonly startedAt: number;
  /** When something last came closer to the end. */
  readonly progressAt: number;
  /** The fewest steps that were ever left of the step in hand; empty before the first look. */
  readonly left: string;
  readonly stalled: boolean;
  /** How many instances of a configuration that this deployment brings have failed by themselves, by run spec. */
  readonly failures: { readonly [runSpecId: PathId]: number };
  /** The deployment that this one takes back, and why it did so by itself; absent when nobody takes anything back. */
  readonly takesBack?: { readonly id: string; readonly why?: string };
}

/** What there is to tell, in order. */
export type Progress =
  | { readonly type: 'STEP_STARTED'; readonly step: number }
  | { readonly type: 'STEP_DONE'; readonly step: number }
  | { readonly type: 'STALLED'; readonly sinceMs: number }
  | { readonly type: 'DONE' };

/** Without progress for so long a deployment has stalled, in milliseconds. */
export const stalledMs = 300_000;

/** A deployment about to take its first step. */
export function beginning(plan: DeploymentPlan, now: number, takesBack?: Standing['takesBack']): Standing {
  const standing = {
    planId: plan.id,
    step: 0,
    startedAt: now,
    progressAt: now,
    left: '',
    stalled: false,
    failures: {},
  };
  return takesBack === undefined ? standing : { ...standing, takesBack };
}

/** The step in hand; undefined when all are done. */
export function currentStep(plan: DeploymentPlan, standing: Standing): DeploymentStep | undefined {
  return plan.steps[standing.step];
}

/**
 * The standing after a look at the current step: on to the next one when `done`. `left` is how many steps are left of all its actions (`workLeft`): fewer than ever
 * before is progress, anything else, such as an instance that fails and starts over and over, is not.
 */
export function advanced(
  plan: DeploymentPlan,
  standing: Standing,
  look: { readonly done: boolean; readonly left: number },
  now: number,
): { readonly standing: Standing; readonly progress: readonly Progress[] } {
  const { step } = standing;
  if (step >= plan.steps.length) return { standing, progress: [{ type: 'DONE' }] };
  if (look.done) {
    const next: Standing = { ...standing, step: step + 1, progressAt: now, left: '', stalled: false };
    const after: Progress =
      next.step < plan.steps.length ? { type: 'STEP_STARTED', step: next.step } : { type: 'DONE' };
    return { standing: next, progress: [{ type: 'STEP_DONE', step }, after] };
  }
  if (standing.left === '' || look.left < Number(standing.left)) {
    return { standing: { ...standing, left: String(look.left), progressAt: now, stalled: false }, progress: [] };
  }
  const sinceMs = now - standing.progressAt;
  if (standing.stalled || sinceMs < stalledMs) return { standing, progress: [] };
  return { standing: { ...standing, stalled: true }, progress: [{ type: 'STALLED', sinceMs }] };
}

/** When a deployment that does not move is to be looked at again. */
export function stallsAt(standing: Standing): number | undefined {
  return standing.stalled ? undefined : standing.progressAt + stalledMs;
}
