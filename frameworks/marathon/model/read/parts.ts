// Parsed parts that apps and pods share, as normalised values. Total: what is against a rule comes through and is judged later.
import type { ConstraintOperator, PlacementConstraint } from 'proffer';
import type { HealthTimes } from '../app.js';
import { present } from '../present.js';
import type { RawApp, RawNetwork } from '../schema/app.js';
import type { RawPod } from '../schema/pod.js';
import type { ModelSettings } from '../settings.js';
import type {
  Artifact,
  Network,
  PersistentVolumeSpec,
  RollbackPolicy,
  SpecResources,
  Trial,
  UnreachableStrategy,
  UpgradeStrategy,
} from '../spec.js';

type RawVolumes = NonNullable<NonNullable<RawApp['container']>['volumes']>;
type RawPersistent = NonNullable<RawVolumes[number]['persistent']>;
type RawUnreachable = NonNullable<RawApp['unreachableStrategy']>;
type RawUpgrade = NonNullable<RawApp['upgradeStrategy']>;

export const msOf = (seconds: number): number => Math.round(seconds * 1000);

/** Networks with the default name filled in; the host's when there are none. */
export function networksOf(raw: readonly RawNetwork[] | undefined, settings: ModelSettings): Network[] {
  if (raw === undefined || raw.length === 0) return [{ mode: 'host', labels: {} }];
  return raw.map(({ mode, name, labels }) =>
    present({ mode, name: name ?? (mode === 'container' ? settings.defaultNetworkName : undefined), labels }),
  );
}

/** `[field, operator, value?]`; operators in any case. */
export function constraintOf([field = '', operator = '', value]: readonly string[]): PlacementConstraint {
  return present({ field, operator: operatorOf(operator), value });
}

/** An operator in capitals; whether it is one is judged by the rules. */
export function operatorOf(text: string): ConstraintOperator {
  return text.toUpperCase() as ConstraintOperator;
}

export function artifactOf(raw: RawPod['containers'][number]['artifacts'][number]): Artifact {
  const { uri, extract, executable, cache, destPath } = raw;
  return present({ uri, extract, executable, cache, destPath });
}

/** The disk's type is `root`, or `mount` when a profile is named. */
export function persistentOf({ type, size, maxSize, profileName, constraints }: RawPersistent): PersistentVolumeSpec {
  return present({
    type: type ?? (profileName === undefined ? 'root' : 'mount'),
    size,
    maxSize,
    profileName,
    constraints: unique(constraints.map(constraintOf)),
  });
}

export function unreachableOf(raw: RawUnreachable | undefined, resident: boolean): UnreachableStrategy {
  if (raw === undefined) return resident ? 'disabled' : { inactiveAfterMs: 0, expungeAfterMs: 0 };
  if (raw === 'disabled') return raw;
  return { inactiveAfterMs: msOf(raw.inactiveAfterSeconds), expungeAfterMs: msOf(raw.expungeAfterSeconds) };
}

/** What upgrades keep and exceed: all and twice; half and none beyond with data of their own; nothing of either for a single instance. */
export function upgradeOf(raw: RawUpgrade | undefined, kind: 'plain' | 'withVolumes' | 'single'): UpgradeStrategy {
  const defaults = { plain: [1, 1], withVolumes: [0.5, 0], single: [0, 0] } as const;
  const [minimumHealthCapacity, maximumOverCapacity] = defaults[kind];
  const trial = trialOf(raw);
  return present({
    minimumHealthCapacity: raw?.minimumHealthCapacity ?? minimumHealthCapacity,
    maximumOverCapacity: raw?.maximumOverCapacity ?? maximumOverCapacity,
    trial,
    rollback: rollbackOf(raw?.rollback, trial !== undefined),
  });
}

// Of two that exclude each other the rules tell.
function trialOf({ canary, blueGreen }: RawUpgrade = {}): Trial | undefined {
  if (canary !== undefined)
    return { kind: 'canary', instances: canary.instances, observeMs: msOf(canary.observeSeconds) };
  return blueGreen === undefined ? undefined : { kind: 'blueGreen', observeMs: msOf(blueGreen.observeSeconds) };
}

/** What is tried is taken back when it fails, unless one says otherwise. */
const rollbackOfTrials: RollbackPolicy = { failures: 1, deadlineMs: 600_000 };

function rollbackOf(raw: RawUpgrade['rollback'], tried: boolean): RollbackPolicy | undefined {
  if (raw === 'disabled') return undefined;
  if (raw === undefined) return tried ? rollbackOfTrials : undefined;
  return { failures: raw.failures, deadlineMs: msOf(raw.deadlineSeconds) };
}

export function executorOf(raw: { cpus: number; mem: number; disk: number }): SpecResources {
  return { cpus: raw.cpus, mem: raw.mem, disk: raw.disk, gpus: 0 };
}

export function healthTimesOf(raw: {
  readonly gracePeriodSeconds: number;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly delaySeconds: number;
  readonly maxConsecutiveFailures: number;
}): HealthTimes {
  return {
    gracePeriodMs: msOf(raw.gracePeriodSeconds),
    intervalMs: msOf(raw.intervalSeconds),
    timeoutMs: msOf(raw.timeoutSeconds),
    delayMs: msOf(raw.delaySeconds),
    maxConsecutiveFailures: raw.maxConsecutiveFailures,
  };
}

/** A shell line or an argument list; both or neither is judged by the rules. */
export function commandOf(raw: {
  readonly shell?: string;
  readonly argv?: readonly string[];
}): { readonly shell: string } | { readonly argv: readonly string[] } {
  return raw.argv === undefined ? { shell: raw.shell ?? '' } : { argv: raw.argv };
}

/** Each item once, the first of equal ones. */
export function unique<T>(items: readonly T[]): T[] {
  const seen = new Set<string>();
  return items.filter(item => {
    const key = JSON.stringify(item);
    return seen.size !== seen.add(key).size;
  });
}
