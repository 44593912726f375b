// New instances tried beside the old ones before any of those goes: some (canary), or all (blue and green). In: a run spec, its instances, the time. Out: whether
// the trial is passed, and what it still waits for. Pure, and remembers nothing: how long instances have served can be seen in them.
import { isCounted, isCurrent } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import type { RunSpec } from '../model/run-spec.js';

/** Where a trial stands that is not passed. */
export interface Trying {
  /** New instances to try. */
  readonly wanted: number;
  /** Those that serve, but not for long enough. */
  readonly observed: readonly Instance[];
  /** Wall milliseconds when the trial is passed if all stays as it is; absent as long as too few serve. */
  readonly passesAt?: number;
}

/** What a trial looks at. */
export interface TrialView {
  readonly spec: RunSpec;
  readonly instances: readonly Instance[];
  /** Whether an instance serves and is ready. */
  readonly isStanding: (instance: Instance) => boolean;
  readonly now: number;
}

/**
 * The trial of a restart towards `n` instances; undefined when there is none, or when it is passed: so many new instances have served for the time asked
 * for, or there is no old one that a mistake could cost. One that falls over while the others give way makes the rest wait until it stands again.
 */
export function trying(view: TrialView, n: number): Trying | undefined {
  const { spec, instances, isStanding, now } = view;
  const { trial } = spec.upgradeStrategy;
  if (trial === undefined || n === 0 || !instances.some(instance => isOld(instance, spec))) return undefined;
  const wanted = trial.kind === 'canary' ? Math.min(n, trial.instances) : n;
  const current = instances.filter(instance => isCounted(instance) && isCurrent(instance, spec));
  // The canaries have passed, or there would not be more.
  if (current.length > wanted) return undefined;
  const standing = current.filter(isStanding).toSorted((a, b) => since(a) - since(b));
  const last = standing[wanted - 1];
  const passesAt = last === undefined ? undefined : since(last) + trial.observeMs;
  if (passesAt !== undefined && passesAt <= now) return undefined;
  const observed = standing.filter(instance => since(instance) + trial.observeMs > now);
  return { wanted, observed, ...(passesAt === undefined ? {} : { passesAt }) };
}

/**
 * Whether requests may go to an instance, as far as its trial says: of blue and green only one colour serves, the old one until the new has passed.
 */
export function isOnStage(instance: Instance, view: TrialView, n: number): boolean {
  const { spec, instances } = view;
  if (spec.upgradeStrategy.trial?.kind !== 'blueGreen') return true;
  if (!instances.some(each => isOld(each, spec))) return true;
  return isCurrent(instance, spec) === (trying(view, n) === undefined);
}

function isOld(instance: Instance, spec: RunSpec): boolean {
  return instance.goal === 'Running' && !isCurrent(instance, spec);
}

function since({ activeSince }: Instance): number {
  return activeSince ?? Number.POSITIVE_INFINITY;
}
