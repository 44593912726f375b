// Roles as operators see them: every role that has frameworks, a weight, a quota or reservations, and those above it. In: state. Out: plain data.
import type { Allocator } from '../allocator/allocator.js';
import type { RoleUse } from '../allocator/model.js';
import type { FrameworkId, Role } from '../base/ids.js';
import type { RoleView } from '../protocol/operator-api.js';
import type { Bag } from '../resources/index.js';
import { add, addTotals, emptyBag, fromBag, plain, reserved } from '../resources/index.js';
import { amountsOf, consumedOf, inPool, rolePath, roleUsage } from './role-use.js';
import type { AgentRecord, ClusterView } from './state.js';

export function roleViews(view: ClusterView, allocator: Allocator): RoleView[] {
  const known = new Map<Role, RoleUse>(allocator.roles().map(use => [use.role, use]));
  const names = new Set([...known.keys(), ...[...view.quotas.keys()].flatMap(rolePath)]);
  const usage = roleUsage(view);
  const used = new Map<Role, Bag>();
  const reservedTo = new Map<Role, Bag>();
  for (const agent of view.agents.values()) {
    for (const [role, bag] of heldBy(agent, hold => hold.role)) addTo(used, role, bag);
    if (!inPool(agent)) continue;
    for (const r of reserved(agent.total))
      if (r.label.role !== undefined) addTo(reservedTo, r.label.role, [{ ...r, key: r.name, label: plain }]);
  }
  const offered = new Map<Role, Bag>();
  for (const offer of view.offers.values()) addTo(offered, offer.role, offer.resources);
  return [...names].toSorted().map((name): RoleView => {
    const use = known.get(name);
    const quota = view.quotas.get(name);
    return {
      name,
      weight: use?.weight ?? view.weights.get(name) ?? 1,
      frameworks: use?.frameworks ?? [],
      used: fromBag(used.get(name) ?? emptyBag),
      offered: fromBag(offered.get(name) ?? emptyBag),
      share: use?.share ?? 0,
      ...(quota === undefined
        ? {}
        : { quota: { limits: amountsOf(quota.limits), guarantees: amountsOf(quota.guarantees) } }),
      consumed: amountsOf(consumedOf(usage.get(name), true)),
      reserved: fromBag(reservedTo.get(name) ?? emptyBag),
    };
  });
}

/** What tasks and executors hold all over the cluster, by framework. */
export function usedByFramework(view: ClusterView): ReadonlyMap<FrameworkId, Bag> {
  const used = new Map<FrameworkId, Bag>();
  for (const agent of view.agents.values())
    for (const [id, bag] of heldBy(agent, hold => hold.frameworkId)) addTo(used, id, bag);
  return used;
}

/** A shared volume counts once, however many tasks use it. */
function heldBy(
  agent: Readonly<AgentRecord>,
  keyOf: (hold: { readonly frameworkId: FrameworkId; readonly role: Role }) => string,
): ReadonlyMap<string, Bag> {
  const held = new Map<string, Bag>();
  const count = (hold: { readonly frameworkId: FrameworkId; readonly role: Role; readonly resources: Bag }): void => {
    const key = keyOf(hold);
    held.set(key, add(held.get(key) ?? emptyBag, hold.resources));
  };
  for (const task of agent.tasks) if (task.holds) count(task);
  for (const executor of agent.executors.values()) count(executor);
  return held;
}

function addTo(totals: Map<string, Bag>, key: string, bag: Bag): void {
  totals.set(key, addTotals(totals.get(key) ?? emptyBag, bag));
}
