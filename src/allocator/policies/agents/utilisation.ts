// How full an agent is.
import type { Vector } from '../../sorter/scalars.js';

/** max over r of (total − free + demand)/total, over what the task demands. */
export function utilisationAfter(demand: Vector, free: Vector, total: Vector): number {
  let most = 0;
  for (let i = 0; i < demand.length; i += 1) {
    const capacity = total[i] ?? 0;
    const each = demand[i] as number;
    if (each > 0 && capacity > 0) most = Math.max(most, (capacity - (free[i] ?? 0) + each) / capacity);
  }
  return most;
}
