// The amounts that an instance starts on. In: its need, what is left of an offer. Out: a part of the offer for each task, or what is short. Pure.
import { add, bagOf, emptyBag, isEmpty, subtract, sum, take } from 'proffer';
import type { AgentId, Bag } from 'proffer';
import type { Instance, InstanceReservation } from '../machine/instance.js';
import type { RejectReason } from '../queue/funnel.js';
import { shortOf, usableFor } from './need.js';
import type { Need } from './need.js';
import { foundReservation, newReservation, relabelled } from './reservations.js';
import type { Keeper, Kept } from './reservations.js';

/** What an instance starts on; with `short` there is nothing of it. */
export interface Chosen {
  readonly short: readonly RejectReason[];
  /** Per task, by the keys of the offer. */
  readonly parts: readonly Bag[];
  readonly executor?: Bag;
  readonly consumed: Bag;
  readonly kept?: Kept;
}

/** The amounts of an instance that is bound to no place, which must be there: the most refined reservations first. */
export function choose(need: Need, left: Bag): Chosen {
  let rest = usableFor(need, left);
  let consumed: Bag = emptyBag;
  const short: RejectReason[] = [];
  const draw = (wanted: Bag): Bag => {
    const { taken, shortages } = take(rest, wanted);
    for (const { name } of shortages) note(short, name);
    rest = subtract(rest, taken);
    consumed = isEmpty(consumed) ? taken : add(consumed, taken);
    return taken;
  };
  const parts = need.parts.map(({ bag }) => draw(bag));
  const executor = need.executor === undefined ? {} : { executor: draw(need.executor.bag) };
  return { short, parts, ...executor, consumed };
}

/** What is kept in `left` for a resident, or a new reservation of what nobody has there. */
export function chooseKept(keeper: Keeper, instance: Instance, need: Need, left: Bag): Chosen {
  const executor = need.executor === undefined ? [] : [need.executor.bag];
  const amounts = sum([...need.parts.map(({ bag }) => bag), ...executor]);
  const bare: Chosen = { short: [], parts: [], consumed: emptyBag };
  const found = foundReservation(keeper, instance.id, amounts, need.mounts, left);
  if (found === undefined && instance.reservation?.proven === true) {
    return { ...bare, short: ['NoCorrespondingReservationFound'] };
  }
  // Nothing can be kept for everybody.
  if (keeper.role === '*') return { ...bare, short: ['UnfulfilledRole'] };
  const kept = found ?? newReservation(keeper, instance.id, amounts, need.mounts, left);
  if (kept === undefined) {
    const short: RejectReason[] = [];
    for (const name of shortOf({ ...need, roles: new Set(['*']) }, left)) note(short, name);
    return { ...bare, short: short.length === 0 ? ['InsufficientDisk'] : short };
  }
  const volumes = bagOf(kept.reservation.resources).filter(({ label }) => label.volume !== undefined);
  const parts = need.parts.map(({ bag }, at) => {
    const part = relabelled(bag, kept.as);
    return at === 0 ? add(part, volumes) : part;
  });
  return {
    short: [],
    parts,
    ...(need.executor === undefined ? {} : { executor: relabelled(need.executor.bag, kept.as) }),
    consumed: kept.consumed,
    kept,
  };
}

/** The reservation of an instance that is about to start on it: what was found in an offer has been made. */
export function keptOn(agentId: AgentId, kept: Kept, instance: Instance): InstanceReservation {
  const found = !kept.operations.some(({ type }) => type === 'RESERVE');
  return { ...kept.reservation, agentId, proven: found || instance.reservation?.proven === true };
}

const shortages: Readonly<Record<string, RejectReason>> = {
  cpus: 'InsufficientCpus',
  mem: 'InsufficientMemory',
  disk: 'InsufficientDisk',
  gpus: 'InsufficientGpus',
  ports: 'InsufficientPorts',
};

/** Adds the reason that the lack of `name` is, once. */
export function note(short: RejectReason[], name: string): void {
  const reason = shortages[name];
  if (reason !== undefined && !short.includes(reason)) short.push(reason);
}
