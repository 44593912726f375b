// Asset fairness.
import type { FrameworkOrder } from './order.js';

/**
 * `Σ_r (held[n,r] / C[r]) / w[n]`, least first, level by level: as if each resource had the price 1/C[r], and all should have spent alike.
 * Source: the baseline of Ghodsi et al. (NSDI 2011), 4.1. It breaks the sharing incentive.
 */
export function asset(): FrameworkOrder {
  return {
    name: 'asset',
    rule: 'least sum over r of held/total, by weight, level by level of the role tree',
    start: tieBreak => ({
      tieBreak,
      score: (node, columns) => {
        let sum = 0;
        for (let i = 0; i < columns.width; i += 1) {
          const total = columns.total(i);
          if (total > 0) sum += columns.amount(node.id, i) / total;
        }
        return sum / columns.weight(node.id);
      },
    }),
  };
}
