// When a deployment takes itself back. In: its plan, where it stands, how often what it brought has failed, what it waits for. Out: why, or not. Pure.
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import type { RollbackPolicy } from '../model/spec.js';
import type { DeploymentPlan } from './plan.js';
import { currentStep } from './progress.js';
import type { Standing } from './progress.js';

/** Why, for people and events. */
export interface RollbackReason {
  readonly runSpecId: PathId;
  readonly why: string;
}

/**
 * Why a deployment is to be taken back; undefined when it is not. One that takes another back stays, whatever happens: there is nothing behind it. `isTimed`
 * says of a run spec of the step in hand whether all it waits for is time, which is no standstill.
 */
export function rollbackDue(
  plan: DeploymentPlan,
  standing: Standing,
  isTimed: (id: PathId) => boolean,
  now: number,
): RollbackReason | undefined {
  if (standing.takesBack !== undefined) return undefined;
  for (const { runSpecId, policy } of policiesOf(plan, standing)) {
    const failures = standing.failures[runSpecId] ?? 0;
    if (failures >= policy.failures) {
      const what = failures === 1 ? '1 new instance has failed' : `${failures} new instances have failed`;
      return { runSpecId, why: `${what}, ${policy.failures} may not` };
    }
    const stillMs = now - standing.progressAt;
    if (stillMs >= policy.deadlineMs && !isTimed(runSpecId))
      return { runSpecId, why: `nothing has come closer to the end for ${policy.deadlineMs / 1000} s` };
  }
  return undefined;
}

/** When a deployment may be taken back because nothing moves; undefined when it never is. */
export function rollbackAt(plan: DeploymentPlan, standing: Standing): number | undefined {
  if (standing.takesBack !== undefined) return undefined;
  const deadlines = policiesOf(plan, standing).map(({ policy }) => standing.progressAt + policy.deadlineMs);
  return deadlines.length === 0 ? undefined : Math.min(...deadlines);
}

/** The standing after an instance has failed by itself; the same when it was of a configuration that the deployment does not bring. */
export function withFailure(
  plan: DeploymentPlan,
  standing: Standing,
  { runSpecId, configVersion }: { readonly runSpecId: PathId; readonly configVersion: number },
): Standing {
  const change = plan.runSpecs.get(runSpecId);
  if (change?.after?.versionInfo.lastConfigChangeAt !== configVersion) return standing;
  // What is only scaled is what it was before: taking back would not make it better.
  if (change.before?.versionInfo.lastConfigChangeAt === configVersion) return standing;
  const failures = (standing.failures[runSpecId] ?? 0) + 1;
  return { ...standing, failures: { ...standing.failures, [runSpecId]: failures } };
}

// Of what is new there is nothing to go back to, and what a later step brings has not begun.
function policiesOf(
  plan: DeploymentPlan,
  standing: Standing,
): { readonly runSpecId: PathId; readonly policy: RollbackPolicy }[] {
  const actions = currentStep(plan, standing)?.actions ?? [];
  return actions.flatMap(({ type, runSpecId }) => {
    const change = plan.runSpecs.get(runSpecId);
    const policy = policyOf(change?.after);
    return type !== 'Restart' || change?.before === undefined || policy === undefined ? [] : [{ runSpecId, policy }];
  });
}

function policyOf(spec: RunSpec | undefined): RollbackPolicy | undefined {
  return spec?.upgradeStrategy.rollback;
}
