// The allocator alone, by workloads of Mesos's tests and benchmarks, without a network. In: names, sizes. Out: rows.
import { pathToFileURL } from 'node:url';
import { addAndUpdate, metrics, persistentVolumes, resourceLabels, updateAllocation } from './allocator-agents.js';
import { explanations } from './allocator-explain.js';
import {
  backlog,
  cycles,
  declineOffers,
  extremeSuppressOffers,
  longestTurn,
  multiFramework,
  suppressOffers,
} from './allocator-offers.js';
import { largeAndSmallQuota, nonQuotaVsQuota, quotaCycles } from './allocator-quota.js';
import { fullSort, hierarchySort } from './allocator-sorter.js';
import type { Size } from './allocator-world.js';
import type { BenchOptions, BenchRow } from './row.js';

export interface AllocatorBenchOptions extends BenchOptions {
  /** Names of workloads. */
  readonly only?: readonly string[];
  /** Instead of the usual ones, for workloads that take agents × frameworks. */
  readonly sizes?: readonly Size[];
}

interface Workload {
  readonly run: (size: Size) => BenchRow[] | Promise<BenchRow[]>;
  /** Those with figures to compare with. */
  readonly usual: readonly Size[];
  readonly quick: readonly Size[];
  /** With `full`; default agents × frameworks. */
  readonly full?: readonly Size[];
  /** Takes other sizes than agents × frameworks. */
  readonly own?: boolean;
}

const matrix: readonly Size[] = [1000, 5000, 10_000, 20_000, 30_000, 50_000].flatMap(agents =>
  [1, 50, 100, 200, 500, 1000, 2000, 3000, 6000].map((frameworks): Size => [agents, frameworks]),
);
const tiny: readonly Size[] = [
  [1000, 1],
  [1000, 200],
];
const one: readonly Size[] = [[10_000, 1000]];

const workloads: { readonly [name: string]: Workload } = {
  cycle: {
    run: cycles,
    quick: tiny,
    usual: [
      [1000, 200],
      [10_000, 1000],
      [20_000, 1000],
      [20_000, 2000],
      [50_000, 1000],
      [50_000, 6000],
    ],
  },
  longestTurn: { run: longestTurn, quick: [[1000, 50]], usual: one, full: one },
  quotaCycle: { run: quotaCycles, quick: [[1000, 200]], usual: one, full: [...one, [20_000, 2000]] },
  explain: { run: explanations, quick: [[1000, 200]], usual: one, full: one },
  AddAndUpdateSlave: { run: addAndUpdate, quick: tiny, usual: one },
  DeclineOffers: {
    run: declineOffers,
    quick: tiny,
    // Filters are set one by one: 20,000 × 2,000 of them take half a minute.
    usual: [
      [1000, 50],
      [1000, 200],
      [10_000, 1000],
    ],
  },
  ResourceLabels: { run: resourceLabels, quick: tiny, usual: [[1000, 200], ...one] },
  SuppressOffers: { run: suppressOffers, quick: tiny, usual: one },
  ExtremeSuppressOffers: { run: extremeSuppressOffers, quick: tiny, usual: one },
  Metrics: { run: metrics, quick: tiny, usual: one },
  AllocatorBacklog: { run: backlog, quick: tiny, usual: one },
  PersistentVolumes: { run: persistentVolumes, quick: tiny, usual: [[1000, 200], ...one] },
  UpdateAllocation: {
    run: ([roles]) => updateAllocation(roles),
    own: true,
    quick: [[50, 0]],
    usual: [
      [50, 0],
      [100, 0],
      [200, 0],
    ],
  },
  MultiFrameworkAllocations: { run: multiFramework, own: true, quick: [[80, 554]], usual: [[80, 554]] },
  LargeAndSmallQuota: {
    run: largeAndSmallQuota,
    own: true,
    quick: [[25, 5]],
    usual: [
      [25, 5],
      [250, 50],
      [2500, 500],
    ],
  },
  NonQuotaVsQuota: {
    run: ([roles]) => nonQuotaVsQuota(roles),
    own: true,
    quick: [[10, 0]],
    usual: [
      [10, 0],
      [100, 0],
      [1000, 0],
    ],
  },
  FullSort: {
    run: fullSort,
    quick: tiny,
    usual: [
      [1000, 1000],
      [50_000, 1000],
    ],
    full: [1000, 5000, 10_000, 20_000, 30_000, 50_000].flatMap(agents =>
      [1, 50, 100, 200, 500, 1000].map((clients): Size => [agents, clients]),
    ),
  },
  HierarchyFullSort: {
    run: hierarchySort,
    own: true,
    quick: [[3, 8]],
    usual: [
      [3, 32],
      [7, 3],
      [10, 2],
    ],
  },
};

/** Runs them all, or those named in `only`. `full`: all of Mesos's sizes, 1,000 to 50,000 agents × 1 to 6,000 frameworks. */
export async function bench(options: AllocatorBenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  // Brings the hot paths to their final machine code, so that the first rows are not those of the interpreter.
  for (let round = 0; round < 3; round += 1) cycles([1000, 50]);
  const rows: BenchRow[] = [];
  for (const [name, workload] of Object.entries(workloads)) {
    if (options.only !== undefined && !options.only.includes(name)) continue;
    const { own = false, usual } = workload;
    const all = workload.full ?? (own ? usual : matrix);
    const given = own ? undefined : options.sizes;
    for (const size of given ?? (quick ? workload.quick : options.full === true ? all : usual)) {
      options.progress?.(`${name}, ${size.filter(n => n > 0).join(' × ')}`);
      rows.push(...(await workload.run(size)));
    }
  }
  return rows;
}

// Alone: `node dist/test/bench/allocator.js [--quick] [--full] [WORKLOAD…] [AGENTSxFRAMEWORKS…]`.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const args = process.argv.slice(2);
  const only = args.filter(arg => arg in workloads);
  const given = args.filter(arg => /^\d+x\d+$/.test(arg)).map(arg => arg.split('x').map(Number));
  const sizes = given.map(([agents = 0, frameworks = 0]): Size => [agents, frameworks]);
  const unknown = args.filter(arg => !only.includes(arg) && !/^\d+x\d+$|^--(quick|full)$/.test(arg));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: there are ${Object.keys(workloads).join(', ')}`);
  const rows = await bench({
    quick: args.includes('--quick'),
    full: args.includes('--full'),
    ...(only.length > 0 ? { only } : {}),
    ...(sizes.length > 0 ? { sizes } : {}),
  });
  for (const { name, params, value, unit } of rows) {
    const text = Object.entries(params).map(([key, amount]) => `${key}=${amount}`);
    process.stdout.write(`${name.padEnd(46)} ${text.join(' ').padEnd(60)} ${String(value).padStart(10)} ${unit}\n`);
  }
}
