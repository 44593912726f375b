// What is wanted of each run spec now. In: the tree, the deployments that run. Out: an action with the definition it is about, and the deployment whose step it is.
import { runSpecAt } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import { currentStep } from '../plan/progress.js';
import type { Deployment } from '../records/deployment.js';
import type { Ledger } from '../records/ledger.js';
import type { RolloutAction } from '../rollout/rollout.js';

/** What is to be done to a run spec. */
export interface Aim {
  readonly spec: RunSpec;
  readonly action: RolloutAction;
  /** The deployment whose step in hand this is; undefined when none waits for it. */
  readonly deploymentId?: string;
}

const keep: RolloutAction = { type: 'Keep' };

/** Deployments by what they touch: at most one touches a run spec. */
export class Aims {
  readonly #ledger: Ledger;
  readonly #byRunSpec = new Map<PathId, string>();
  readonly #running = new Map<string, Deployment>();
  /** Of each, the step in which each of its run specs comes to what it shall be. */
  readonly #stepOf = new Map<string, ReadonlyMap<PathId, number>>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    for (const deployment of ledger.deployments()) this.put(deployment);
  }

  /** A deployment has begun, or gone on to another step. */
  put(deployment: Deployment): void {
    const { plan } = deployment;
    if (!this.#running.has(plan.id)) {
      const steps = new Map<PathId, number>();
      for (const [step, { actions }] of plan.steps.entries()) {
        for (const { runSpecId } of actions) {
          steps.set(runSpecId, step);
          this.#byRunSpec.set(runSpecId, plan.id);
        }
      }
      this.#stepOf.set(plan.id, steps);
    }
    this.#running.set(plan.id, deployment);
  }

  remove(id: string): void {
    for (const runSpecId of this.#stepOf.get(id)?.keys() ?? []) {
      if (this.#byRunSpec.get(runSpecId) === id) this.#byRunSpec.delete(runSpecId);
    }
    this.#stepOf.delete(id);
    this.#running.delete(id);
  }

  get(id: string): Deployment | undefined {
    return this.#running.get(id);
  }

  all(): Iterable<Deployment> {
    return this.#running.values();
  }

  /** The deployment that touches this run spec. */
  deploymentOf(id: PathId): Deployment | undefined {
    const deploymentId = this.#byRunSpec.get(id);
    return deploymentId === undefined ? undefined : this.#running.get(deploymentId);
  }

  /**
   * What is wanted of a run spec now; undefined when it is not there, or not yet. Before its step has come it is kept as it was: others that it depends on
   * are not ready for what it shall be.
   */
  of(id: PathId): Aim | undefined {
    const deployment = this.deploymentOf(id);
    if (deployment === undefined) {
      const spec = runSpecAt(this.#ledger.root, id);
      return spec === undefined ? undefined : { spec, action: keep };
    }
    const { plan, standing } = deployment;
    const { before, after } = plan.runSpecs.get(id) ?? {};
    const last = this.#stepOf.get(plan.id)?.get(id) ?? 0;
    if (standing.step > last) return after === undefined ? undefined : { spec: after, action: keep };
    const action = currentStep(plan, standing)?.actions.find(each => each.runSpecId === id);
    if (action !== undefined) {
      const spec = after ?? before;
      return spec === undefined ? undefined : { spec, action, deploymentId: plan.id };
    }
    return before === undefined ? undefined : { spec: before, action: keep };
  }
}
