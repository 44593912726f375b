// Why quota keeps a client from an agent. In: what it would see, and what is left of that. Out: the binding limits, and what is kept back.
import type { Bag } from '../../resources/index.js';
import { scalarMilli } from '../../resources/index.js';
import type { SkipReason } from '../model.js';
import type { QuotaClient } from './quota-tree.js';
import type { QuotaBook } from './quota-book.js';

/** One reason per scalar that was cut: the limit that leaves least, when it leaves less than what is kept back for guarantees does. */
export function quotaReasons(quota: QuotaBook, client: QuotaClient, visible: Bag, offerable: Bag): SkipReason[] {
  const out: SkipReason[] = [];
  const named = new Set(visible.map(({ name }) => name));
  for (const name of named) {
    if (scalarMilli(offerable, name) === scalarMilli(visible, name)) continue;
    const limit = quota.binding(client, name);
    const leftMilli = limit === undefined ? 0 : limit.limitMilli - limit.consumedMilli - (limit.keptMilli ?? 0);
    if (limit !== undefined && leftMilli <= quota.beyondOthersMilli(client.role, name))
      out.push({ kind: 'limit', name, ...limit });
    else {
      const [availableMilli, requiredMilli] = [quota.availableMilli(name), quota.requiredMilli(name)];
      out.push({ kind: 'headroom', name, availableMilli, requiredMilli });
    }
  }
  return out;
}
