// Operations on resources in an ACCEPT: reserve, unreserve, volumes. Each validated by itself. In: the pot of offers. Out: conversions, orders, problems.
import { assertNever } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { OperationState } from '../../protocol/entities.js';
import type { ResourceOperation } from '../../protocol/scheduler-api.js';
import type { Bag, Converted } from '../../resources/index.js';
import {
  createVolumes,
  destroyVolumes,
  growVolume,
  isAncestorOrSelf,
  reserve,
  shrinkVolume,
  toBag,
  unreserve,
} from '../../resources/index.js';
import type { Draft } from '../decision.js';
import type { Pot } from '../pot.js';
import type { FrameworkRecord, Moment, OfferRecord } from '../state.js';
import { rescind } from './offers.js';
import { Orders } from './orders.js';
import { describe, isConflict, lostProblem } from './placing.js';
import type { Place } from './task-checks.js';
import { elsewhereProblem, inUseProblems, offersOfShared, volumePath } from './volume-use.js';

/** Carries out the operations of one ACCEPT, at once in the books: as in Mesos they are expected to succeed on the agent. */
export class Converting {
  readonly problems: Problem[] = [];
  /** Operations that were carried out. */
  readonly done: ResourceOperation[] = [];
  /** Operations that others were faster than (optimistic commit). */
  conflicts = 0;
  readonly #place: Place;
  readonly #pot: Pot;
  readonly #draft: Draft;
  readonly #orders: Orders;
  /** What tasks of this ACCEPT were given. */
  readonly #placed: readonly Bag[];
  readonly #ended: Set<OfferRecord>;

  /** `offers` are those of the ACCEPT. */
  constructor(
    place: Place,
    pot: Pot,
    draft: Draft,
    at: Moment,
    offers: readonly OfferRecord[],
    placed: readonly Bag[],
  ) {
    this.#place = place;
    this.#pot = pot;
    this.#draft = draft;
    this.#orders = new Orders(place.view, draft, at);
    this.#placed = placed;
    this.#ended = new Set(offers);
  }

  run(operation: ResourceOperation, path: string, findings: readonly Problem[] | undefined): void {
    const { framework, agent, offer, view } = this.#place;
    const problems = findings ?? this.#problems(operation, path);
    if (problems.length > 0) {
      this.#drop(operation, problems, 'OPERATION_ERROR');
      return;
    }
    const made = this.#pot.convert(
      (have, total) => conversionOf(operation, have, total, this.#place, path),
      `${path}.resources`,
    );
    if (made.kind !== 'MADE') {
      if (made.kind === 'LOST') this.conflicts += 1;
      const isSaid = made.kind === 'WRONG' || made.problems.every(isConflict);
      const why = isSaid ? made.problems : [lostProblem(path, made.problems.map(each => each.message).join('; '))];
      this.#drop(operation, why, made.kind === 'LOST' ? 'OPERATION_DROPPED' : 'OPERATION_ERROR');
      return;
    }
    const { conversion } = made;
    const others = offersOfShared(agent, conversion.consumed).filter(each => !this.#ended.has(each));
    for (const each of others) this.#ended.add(each);
    rescind(view, this.#draft, others, 'RESOURCES_CHANGED');
    const holder = { frameworkId: framework.id, role: offer.role };
    // What is offered optimistically nobody holds yet.
    this.#draft.change({
      type: 'CONVERTED',
      agentId: agent.id,
      conversion,
      ...(offer.sequence === undefined ? { holder } : {}),
    });
    this.#orders.send(agent, operation.type, conversion, { frameworkId: framework.id, id: operation.id });
    this.done.push(operation);
  }

  /** What is wrong, as far as that can be said before anything is converted. */
  #problems(operation: ResourceOperation, path: string): readonly Problem[] {
    const { framework, agent, offer } = this.#place;
    const known = operation.id === undefined ? undefined : framework.operations.get(operation.id);
    const again = operation.id !== undefined && this.done.some(({ id }) => id === operation.id);
    if (known !== undefined || again) {
      const message = `${shown(operation.id)} is the id of an operation whose outcome is not acknowledged`;
      return [problem(`${path}.id`, 'INVALID_OPERATION', message, 'give each operation an id of its own')];
    }
    const problems = capabilityProblems(operation, framework, offer, path);
    if (problems.length > 0) return problems;
    const make = (have: Bag, total: Bag): Converted => conversionOf(operation, have, total, this.#place, path);
    const tried = this.#pot.imagine(make).converted;
    if (!tried.ok) return tried.problems.map(each => this.#explained(each, operation));
    return inUseProblems(agent, tried.conversion.consumed, this.#placed, id => volumePath(operation, path, id));
  }

  // A volume that is there but in use is not unknown.
  #explained(found: Problem, operation: ResourceOperation): Problem {
    if (found.code !== 'UNKNOWN_VOLUME') return found;
    const ids =
      operation.type === 'DESTROY' ? operation.volumeIds : 'volumeId' in operation ? [operation.volumeId] : [];
    for (const id of ids) {
      if (!found.message.includes(shown(id))) continue;
      const soFar = { total: this.#pot.total, placed: this.#placed };
      return elsewhereProblem(this.#place.agent, id, this.#place.offer.role, found.path, soFar) ?? found;
    }
    return found;
  }

  #drop(operation: ResourceOperation, problems: readonly Problem[], state: OperationState): void {
    this.problems.push(...problems);
    const { framework, agent } = this.#place;
    dropOperation(this.#draft, framework, operation, agent.id, state, describe(problems));
  }
}

/** Tells the framework that an operation was not carried out, if it gave it an id. */
export function dropOperation(
  draft: Draft,
  framework: Readonly<FrameworkRecord>,
  operation: ResourceOperation,
  agentId: string | undefined,
  state: OperationState,
  message: string,
): void {
  if (operation.id === undefined || framework.state !== 'ACTIVE') return;
  draft.toFramework(framework.id, {
    type: 'UPDATE_OPERATION',
    status: {
      operationId: operation.id,
      frameworkId: framework.id,
      ...(agentId === undefined ? {} : { agentId }),
      state,
      message,
    },
  });
}

function conversionOf(operation: ResourceOperation, have: Bag, total: Bag, place: Place, path: string): Converted {
  const { role } = place.offer;
  switch (operation.type) {
    case 'RESERVE': {
      const { bag, problems } = toBag(operation.resources, `${path}.resources`);
      const { principal = place.framework.info.principal, ...rest } = operation.reservation;
      if (problems.length > 0) return { ok: false, problems };
      return reserve(have, bag, principal === undefined ? rest : { ...rest, principal }, path);
    }
    case 'UNRESERVE': {
      const { bag, problems } = toBag(operation.resources, `${path}.resources`);
      return problems.length > 0 ? { ok: false, problems } : unreserve(have, bag, path);
    }
    case 'CREATE':
      return createVolumes(have, operation.volumes, role, `${path}.volumes`, total);
    case 'DESTROY':
      return destroyVolumes(have, operation.volumeIds, role, `${path}.volumeIds`);
    case 'GROW_VOLUME':
      return growVolume(have, operation.volumeId, Math.round(operation.disk * 1000), role, path);
    case 'SHRINK_VOLUME':
      return shrinkVolume(have, operation.volumeId, Math.round(operation.disk * 1000), role, path);
    default:
      return assertNever(operation, 'operation');
  }
}

function capabilityProblems(
  operation: ResourceOperation,
  framework: Readonly<FrameworkRecord>,
  offer: OfferRecord,
  path: string,
): readonly Problem[] {
  if (operation.type === 'RESERVE') {
    const { role } = operation.reservation;
    if (isAncestorOrSelf(offer.role, role)) return [];
    const message = `${shown(role)} is not the role of the offer, ${shown(offer.role)}, nor below it`;
    return [problem(`${path}.reservation.role`, 'INVALID_OPERATION', message, 'reserve to the role of the offer')];
  }
  if (operation.type !== 'CREATE' || framework.info.capabilities?.includes('SHARED_RESOURCES') === true) return [];
  return operation.volumes.flatMap(({ shared }, i) => {
    if (shared !== true) return [];
    const message = 'a framework without the capability SHARED_RESOURCES is not offered shared volumes';
    return [problem(`${path}.volumes[${i}].shared`, 'INVALID_OPERATION', message, 'subscribe with SHARED_RESOURCES')];
  });
}
