// What quota lets a role have, taken apart into the limits and guarantees it comes from. In: the quota book, to be read only. Out: bounds; and a book
// as it would be with other guarantees.
import { noBits } from '../../base/bits.js';
import type { Role } from '../../base/ids.js';
import { bagOf, roleAncestors } from '../../resources/index.js';
import type { Amounts } from '../model.js';
import { QuotaBook } from '../quota/quota-book.js';
import type { Bound } from './judge.js';

/** Bounds on a role by its own limits and those of roles above, and by what is kept for guarantees of others. */
export function quotaBounds(quota: QuotaBook, role: Role): readonly Bound[] {
  const limits = limitsOn(quota, role);
  const names = new Set<string>();
  for (const { guarantees } of quota.quotas.values()) for (const name of guarantees.keys()) names.add(name);
  const kept: Bound[] = [];
  for (const name of names) {
    const roles = unmet(quota, role, name);
    if (roles.length === 0) continue;
    const leftMilli = quota.beyondOthersMilli(role, name);
    const consumedMilli = quota.availableMilli(name);
    const limitMilli = quota.requiredMilli(name);
    const promises = (): readonly Promised[] => roles.map(each => promised(quota, each, name));
    kept.push({ kind: 'GUARANTEES', name, leftMilli, roles, limitMilli, consumedMilli, promises });
  }
  return [...limits, ...kept];
}

function limitsOn(quota: QuotaBook, role: Role): Bound[] {
  return [role, ...roleAncestors(role)].flatMap(at => {
    const limits = quota.quotas.get(at)?.limits;
    if (limits === undefined || limits.size === 0) return [];
    const consumed = quota.consumed(at);
    return Array.from(limits, ([name, limitMilli]): Bound => {
      const consumedMilli = consumed.get(name) ?? 0;
      const leftMilli = limitMilli - consumedMilli - quota.keptUnderMilli(at, role, name);
      return { kind: 'QUOTA', name, leftMilli, roles: [at], limitMilli, consumedMilli };
    });
  });
}

// Roles beside the role's own path whose guarantees are not met.
function unmet(quota: QuotaBook, role: Role, name: string): readonly Role[] {
  const path = new Set([role, ...roleAncestors(role)]);
  const found: Role[] = [];
  for (const [other, { guarantees }] of quota.quotas) {
    const milli = guarantees.get(name) ?? 0;
    if (!path.has(other) && milli > quota.firmMilli(other, name)) found.push(other);
  }
  return found.sort();
}

interface Promised {
  readonly role: Role;
  readonly milli: number;
  readonly floorMilli: number;
}

function promised(quota: QuotaBook, role: Role, name: string): Promised {
  const milliOf = (of: Role): number => quota.quotas.get(of)?.guarantees.get(name) ?? 0;
  const milli = milliOf(role);
  let below = 0;
  for (const other of quota.quotas.keys()) {
    // One that names the scalar stands for all below it.
    const above = roleAncestors(other);
    const nearest = above.find(each => each === role || milliOf(each) > 0);
    if (nearest === role) below += milliOf(other);
  }
  return { role, milli, floorMilli: Math.min(milli, Math.max(quota.firmMilli(role, name), below)) };
}

/** A book of one scalar alone, as `quota` has it for `role` and all roles with quota, but for these guarantees. */
export function bookAfter(
  quota: QuotaBook,
  role: Role,
  name: string,
  guarantees: ReadonlyMap<Role, number>,
): QuotaBook {
  const book = new QuotaBook();
  const roles = new Set([role, ...roleAncestors(role)]);
  for (const [at, { limits, guarantees: own }] of quota.quotas) {
    if (!limits.has(name) && !own.has(name)) continue;
    for (const each of [at, ...roleAncestors(at)]) roles.add(each);
    const guarantee = (guarantees.get(at) ?? own.get(name)) || undefined;
    book.set(at, { limits: only(name, limits.get(name)), guarantees: only(name, guarantee) }, [], []);
  }
  for (const at of roles) {
    const below = [...roles].filter(each => parentOf(each) === at);
    const firm = ownOf(at, below, each => quota.firmMilli(each, name));
    const all = ownOf(at, below, each => quota.consumed(each).get(name) ?? 0);
    const client = { slot: 0, role: at, minimum: nothing, quotaNode: undefined };
    book.join(client);
    book.charge(client, bagOf({ [name]: firm / 1000 }), 1);
    book.chargeCopy(client, bagOf({ [name]: (all - firm) / 1000 }), 1);
  }
  book.release(bagOf({ [name]: quota.availableMilli(name) / 1000 }), 1);
  return book;
}

const nothing = { key: '', sets: [], clients: noBits, count: 0 };

function only(name: string, milli: number | undefined): Amounts {
  return milli === undefined ? new Map<string, number>() : new Map([[name, milli]]);
}

// What counts against a role and not against those below it.
function ownOf(role: Role, below: readonly Role[], amountOf: (role: Role) => number): number {
  return below.reduce((rest, each) => rest - amountOf(each), amountOf(role));
}

function parentOf(role: Role): Role | undefined {
  const slash = role.lastIndexOf('/');
  return slash < 0 ? undefined : role.slice(0, slash);
}
