// Clients by role: all of one role see the same of an agent's reservations. In: clients that come and go. Out: the roles at and below one.
import type { Role } from '../../base/ids.js';
import { isAncestorOrSelf } from '../../resources/index.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, noBits, withBit } from '../../base/bits.js';

/** The clients of exactly one role, by slot. */
export interface RoleGroup {
  readonly role: Role;
  clients: Bits;
  count: number;
}

/** All roles that have clients. */
export class RoleGroups {
  readonly #groups = new Map<Role, RoleGroup>();
  // Which groups may see a reservation; made anew when roles come or go.
  readonly #below = new Map<Role, readonly RoleGroup[]>();

  join(role: Role, slot: number): void {
    let group = this.#groups.get(role);
    if (group === undefined) {
      group = { role, clients: noBits, count: 0 };
      this.#groups.set(role, group);
      this.#below.clear();
    }
    group.clients = withBit(group.clients, slot);
    group.count += 1;
  }

  leave(role: Role, slot: number): void {
    const group = this.#groups.get(role);
    if (group === undefined) return;
    clearBit(group.clients, slot);
    group.count -= 1;
    if (group.count > 0) return;
    this.#groups.delete(role);
    this.#below.clear();
  }

  /** The groups of `role` and its sub-roles. */
  below(role: Role): readonly RoleGroup[] {
    let found = this.#below.get(role);
    if (found === undefined) {
      found = [...this.#groups.values()].filter(group => isAncestorOrSelf(role, group.role));
      this.#below.set(role, found);
    }
    return found;
  }
}
