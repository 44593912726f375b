// Dominant resource fairness, weighted, per level of the role tree: the default.
import type { FrameworkOrder } from './order.js';

/**
 * `s[n] = max_r (held[n,r] / C[r]) / w[n]`, least first, level by level: a role's holdings are the sum of what is below it, and C is the
 * whole
 * cluster's at every level. `wdrf` and `hdrf-naive` are other names of it: without weights it is DRF, without sub-roles it is flat.
 * Source: Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011); the tree as in Mesos's sorter (`mesos/sorter/drf/sorter.cpp`).
 */
export function drf(): FrameworkOrder {
  return {
    name: 'drf',
    rule: 'least max_r(held/total)/weight, level by level of the role tree',
    // Without a scoring the sorter computes just this, all at once.
    start: tieBreak =>
      tieBreak === 'count'
        ? undefined
        : { tieBreak, score: (node, columns) => columns.dominant(node.id) / columns.weight(node.id) },
  };
}
