// Parts that apps and pods share, as replies show them. In: normalised values. Out: plain JSON, seconds for durations, empty lists left away
// where Marathon leaves them away.
import type { PlacementConstraint } from 'proffer';
import { present } from '../present.js';
import type {
  Network,
  PersistentVolumeSpec,
  RollbackPolicy,
  SpecResources,
  UnreachableStrategy,
  UpgradeStrategy,
} from '../spec.js';

export const secondsOf = (ms: number): number => ms / 1000;

/** A moment as Marathon writes it, e.g. `2024-01-31T12:00:00.000Z`. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** `items`, or nothing when there are none. */
export function unlessEmpty<T extends object>(items: T): T | undefined {
  return Object.keys(items).length === 0 ? undefined : items;
}

export function networkJson({ name, mode, labels }: Network): object {
  return present({ name, mode, labels: unlessEmpty(labels) });
}

/** `[field, operator]` or `[field, operator, value]`. */
export function constraintJson({ field, operator, value }: PlacementConstraint): string[] {
  return value === undefined ? [field, operator] : [field, operator, value];
}

export function persistentJson({ type, size, maxSize, profileName, constraints }: PersistentVolumeSpec): object {
  return present({ type, size, maxSize, profileName, constraints: constraints.map(constraintJson) });
}

export function unreachableJson(strategy: UnreachableStrategy): unknown {
  if (strategy === 'disabled') return strategy;
  return {
    inactiveAfterSeconds: secondsOf(strategy.inactiveAfterMs),
    expungeAfterSeconds: secondsOf(strategy.expungeAfterMs),
  };
}

export function upgradeJson(strategy: UpgradeStrategy): object {
  const { maximumOverCapacity, minimumHealthCapacity, trial, rollback } = strategy;
  const observeSeconds = trial === undefined ? 0 : secondsOf(trial.observeMs);
  return present({
    maximumOverCapacity,
    minimumHealthCapacity,
    canary: trial?.kind === 'canary' ? { instances: trial.instances, observeSeconds } : undefined,
    blueGreen: trial?.kind === 'blueGreen' ? { observeSeconds } : undefined,
    rollback: rollback === undefined ? (trial === undefined ? undefined : 'disabled') : rollbackJson(rollback),
  });
}

function rollbackJson({ failures, deadlineMs }: RollbackPolicy): object {
  return { failures, deadlineSeconds: secondsOf(deadlineMs) };
}

export function executorJson({ cpus, mem, disk }: SpecResources): object {
  return { cpus, mem, disk };
}
