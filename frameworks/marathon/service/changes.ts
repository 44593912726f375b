// Changes of the tree, and the deployments that carry them out. In: edits, deployments to take back or give up. Out: records of one decision, or why not.
import { restarted } from '../model/change/versions.js';
import { settle } from '../model/change/settle.js';
import { putRunSpec, runSpecAt } from '../model/group.js';
import type { Group } from '../model/group.js';
import { rootPath } from '../model/path.js';
import { Violations } from '../model/refusal.js';
import type { Checked } from '../model/refusal.js';
import { treeProblems } from '../model/rules/tree.js';
import { healthCheckTellings } from '../health/book.js';
import { conflictsWith } from '../plan/conflict.js';
import { planDeployment } from '../plan/plan.js';
import type { DeploymentPlan, PlanOptions } from '../plan/plan.js';
import { beginning } from '../plan/progress.js';
import type { Standing } from '../plan/progress.js';
import { reverted } from '../plan/revert.js';
import type { Aims } from './aims.js';
import type { Core } from './core.js';
import type { ChangeOptions, Denied } from './marathon.js';
import { isOutdated } from './rolling.js';
import type { Failed, Rolling } from './rolling.js';

/** How the tree is to be: settled, or as it was before. */
export type Edit = (root: Group, version: number) => Checked<Group>;

/** A change that may be made. */
export interface Prepared {
  readonly type: 'DONE';
  readonly root: Group;
  readonly plan: DeploymentPlan;
  /** Deployments that give way. */
  readonly cancelled: readonly DeploymentPlan[];
  /** The deployment it takes back, and why. */
  readonly takesBack?: Standing['takesBack'];
}

export class Changing {
  readonly #core: Core;
  readonly #aims: Aims;
  readonly #rolling: Rolling;

  constructor(core: Core, aims: Aims, rolling: Rolling) {
    this.#core = core;
    this.#aims = aims;
    this.#rolling = rolling;
  }

  /** What an edit comes to; nothing is done. */
  prepare(edit: Edit, options: ChangeOptions): Prepared | Denied {
    const { settings } = this.#core.options;
    return this.#prepare(
      (root, version) => {
        const edited = edit(root, version);
        if (!edited.ok) return edited;
        return settle(root, withRestarts(edited.value, version, options), version, settings);
      },
      options,
      [],
    );
  }

  /** What taking a deployment back comes to. */
  prepareRevert(plan: DeploymentPlan, why?: string): Prepared | Denied {
    // Definitions keep their versions: instances that still are what they were stay.
    const edit: Edit = (root, version) => {
      const back = { ...reverted(plan, root, version), version };
      const violations = new Violations();
      treeProblems(back, violations.report);
      return violations.checked(back);
    };
    const prepared = this.#prepare(edit, { force: true }, [plan]);
    const takesBack = { id: plan.id, ...(why === undefined ? {} : { why }) };
    return prepared.type === 'DONE' ? { ...prepared, takesBack } : prepared;
  }

  /** Takes a deployment back that has failed by its own measure. */
  takeBack({ plan, why }: Failed): void {
    const { env } = this.#core;
    env.log.warn('a deployment has failed, and is taken back', { deployment: plan.id, why });
    const prepared = this.prepareRevert(plan, why);
    if (prepared.type === 'DONE') this.make(prepared);
    else env.log.error('the deployment cannot be taken back', { deployment: plan.id, why: prepared.type });
  }

  /** Makes a change that was prepared just now. */
  make(
    { root, plan, cancelled, takesBack }: Prepared,
    { toKill, wipe = false, groupId = rootPath }: ChangeOptions = {},
  ): void {
    const core = this.#core;
    const isEmpty = plan.steps.length === 0;
    if (isEmpty && plan.groups.length === 0 && cancelled.length === 0) {
      // Who waits for its end is told of it.
      return core.tell({ type: 'deployment_success', plan });
    }
    const deployment = { plan, standing: beginning(plan, core.now, takesBack) };
    core.record(
      { type: 'ROOT', root },
      ...(isEmpty ? [] : [{ type: 'DEPLOYMENT', deployment } as const]),
      ...cancelled.map(({ id }) => ({ type: 'DEPLOYMENT_GONE', id }) as const),
    );
    for (const gone of cancelled) {
      const back = gone.id === takesBack?.id;
      const why = back ? takesBack.why : undefined;
      this.#rolling.end(gone, why ?? `deployment ${plan.id} took its place`, back ? plan.id : undefined);
    }
    core.tell({ type: 'group_change_success', groupId, version: root.version });
    for (const { before, after } of plan.runSpecs.values()) {
      if (before?.versionInfo.lastConfigChangeAt === after?.versionInfo.lastConfigChangeAt) continue;
      core.tell(...healthCheckTellings(before, after));
    }
    if (isEmpty) core.tell({ type: 'deployment_success', plan });
    else this.#rolling.begin(deployment);
    if (!wipe) return;
    for (const ids of toKill?.values() ?? []) {
      for (const id of ids) core.happen(id, { type: 'GOAL', goal: 'Decommissioned' });
    }
  }

  /** Gives a deployment up where it stands. */
  cancel(plan: DeploymentPlan): void {
    this.#core.record({ type: 'DEPLOYMENT_GONE', id: plan.id });
    this.#rolling.end(plan, 'cancelled');
  }

  #prepare(edit: Edit, options: ChangeOptions, giveWay: readonly DeploymentPlan[]): Prepared | Denied {
    const { ledger, env, now } = this.#core;
    const original = ledger.root;
    const version = ledger.nextVersion(now);
    const target = edit(original, version);
    if (!target.ok) return { type: 'REFUSED', refusal: target.refusal };
    const { value: root } = target;
    const planOptions: PlanOptions = {
      id: env.ids.uuid(),
      isOutdated: spec => isOutdated(this.#core, spec),
      ...(options.toKill === undefined ? {} : { toKill: options.toKill }),
    };
    const running = Array.from(this.#aims.all(), ({ plan }) => plan);
    let cancelled = giveWay;
    for (;;) {
      const plan = planDeployment(original, root, { ...planOptions, cancelled });
      const conflicts = conflictsWith(plan, running).filter(each => !cancelled.includes(each));
      if (conflicts.length > 0 && options.force !== true) return locked(plan, conflicts);
      if (conflicts.length > 0) {
        // What they had not finished is this one's, and may be in the way of others.
        cancelled = [...cancelled, ...conflicts];
        continue;
      }
      const most = this.#core.options.deploymentsMax;
      if (plan.steps.length > 0 && running.length - cancelled.length >= most) return { type: 'TOO_MANY', most };
      return { type: 'DONE', root, plan, cancelled };
    }
  }
}

function locked(plan: DeploymentPlan, conflicts: readonly DeploymentPlan[]): Denied {
  const ids = [...plan.runSpecs.keys()].filter(id => conflicts.some(({ runSpecs }) => runSpecs.has(id)));
  return { type: 'LOCKED', ids, deployments: conflicts.map(({ id }) => id) };
}

function withRestarts(root: Group, version: number, { restart = [] }: ChangeOptions): Group {
  let result = root;
  for (const id of restart) {
    const spec = runSpecAt(result, id);
    if (spec !== undefined) result = putRunSpec(result, restarted(spec, version), version);
  }
  return result;
}
