// Short forms for people: operations on the resources of an offer, for `Framework.accept`. In: what to turn into what. Out: operations.
import { ProfferError } from '../base/errors.js';
import type { OperationId, VolumeId } from '../base/ids.js';
import type { ReservationSpec, ResourceOperation, VolumeSpec } from '../protocol/scheduler-api.js';
import type { ParsedKey, Resources } from '../resources/index.js';
import { dynamicReservation, keyOf, labelOf, parseKey } from '../resources/index.js';

/**
 * Reserves `resources` to a role, so that only frameworks of that role, or of roles below it, are offered them from then on. They are named as they are
 * in the offer: `{ cpus: 2 }` for what is unreserved, `{ 'cpus(ads)': 2 }` to refine a reservation to a role below `ads`.
 *
 * With an `id` the outcome comes by `Framework.operations$`; launches that follow in the same `accept` may use what it makes in any case.
 *
 * @example
 * framework.accept(offer, [
 *   reserve({ cpus: 1, disk: 1024 }, { role: 'ads' }),
 *   createVolume({ id: 'db-0', disk: 1024, containerPath: 'data' }),
 *   launch({ name: 'db', command: './db data', resources: { cpus: 1, 'disk(ads,dynamic)[db-0:data]': 1024 } }),
 * ]);
 */
export function reserve(resources: Resources, reservation: ReservationSpec, id?: OperationId): ResourceOperation {
  return { type: 'RESERVE', ...named(id), resources, reservation };
}

/** Undoes the last reservation of `resources`, named as in the offer: `{ 'cpus(ads,dynamic)': 2 }`. It must be a dynamic one. */
export function unreserve(resources: Resources, id?: OperationId): ResourceOperation {
  return { type: 'UNRESERVE', ...named(id), resources };
}

/**
 * Makes a persistent volume of reserved disk: a directory that outlives tasks, and the agent process. Tasks use it by naming its whole amount under its key, e.g.
 * `'disk(ads,dynamic)[db-0:data]': 1024`.
 */
export function createVolume(volume: VolumeSpec, id?: OperationId): ResourceOperation {
  return { type: 'CREATE', ...named(id), volumes: [volume] };
}

/**
 * The key under which a volume made of disk that was unreserved before `reservation` is found in offers and named by tasks, e.g.
 * `disk(ads,dynamic)[db-0:data]`, on the disk that `volume.from` names. Name the principal when the framework has one: the master fills it in where a reservation has none.
 */
export function volumeKey(volume: VolumeSpec, reservation: ReservationSpec): string {
  const { id, containerPath, mode = 'RW', shared = false } = volume;
  const from = volume.from === undefined ? undefined : parseKey(volume.from);
  return keyOf(
    'disk',
    labelOf({
      source: typeof from === 'string' ? undefined : from?.label.source,
      reservations: [dynamicReservation(reservation)],
      volume: { id, containerPath, mode },
      shared,
    }),
  );
}

/**
 * The key under which what `reserve({ [key]: … }, reservation)` makes is found in offers and named by tasks: `cpus(ads,dynamic,app=db)` for `cpus`,
 * `cpus(ads)(ads/video,dynamic)` for a refinement of `cpus(ads)`. Name the principal when the framework has one: see `volumeKey`.
 * @throws ProfferError INVALID_RESOURCES when `key` is none.
 */
export function reservedKey(key: string, reservation: ReservationSpec): string {
  const { name, label } = keyParts(key);
  return keyOf(
    name,
    labelOf({ source: label.source, reservations: [...label.reservations, dynamicReservation(reservation)] }),
  );
}

/**
 * The key of the disk that a volume is made of, and that DESTROY leaves; other keys stay as they are.
 * @throws ProfferError INVALID_RESOURCES when `key` is none.
 */
export function diskKeyOf(key: string): string {
  const { name, label } = keyParts(key);
  return label.volume === undefined
    ? key
    : keyOf(name, labelOf({ source: label.source, reservations: label.reservations }));
}

/** Deletes a persistent volume with all its data; its disk stays reserved. Refused while a task uses it. */
export function destroyVolume(volumeId: VolumeId, id?: OperationId): ResourceOperation {
  return { type: 'DESTROY', ...named(id), volumeIds: [volumeId] };
}

/** Adds `disk` MiB to a volume, out of disk in the offer with the same reservation. Not for shared volumes. */
export function growVolume(volumeId: VolumeId, disk: number, id?: OperationId): ResourceOperation {
  return { type: 'GROW_VOLUME', ...named(id), volumeId, disk };
}

/** Takes `disk` MiB off a volume; they stay reserved. Not for shared volumes. */
export function shrinkVolume(volumeId: VolumeId, disk: number, id?: OperationId): ResourceOperation {
  return { type: 'SHRINK_VOLUME', ...named(id), volumeId, disk };
}

function keyParts(key: string): ParsedKey {
  const parsed = parseKey(key);
  if (typeof parsed === 'string') throw new ProfferError('INVALID_RESOURCES', parsed, { path: 'key' });
  return parsed;
}

function named(id: OperationId | undefined): { readonly id?: OperationId } {
  return id === undefined ? {} : { id };
}
