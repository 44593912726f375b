// Least allocated: absolute amounts of one resource, not shares.
import type { FrameworkOrder } from './order.js';

/**
 * `held[n,r] / w[n]` of one resource `r`, least first, level by level. Other resources do not matter. There is no published rule of this
 * name; equal
 * amounts are ordered by path.
 */
export function leastAlloc(resource = 'cpus'): FrameworkOrder {
  return {
    name: `least-alloc:${resource}`,
    rule: `least ${resource} held, by weight, level by level of the role tree`,
    tieBreak: 'path',
    start: tieBreak => ({
      tieBreak,
      score: (node, columns) => columns.amount(node.id, columns.indexOf(resource)) / columns.weight(node.id),
    }),
  };
}
