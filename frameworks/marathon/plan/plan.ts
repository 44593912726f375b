// What a deployment is to do. In: the tree as it is and as it shall be. Out: steps of actions, in the order of dependencies, and what it changes. Pure.
import { runSpecsById } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import type { InstanceCount } from '../model/spec.js';
import type { InstanceId } from '../machine/ids.js';
import { groupChanges } from './changes.js';
import type { GroupChange, RunSpecChange } from './changes.js';
import { dependencyLayers } from './layers.js';

/** What is done to one run spec; Marathon's words, without whether it is an app or a pod. */
export type DeploymentAction =
  | { readonly type: 'Stop'; readonly runSpecId: PathId }
  /** It is there from now on, with no instance yet. */
  | { readonly type: 'Start'; readonly runSpecId: PathId }
  /** To so many instances, `toKill` going first. */
  | {
      readonly type: 'Scale';
      readonly runSpecId: PathId;
      readonly scaleTo: InstanceCount;
      readonly toKill: readonly InstanceId[];
    }
  /** Every instance of another configuration is replaced. */
  | { readonly type: 'Restart'; readonly runSpecId: PathId };

export type ActionType = DeploymentAction['type'];

/** Actions that go on at the same time; the next step begins when all are done. */
export interface DeploymentStep {
  readonly actions: readonly DeploymentAction[];
}

/** A deployment. It holds what it changes, not the trees: no more has to be stored, and no more is undone. */
export interface DeploymentPlan {
  readonly id: string;
  /** The version of the tree it leads to. */
  readonly version: number;
  readonly steps: readonly DeploymentStep[];
  /** By id: every run spec that has an action, before and after. */
  readonly runSpecs: ReadonlyMap<PathId, RunSpecChange>;
  /** Groups that come, go, or depend on others than before. */
  readonly groups: readonly GroupChange[];
}

export interface PlanOptions {
  readonly id: string;
  /** Instances to kill first where a run spec is scaled. */
  readonly toKill?: ReadonlyMap<PathId, readonly InstanceId[]>;
  /**
   * Plans that this one takes the place of. What they had not finished is done by this one: it belongs to the same run specs, and nobody else would.
   */
  readonly cancelled?: readonly DeploymentPlan[];
  /** Whether some instance of a run spec has another configuration than `spec`. Asked for the run specs of cancelled plans. Default: all may. */
  readonly isOutdated?: (spec: RunSpec) => boolean;
}

/**
 * The plan from `original` to `target`: what is gone is stopped, what is new is started with no instance, then one step for each length of the longest
 * chain of dependencies. Without steps there is nothing to do.
 */
export function planDeployment(original: Group, target: Group, options: PlanOptions): DeploymentPlan {
  const { id, toKill = new Map<PathId, readonly InstanceId[]>() } = options;
  const before = runSpecsById(original);
  const after = runSpecsById(target);
  const cancelled = cancelledSpecs(options.cancelled ?? []);
  const runSpecs = new Map<PathId, RunSpecChange>();
  const note = (spec: PathId): void => {
    const was = before.get(spec) ?? (after.has(spec) ? undefined : cancelled.get(spec));
    const is = after.get(spec);
    runSpecs.set(spec, {
      ...(was === undefined ? {} : { before: was }),
      ...(is === undefined ? {} : { after: is }),
    });
  };

  const stops: DeploymentAction[] = [];
  for (const runSpecId of new Set([...before.keys(), ...cancelled.keys()])) {
    if (!after.has(runSpecId)) stops.push({ type: 'Stop', runSpecId });
  }
  const starts: DeploymentAction[] = [];
  const changes = new Map<PathId, DeploymentAction>();
  for (const [runSpecId, spec] of after) {
    const old = before.get(runSpecId);
    if (old === undefined) starts.push({ type: 'Start', runSpecId });
    const action = actionFor(old, spec, cancelled.has(runSpecId), options, toKill.get(runSpecId) ?? []);
    if (action !== undefined) changes.set(runSpecId, action);
  }
  const layers = dependencyLayers(target, changes);
  const steps = [stops, starts, ...layers].filter(actions => actions.length > 0).map(actions => ({ actions }));
  for (const { actions } of steps) for (const { runSpecId } of actions) note(runSpecId);
  return { id, version: target.version, steps, runSpecs, groups: groupChanges(original, target) };
}

/** Every run spec the plan does something to. */
export function affectedIds(plan: DeploymentPlan): IterableIterator<PathId> {
  return plan.runSpecs.keys();
}

/** The run spec an action is about: as it shall be, or, to be stopped, as it was. */
export function runSpecOf(plan: DeploymentPlan, action: DeploymentAction): RunSpec | undefined {
  const change = plan.runSpecs.get(action.runSpecId);
  return change?.after ?? change?.before;
}

function actionFor(
  old: RunSpec | undefined,
  spec: RunSpec,
  wasCancelled: boolean,
  { isOutdated = () => true }: PlanOptions,
  toKill: readonly InstanceId[],
): DeploymentAction | undefined {
  const { id: runSpecId, instances } = spec;
  const scale: DeploymentAction = { type: 'Scale', runSpecId, scaleTo: instances, toKill };
  // A cancelled plan may have left instances behind even of what is new by now.
  if (wasCancelled && isOutdated(spec)) return { type: 'Restart', runSpecId };
  if (old === undefined) return scale;
  if (old.kind !== spec.kind || old.versionInfo.lastConfigChangeAt !== spec.versionInfo.lastConfigChangeAt) {
    return { type: 'Restart', runSpecId };
  }
  return wasCancelled || old.instances !== instances || toKill.length > 0 ? scale : undefined;
}

function cancelledSpecs(plans: readonly DeploymentPlan[]): Map<PathId, RunSpec> {
  const specs = new Map<PathId, RunSpec>();
  for (const { runSpecs } of plans) {
    for (const [id, { before, after }] of runSpecs) {
      const spec = after ?? before;
      if (spec !== undefined) specs.set(id, spec);
    }
  }
  return specs;
}
