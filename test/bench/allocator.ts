// Allocation cycles by agents × frameworks: the workloads of Mesos's hierarchical_allocator_tests, all frameworks in one role. Out: rows.
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import type { AllocatorAgent, AllocatorFramework, Grant, HierarchicalAllocator } from '../../src/allocator/index.js';
import { createAllocator } from '../../src/allocator/index.js';
import { randomIds } from '../../src/env/ids.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { bagOf } from '../../src/resources/index.js';
import type { Bag, Range } from '../../src/resources/index.js';
import type { BenchOptions, BenchRow } from './row.js';
import { median, row } from './row.js';

export interface AllocatorBenchOptions extends BenchOptions {
  /** All sizes, up to the largest; with DeclineOffers that takes very long. */
  readonly matrix?: boolean;
  /** Names of workloads: cycle, SuppressOffers, AddAndUpdateSlave, DeclineOffers. */
  readonly only?: readonly string[];
  /** Instead of the usual ones. */
  readonly sizes?: readonly Size[];
}

export type Size = readonly [agents: number, frameworks: number];

/** Allocator workloads by name. */
const workloads = {
  cycle: cycles,
  SuppressOffers: suppressOffers,
  AddAndUpdateSlave: addAndUpdate,
  DeclineOffers: declineOffers,
} satisfies { readonly [name: string]: (size: Size) => BenchRow[] };

/** Runs them all, or those named in `only`. */
export async function bench(options: AllocatorBenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  // Brings the hot paths to their final machine code, so that the first rows are not those of the interpreter.
  cycles([1000, 50]);
  const rows: BenchRow[] = [];
  for (const [name, run] of Object.entries(workloads)) {
    if (options.only !== undefined && !options.only.includes(name)) continue;
    const given = options.sizes ?? (quick ? quickSizes : undefined);
    for (const size of given ?? (options.matrix === true ? matrix : (usual[name] ?? []))) {
      options.progress?.(`${name}, ${size[0]} agents × ${size[1]} frameworks`);
      rows.push(...run(size));
    }
  }
  return rows;
}

const quickSizes: readonly Size[] = [
  [1000, 1],
  [1000, 200],
];
/** Those with figures to compare with. */
const usual: { readonly [name: string]: readonly Size[] } = {
  cycle: [
    [1000, 200],
    [10_000, 1000],
    [20_000, 1000],
    [20_000, 2000],
    [50_000, 1000],
  ],
  SuppressOffers: [[10_000, 1000]],
  AddAndUpdateSlave: [[10_000, 1000]],
  // Agents × frameworks filters are set one by one: the last size takes minutes.
  DeclineOffers: [
    [1000, 50],
    [1000, 200],
    [20_000, 2000],
  ],
};
const matrix: readonly Size[] = [1000, 5000, 10_000, 20_000, 50_000].flatMap(agents =>
  [1, 50, 200, 1000, 2000].map((frameworks): Size => [agents, frameworks]),
);

/** One offer per agent: the time of a whole cycle, median and worst. */
function cycles([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  world.addAgents(agents);
  const times: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    times.push(world.cycle());
    world.expectGrants(agents);
    world.declineAll(0);
  }
  return [row('allocator/cycle', { agents, frameworks }, median(times), 'ms')];
}

/** Five rounds, in each of which another fifth of the frameworks suppresses; the last ones find nobody. */
function suppressOffers([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  world.addAgents(agents);
  world.cycle();
  const rows: BenchRow[] = [];
  for (let round = 1; round <= 5; round += 1) {
    world.suppress(Math.floor((frameworks * (round - 1)) / 5), Math.floor((frameworks * round) / 5));
    world.declineAll(0);
    const suppressed = `${round * 20}%`;
    rows.push(row('allocator/SuppressOffers', { agents, frameworks, suppressed }, world.cycle(), 'ms'));
  }
  return rows;
}

/** Agents come one per turn, under load (each with a framework's tasks); then each gets 10 more cpus. */
function addAndUpdate([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  const infos = Array.from({ length: agents }, (_, i) => agentOf(`agent-${i}`, smallTotal));
  const used = infos.map(({ id }, i) => [usedBy(i % frameworks, id, smallUsed)]);
  const bigger = infos.map(info => ({ ...info, total: smallMore }));
  const { allocator, clock } = world;
  const add = timed(() => {
    for (let i = 0; i < agents; i += 1) {
      allocator.addAgent(infos[i] as AllocatorAgent, used[i] as Grant[]);
      clock.advance(0);
    }
  });
  world.expectGrants(agents);
  const update = timed(() => {
    for (let i = 0; i < agents; i += 1) {
      allocator.updateAgent(bigger[i] as AllocatorAgent);
      clock.advance(0);
    }
  });
  const together = new World(frameworks);
  const atOnce = timed(() => {
    for (let i = 0; i < agents; i += 1) together.allocator.addAgent(infos[i] as AllocatorAgent, used[i] as Grant[]);
    together.clock.advance(0);
  });
  together.expectGrants(agents);
  return [
    row('allocator/AddAndUpdateSlave add', { agents, frameworks, turns: 'each' }, add, 'ms'),
    row('allocator/AddAndUpdateSlave add', { agents, frameworks, turns: 'one' }, atOnce, 'ms'),
    row('allocator/AddAndUpdateSlave update', { agents, frameworks, turns: 'each' }, update, 'ms'),
  ];
}

/** Everybody declines everything for good: cycles at the start, with half the frameworks refusing every agent, and with all of them. */
function declineOffers([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  world.addAgents(agents);
  // Few frameworks have not refused for long.
  const rounds = (most: number): number[] =>
    Array.from({ length: Math.min(5, most) }, () => {
      const ms = world.cycle();
      world.expectGrants(agents);
      world.declineAll(foreverMs);
      return ms;
    });
  const first = rounds(Math.ceil(frameworks / 4));
  const middle = Math.floor(frameworks / 2);
  world.refuseEverywhere(0, middle);
  const half = rounds(Math.floor(frameworks / 4));
  world.refuseEverywhere(middle, frameworks);
  const filtered: number[] = [];
  const settled: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    // A newcomer makes the allocator look at every agent anew; without one it would know that there is nobody.
    world.addSuppressed(`newcomer-${round}`);
    filtered.push(world.cycle());
    settled.push(world.batch());
    world.expectGrants(0);
  }
  const params = { agents, frameworks };
  return [
    row('allocator/DeclineOffers first', params, median(first), 'ms'),
    ...(half.length > 0 ? [row('allocator/DeclineOffers half filtered', params, median(half), 'ms')] : []),
    row('allocator/DeclineOffers all filtered', params, median(filtered), 'ms'),
    row('allocator/DeclineOffers nothing new', params, median(settled), 'ms'),
  ];
}

const foreverMs = 365 * 24 * 3_600_000;
const role = 'role1';
const portsTotal: readonly Range[] = [[31_000, 32_000]];
const bigTotal = bagOf({ cpus: 24, mem: 4096, disk: 4096, ports: portsTotal });
const bigUsed = bagOf({ cpus: 16, mem: 2014, disk: 1024, ports: fragments(16) });
const smallTotal = bagOf({ cpus: 2, mem: 1024, disk: 4096, ports: portsTotal });
const smallMore = bagOf({ cpus: 12, mem: 1024, disk: 4096, ports: portsTotal });
const smallUsed = bagOf({ cpus: 1, mem: 128, disk: 1024, ports: fragments(4) });

/** An allocator with `frameworks` frameworks, under virtual time, so that only its own work is measured. */
class World {
  readonly clock = new VirtualClock();
  readonly allocator: HierarchicalAllocator;
  readonly #frameworks: number;
  #grants: Grant[] = [];
  #agents = 0;

  constructor(frameworks: number) {
    const random = seededRandom(1);
    const env = {
      clock: this.clock,
      random,
      ids: randomIds(random.fork('ids')),
      log: silentLogger,
      metrics: silentMetrics,
    };
    this.allocator = createAllocator(env, {}, batch => {
      for (const { grants } of batch) for (const grant of grants) this.#grants.push(grant);
    });
    this.#frameworks = frameworks;
    for (let i = 0; i < frameworks; i += 1) this.allocator.addFramework(frameworkOf(i), []);
    this.clock.advance(0);
  }

  addAgents(count: number): void {
    this.#agents = count;
    for (let i = 0; i < count; i += 1) {
      const id = `agent-${i}`;
      this.allocator.addAgent(agentOf(id, bigTotal), [usedBy(i % this.#frameworks, id, bigUsed)]);
    }
  }

  /** Milliseconds of the run that is due within the recovery interval. */
  cycle(): number {
    return timed(() => this.clock.advance(50));
  }

  /** Milliseconds of the next run over all agents. */
  batch(): number {
    return timed(() => this.clock.advance(1000));
  }

  declineAll(refuseMs: number): void {
    const grants = this.#grants;
    this.#grants = [];
    for (const grant of grants) this.allocator.recover(grant, refuseMs);
  }

  /** Frameworks [from, to) get and refuse all that is free on each agent, without cycles, which would take minutes. */
  refuseEverywhere(from: number, to: number): void {
    this.allocator.pause();
    for (let agent = 0; agent < this.#agents; agent += 1) {
      const agentId = `agent-${agent}`;
      const resources = this.allocator.free(agentId) ?? [];
      for (let i = from; i < to; i += 1) {
        const grant: Grant = { frameworkId: `framework-${i}`, role, agentId, resources };
        this.allocator.book(grant);
        this.allocator.recover(grant, foreverMs);
      }
    }
    this.allocator.resume();
  }

  /** A framework that wants nothing yet. */
  addSuppressed(id: string): void {
    this.allocator.addFramework({ ...frameworkOf(0), id, suppressedRoles: [role] }, []);
  }

  suppress(from: number, to: number): void {
    for (let i = from; i < to; i += 1) this.allocator.suppress(`framework-${i}`);
  }

  /** A benchmark that does nothing is not one. */
  expectGrants(count: number): void {
    if (this.#grants.length !== count) throw new Error(`${this.#grants.length} grants, expected ${count}`);
  }
}

function frameworkOf(i: number): AllocatorFramework {
  return {
    id: `framework-${i}`,
    roles: [role],
    suppressedRoles: [],
    capabilities: [],
    minAllocatable: {},
    constraints: {},
  };
}

function agentOf(id: string, total: Bag): AllocatorAgent {
  return { id, hostname: id, total, attributes: {} };
}

function usedBy(framework: number, agentId: string, resources: Bag): Grant {
  return { frameworkId: `framework-${framework}`, role, agentId, resources };
}

/** Every other port, from 31000 on. */
function fragments(count: number): Range[] {
  return Array.from({ length: count }, (_, i): Range => [31_000 + 2 * i, 31_000 + 2 * i]);
}

function timed(run: () => void): number {
  const startedMs = performance.now();
  run();
  return performance.now() - startedMs;
}

// Alone: `node dist/test/bench/allocator.js [--quick] [--matrix] [WORKLOAD…] [AGENTSxFRAMEWORKS…]`.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const args = process.argv.slice(2);
  const only = args.filter(arg => arg in workloads);
  const given = args.filter(arg => /^\d+x\d+$/.test(arg)).map(arg => arg.split('x').map(Number));
  const sizes = given.map(([agents = 0, frameworks = 0]): Size => [agents, frameworks]);
  const rows = await bench({
    quick: args.includes('--quick'),
    matrix: args.includes('--matrix'),
    ...(only.length > 0 ? { only } : {}),
    ...(sizes.length > 0 ? { sizes } : {}),
  });
  for (const { name, params, value, unit } of rows) {
    const text = Object.entries(params).map(([key, amount]) => `${key}=${amount}`);
    process.stdout.write(`${name.padEnd(38)} ${text.join(' ').padEnd(48)} ${String(value).padStart(10)} ${unit}\n`);
  }
}
