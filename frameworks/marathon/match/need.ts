// What one instance of a run spec needs, worked out once: amounts, ports, volumes, the container type, the roles whose resources it may use. Pure.
import { bagOf } from 'proffer';
import type { Bag, ContainerType, Resource, Role } from 'proffer';
import { isResident, persistentMountsOf, portNeedsOf, scalarsOf } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import type { PersistentMount, PortNeed, SpecResources } from '../model/spec.js';
import { keptFor } from './reservations.js';

/** The amounts of one task. */
export interface Part {
  /** The container of a pod; absent where there is but one. */
  readonly container?: string;
  readonly resources: SpecResources;
  readonly bag: Bag;
}

export interface Need {
  /** One per task. */
  readonly parts: readonly Part[];
  /** A custom executor's own. */
  readonly executor?: Part;
  /** All of them together, in thousandths by name. */
  readonly total: ReadonlyMap<string, number>;
  readonly ports: readonly PortNeed[];
  readonly mounts: readonly PersistentMount[];
  readonly resident: boolean;
  readonly gpus: boolean;
  readonly containerizer?: ContainerType;
  /** Roles of resources; `*` is what is reserved to nobody. */
  readonly roles: ReadonlySet<Role>;
}

/** What an instance of `spec` needs. A pod's tasks share an executor of ours that takes nothing, so its `executorResources` are not asked for. */
export function needOf(spec: RunSpec): Need {
  const known = needs.get(spec);
  if (known !== undefined) return known;
  const containers: readonly { readonly name?: string; readonly resources: SpecResources }[] =
    spec.kind === 'app' ? [{ resources: spec.resources }] : spec.containers;
  const parts = containers.map(({ name, resources }) => partOf(resources, name));
  const executor =
    spec.kind === 'app' && hasOwnExecutor(spec) && spec.executorResources !== undefined
      ? partOf(spec.executorResources)
      : undefined;
  const containerizer = containerizerOf(spec);
  const total = new Map<string, number>();
  for (const { bag } of executor === undefined ? parts : [...parts, executor]) {
    for (const r of bag) if (r.kind === 'scalar') total.set(r.name, (total.get(r.name) ?? 0) + r.milli);
  }
  const accepted = spec.acceptedResourceRoles;
  const need: Need = {
    parts,
    ...(executor === undefined ? {} : { executor }),
    total,
    ports: portNeedsOf(spec),
    mounts: mountsOf(spec),
    resident: isResident(spec),
    gpus: parts.some(({ resources }) => resources.gpus > 0),
    ...(containerizer === undefined ? {} : { containerizer }),
    roles: new Set(accepted.length === 0 ? [spec.role, '*'] : accepted),
  };
  needs.set(spec, need);
  return need;
}

/** Whether an app names a program of its own that runs its tasks. */
export function hasOwnExecutor({ executor }: { readonly executor: string }): boolean {
  return executor !== '' && executor !== '//cmd';
}

/** What of an offer it may use by name: of its roles, on the sandboxes' disk, for good, and kept for no instance. */
export function usableFor(need: Need, left: Bag): Bag {
  let out: Resource[] | undefined;
  for (let at = 0; at < left.length; at += 1) {
    const resource = left[at] as Resource;
    if (isUsable(resource, need.roles)) out?.push(resource);
    else out ??= left.slice(0, at);
  }
  return out ?? left;
}

/** Names of amounts that `left` has too little of, whatever its reservations. Cheap: most offers fail here. */
export function shortOf(need: Need, left: Bag): string[] {
  const short: string[] = [];
  for (const [name, milli] of need.total) {
    let there = 0;
    for (const r of left) if (r.kind === 'scalar' && r.name === name && isUsable(r, need.roles)) there += r.milli;
    if (there < milli) short.push(name);
  }
  return short;
}

/** Whether there are host ports enough, and those that are named. */
export function hasPorts(need: Need, left: Bag): boolean {
  if (need.ports.length === 0) return true;
  const named = new Set<number>();
  let open = 0;
  for (const { port } of need.ports) {
    if (port === 0) open += 1;
    else named.add(port);
  }
  let total = 0;
  let found = 0;
  for (const r of left) {
    if (r.kind !== 'ranges' || r.name !== 'ports' || !isUsable(r, need.roles)) continue;
    for (const [from, to] of r.ranges) total += to - from + 1;
    for (const port of named) if (r.ranges.some(([from, to]) => from <= port && port <= to)) found += 1;
  }
  return found >= named.size && total >= open + named.size;
}

function isUsable({ label }: Resource, roles: ReadonlySet<Role>): boolean {
  if (label.suffix === '') return roles.has('*');
  if (label.revocable || label.volume !== undefined || label.source !== undefined) return false;
  return roles.has(label.role ?? '*') && keptFor(label) === undefined;
}

function partOf(resources: SpecResources, container?: string): Part {
  return { resources, bag: bagOf(scalarsOf(resources)), ...(container === undefined ? {} : { container }) };
}

// A pod's volume is seen where the first of its containers that mounts it says.
function mountsOf(spec: RunSpec): readonly PersistentMount[] {
  const mounts = persistentMountsOf(spec);
  if (spec.kind === 'app') return mounts;
  return mounts.map(mount => {
    const mounted = spec.containers.flatMap(({ volumeMounts }) =>
      volumeMounts.filter(({ name }) => name === mount.name),
    );
    const [first] = mounted;
    return first === undefined ? mount : { ...mount, containerPath: first.mountPath, readOnly: first.readOnly };
  });
}

// Images need an engine; all else runs as processes, which every agent can.
function containerizerOf(spec: RunSpec): ContainerType | undefined {
  const docker =
    spec.kind === 'app'
      ? spec.container?.docker !== undefined
      : spec.containers.some(({ image }) => image !== undefined);
  return docker ? 'DOCKER' : undefined;
}

const needs = new WeakMap<RunSpec, Need>();
