// What quota lets a client have, taken apart into the limits and guarantees it comes from. In: the quota book, to be read only. Out: bounds.
import type { Role } from '../base/ids.js';
import { plain, roleAncestors } from '../resources/index.js';
import type { Client } from './clients.js';
import type { AllocatorState } from './eligibility.js';
import type { Bound } from './explain-judge.js';

/** Bounds on the client's role by its own limits and those of roles above, and by what is kept for guarantees of others. */
export function quotaBounds(state: AllocatorState, client: Client): readonly Bound[] {
  const { quota } = state;
  const limits = limitsOn(state, client.role);
  const names = new Set<string>();
  for (const { guarantees } of quota.quotas.values()) for (const name of guarantees.keys()) names.add(name);
  const kept: Bound[] = [];
  for (const name of names) {
    const roles = unmet(state, client.role, name);
    const leftMilli = beyondGuarantees(state, client, name);
    if (leftMilli === undefined || roles.length === 0) continue;
    // A limit that leaves less is what binds.
    if (limits.some(bound => bound.name === name && bound.leftMilli <= leftMilli)) continue;
    const consumedMilli = quota.availableMilli(name);
    kept.push({ kind: 'GUARANTEES', name, leftMilli, roles, limitMilli: quota.requiredMilli(name), consumedMilli });
  }
  return [...limits, ...kept];
}

function limitsOn({ quota }: AllocatorState, role: Role): Bound[] {
  return [role, ...roleAncestors(role)].flatMap(at => {
    const limits = quota.quotas.get(at)?.limits;
    if (limits === undefined || limits.size === 0) return [];
    const consumed = quota.consumed(at);
    return Array.from(limits, ([name, limitMilli]): Bound => {
      const consumedMilli = consumed.get(name) ?? 0;
      return { kind: 'QUOTA', name, leftMilli: limitMilli - consumedMilli, roles: [at], limitMilli, consumedMilli };
    });
  });
}

// How much of a scalar the client may have, by asking for more than there can be; undefined when nothing is kept from it.
function beyondGuarantees(state: AllocatorState, client: Client, name: string): number | undefined {
  const { quota, clients, tree } = state;
  // Whoever is in the role already may have as much as one that is not there yet.
  const [slot] = client.slot >= 0 ? [client.slot] : tree.slotsIn(client.role, false);
  const peer = slot === undefined ? undefined : clients.at(slot);
  const all = Number.MAX_SAFE_INTEGER;
  const probe = [{ kind: 'scalar' as const, key: name, name, label: plain, milli: all }];
  const offered = peer === undefined ? quota.beyondNeeds(probe) : quota.offerable(peer, probe);
  const [first] = offered;
  const milli = first?.kind === 'scalar' ? first.milli : 0;
  return milli === all ? undefined : milli;
}

// Roles beside the client's own path whose guarantees are not met.
function unmet({ quota }: AllocatorState, role: Role, name: string): readonly Role[] {
  const path = new Set([role, ...roleAncestors(role)]);
  const found: Role[] = [];
  for (const [other, { guarantees }] of quota.quotas) {
    const milli = guarantees.get(name) ?? 0;
    if (!path.has(other) && milli > (quota.consumed(other).get(name) ?? 0)) found.push(other);
  }
  return found.sort();
}
