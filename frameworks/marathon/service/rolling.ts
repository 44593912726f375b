// Deployments, and what goes on without them: what is wanted against what is there, of every run spec that changed. In: aims, instances. Out: instances made and ended,
// steps of deployments taken.
import { assert } from '../machine/assert.js';
import { isCurrent } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import type { PathId } from '../model/path.js';
import type { DeploymentPlan } from '../plan/plan.js';
import { advanced, currentStep, stallsAt } from '../plan/progress.js';
import type { Progress, Standing } from '../plan/progress.js';
import { rollbackAt, rollbackDue, withFailure } from '../plan/rollback.js';
import type { Deployment } from '../records/deployment.js';
import { rollout } from '../rollout/rollout.js';
import type { Rollout } from '../rollout/rollout.js';
import { describeWaiting } from '../rollout/waiting.js';
import type { WaitingFor } from '../rollout/waiting.js';
import type { Agents } from './agents.js';
import type { Aim, Aims } from './aims.js';
import type { Core } from './core.js';

/** More looks than this without an end would be a circle of our own making. */
const looksMax = 10_000;

/** How far the action of a step was at its last look. */
interface Look extends Pick<Rollout, 'done' | 'left'> {
  /** Whether it waits for time alone. */
  readonly timed: boolean;
}

/** A deployment that is to be taken back. */
export interface Failed {
  readonly plan: DeploymentPlan;
  readonly why: string;
}

export interface RollingParts {
  readonly core: Core;
  readonly aims: Aims;
  readonly agents: Agents;
  /** Whether too little is known of a run spec's tasks to decide anything. */
  readonly isDoubtful: (id: PathId) => boolean;
}

/** The step in hand of each deployment. */
export class Rolling {
  readonly #parts: RollingParts;
  readonly #looks = new Map<string, Map<PathId, Look>>();
  /** Run specs for which time alone makes a difference, and when. */
  readonly #again = new Map<PathId, number>();
  readonly #failed = new Map<string, Failed>();
  /** Times up to this one have been looked at. */
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: RollingParts) {
    this.#parts = parts;
    const { core, aims } = parts;
    for (const id of core.runSpecIds()) core.markDirty(id);
    for (const deployment of aims.all()) this.#dirtyAll(deployment.plan);
  }

  /** Looks at everything that changed, and at what changes thereby. */
  look(): void {
    const { core, aims, isDoubtful } = this.#parts;
    const later: PathId[] = [];
    for (let looks = 0; core.hasDirty; looks += 1) {
      assert(looks < looksMax, 'what is wanted of instances changes with every look');
      const touched = new Set<string>();
      for (const id of core.takeDirty()) {
        if (isDoubtful(id)) {
          later.push(id);
          continue;
        }
        const aim = aims.of(id);
        if (aim === undefined) this.#endOrphans(id);
        else if (aim.spec.instances === '*' && !this.#canCount()) later.push(id);
        else {
          const { done, left, waitingFor } = this.#roll(aim);
          if (aim.deploymentId === undefined) continue;
          const timed = waitingFor.length > 0 && waitingFor.every(({ kind }) => kind === 'trial');
          this.#looksOf(aim.deploymentId).set(id, { done, left, timed });
          touched.add(aim.deploymentId);
        }
      }
      for (const id of touched) this.#advance(id);
    }
    for (const id of later) core.markDirty(id);
  }

  /** A deployment begins; its record is made. */
  begin(deployment: Deployment): void {
    const { core, aims } = this.#parts;
    const { plan, standing } = deployment;
    aims.put(deployment);
    for (const id of plan.runSpecs.keys()) this.#define(id);
    this.#dirtyAll(plan);
    core.tell({ type: 'deployment_info', plan, step: standing.step });
  }

  /** A deployment is over before its end; its record is gone. */
  end(plan: DeploymentPlan, reason: string, takenBackBy?: string): void {
    this.#close(plan);
    const back = takenBackBy === undefined ? {} : { takenBackBy };
    this.#parts.core.tell({ type: 'deployment_failed', plan, reason, ...back });
  }

  /** What time alone has changed. */
  lookAtTimes(): void {
    const { core, aims } = this.#parts;
    const { now } = core;
    this.#lookedAt = now;
    for (const [id, at] of this.#again) {
      if (at > now) continue;
      this.#again.delete(id);
      core.markDirty(id);
    }
    for (const { plan, standing } of aims.all())
      if (timesOf(plan, standing).some(at => at <= now)) this.#advance(plan.id);
  }

  /** When to look again unless something happens: a deployment stalls, a trial is passed, agents can be counted. */
  nextAt(): number | undefined {
    const { agents, aims } = this.#parts;
    let next = this.#canCount() ? undefined : agents.countableAt;
    const take = (at: number): void => {
      if (at > this.#lookedAt) next = Math.min(next ?? at, at);
    };
    for (const at of this.#again.values()) take(at);
    for (const { plan, standing } of aims.all()) for (const at of timesOf(plan, standing)) take(at);
    return next;
  }

  /** An instance has failed by itself: its deployment may be taken back. */
  failed(instance: Instance): void {
    const { core, aims } = this.#parts;
    const deployment = aims.deploymentOf(instance.runSpecId);
    if (deployment === undefined) return;
    const { plan } = deployment;
    const standing = withFailure(plan, deployment.standing, instance);
    if (standing === deployment.standing) return;
    aims.put({ plan, standing });
    core.record({ type: 'STANDING', standing });
  }

  /** Deployments that are to be taken back; each is told once. */
  takeFailed(): Failed[] {
    const failed = [...this.#failed.values()];
    this.#failed.clear();
    return failed;
  }

  /** What the step in hand of a deployment waits for. */
  waitingFor(id: string): Map<PathId, readonly WaitingFor[]> {
    const found = new Map<PathId, readonly WaitingFor[]>();
    const { aims } = this.#parts;
    const deployment = aims.get(id);
    if (deployment === undefined) return found;
    for (const { runSpecId } of currentStep(deployment.plan, deployment.standing)?.actions ?? []) {
      const aim = aims.of(runSpecId);
      if (aim === undefined) continue;
      const { waitingFor } = this.#ask(aim);
      if (waitingFor.length > 0) found.set(runSpecId, waitingFor);
    }
    return found;
  }

  #canCount(): boolean {
    const { countableAt } = this.#parts.agents;
    return countableAt !== undefined && countableAt <= this.#parts.core.now;
  }

  #ask({ spec, action }: Aim): Rollout {
    const { core, agents } = this.#parts;
    const { now } = core;
    const why = core.book.whyWaiting(spec.id, now);
    const isLookedAt = spec.kind === 'app' && spec.readinessChecks.length > 0;
    return rollout(action, {
      spec,
      now,
      instances: [...core.instancesOf(spec.id).values()],
      isReady: isLookedAt ? instance => core.health.isReady(instance, spec) : () => true,
      ...(spec.instances === '*' ? { agents: agents.countFor(spec, core.instancesOf(spec.id).values()) } : {}),
      ...(why === undefined ? {} : { whyWaiting: why }),
    });
  }

  #roll(aim: Aim): Rollout {
    const { core } = this.#parts;
    const asked = this.#ask(aim);
    if (asked.againAt === undefined) this.#again.delete(aim.spec.id);
    else this.#again.set(aim.spec.id, asked.againAt);
    for (const id of asked.kill) core.happen(id, { type: 'GOAL', goal: asked.killGoal });
    for (const id of asked.renew) core.happen(id, { type: 'RENEW', spec: aim.spec });
    for (let count = 0; count < asked.launch; count += 1) core.make(aim.spec);
    return asked;
  }

  #endOrphans(id: PathId): void {
    const { core, aims } = this.#parts;
    // One that is not there yet has no instances; one that is no more has been.
    if (aims.deploymentOf(id)?.plan.runSpecs.get(id)?.after !== undefined) return;
    for (const instance of core.instancesOf(id).values()) {
      if (instance.goal !== 'Decommissioned') core.happen(instance.id, { type: 'GOAL', goal: 'Decommissioned' });
    }
  }

  #advance(id: string): void {
    const { core, aims } = this.#parts;
    const deployment = aims.get(id);
    if (deployment === undefined) return;
    const { plan, standing } = deployment;
    const actions = currentStep(plan, standing)?.actions ?? [];
    const looks = this.#looksOf(id);
    let done = true;
    let left = 0;
    for (const { runSpecId } of actions) {
      const look = looks.get(runSpecId);
      if (look === undefined) return;
      done = done && look.done;
      left += look.left;
    }
    const next = advanced(plan, standing, { done, left }, core.now);
    if (next.standing !== standing) {
      aims.put({ plan, standing: next.standing });
      if (next.standing.step < plan.steps.length) core.record({ type: 'STANDING', standing: next.standing });
    }
    for (const progress of next.progress) this.#follow(plan, next.standing.step, progress);
    const isTimed = (runSpecId: PathId): boolean => looks.get(runSpecId)?.timed ?? false;
    const due = next.standing.step === standing.step ? rollbackDue(plan, next.standing, isTimed, core.now) : undefined;
    if (due !== undefined) this.#failed.set(id, { plan, why: `${due.runSpecId}: ${due.why}` });
  }

  #follow(plan: DeploymentPlan, step: number, progress: Progress): void {
    const { core } = this.#parts;
    switch (progress.type) {
      case 'STEP_DONE': {
        this.#looks.delete(plan.id);
        core.tell({ type: 'deployment_step_success', plan, step: progress.step });
        for (const action of plan.steps[progress.step]?.actions ?? []) {
          if (action.type === 'Stop') core.tell({ type: 'app_terminated_event', appId: action.runSpecId });
        }
        return;
      }
      case 'STEP_STARTED':
        for (const { runSpecId } of plan.steps[progress.step]?.actions ?? []) {
          this.#define(runSpecId);
          core.markDirty(runSpecId);
        }
        return core.tell({ type: 'deployment_info', plan, step: progress.step });
      case 'STALLED': {
        const waitingFor = [...this.waitingFor(plan.id)].map(([id, waits]) => `${id}: ${describeWaiting(waits)}`);
        core.env.log.warn('a deployment has stalled', { deployment: plan.id, waitingFor });
        return core.tell({ type: 'deployment_stalled', plan, step, sinceMs: progress.sinceMs, waitingFor });
      }
      case 'DONE':
        core.record({ type: 'DEPLOYMENT_GONE', id: plan.id });
        this.#close(plan);
        return core.tell({ type: 'deployment_success', plan });
    }
  }

  #close(plan: DeploymentPlan): void {
    const { aims } = this.#parts;
    aims.remove(plan.id);
    this.#failed.delete(plan.id);
    this.#looks.delete(plan.id);
    for (const id of plan.runSpecs.keys()) this.#define(id);
    this.#dirtyAll(plan);
  }

  /** The launch queue is told what a run spec is now. */
  #define(id: PathId): void {
    const { core, aims } = this.#parts;
    const spec = aims.of(id)?.spec;
    if (spec === undefined) core.book.undefine(id);
    else core.book.define(spec, core.instancesOf(id).values());
  }

  #dirtyAll({ runSpecs }: DeploymentPlan): void {
    for (const id of runSpecs.keys()) this.#parts.core.markDirty(id);
  }

  #looksOf(id: string): Map<PathId, Look> {
    let looks = this.#looks.get(id);
    if (looks === undefined) this.#looks.set(id, (looks = new Map<PathId, Look>()));
    return looks;
  }
}

function timesOf(plan: DeploymentPlan, standing: Standing): number[] {
  return [stallsAt(standing), rollbackAt(plan, standing)].filter(at => at !== undefined);
}

/** Whether some wanted instance has another configuration than `spec`. */
export function isOutdated(core: Core, spec: { readonly id: PathId } & Parameters<typeof isCurrent>[1]): boolean {
  for (const instance of core.instancesOf(spec.id).values()) {
    if (instance.goal === 'Running' && !isCurrent(instance, spec)) return true;
  }
  return false;
}
