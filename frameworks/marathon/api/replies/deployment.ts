// Running deployments as `/v2/deployments` tells them, with what each waits for. In: the view. Out: Marathon's JSON, and `waitingFor` of our own.
import { runSpecAt } from '../../model/group.js';
import { timeOf } from '../../model/json/parts.js';
import type { PathId } from '../../model/path.js';
import { present } from '../../model/present.js';
import { actionJson, stepsJson } from '../../plan/action-json.js';
import type { DeploymentAction } from '../../plan/plan.js';
import type { Deployment } from '../../records/deployment.js';
import { describeWaiting } from '../../rollout/waiting.js';
import type { WaitingFor } from '../../rollout/waiting.js';
import type { MarathonView } from '../../service/marathon.js';

export function deploymentJson(view: MarathonView, { plan, standing }: Deployment): object {
  const waiting = view.waitingFor(plan.id);
  const steps = stepsJson(plan);
  const affected = [...plan.runSpecs].map(([id, { before, after }]) => ({ id, kind: (after ?? before)?.kind }));
  const current = plan.steps[standing.step]?.actions ?? [];
  return {
    id: plan.id,
    version: timeOf(plan.version),
    affectedApps: affected.filter(({ kind }) => kind !== 'pod').map(({ id }) => id),
    affectedPods: affected.filter(({ kind }) => kind === 'pod').map(({ id }) => id),
    steps,
    currentActions: current.map(action => ({
      ...actionJson(plan, action),
      readinessCheckResults: readinessOf(view, action),
      waitingFor: (waiting.get(action.runSpecId) ?? []).map(waitingJson),
    })),
    // Counted from 1.
    currentStep: Math.min(standing.step + 1, steps.length),
    totalSteps: steps.length,
    waitingFor: waitingLines(waiting),
    stalled: standing.stalled,
    ...(standing.takesBack === undefined ? {} : { takesBack: standing.takesBack }),
  };
}

/** For people: `/web: 2 instances to be healthy`. */
function waitingLines(waiting: ReadonlyMap<PathId, readonly WaitingFor[]>): string[] {
  return [...waiting].filter(([, each]) => each.length > 0).map(([id, each]) => `${id}: ${describeWaiting(each)}`);
}

function waitingJson({ kind, count, instanceIds, since, why }: WaitingFor): object {
  return present({ kind, count, instanceIds, since: timeOf(since), why });
}

function readinessOf(view: MarathonView, { runSpecId }: DeploymentAction): object[] {
  const spec = runSpecAt(view.root, runSpecId);
  return spec === undefined ? [] : view.health.readinessResultsOf(view.instancesOf(runSpecId), spec);
}
