// Quota: what counts against a role. In: what agents have and what is held there. Out: amounts by name.
import type { Role } from '../base/ids.js';
import { isAncestorOrSelf } from '../resources/index.js';
import type { PoolAgent } from './agent-pool.js';
import type { Amounts } from './allocator.js';

/** Unreserved scalars held in `role` and its sub-roles, and all reservations to them, in thousandths. */
export function consumption(role: Role, agents: Iterable<PoolAgent>): Amounts {
  const amounts = new Map<string, number>();
  const count = (name: string, milli: number): void => void amounts.set(name, (amounts.get(name) ?? 0) + milli);
  for (const { info, held } of agents) {
    for (const r of info.total) {
      if (r.kind === 'scalar' && r.label.role !== undefined && isAncestorOrSelf(role, r.label.role))
        count(r.name, r.milli);
    }
    for (const [client, parts] of held) {
      if (!isAncestorOrSelf(role, client.role)) continue;
      for (const bag of parts) {
        for (const r of bag) if (r.kind === 'scalar' && r.label.role === undefined) count(r.name, r.milli);
      }
    }
  }
  return amounts;
}
