// Reservations that are given up. In: instances that are over, offers of their agents, what became of operations. Out: operations; word to the instance when nothing is kept.
import type { OpenOffer, OperationStatus, ResourceOperation, Role } from 'proffer';
import { isOver } from '../machine/instance.js';
import type { Instance, InstanceReservation } from '../machine/instance.js';
import type { InstanceId } from '../machine/ids.js';
import { keptIn, releaseOperations } from '../match/reservations.js';
import type { Core } from './core.js';

interface Release {
  readonly role: Role;
  readonly reservation: InstanceReservation;
  /** The operation whose end is the end of it; undefined while none is under way. */
  operationId?: string | undefined;
  /** Since when offers of its agent show nothing of it. */
  missingSince?: number | undefined;
}

/** What is about to be released. It follows from the instances, so that nothing of it is stored. */
export class Releasing {
  readonly #core: Core;
  readonly #releases = new Map<InstanceId, Release>();
  /** Reservations of instances nobody knows were told of. */
  readonly #strange = new Set<InstanceId>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** An instance as it is now. */
  note(id: InstanceId, instance: Instance | undefined): void {
    const reservation = instance?.reservation;
    if (instance === undefined || reservation === undefined || instance.goal !== 'Decommissioned' || !isOver(instance))
      this.#releases.delete(id);
    else if (!this.#releases.has(id)) this.#releases.set(id, { role: instance.role, reservation });
  }

  /** Roles for which offers are needed. */
  roles(): Set<Role> {
    return new Set(Array.from(this.#releases.values(), ({ role }) => role));
  }

  /** What is to be done with an offer before anything else. */
  operationsFor({ offer, left }: OpenOffer, frameworkId: string, uuid: () => string): ResourceOperation[] {
    const kept = keptIn(frameworkId, left);
    for (const id of kept.keys()) this.#lookAtStranger(id, offer.hostname);
    const operations: ResourceOperation[] = [];
    for (const [id, release] of this.#releases) {
      const { reservation, role } = release;
      if (reservation.agentId !== offer.agentId || role !== offer.role || release.operationId !== undefined) continue;
      if (!kept.has(id)) {
        this.#missing(id, release);
        continue;
      }
      release.missingSince = undefined;
      release.operationId = `release-${uuid()}`;
      operations.push(...withId(releaseOperations(reservation), release.operationId));
    }
    return operations;
  }

  /** They were not sent. */
  withdraw(operations: readonly ResourceOperation[]): void {
    for (const { id } of operations) if (id !== undefined) this.#again(id);
  }

  /** What became of an operation. */
  heard({ operationId, state }: OperationStatus): void {
    if (operationId === undefined || state === 'OPERATION_PENDING') return;
    if (state !== 'OPERATION_FINISHED') return this.#again(operationId);
    for (const [id, release] of this.#releases) {
      if (release.operationId === operationId) this.#core.happen(id, { type: 'RELEASED' });
    }
  }

  /** Nothing is known any more of operations under way: the next offers show what became of them. */
  forgetOperations(): void {
    for (const release of this.#releases.values()) release.operationId = undefined;
  }

  #again(operationId: string): void {
    for (const release of this.#releases.values()) {
      if (release.operationId === operationId) release.operationId = undefined;
    }
  }

  #missing(id: InstanceId, release: Release): void {
    const { now, options, env } = this.#core;
    release.missingSince ??= now;
    if (release.reservation.proven) {
      if (now - release.missingSince < options.missingReservationMs) return;
      env.log.warn('what was kept for an instance is not there any more', { instance: id });
    }
    this.#core.happen(id, { type: 'RELEASED' });
  }

  #lookAtStranger(id: InstanceId, hostname: string): void {
    if (this.#core.ledger.instances.has(id) || this.#strange.has(id)) return;
    this.#strange.add(id);
    const hint = 'look at its data, then give it up with `proffer unreserve`';
    this.#core.env.log.warn('something is kept for an instance nobody knows', { instance: id, hostname, hint });
  }
}

// The last one's outcome is that of all: resources with a volume on them cannot be unreserved.
function withId(operations: readonly ResourceOperation[], id: string): ResourceOperation[] {
  return operations.map((operation, at) => (at === operations.length - 1 ? { ...operation, id } : operation));
}
