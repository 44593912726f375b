// Task share fairness.
import type { FrameworkOrder } from './order.js';
import { TaskShare } from './task-share.js';

/**
 * `x[n] / G[n] / w[n]`, least first, with `x[n]` the tasks that n holds and `G[n] = Σ_i min_r c[i,r] / d[n,r]` those that it could run
 * alone on all agents,
 * its constraints ignored (so that being picky does not pay).
 * Source: Wang, Li, Liang and Li, "Multi-resource fair sharing for datacenter jobs with placement constraints" (SC 2016).
 */
export function tsf(): FrameworkOrder {
  return {
    name: 'tsf',
    rule: 'least tasks held by tasks it could run alone, constraints ignored, by weight, over the role tree',
    start: tieBreak => new TaskShare(false, tieBreak),
  };
}
