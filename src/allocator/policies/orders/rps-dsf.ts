// Residual per-server dominant-share fairness.
import type { FrameworkOrder } from './order.js';
import { dominantDemand, PerServer } from './per-server.js';

/**
 * `K[n,i] = x[n] · max_r (d[n,r] / f[i,r]) / w[n]`, least first for each agent i: as `ps-dsf`, by what is left free there instead of its
 * total, which also
 * packs better.
 * Source: Kesidis, Shan et al., "Scheduling distributed resources in heterogeneous private clouds" (arXiv 1705.06102), and arXiv
 * 1803.00922.
 */
export function rpsDsf(): FrameworkOrder {
  const factor: NonNullable<FrameworkOrder['factor']> = (demand, free) => dominantDemand(demand, free);
  return {
    name: 'rps-dsf',
    rule: 'least tasks held * max_r(demand/agent free)/weight on each agent',
    factor,
    start: tieBreak => new PerServer(factor, tieBreak),
  };
}
