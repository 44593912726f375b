// What quota lets a role have, taken apart into the limits and guarantees it comes from. In: the quota book, to be read only. Out: bounds.
import type { Role } from '../../base/ids.js';
import { roleAncestors } from '../../resources/index.js';
import type { AllocatorState } from '../state.js';
import type { Bound } from './judge.js';

/** Bounds on a role by its own limits and those of roles above, and by what is kept for guarantees of others. */
export function quotaBounds(state: AllocatorState, role: Role): readonly Bound[] {
  const { quota } = state;
  const limits = limitsOn(state, role);
  const names = new Set<string>();
  for (const { guarantees } of quota.quotas.values()) for (const name of guarantees.keys()) names.add(name);
  const kept: Bound[] = [];
  for (const name of names) {
    const roles = unmet(state, role, name);
    if (roles.length === 0) continue;
    const leftMilli = quota.beyondOthersMilli(role, name);
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
      const leftMilli = limitMilli - consumedMilli - quota.keptUnderMilli(at, role, name);
      return { kind: 'QUOTA', name, leftMilli, roles: [at], limitMilli, consumedMilli };
    });
  });
}

// Roles beside the role's own path whose guarantees are not met.
function unmet({ quota }: AllocatorState, role: Role, name: string): readonly Role[] {
  const path = new Set([role, ...roleAncestors(role)]);
  const found: Role[] = [];
  for (const [other, { guarantees }] of quota.quotas) {
    const milli = guarantees.get(name) ?? 0;
    if (!path.has(other) && milli > quota.firmMilli(other, name)) found.push(other);
  }
  return found.sort();
}
