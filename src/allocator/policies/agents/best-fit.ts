// The agent whose free resources have the proportions of the task.
import type { AgentOrder } from './agent-order.js';

/**
 * `H(n,i) = Σ_r |d[n,r] / d[n,1] − f[i,r] / f[i,1]|`, least first, among agents on which a task of n fits; resource 1 is the first one
 * that n demands.
 * Source: Wang, Li and Liang, "Dominant resource fairness in cloud computing systems with heterogeneous servers" (INFOCOM 2014, arXiv
 * 1308.0083), Best-Fit DRFH.
 */
export function bestFit(): AgentOrder {
  return {
    name: 'best-fit',
    rule: 'least sum over r of |demand/demand of the first - free/free of the first|',
    kind: 'rank',
    score: (demand, free) => {
      const first = demand.findIndex(each => each > 0);
      if (first < 0) return 0;
      let sum = 0;
      for (let i = 0; i < demand.length; i += 1) {
        if ((demand[i] as number) <= 0) continue;
        sum += Math.abs((demand[i] as number) / (demand[first] as number) - (free[i] ?? 0) / (free[first] ?? 0));
      }
      return sum;
    },
  };
}
