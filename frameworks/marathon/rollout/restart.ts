// A rolling restart: instances of another configuration give way to those of the present one, without too few serving or too many being there. Pure.
import { isActive } from '../machine/condition.js';
import type { InstanceId } from '../machine/ids.js';
import { isCounted, isCurrent, isEnding, isServing, isWaiting } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import { isResident } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import { returning } from './returning.js';
import { restartBounds } from './sizes.js';
import { trying } from './trial.js';
import type { Trying } from './trial.js';
import { inOrder, victims } from './victims.js';

/** What a restart looks at. */
export interface RestartView {
  readonly spec: RunSpec;
  readonly instances: readonly Instance[];
  readonly isReady: (instance: Instance) => boolean;
  /** Wall milliseconds. */
  readonly now: number;
}

export interface RestartSteps {
  readonly launch: number;
  readonly renew: readonly InstanceId[];
  readonly kill: readonly InstanceId[];
  /** Stopped residents to come back as soon as their agents are reached. */
  readonly awaited: readonly Instance[];
  /** The trial that comes first, as long as it is not passed. */
  readonly trying?: Trying;
}

/**
 * The next steps towards `n` instances of the present configuration, once the trial it asks for is passed:
 * 1. Old ones that do not serve go at once; old ones that serve go as long as `minHealthy` of all stay that serve (new ones only once they are ready).
 * 2. New ones come as long as no more than `maxCapacity` are there, those counted that are ending.
 * An old instance whose health nobody knows yet, as after another leader took over, goes like one that serves and stands for nothing.
 */
export function restarting(view: RestartView, n: number): RestartSteps {
  const { spec, instances, isReady } = view;
  const isStanding = (instance: Instance): boolean => isServing(instance) && isReady(instance);
  const current = instances.filter(instance => isCounted(instance) && isCurrent(instance, spec));
  const old = instances.filter(instance => instance.goal === 'Running' && !isCurrent(instance, spec));
  const trial = trying({ ...view, isStanding }, n);
  if (trial !== undefined) return trialSteps(trial, current, old);
  const idle = old.filter(instance => !mayServe(instance));
  const busy = old.filter(mayServe);
  const standing = current.filter(isStanding).length;
  const { minHealthy, maxCapacity } = restartBounds(n, spec.upgradeStrategy, {
    resident: isResident(spec),
    serving: busy.length + standing,
    settled: idle.length === 0 && !instances.some(isEnding),
  });

  const kill: InstanceId[] = [];
  let healthy = busy.filter(isServing).length + standing;
  const killWhatMayGo = (instance: Instance, stands: boolean): boolean => {
    if (healthy - Number(stands) < minHealthy) return false;
    healthy -= Number(stands);
    kill.push(instance.id);
    return true;
  };
  let stay = current.length;
  for (const instance of victims(current, current.length - n, spec)) {
    const stands = isStanding(instance);
    if (!stands) kill.push(instance.id);
    if (!stands || killWhatMayGo(instance, true)) stay -= 1;
  }
  if (healthy >= minHealthy) {
    for (const instance of inOrder(busy, spec.killSelection)) killWhatMayGo(instance, isServing(instance));
  }

  let need = Math.max(0, n - stay);
  const renew: InstanceId[] = [];
  // What waits for an offer has nothing to lose: it goes on as the present configuration.
  for (const instance of idle) {
    if (isWaiting(instance) && need > 0) {
      renew.push(instance.id);
      need -= 1;
    } else kill.push(instance.id);
  }
  const room = Math.max(0, maxCapacity - occupiedBy(instances));
  const starts = Math.min(need, room);
  const back = returning(instances, starts);
  return { launch: back.launch, renew: [...renew, ...back.renew], kill, awaited: back.awaited };
}

// Nobody old goes, and nobody else comes. Old ones that wait would start as what is only tried: they are tried, or go.
function trialSteps(trial: Trying, current: readonly Instance[], old: readonly Instance[]): RestartSteps {
  const need = Math.max(0, trial.wanted - current.length);
  const waiting = old.filter(isWaiting).map(({ id }) => id);
  const renew = waiting.slice(0, need);
  return { launch: need - renew.length, renew, kill: waiting.slice(need), awaited: [], trying: trial };
}

/** Whether it serves, or nobody knows whether it does. */
function mayServe(instance: Instance): boolean {
  return isServing(instance) || (instance.condition === 'Running' && instance.healthy === undefined);
}

/** Places that are taken: by what runs, starts, ends or waits; not by what cannot be reached, unless it is still waited for. */
export function occupiedBy(instances: readonly Instance[]): number {
  let occupied = 0;
  for (const { goal, condition } of instances) {
    if (goal === 'Running' ? condition !== 'UnreachableInactive' : isActive(condition)) occupied += 1;
  }
  return occupied;
}
