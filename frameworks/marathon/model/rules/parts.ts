// Rules that apps and pods share: constraints, secrets, limits, volumes of their own, Linux settings, strategies. In: normalised parts. Out:
// reports, with paths relative to the part.
import { constraintProblems } from 'proffer';
import type { PlacementConstraint } from 'proffer';
import type { Report } from '../refusal.js';
import { shown, within } from '../refusal.js';
import type { Feature, ModelSettings } from '../settings.js';
import type {
  Env,
  InstanceCount,
  LinuxInfo,
  PersistentVolumeSpec,
  ResourceLimits,
  Secrets,
  UnreachableStrategy,
  UpgradeStrategy,
} from '../spec.js';

export function featureProblem(feature: Feature, settings: ModelSettings): string | undefined {
  return settings.features.has(feature)
    ? undefined
    : `needs the feature ${feature}, which is not enabled; enable it with --enable_features ${feature}`;
}

/** Reports constraints that cannot be matched; `at` is the list's path. */
export function placementProblems(constraints: readonly PlacementConstraint[], at: string, report: Report): void {
  for (const { path, message, hint } of constraintProblems(constraints)) {
    const index = /\[(\d+)\]/.exec(path)?.[1] ?? '0';
    // One with too few items is told already.
    if (constraints[Number(index)]?.operator.length === 0) continue;
    report(`${at}(${index})`, hint === undefined ? message : `${message}; ${hint}`);
  }
  constraints.forEach(({ operator, value = '' }, index) => {
    if (operator === 'IS' && !/^[a-zA-Z0-9_/.-]*$/.test(value))
      report(
        `${at}(${index})`,
        `IS compares with text of letters, digits and _/.- or a number, ${shown(value)} is neither`,
      );
  });
}

/** Reports environment entries that no program can be given, and secrets they name that are not there. */
export function envProblems(env: Env, secrets: Secrets, at: string, settings: ModelSettings, report: Report): void {
  for (const [name, value] of Object.entries(env)) {
    if (name === '') report(at, 'must not have an empty name');
    else if (name.includes('=')) report(at, `names must not contain =, ${shown(name)} does`);
    if (typeof value === 'string') continue;
    const why = featureProblem('secrets', settings);
    if (why !== undefined) report(`${at}/${name}/secret`, why);
    secretReference(value.secret, secrets, `${at}/${name}/secret`, report);
  }
}

export function secretProblems(secrets: Secrets, settings: ModelSettings, report: Report): void {
  const names = Object.keys(secrets);
  const why = featureProblem('secrets', settings);
  if (names.length > 0 && why !== undefined) report('/secrets', why);
  if (names.includes('')) report('/secrets', 'must not have an empty name');
}

export function secretReference(name: string, secrets: Secrets, at: string, report: Report): void {
  if (!Object.hasOwn(secrets, name)) report(at, `refers to the secret ${shown(name)}, which "secrets" does not define`);
}

/** Reports what an image name cannot be. */
export function imageProblem(image: string): string | undefined {
  return /[\s\p{Cc}]/u.test(image)
    ? `must be the name of an image, without white space, ${shown(image)} is given`
    : undefined;
}

export function uriProblem(uri: string): string | undefined {
  return /^(?:[^\s\p{Cc}"<>\\^`{|}%]|%[0-9a-fA-F]{2})+$/u.test(uri) ? undefined : `is not a URI: ${shown(uri)}`;
}

export function limitProblems(
  limits: ResourceLimits | undefined,
  asked: { readonly cpus: number; readonly mem: number },
  report: Report,
): void {
  for (const name of ['cpus', 'mem'] as const) {
    const limit = limits?.[name];
    if (typeof limit === 'number' && limit < asked[name])
      report(`/resourceLimits/${name}`, `must be at least what is asked for, ${asked[name]}; ${limit} is given`);
  }
}

/** Rules of one persistent volume, wherever it is declared. */
export function persistentProblems(persistent: PersistentVolumeSpec, report: Report): void {
  const { type, size, maxSize, constraints } = persistent;
  if (size <= 0) report('/size', 'must be more than 0 MiB');
  if (maxSize !== undefined && type !== 'mount') report('/maxSize', 'is for volumes of type mount only');
  if (maxSize !== undefined && maxSize <= size)
    report('/maxSize', `must be more than the size, ${size}; ${maxSize} is given`);
  if (type === 'root' && constraints.length > 0) report('/constraints', 'must not be given for volumes of type root');
  constraints.forEach(({ field, operator }, index) => {
    if (field !== 'path' || (operator !== 'LIKE' && operator !== 'UNLIKE'))
      report(`/constraints(${index})`, 'must be ["path", "LIKE", regular expression] or the same with UNLIKE');
  });
  placementProblems(constraints, '/constraints', report);
}

/** Rules of Linux settings; a pod's executor cannot be confined, only its containers. */
export function linuxProblems(linuxInfo: LinuxInfo | undefined, of: 'container' | 'pod', report: Report): void {
  const { seccomp, ipcInfo } = linuxInfo ?? {};
  if (seccomp !== undefined) {
    const { profileName, unconfined = false } = seccomp;
    if (of === 'pod') report('/linuxInfo/seccomp', 'is for containers, not for the pod');
    else if (profileName !== undefined && unconfined)
      report('/linuxInfo/seccomp', 'must not be unconfined when a profile is named');
    else if (profileName === undefined && !unconfined)
      report('/linuxInfo/seccomp', 'must name a profile or be unconfined');
  }
  if (ipcInfo?.mode === 'SHARE_PARENT' && ipcInfo.shmSize !== undefined)
    report('/linuxInfo/ipcInfo/shmSize', 'must not be given in mode SHARE_PARENT');
}

export function unreachableProblems(strategy: UnreachableStrategy, resident: boolean, report: Report): void {
  if (strategy === 'disabled') return;
  if (resident) report('/', 'must be "disabled" with persistent volumes');
  const { inactiveAfterMs, expungeAfterMs } = strategy;
  if (inactiveAfterMs > expungeAfterMs) {
    report(
      '/inactiveAfterSeconds',
      `must be at most expungeAfterSeconds, ${expungeAfterMs / 1000}; ${inactiveAfterMs / 1000} is given`,
    );
  }
}

export function upgradeProblems(
  { minimumHealthCapacity, maximumOverCapacity, trial }: UpgradeStrategy,
  spec: { readonly resident: boolean; readonly single: boolean; readonly instances: InstanceCount },
  report: Report,
): void {
  const { resident, single, instances } = spec;
  if ((resident || single) && maximumOverCapacity !== 0) {
    const why = resident ? 'with persistent volumes' : 'for a single instance';
    report('/maximumOverCapacity', `must be 0 ${why}, ${maximumOverCapacity} is given`);
  }
  if (single && minimumHealthCapacity !== 0)
    report('/minimumHealthCapacity', `must be 0 for a single instance, ${minimumHealthCapacity} is given`);
  if (trial === undefined) return;
  const at = `/${trial.kind}`;
  if (resident) report(at, 'is not possible with persistent volumes: old and new instances cannot share them');
  if (single) report(at, 'is not possible for a single instance: a new one cannot run beside it');
  if (instances === '*')
    report(at, 'is not possible with one instance on every agent: new ones have no place beside them');
}

/** Reports that there are more instances than the operator allows. */
export function countProblem(instances: number | '*', at: string, settings: ModelSettings, report: Report): void {
  if (instances !== '*' && instances > settings.instancesMax)
    report(at, `must be at most ${settings.instancesMax}, ${instances} is given`);
}

/** Reports members of `items` whose key is there twice, once for each repeated key. */
export function repeated<T>(
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
  report: (key: string) => void,
): void {
  const seen = new Set<string>();
  const told = new Set<string>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    if (seen.has(key) && !told.has(key)) {
      told.add(key);
      report(key);
    }
    seen.add(key);
  }
}

/** Reports under `prefix` whatever `rule` reports for each item. */
export function each<T>(
  items: readonly T[],
  at: string,
  report: Report,
  rule: (item: T, report: Report) => void,
): void {
  items.forEach((item, index) => rule(item, within(report, `${at}(${index})`)));
}
