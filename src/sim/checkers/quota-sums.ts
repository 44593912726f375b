// Sums that quota goes by, counted anew out of the master's state: what counts against a role, what is free, what guarantees lack. In: the state,
// limits and guarantees by role. Out: thousandths.
import type { Role } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import { isAncestorOrSelf, roleAncestors, unreserved } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';

/** Thousandths by name. */
export type Amounts = ReadonlyMap<string, number>;

/** What is set, by role. */
export interface Quotas {
  readonly limits: ReadonlyMap<Role, Amounts>;
  readonly guarantees: ReadonlyMap<Role, Amounts>;
}

/** The role and those above it, the top-level one last. */
export function pathOf(role: Role): readonly Role[] {
  return [role, ...roleAncestors(role)];
}

/**
 * What counts against a role: all reservations to it and below, and of what is open to all and firm, what is used and offered there. `copies`:
 * offers that take nothing (optimistic commit), too.
 */
export function consumedOf(cluster: ClusterView, role: Role, name: string, copies = false): number {
  let milli = 0;
  const count = (bag: Bag): void => {
    for (const r of unreserved(bag)) if (r.kind === 'scalar' && r.name === name) milli += r.milli;
  };
  for (const agent of cluster.agents.values()) {
    if (agent.state !== 'REGISTERED' && agent.state !== 'DISCONNECTED') continue;
    for (const r of agent.total) {
      const to = r.label.role;
      if (r.kind === 'scalar' && r.name === name && to !== undefined && isAncestorOrSelf(role, to)) milli += r.milli;
    }
    for (const task of agent.tasks) if (task.holds && isAncestorOrSelf(role, task.role)) count(task.resources);
    for (const offer of agent.offers)
      if ((copies || offer.sequence === undefined) && isAncestorOrSelf(role, offer.role)) count(offer.resources);
    for (const executor of agent.executors.values())
      if (isAncestorOrSelf(role, executor.role)) count(executor.resources);
  }
  return milli;
}

/** What is free, firm and open to all. */
export function freeOf(cluster: ClusterView, name: string): number {
  let milli = 0;
  for (const agent of cluster.agents.values()) {
    if (agent.state !== 'REGISTERED' || agent.admin.activity !== 'ACTIVE') continue;
    for (const r of unreserved(agent.free)) if (r.kind === 'scalar' && r.name === name) milli += r.milli;
  }
  return milli;
}

/** What all guarantees lack, where that of a role stands for all below it, as far as limits leave room for it. */
export function requiredOf(cluster: ClusterView, quotas: Quotas, name: string): number {
  const tops = new Set([...quotas.guarantees.keys()].map(role => pathOf(role).at(-1) ?? role));
  let sum = 0;
  for (const top of tops) sum += needOf(cluster, quotas, top, name);
  return sum;
}

/** What the guarantees of a role and those below it lack. */
export function needOf(cluster: ClusterView, quotas: Quotas, role: Role, name: string): number {
  const consumed = consumedOf(cluster, role, name);
  const own = Math.max(0, (quotas.guarantees.get(role)?.get(name) ?? 0) - consumed);
  let below = 0;
  for (const child of childrenOf(quotas, role)) below += needOf(cluster, quotas, child, name);
  const left = (quotas.limits.get(role)?.get(name) ?? Number.POSITIVE_INFINITY) - consumed;
  return Math.min(Math.max(0, left), Math.max(own, below));
}

function childrenOf({ guarantees }: Quotas, role: Role): ReadonlySet<Role> {
  const children = new Set<Role>();
  for (const each of guarantees.keys()) {
    const path = pathOf(each);
    const at = path.indexOf(role);
    const child = path[at - 1];
    if (at > 0 && child !== undefined) children.add(child);
  }
  return children;
}
