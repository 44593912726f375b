// What each role has: used, offered, reserved to it, sub-roles included. In: the state, agent by agent. Out: scalars in thousandths, by role.
import type { Role } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import { roleAncestors, unreserved } from '../resources/index.js';
import type { AgentRecord, ClusterView, OfferRecord } from './state.js';

/** Scalars in thousandths by name. */
export type Tally = Map<string, number>;

/** Of one role and those below it. Of what is used and offered only what is neither reserved nor revocable: that is what quota counts. */
export interface RoleUsage {
  readonly used: Tally;
  /** But for optimistic commit, where an offer has nothing yet. */
  readonly offered: Tally;
  /** All reservations on agents in the pool, used or not. */
  readonly reserved: Tally;
}

/** Every role that has anything, and those above it. One pass over agents and tasks; offers in `without` do not count. */
export function roleUsage(view: ClusterView, without?: ReadonlySet<OfferRecord>): ReadonlyMap<Role, RoleUsage> {
  const usage = new Map<Role, RoleUsage>();
  const paths = new Map<Role, readonly RoleUsage[]>();
  const of = (role: Role): RoleUsage => {
    let found = usage.get(role);
    if (found === undefined) usage.set(role, (found = { used: new Map(), offered: new Map(), reserved: new Map() }));
    return found;
  };
  const pathOf = (role: Role): readonly RoleUsage[] => {
    let path = paths.get(role);
    if (path === undefined) paths.set(role, (path = rolePath(role).map(of)));
    return path;
  };
  const count = (kind: keyof RoleUsage, role: Role, bag: Bag): void => {
    const path = pathOf(role);
    for (const r of bag) if (r.kind === 'scalar') for (const each of path) tally(each[kind], r.name, r.milli);
  };
  eachUse(view, without, count);
  return usage;
}

/** Calls `visit` with all that counts against roles, by the role itself; offers in `without` do not count. */
export function eachUse(
  view: ClusterView,
  without: ReadonlySet<OfferRecord> | undefined,
  visit: (kind: keyof RoleUsage, role: Role, bag: Bag) => void,
): void {
  for (const agent of view.agents.values()) {
    if (!inPool(agent)) continue;
    for (const r of agent.total) if (r.label.role !== undefined) visit('reserved', r.label.role, [r]);
    for (const task of agent.tasks) if (task.holds) visit('used', task.role, unreserved(task.resources));
    for (const executor of agent.executors.values()) visit('used', executor.role, unreserved(executor.resources));
    for (const offer of agent.offers)
      if (offer.sequence === undefined && without?.has(offer) !== true)
        visit('offered', offer.role, unreserved(offer.resources));
  }
}

/** What counts against a limit: what is reserved and used, and with `offers` also what is offered. */
export function consumedOf(usage: RoleUsage | undefined, offers: boolean): Tally {
  const consumed: Tally = new Map();
  if (usage === undefined) return consumed;
  for (const part of offers ? [usage.reserved, usage.used, usage.offered] : [usage.reserved, usage.used])
    for (const [name, milli] of part) tally(consumed, name, milli);
  return consumed;
}

export function tally(into: Tally, name: string, milli: number): void {
  into.set(name, (into.get(name) ?? 0) + milli);
}

/** Whether the allocator knows the agent. */
export function inPool(agent: Readonly<AgentRecord>): boolean {
  return agent.state === 'REGISTERED' || agent.state === 'DISCONNECTED';
}

/** Whether what is free on the agent is offered. */
export function isOnOffer(agent: Readonly<AgentRecord>): boolean {
  return agent.state === 'REGISTERED' && agent.admin.activity === 'ACTIVE';
}

/** The role and those above it. */
export function rolePath(role: Role): Role[] {
  return [role, ...roleAncestors(role)];
}

/** Amounts as people write them (cpus, MiB). */
export function amountsOf(milli: ReadonlyMap<string, number>): { readonly [name: string]: number } {
  return Object.fromEntries(Array.from(milli, ([name, amount]) => [name, amount / 1000]));
}

/** Amounts in thousandths; zeros stay: a limit of 0 means none. */
export function milliOf(amounts: { readonly [name: string]: number } | undefined): Tally {
  return new Map(Object.entries(amounts ?? {}).map(([name, amount]) => [name, Math.round(amount * 1000)]));
}
