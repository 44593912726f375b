// Taking back what one plan changed, and nothing else. In: a plan, the tree as it is by now. Out: the tree to deploy. Pure.
import { groupAt, isEmptyGroup, putRunSpec, removeGroup, removeRunSpec, updateGroup } from '../model/group.js';
import type { Group } from '../model/group.js';
import { segmentsOf } from '../model/path.js';
import type { PathId } from '../model/path.js';
import type { GroupChange } from './changes.js';
import type { DeploymentPlan } from './plan.js';

/**
 * `tree` without what `plan` did. Run specs are as they were before it, versions included, so that instances which still are what they were stay; the plan
 * had them to itself, so nobody else changed them. Of groups, which others may change meanwhile, only what came by the plan goes: a group it made stays
 * when others put something into it.
 */
export function reverted(plan: DeploymentPlan, tree: Group, version: number): Group {
  let result = tree;
  for (const [id, { before, after }] of plan.runSpecs) {
    // A pod may have become an app.
    if (after !== undefined && after.kind !== before?.kind) result = removeRunSpec(result, id, version);
    if (before !== undefined) result = putRunSpec(result, before, version);
  }
  const inner = [...plan.groups].sort((a, b) => segmentsOf(b.id).length - segmentsOf(a.id).length);
  for (const change of inner) result = revertGroup(change, result, version);
  return result;
}

function revertGroup({ id, before, after }: GroupChange, tree: Group, version: number): Group {
  const group = groupAt(tree, id);
  if (before === undefined) {
    if (group === undefined || after === undefined) return tree;
    if (isEmptyGroup(group) && sameIds(group.dependencies, after.dependencies)) return removeGroup(tree, id, version);
    const others = group.dependencies.filter(each => !after.dependencies.includes(each));
    return others.length === group.dependencies.length
      ? tree
      : updateGroup(tree, id, version, each => ({ ...each, dependencies: others }));
  }
  const wasAfter = after ?? { dependencies: [], enforceRole: before.enforceRole };
  return updateGroup(tree, id, version, each => {
    const added = wasAfter.dependencies.filter(one => !before.dependencies.includes(one));
    const kept = each.dependencies.filter(one => !added.includes(one));
    const missing = before.dependencies.filter(one => !wasAfter.dependencies.includes(one) && !kept.includes(one));
    const enforceRole =
      after === undefined || each.enforceRole === after.enforceRole ? before.enforceRole : each.enforceRole;
    return { ...each, dependencies: [...kept, ...missing], enforceRole };
  });
}

function sameIds(a: readonly PathId[], b: readonly PathId[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id));
}
