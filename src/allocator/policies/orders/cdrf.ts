// Containerized DRF: task shares that respect constraints.
import type { FrameworkOrder } from './order.js';
import { TaskShare } from './task-share.js';

/**
 * `x[n] / Σ_i g[n,i] / w[n]`, least first, with `g[n,i] = e[n,i] · min_r c[i,r] / d[n,r]`: as `tsf`, but only agents that capabilities
 * and constraints of
 * the framework admit (e = 1) count in what it could run alone.
 * Source: Friedman, Ghodsi and Psomas, "Strategyproof allocation of discrete jobs on multiple machines" (EC 2014).
 */
export function cdrf(): FrameworkOrder {
  return {
    name: 'cdrf',
    rule: 'least tasks held by tasks it could run alone where it may run, by weight, over the role tree',
    start: tieBreak => new TaskShare(true, tieBreak),
  };
}
