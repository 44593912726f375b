// What resident instances keep on their agents: reserved resources with the instance's name on them, and volumes. In: needs, offers. Out: operations. Pure.
import {
  add,
  bagOf,
  constraintRefusal,
  contains,
  createVolume,
  destroyVolume,
  diskKeyOf,
  fromBag,
  reserve,
  reservedKey,
  subtract,
  unreserve,
  volumeKey,
} from 'proffer';
import type {
  Bag,
  Label,
  PlacementConstraint,
  Resource,
  ResourceOperation,
  ReservationSpec,
  Resources,
  Role,
  VolumeId,
  VolumeSpec,
} from 'proffer';
import type { InstanceId } from '../machine/ids.js';
import type { InstanceReservation } from '../machine/instance.js';
import type { PersistentMount } from '../model/spec.js';

/** Labels of reservations, as Marathon names them. */
export const reservationLabels = { framework: 'marathon_framework_id', instance: 'marathon_task_id' } as const;

/** For whom reservations are made. */
export interface Keeper {
  readonly frameworkId: string;
  readonly role: Role;
  /** The framework's principal, where it has one. */
  readonly principal?: string;
}

/** What a resident instance is launched on. */
export interface Kept {
  /** To be carried out before the launch, in one ACCEPT with it. */
  readonly operations: readonly ResourceOperation[];
  readonly reservation: Omit<InstanceReservation, 'agentId' | 'proven'>;
  /** The reservation that its tasks' resources are under. */
  readonly as: ReservationSpec;
  /** What of the offer the operations turn into the reservation, or the reservation itself. */
  readonly consumed: Bag;
}

/** The instance that a reservation is kept for; undefined when it is none of ours. */
export function keptFor(label: Label): InstanceId | undefined {
  return label.reservations.at(-1)?.labels?.[reservationLabels.instance];
}

/**
 * What is kept for an instance in `left`, made whole where a reservation came through and its volumes did not; undefined when there is nothing, or too little.
 */
export function foundReservation(
  keeper: Keeper,
  instanceId: InstanceId,
  amounts: Bag,
  mounts: readonly PersistentMount[],
  left: Bag,
): Kept | undefined {
  const own = left.filter(({ label }) => keptFor(label) === instanceId);
  if (own.length === 0) return undefined;
  // As it was made, perhaps under another principal.
  const made = own.find(({ label }) => label.volume === undefined && label.source === undefined);
  const as = made?.label.reservations.at(-1) ?? reservationFor(keeper, instanceId);
  const volumes = mounts.map((mount, index) => volumeFor(mount, index, instanceId, own));
  let rest: Bag = own;
  let resources = relabelled(amounts, as);
  if (!contains(rest, resources)) return undefined;
  rest = subtract(rest, resources);
  const missing: VolumeSpec[] = [];
  for (const { spec, key } of volumes) {
    const there = rest.find(({ label }) => label.volume?.id === spec.id);
    if (there !== undefined) {
      resources = add(resources, [there]);
      rest = subtract(rest, [there]);
      continue;
    }
    const disk = bagOf({ [reservedKey('disk', as)]: spec.disk });
    if (key !== undefined || !contains(rest, disk)) return undefined;
    rest = subtract(rest, disk);
    missing.push(spec);
    resources = add(resources, bagOf({ [volumeKey(spec, as)]: spec.disk }));
  }
  return {
    operations: missing.map(spec => createVolume({ ...spec, from: reservedKey('disk', as) })),
    reservation: reservationOf(
      resources,
      volumes.map(({ spec }) => spec),
    ),
    as,
    consumed: subtract(own, rest),
  };
}

/** A reservation to be made of what is unreserved in `left`; undefined when that does not suffice. */
export function newReservation(
  keeper: Keeper,
  instanceId: InstanceId,
  amounts: Bag,
  mounts: readonly PersistentMount[],
  left: Bag,
): Kept | undefined {
  const free = left.filter(({ label }) => label.role === undefined && !label.revocable);
  const as = reservationFor(keeper, instanceId);
  let rest: Bag = free;
  let consumed = amounts;
  const volumes: VolumeSpec[] = [];
  for (const [index, mount] of mounts.entries()) {
    const disk = diskFor(mount, rest, consumed);
    if (disk === undefined) return undefined;
    consumed = add(consumed, disk.bag);
    rest = disk.whole ? subtract(rest, disk.bag) : rest;
    volumes.push({
      id: volumeIdOf(instanceId, index),
      disk: disk.mib,
      containerPath: mount.containerPath,
      mode: mount.readOnly ? 'RO' : 'RW',
      from: reservedKey(disk.key, as),
    });
  }
  if (!contains(free, consumed)) return undefined;
  let resources = relabelled(amounts, as);
  for (const volume of volumes) resources = add(resources, bagOf({ [volumeKey(volume, as)]: volume.disk }));
  return {
    operations: [reserve(fromBag(consumed), as), ...volumes.map(volume => createVolume(volume))],
    reservation: reservationOf(resources, volumes),
    as,
    consumed,
  };
}

/** Gives up what is kept: the data is deleted, and the resources are anybody's. */
export function releaseOperations({ resources, volumes }: InstanceReservation): ResourceOperation[] {
  const kept: { [key: string]: number } = {};
  for (const resource of bagOf(resources)) {
    if (resource.kind !== 'scalar') continue;
    const key = diskKeyOf(resource.key);
    kept[key] = (kept[key] ?? 0) + resource.milli / 1000;
  }
  return [...volumes.map(({ id }) => destroyVolume(id)), unreserve(kept)];
}

/** Reservations of this framework in an offer, by the instance they are kept for: those of unknown ones are to be looked at by an operator. */
export function keptIn(frameworkId: string, resources: Bag): Map<InstanceId, Resource[]> {
  const found = new Map<InstanceId, Resource[]>();
  for (const resource of resources) {
    const labels = resource.label.reservations.at(-1)?.labels;
    const instanceId = labels?.[reservationLabels.instance];
    if (instanceId === undefined || labels?.[reservationLabels.framework] !== frameworkId) continue;
    const list = found.get(instanceId);
    if (list === undefined) found.set(instanceId, [resource]);
    else list.push(resource);
  }
  return found;
}

function reservationFor({ frameworkId, role, principal }: Keeper, instanceId: InstanceId): ReservationSpec {
  return {
    role,
    ...(principal === undefined ? {} : { principal }),
    labels: { [reservationLabels.framework]: frameworkId, [reservationLabels.instance]: instanceId },
  };
}

/** The same amounts under a reservation. */
export function relabelled(bag: Bag, as: ReservationSpec): Bag {
  const resources: { [key: string]: Resources[string] } = {};
  for (const [key, amount] of Object.entries(fromBag(bag))) resources[reservedKey(key, as)] = amount;
  return bagOf(resources);
}

function volumeIdOf(instanceId: InstanceId, index: number): VolumeId {
  return `${instanceId}.volume-${index}` as VolumeId;
}

function volumeFor(
  mount: PersistentMount,
  index: number,
  instanceId: InstanceId,
  own: Bag,
): { readonly spec: VolumeSpec; readonly key: string | undefined } {
  const id = volumeIdOf(instanceId, index);
  const there = own.find(({ label }) => label.volume?.id === id);
  const mib = there?.kind === 'scalar' ? there.milli / 1000 : mount.size;
  const spec: VolumeSpec = { id, disk: mib, containerPath: mount.containerPath, mode: mount.readOnly ? 'RO' : 'RW' };
  // Only the sandboxes' disk can be made a volume of again without asking which it was.
  return { spec, key: mount.type === 'root' ? undefined : mount.type };
}

interface Disk {
  /** While it is reserved to nobody. */
  readonly key: string;
  readonly mib: number;
  readonly bag: Bag;
  readonly whole: boolean;
}

// The disk a volume is made of: the sandboxes', a part of a PATH disk, or the smallest MOUNT disk that will do, whole.
function diskFor({ type, size, maxSize, constraints }: PersistentMount, rest: Bag, spoken: Bag): Disk | undefined {
  if (type === 'root') return { key: 'disk', mib: size, bag: bagOf({ disk: size }), whole: false };
  let best: Disk | undefined;
  for (const resource of rest) {
    const { label, key, kind } = resource;
    if (kind !== 'scalar' || label.source?.type !== (type === 'mount' ? 'MOUNT' : 'PATH')) continue;
    if (!constraints.every(constraint => allowsPath(constraint, label.source?.root ?? ''))) continue;
    const promised = spoken.find(each => each.key === key);
    const mib = (resource.milli - (promised?.kind === 'scalar' ? promised.milli : 0)) / 1000;
    if (mib < size || (type === 'mount' && maxSize !== undefined && mib > maxSize)) continue;
    if (type === 'path') return { key, mib: size, bag: bagOf({ [key]: size }), whole: false };
    if (best === undefined || mib < best.mib) best = { key, mib, bag: bagOf({ [key]: mib }), whole: true };
  }
  return best;
}

function allowsPath({ operator, value }: PlacementConstraint, path: string): boolean {
  const constraint = { field: 'path', operator, ...(value === undefined ? {} : { value }) };
  return constraintRefusal([constraint], [], { hostname: '', attributes: { path } }) === undefined;
}

function reservationOf(resources: Bag, volumes: readonly VolumeSpec[]): Kept['reservation'] {
  return {
    resources: fromBag(resources),
    volumes: volumes.map(({ id, containerPath, disk: mib }) => ({ id, containerPath, mib })),
  };
}
