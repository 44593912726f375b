// Versions of definitions: what changed since the last one decides whether instances are outdated. Pure.
import { isDeepStrictEqual } from 'node:util';
import type { Group } from '../group.js';
import { mapRunSpecs } from '../group.js';
import type { RunSpec } from '../run-spec.js';
import type { VersionInfo } from '../spec.js';

/** The versions of a definition that is new, or new in what its instances are. */
export function newVersions(version: number): VersionInfo {
  return { version, lastScalingAt: version, lastConfigChangeAt: version };
}

/** The same definition under a new version, so that all its instances are replaced. */
export function restarted<Spec extends RunSpec>(spec: Spec, version: number): Spec {
  return { ...spec, versionInfo: { ...spec.versionInfo, version, lastConfigChangeAt: version } };
}

/** What one definition is to another of the same id. */
export type Difference = 'none' | 'scale' | 'config';

/** Everything but the number of instances, what it follows and the versions is configuration; the order of what are sets is not. */
export function differenceOf(from: RunSpec, to: RunSpec): Difference {
  if (from === to) return 'none';
  if (!isDeepStrictEqual(configOf(from), configOf(to))) return 'config';
  return from.instances === to.instances && isDeepStrictEqual(scalingOf(from), scalingOf(to)) ? 'none' : 'scale';
}

/**
 * `to` with the versions of its definitions set: `version` for what is new or changed since `from`, and for what was restarted; as they were for
 * the rest. Of what did not change the very objects of `from` stay.
 */
export function stampVersions(from: Group, to: Group, version: number): Group {
  const stamped = (spec: RunSpec, old: RunSpec | undefined): RunSpec => {
    if (old === spec) return spec;
    if (old === undefined) return { ...spec, versionInfo: newVersions(version) };
    switch (differenceOf(old, spec)) {
      case 'config':
        return { ...spec, versionInfo: newVersions(version) };
      case 'scale':
        return { ...spec, versionInfo: { ...old.versionInfo, version, lastScalingAt: version } };
      case 'none':
        return spec.versionInfo.lastConfigChangeAt > old.versionInfo.version ? spec : old;
    }
  };
  return mapRunSpecs(to, stamped, from);
}

function configOf(spec: RunSpec): object {
  const { versionInfo: _versions, instances: _instances, ...config } = spec;
  return {
    ...config,
    constraints: asSet(spec.constraints),
    dependencies: asSet(spec.dependencies),
    acceptedResourceRoles: asSet(spec.acceptedResourceRoles),
    ...(spec.kind === 'app' ? { healthChecks: asSet(spec.healthChecks), autoscaling: undefined } : {}),
  };
}

function scalingOf(spec: RunSpec): unknown {
  return spec.kind === 'app' ? spec.autoscaling : undefined;
}

function asSet(items: readonly unknown[]): string[] {
  return items.map(item => JSON.stringify(item)).toSorted();
}
