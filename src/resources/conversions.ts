// What operations turn resources into: reserve, unreserve, and volumes. Pure. In: what is held, what is wanted. Out: what becomes what, or problems.
import type { ErrorCode, Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import type { Role, VolumeId } from '../base/ids.js';
import { add, subtract, sum } from './bag.js';
import { amountProblem, resourcePath } from './convert.js';
import { parseKey } from './key.js';
import type { Label } from './label.js';
import { keyOf, labelOf, refinement } from './label.js';
import type { Reservation } from './reservation.js';
import { dynamicReservation, refinementProblem, reservationRule } from './reservation.js';
import type { Bag, Resource, ScalarResource } from './resource.js';
import { compareResources, emptyBag, withMilli } from './resource.js';
import { isAncestorOrSelf } from './role.js';
import { describeShortage, shortages } from './shortage.js';
import type { PersistentVolume, VolumeSpec } from './volume.js';

/** A part of an agent's resources and what it becomes: the same amounts by name under other labels. */
export interface Conversion {
  readonly consumed: Bag;
  readonly produced: Bag;
}

/** What an operation does, or all that is wrong with it. */
export type Converted =
  | { readonly ok: true; readonly conversion: Conversion }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A persistent volume in a bag. */
export interface VolumeEntry {
  readonly volume: PersistentVolume;
  /** Its amount, and whom it is reserved to. */
  readonly resource: ScalarResource;
}

/** What `bag` becomes; asserts that all that is consumed is in it. */
export function convert(bag: Bag, conversion: Conversion): Bag {
  return add(subtract(bag, conversion.consumed), conversion.produced);
}

/** The persistent volumes in a bag. */
export function volumesOf(bag: Bag): readonly VolumeEntry[] {
  const found: VolumeEntry[] = [];
  for (const resource of bag) {
    const { volume } = resource.label;
    if (volume !== undefined && resource.kind === 'scalar') found.push({ volume, resource });
  }
  return found;
}

/**
 * Reserves `want`, a part of `have` keyed as it is now: plain for what is unreserved, `cpus(ads)` to refine. The reservation goes on top of the stack
 * as a dynamic one. Paths are `path.resources…` and `path.reservation…`. Source: Mesos, `Resources::pushReservation`, `validation::operation::validate`.
 */
export function reserve(have: Bag, want: Bag, reservation: Omit<Reservation, 'type'>, path: string): Converted {
  const problems: Problem[] = [];
  reservationRule(reservation, (field, message, hint) => {
    problems.push(problem(`${path}.reservation.${field}`, 'INVALID_OPERATION', message, hint));
  });
  for (const r of want) {
    const where = resourcePath(`${path}.resources`, r.key);
    const above = r.label.role;
    const why = notConvertible(r) ?? (above === undefined ? undefined : refinementProblem(reservation.role, above));
    if (why !== undefined) problems.push(problem(where, 'INVALID_OPERATION', why));
  }
  missing(have, want, `${path}.resources`, problems);
  if (problems.length > 0) return { ok: false, problems };
  const pushed = dynamicReservation(reservation);
  return relabelled(want, label => labelOf({ source: label.source, reservations: [...label.reservations, pushed] }));
}

/** Undoes the last reservation of `want`, a part of `have`; it must be a dynamic one, and no volume may be on it. */
export function unreserve(have: Bag, want: Bag, path: string): Converted {
  const problems: Problem[] = [];
  for (const r of want) {
    const last = r.label.reservations.at(-1);
    const why =
      notConvertible(r) ??
      (last === undefined ? 'is not reserved' : undefined) ??
      (last?.type === 'STATIC' ? 'is a static reservation, which cannot be undone at run time' : undefined);
    if (why !== undefined) problems.push(problem(resourcePath(`${path}.resources`, r.key), 'INVALID_OPERATION', why));
  }
  missing(have, want, `${path}.resources`, problems);
  if (problems.length > 0) return { ok: false, problems };
  return relabelled(want, label => labelOf({ source: label.source, reservations: label.reservations.slice(0, -1) }));
}

/**
 * Makes a volume of reserved disk in `have`: of the entry `volume.from`, or of the most refined one with enough that is reserved to `role` or above;
 * see `VolumeSpec.from`. A MOUNT disk becomes a volume as a whole.
 * Its id must be new among the volumes of the same role in `total`, which is the agent's whole.
 */
export function createVolume(have: Bag, volume: VolumeSpec, role: Role, path: string, total: Bag = have): Converted {
  const milli = Math.round(volume.disk * 1000);
  const why =
    milli === 0 ? 'is not an amount of disk; it must be above 0, in MiB' : amountProblem('disk', volume.disk)?.why;
  if (why !== undefined) return no(problem(`${path}.disk`, 'INVALID_OPERATION', `${shown(volume.disk)} ${why}`));
  const disk = have
    .filter((r): r is ScalarResource => isDiskFor(r, role))
    .sort((a, b) => refinement(b) - refinement(a) || placeOf(a) - placeOf(b));
  const suffices = (r: ScalarResource): boolean => (r.label.indivisible ? r.milli === milli : r.milli >= milli);
  const source = volume.from === undefined ? disk.find(suffices) : disk.find(r => r.key === canonical(volume.from));
  if (source === undefined || !suffices(source)) return no(noDisk(disk, volume, role, path));
  const twin = volumesOf(total).some(v => v.volume.id === volume.id && v.resource.label.role === source.label.role);
  if (twin) {
    const message = `${shown(volume.id)} is the id of a volume of role ${shown(source.label.role)} on the agent already`;
    return no(problem(`${path}.id`, 'VOLUME_EXISTS', message, 'choose another id, or use that volume'));
  }
  const { id, containerPath, mode = 'RW', shared = false } = volume;
  const { label: of } = source;
  const label = labelOf({
    source: of.source,
    reservations: of.reservations,
    volume: { id, containerPath, mode },
    shared,
  });
  return {
    ok: true,
    conversion: { consumed: [withMilli(source, milli)], produced: [under(label, source, milli)] },
  };
}

/** Makes several volumes, all or none. Paths are `path[i]…`. */
export function createVolumes(
  have: Bag,
  volumes: readonly VolumeSpec[],
  role: Role,
  path: string,
  total: Bag = have,
): Converted {
  let all = total;
  return chained(have, volumes, (left, volume, i) => {
    const made = createVolume(left, volume, role, `${path}[${i}]`, all);
    if (made.ok) all = add(all, made.conversion.produced);
    return made;
  });
}

/** Makes a volume disk again. Whether somebody uses it is the caller's question. */
export function destroyVolume(have: Bag, id: VolumeId, role: Role, path: string): Converted {
  const found = volumeFor(have, id, role);
  if (found === undefined) return no(unknownVolume(id, role, path));
  const { resource } = found;
  const label = withoutVolume(resource.label);
  return { ok: true, conversion: { consumed: [resource], produced: [under(label, resource, resource.milli)] } };
}

/** Makes several volumes disk again, all or none. Paths are `path[i]`. */
export function destroyVolumes(have: Bag, ids: readonly VolumeId[], role: Role, path: string): Converted {
  return chained(have, ids, (left, id, i) => destroyVolume(left, id, role, `${path}[${i}]`));
}

/** Adds thousandths of a MiB to a volume, out of disk in `have` with the same reservations. */
export function growVolume(have: Bag, id: VolumeId, addMilli: number, role: Role, path: string): Converted {
  const found = resizable(have, id, addMilli, role, path);
  if ('code' in found) return no(found);
  const label = withoutVolume(found.resource.label);
  const more = under(label, found.resource, addMilli);
  const short = shortages(have, [more]);
  if (short.length > 0) {
    const hint = 'a volume grows by disk with the same reservations';
    return no(problem(`${path}.disk`, 'INSUFFICIENT_RESOURCES', short.map(describeShortage).join('; '), hint));
  }
  return {
    ok: true,
    conversion: {
      consumed: sorted([found.resource, more]),
      produced: [withMilli(found.resource, found.resource.milli + addMilli)],
    },
  };
}

/** Takes thousandths of a MiB off a volume; some must stay. */
export function shrinkVolume(have: Bag, id: VolumeId, subtractMilli: number, role: Role, path: string): Converted {
  const found = resizable(have, id, subtractMilli, role, path);
  if ('code' in found) return no(found);
  const { resource } = found;
  if (subtractMilli >= resource.milli) {
    const message = `${subtractMilli / 1000} is not less than the ${resource.milli / 1000} MiB of volume ${shown(id)}`;
    return no(problem(`${path}.disk`, 'INVALID_OPERATION', message, 'destroy the volume instead'));
  }
  const label = withoutVolume(resource.label);
  return {
    ok: true,
    conversion: {
      consumed: [resource],
      produced: sorted([withMilli(resource, resource.milli - subtractMilli), under(label, resource, subtractMilli)]),
    },
  };
}

function no(...problems: readonly Problem[]): Converted {
  return { ok: false, problems };
}

function notConvertible(r: Resource): string | undefined {
  if (r.label.revocable) return 'revocable resources cannot be reserved';
  return r.label.volume === undefined ? undefined : 'is a volume; its reservation cannot change';
}

function missing(have: Bag, want: Bag, path: string, problems: Problem[]): void {
  if (want.length === 0) problems.push(problem(path, 'INVALID_OPERATION', 'is empty; name at least one resource'));
  const short = shortages(have, want);
  for (const each of short) {
    problems.push(problem(resourcePath(path, each.key), 'INSUFFICIENT_RESOURCES', describeShortage(each), shortHint));
  }
}

function relabelled(want: Bag, relabel: (label: Label) => Label): Converted {
  // Reservations that differed in the last one only become alike.
  const produced = sum(want.map((r): Bag => [moved(r, relabel(r.label))]));
  return { ok: true, conversion: { consumed: want, produced } };
}

function moved(r: Resource, label: Label): Resource {
  return { ...r, key: keyOf(r.name, label), label };
}

function under(label: Label, like: Resource, milli: number): ScalarResource {
  return { kind: 'scalar', key: keyOf(like.name, label), name: like.name, label, milli };
}

function sorted(entries: readonly Resource[]): Bag {
  return [...entries].sort(compareResources);
}

function withoutVolume({ source, reservations }: Label): Label {
  return labelOf({ source, reservations });
}

// A disk of its own is there for somebody who names it.
function placeOf({ label: { source } }: Resource): number {
  return source === undefined ? 0 : source.type === 'PATH' ? 1 : 2;
}

function isDiskFor(r: Resource, role: Role): boolean {
  const { volume } = r.label;
  return r.kind === 'scalar' && r.name === 'disk' && volume === undefined && isFor(r, role);
}

function isFor(r: Resource, role: Role): boolean {
  return r.label.role !== undefined && isAncestorOrSelf(r.label.role, role);
}

/** The key as bags have it; undefined for a text that is none. */
function canonical(key: string | undefined): string | undefined {
  const parsed = key === undefined ? '' : parseKey(key);
  return typeof parsed === 'string' ? undefined : parsed.key;
}

function noDisk(disk: readonly ScalarResource[], volume: VolumeSpec, role: Role, path: string): Problem {
  const divisible = disk.filter(r => !r.label.indivisible);
  const most = Math.max(0, ...divisible.map(r => r.milli)) / 1000;
  if (volume.from !== undefined) {
    const source = disk.find(r => r.key === canonical(volume.from));
    const message =
      source === undefined
        ? `${shown(volume.from)} is not there, or not reserved to ${shown(role)}`
        : source.label.indivisible
          ? `${volume.disk} is not the ${source.milli / 1000} MiB of ${source.key}, which is taken whole`
          : `${volume.disk} is more than the ${source.milli / 1000} MiB of ${source.key}`;
    const hint = source?.label.indivisible === true ? `set disk to ${source.milli / 1000}` : undefined;
    return problem(`${path}.from`, 'INSUFFICIENT_RESOURCES', message, hint);
  }
  const message =
    disk.length === 0
      ? `no disk is reserved to ${shown(role)}`
      : divisible.length === 0
        ? `${volume.disk} is the size of none of the mount disks reserved to ${shown(role)}, which are taken whole`
        : `${volume.disk} is more than the largest reserved disk, ${most} MiB`;
  const hint = disk.length === 0 ? 'reserve disk first; it can be done in the same call' : undefined;
  return problem(`${path}.disk`, 'INSUFFICIENT_RESOURCES', message, hint);
}

function volumeFor(have: Bag, id: VolumeId, role: Role): VolumeEntry | undefined {
  const found = volumesOf(have).filter(v => v.volume.id === id && isFor(v.resource, role));
  return found.sort((a, b) => refinement(b.resource) - refinement(a.resource))[0];
}

function unknownVolume(id: VolumeId, role: Role, path: string): Problem {
  return problem(
    path,
    'UNKNOWN_VOLUME',
    `${shown(id)} is not the id of a volume of role ${shown(role)} here`,
    volumeHint,
  );
}

function resizable(have: Bag, id: VolumeId, byMilli: number, role: Role, path: string): VolumeEntry | Problem {
  if (!Number.isSafeInteger(byMilli) || byMilli <= 0) {
    const message = `${byMilli / 1000} is not an amount of disk; it must be above 0, in MiB`;
    return problem(`${path}.disk`, 'INVALID_OPERATION', message);
  }
  const found = volumeFor(have, id, role);
  if (found === undefined) return unknownVolume(id, role, `${path}.volumeId`);
  const { shared, source } = found.resource.label;
  const what = shared ? 'a shared volume' : source?.type === 'MOUNT' ? 'a volume on a mount disk' : undefined;
  if (what === undefined) return found;
  const code: ErrorCode = 'INVALID_OPERATION';
  return problem(`${path}.volumeId`, code, `${shown(id)} is ${what}, whose size cannot change`);
}

/** One conversion out of several that follow each other, each on what the ones before left. */
function chained<T>(have: Bag, items: readonly T[], each: (left: Bag, item: T, i: number) => Converted): Converted {
  const problems: Problem[] = [];
  let left = have;
  let consumed = emptyBag;
  let produced = emptyBag;
  for (const [i, item] of items.entries()) {
    const next = each(left, item, i);
    if (!next.ok) {
      problems.push(...next.problems);
      continue;
    }
    left = convert(left, next.conversion);
    consumed = add(consumed, next.conversion.consumed);
    produced = add(produced, next.conversion.produced);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, conversion: { consumed, produced } };
}

const volumeHint =
  'volumes are part of the keys of resources, as in disk(ads,dynamic)[db-0:data]; another operation may have destroyed it';
const shortHint = 'ask for no more than is there, under the keys it has, as cpus(ads,dynamic)';
