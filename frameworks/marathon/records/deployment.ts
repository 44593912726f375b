// A deployment as records: a small head, written again at each step, and its plan in parts that never change. In: a plan. Out: items, and back. Pure.
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import type { InstanceId } from '../machine/ids.js';
import type { GroupChange, RunSpecChange } from '../plan/changes.js';
import type { DeploymentAction, DeploymentPlan } from '../plan/plan.js';
import type { Standing } from '../plan/progress.js';

/** A running deployment. */
export interface Deployment {
  readonly plan: DeploymentPlan;
  readonly standing: Standing;
}

/** What is written at each step. */
export interface DeploymentHead {
  /** Of the tree it leads to. */
  readonly version: number;
  /** How many records its plan is in. */
  readonly parts: number;
  readonly standing: Standing;
}

/** One piece of a plan, none larger than a few lines: a plan for thousands of apps is many of them. Definitions are named by their versions. */
export type PlanItem =
  /** Of a Scale, what is to be killed follows in KILL items. */
  | { readonly type: 'ACTION'; readonly step: number; readonly action: DeploymentAction }
  | { readonly type: 'KILL'; readonly step: number; readonly runSpecId: PathId; readonly ids: readonly InstanceId[] }
  | { readonly type: 'RUN_SPEC'; readonly id: PathId; readonly before?: number; readonly after?: number }
  | { readonly type: 'GROUP'; readonly change: GroupChange };

/** Lines of one record: an item is one, and each id in it. */
const perPart = 50;

/** The plan cut into parts. */
export function planParts(plan: DeploymentPlan): readonly (readonly PlanItem[])[] {
  const items: PlanItem[] = [];
  for (const [step, { actions }] of plan.steps.entries()) {
    for (const action of actions) {
      if (action.type !== 'Scale' || action.toKill.length === 0) {
        items.push({ type: 'ACTION', step, action });
        continue;
      }
      const { runSpecId, toKill } = action;
      items.push({ type: 'ACTION', step, action: { ...action, toKill: [] } });
      for (const ids of chunks(toKill, () => 1)) items.push({ type: 'KILL', step, runSpecId, ids });
    }
  }
  for (const [id, { before, after }] of plan.runSpecs) {
    items.push({
      type: 'RUN_SPEC',
      id,
      ...(before === undefined ? {} : { before: before.versionInfo.version }),
      ...(after === undefined ? {} : { after: after.versionInfo.version }),
    });
  }
  for (const change of plan.groups) items.push({ type: 'GROUP', change });
  return chunks(items, linesOf);
}

/** Why a plan cannot be put together again. */
export type PlanProblem = { readonly why: string };

/** The plan out of its items; `specAt` finds definitions. */
export function planOf(
  id: string,
  version: number,
  items: Iterable<PlanItem>,
  specAt: (id: PathId, version: number) => RunSpec | undefined,
): DeploymentPlan | PlanProblem {
  const steps: { actions: DeploymentAction[] }[] = [];
  const runSpecs = new Map<PathId, RunSpecChange>();
  const groups: GroupChange[] = [];
  for (const item of items) {
    switch (item.type) {
      case 'ACTION': {
        while (steps.length <= item.step) steps.push({ actions: [] });
        steps[item.step]?.actions.push(item.action);
        break;
      }
      case 'KILL': {
        const actions = steps[item.step]?.actions ?? [];
        const at = actions.findLastIndex(action => action.runSpecId === item.runSpecId);
        const action = actions[at];
        if (action?.type !== 'Scale')
          return { why: `it kills instances of ${item.runSpecId}, which it does not scale` };
        actions[at] = { ...action, toKill: [...action.toKill, ...item.ids] };
        break;
      }
      case 'RUN_SPEC': {
        const before = item.before === undefined ? undefined : specAt(item.id, item.before);
        const after = item.after === undefined ? undefined : specAt(item.id, item.after);
        for (const [named, found] of [
          [item.before, before],
          [item.after, after],
        ] as const) {
          if (named !== undefined && found === undefined) {
            return { why: `there is no record of version ${named} of ${item.id}, which it names` };
          }
        }
        runSpecs.set(item.id, {
          ...(before === undefined ? {} : { before }),
          ...(after === undefined ? {} : { after }),
        });
        break;
      }
      case 'GROUP':
        groups.push(item.change);
    }
  }
  return { id, version, steps, runSpecs, groups };
}

/** The versions of definitions a plan names. */
export function* versionsIn(plan: DeploymentPlan): Generator<{ readonly id: PathId; readonly version: number }, void> {
  for (const [id, { before, after }] of plan.runSpecs) {
    if (before !== undefined) yield { id, version: before.versionInfo.version };
    if (after !== undefined) yield { id, version: after.versionInfo.version };
  }
}

function linesOf(item: PlanItem): number {
  switch (item.type) {
    case 'KILL':
      return item.ids.length;
    case 'GROUP':
      return 1 + (item.change.before?.dependencies.length ?? 0) + (item.change.after?.dependencies.length ?? 0);
    default:
      return 1;
  }
}

function chunks<T>(all: readonly T[], linesOf: (item: T) => number): T[][] {
  const parts: T[][] = [];
  let left = 0;
  for (const item of all) {
    const lines = linesOf(item);
    if (lines > left) {
      parts.push([]);
      left = perPart;
    }
    parts.at(-1)?.push(item);
    left -= lines;
  }
  return parts;
}
