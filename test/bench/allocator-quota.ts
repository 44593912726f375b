// Workloads of quota: Mesos's hierarchical_allocator_benchmarks, and cycles with quota against those without.
import type { PolicySpec } from '../../src/allocator/policies/index.js';
import { definePolicy } from '../../src/allocator/policies/index.js';
import { bagOf } from '../../src/resources/index.js';
import { rounds } from './allocator-offers.js';
import type { Size, WorldOptions } from './allocator-world.js';
import { quotaOf, role, timed, World } from './allocator-world.js';
import type { BenchRow } from './row.js';
import { median, row } from './row.js';

const sorters = ['drf', 'random'] as const;
const agentTotal = bagOf({ cpus: 2, mem: 2048, disk: 2048 });

function policyOf(frameworkOrder: NonNullable<PolicySpec['frameworkOrder']>): WorldOptions {
  return { policy: definePolicy({ frameworkOrder }) };
}

/** Roles with a quota of half an agent and of two: all the cluster can give, in one run. */
export function largeAndSmallQuota([small, large]: Size): BenchRow[] {
  return sorters.map(sorter => {
    const world = new World(small + large, { ...policyOf(sorter), roleOf: i => `role-${i}` });
    for (let i = 0; i < small + large; i += 1) {
      const amount = i < small ? 1 : 4;
      world.allocator.setQuota(`role-${i}`, quotaOf({ cpus: amount, mem: amount * 1024, disk: amount * 1024 }));
    }
    const agents = small + large;
    const ms = timed(() => {
      world.addAgents(agents, agentTotal, []);
      world.cycle();
    });
    const cpus = world
      .take()
      .reduce((sum, { resources }) => sum + (resources[0]?.kind === 'scalar' ? resources[0].milli : 0), 0);
    if (cpus !== Math.min(agents * 2, small + large * 4) * 1000)
      throw new Error(`${cpus} thousandths of cpus were granted`);
    return row('allocator/LargeAndSmallQuota', { sorter, small, large, agents }, ms, 'ms');
  });
}

/** Two agents and two frameworks per role, without quota and with one of two agents for each role. */
export function nonQuotaVsQuota(roles: number): BenchRow[] {
  return sorters.flatMap(sorter =>
    (['none', 'two agents'] as const).map(quota => {
      const world = new World(roles * 2, { ...policyOf(sorter), roleOf: i => `role-${i >> 1}` });
      if (quota !== 'none') {
        for (let i = 0; i < roles; i += 1)
          world.allocator.setQuota(`role-${i}`, quotaOf({ cpus: 4, mem: 4096, disk: 4096 }));
      }
      world.addAgents(roles * 2, agentTotal, []);
      const ms = median(rounds(world, roles * 2));
      return row('allocator/NonQuotaVsQuota', { sorter, quota, agents: roles * 2, frameworks: roles * 2 }, ms, 'ms');
    }),
  );
}

/** The cycle of `allocator/cycle` with quota of several kinds, and as many times the time without. */
export function quotaCycles([agents, frameworks]: Size): BenchRow[] {
  const plenty = { cpus: 1e6, mem: 1e9, disk: 1e9 };
  const group = (i: number): string => `${role}/group-${i % 100}`;
  const cases: { readonly [name: string]: { readonly options?: WorldOptions; readonly set: (world: World) => void } } =
    {
      'limit on one role': { set: world => world.allocator.setQuota(role, quotaOf(plenty, {})) },
      'guarantee of a fourth': {
        set: world => world.allocator.setQuota(role, quotaOf({}, { cpus: agents * 2, mem: agents * 512 })),
      },
      'limits on 100 sub-roles': {
        options: { roleOf: group },
        set: world => {
          world.allocator.setQuota(role, quotaOf(plenty, {}));
          for (let i = 0; i < 100; i += 1) world.allocator.setQuota(group(i), quotaOf(plenty, {}));
        },
      },
      'limits and guarantees on 100 sub-roles': {
        options: { roleOf: group },
        set: world => {
          for (let i = 0; i < 100; i += 1) world.allocator.setQuota(group(i), quotaOf(plenty, { cpus: agents / 50 }));
        },
      },
    };
  const params = { agents, frameworks };
  return Object.entries(cases).flatMap(([quota, { options, set }]) => {
    const measured = (withQuota: boolean): number => {
      const world = new World(frameworks, options);
      if (withQuota) set(world);
      world.addAgents(agents);
      // The first rounds run on code that is not compiled for quota yet.
      rounds(world, agents, 3);
      return median(rounds(world, agents));
    };
    const plain = measured(false);
    const ms = measured(true);
    return [
      row('allocator/cycle with quota', { ...params, quota }, ms, 'ms'),
      row('allocator/cycle with quota against one without', { ...params, quota }, ms / plain, '×'),
    ];
  });
}
