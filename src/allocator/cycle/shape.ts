// What kinds of resources are in a bag: reserved, revocable, shared. In: what is free on an agent. Out: flags, and the part that is for everybody.
import type { Role } from '../../base/ids.js';
import type { Bag, Resource } from '../../resources/index.js';
import { filterBag } from '../../resources/index.js';

export interface Shape {
  /** Roles that something is reserved to. */
  readonly reservedTo: readonly Role[];
  readonly revocable: boolean;
  readonly shared: boolean;
  /** Not everybody sees the same of what is not reserved. */
  readonly special: boolean;
}

/** Everybody sees all of it. */
export const plainShape: Shape = { reservedTo: [], revocable: false, shared: false, special: false };

export function shapeOf(bag: Bag): Shape {
  let roles: Role[] | undefined;
  let revocable = false;
  let shared = false;
  for (let i = 0; i < bag.length; i += 1) {
    const { label } = bag[i] as Resource;
    if (label.revocable) revocable = true;
    if (label.role === undefined) continue;
    if (label.shared) shared = true;
    roles ??= [];
    if (!roles.includes(label.role)) roles.push(label.role);
  }
  if (roles === undefined && !revocable) return plainShape;
  return { reservedTo: roles ?? [], revocable, shared, special: revocable };
}

/** What is not reserved. */
export function commonOf(bag: Bag, shape: Shape): Bag {
  return shape.reservedTo.length === 0 ? bag : filterBag(bag, r => r.label.role === undefined);
}
