// The agent that has most of what the task needs most of.
import type { AgentOrder } from './agent-order.js';

/**
 * `Σ_r (d[n,r] / c[i,r]) · (f[i,r] / c[i,r])`, greatest first, among agents on which a task of n fits (the alignment of the task with
 * the agent).
 * Source: Grandl et al., "Multi-resource packing for cluster schedulers" (Tetris, SIGCOMM 2014), without its terms for remote input and
 * remaining work.
 */
export function dotProduct(): AgentOrder {
  return {
    name: 'dot-product',
    rule: 'greatest sum over r of demand/total * free/total',
    kind: 'rank',
    score: (demand, free, total) => {
      let alignment = 0;
      for (let i = 0; i < demand.length; i += 1) {
        const capacity = total[i] ?? 0;
        if (capacity > 0) alignment += ((demand[i] as number) / capacity) * ((free[i] ?? 0) / capacity);
      }
      return -alignment;
    },
  };
}
