// How much may still be counted against the limits of a role and those above it. In: the state, what an accept or a reservation adds. Out: what is short.
import type { Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import type { Tally } from './role-use.js';
import { consumedOf, rolePath, roleUsage, tally } from './role-use.js';
import type { ClusterView, OfferRecord } from './state.js';

/** One decision's view of the limits: what it takes stays taken for its next step. */
export class QuotaRoom {
  readonly #view: ClusterView;
  readonly #back: ReadonlySet<OfferRecord> | undefined;
  /** What is left under each limit, by role; looked up when first asked. */
  #left: Map<Role, Tally> | undefined;

  /** `back`: offers that are about to return, and count no more. */
  constructor(view: ClusterView, back?: ReadonlySet<OfferRecord>) {
    this.#view = view;
    this.#back = back;
  }

  /**
   * Why `added` cannot count against `to` and the roles above it, and not above `from`, against which it counts already. Without a problem
   * it counts from now on.
   */
  take(added: Bag, to: Role, from: Role | undefined, path: string): Problem | undefined {
    const roles = this.#limited(to, from);
    if (roles.length === 0) return undefined;
    const wanted: Tally = new Map();
    for (const r of added) if (r.kind === 'scalar' && !r.label.revocable) tally(wanted, r.name, r.milli);
    const left = this.#room();
    for (const role of roles) {
      for (const [name, milli] of wanted) {
        const room = left.get(role)?.get(name);
        if (room === undefined || milli <= room) continue;
        return problem(
          path,
          'QUOTA_EXCEEDED',
          `${name} ${milli / 1000} would count against role ${shown(role)}, and its limit leaves ${Math.max(0, room) / 1000}`,
          'raise the limit of the role, or use less',
        );
      }
    }
    for (const role of roles) {
      const room = left.get(role);
      for (const [name, milli] of wanted) if (room?.has(name) === true) tally(room, name, -milli);
    }
    return undefined;
  }

  #limited(to: Role, from: Role | undefined): Role[] {
    if (this.#view.quotas.size === 0) return [];
    const counted = from === undefined ? [] : rolePath(from);
    return rolePath(to).filter(role => !counted.includes(role) && (this.#view.quotas.get(role)?.limits.size ?? 0) > 0);
  }

  #room(): Map<Role, Tally> {
    if (this.#left !== undefined) return this.#left;
    const usage = roleUsage(this.#view, this.#back);
    this.#left = new Map();
    for (const [role, { limits }] of this.#view.quotas) {
      const consumed = consumedOf(usage.get(role), true);
      const room: Tally = new Map();
      for (const [name, milli] of limits) room.set(name, milli - (consumed.get(name) ?? 0));
      this.#left.set(role, room);
    }
    return this.#left;
  }
}
