// Per-server dominant-share fairness.
import type { FrameworkOrder } from './order.js';
import { dominantDemand, PerServer } from './per-server.js';

/**
 * `K[n,i] = x[n] · max_r (d[n,r] / c[i,r]) / w[n]`, least first for each agent i: the share of that agent which all tasks of n, wherever
 * they
 * run, would take of it (its virtual dominant share). All frameworks are in one list; w is the weight of a framework's own role.
 * Source: Khamse-Ashari, Lambadaris, Kesidis, Urgaonkar and Zhao, "Per-Server Dominant-Share Fairness" (arXiv 1611.00404).
 */
export function psDsf(): FrameworkOrder {
  const factor: NonNullable<FrameworkOrder['factor']> = (demand, _free, total) => dominantDemand(demand, total);
  return {
    name: 'ps-dsf',
    rule: 'least tasks held * max_r(demand/agent total)/weight on each agent',
    factor,
    start: tieBreak => new PerServer(factor, tieBreak),
  };
}
