// One allocation cycle of each policy, against that of drf in the same process: 10,000 agents, each with other free resources, 1,000
// frameworks in
// 20 roles on two levels, with 16 kinds of tasks. Out: rows.
import { performance } from 'node:perf_hooks';
import type { AllocationPolicy, Grant, HierarchicalAllocator } from '../../src/allocator/index.js';
import { createAllocator } from '../../src/allocator/index.js';
import type { PolicySpec } from '../../src/allocator/policies/index.js';
import { definePolicy } from '../../src/allocator/policies/index.js';
import { randomIds } from '../../src/env/ids.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { bagOf } from '../../src/resources/index.js';
import type { BenchOptions, BenchRow } from './row.js';
import { row } from './row.js';

/** Each differs from the default in one axis, or in the two that belong together. */
const frameworkOrders =
  'hdrf random rr fifo prio:role-1=2,role-2=1 least-alloc lottery stride asset tsf cdrf ps-dsf rps-dsf demand';
const agentOrders = 'iid first-fit next-fit best-fit dot-product spread binpack';
const specs: readonly PolicySpec[] = [
  { frameworkOrder: 'drf' },
  ...frameworkOrders.split(' ').map(frameworkOrder => ({ frameworkOrder })),
  ...agentOrders.split(' ').map(agentOrder => ({ agentOrder })),
  { frameworkOrder: 'ps-dsf', agentOrder: 'joint' },
  { frameworkOrder: 'rps-dsf', agentOrder: 'joint' },
  { granularity: 'all' },
  { granularity: 'slice:150' },
  { granularity: 'slice:10tasks' },
  { commit: 'optimistic:copies=1' },
  { commit: 'optimistic:copies=4' },
];

export async function bench({ quick = false, progress }: BenchOptions = {}): Promise<BenchRow[]> {
  const agents = quick ? 500 : 10_000;
  const frameworks = quick ? 50 : 1000;
  // Brings the hot paths to their final machine code.
  for (const spec of [{}, ...specs]) cycle(definePolicy(spec), 500, 50, 1);
  const rounds = quick ? 1 : 5;
  const params = { agents, frameworks, kinds };
  return specs.flatMap(spec => {
    const name = Object.values(spec).join(' × ');
    progress?.(name);
    // Beside each policy, as the pace of a machine changes.
    const drf = cycle(definePolicy(), agents, frameworks, rounds);
    const { ms, grants } = cycle(definePolicy(spec), agents, frameworks, rounds);
    const sizes = { ...params, grants };
    return [row(`policies/${name}`, sizes, ms, 'ms'), row(`policies/${name} by drf`, sizes, ms / drf.ms, '×')];
  });
}

// Kinds of tasks.
const kinds = 16;

/** The least time of a run over all agents, nothing being held but what tasks use, and how much it granted. */
function cycle(
  policy: AllocationPolicy,
  agents: number,
  frameworks: number,
  rounds: number,
): { readonly ms: number; readonly grants: number } {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, ids: randomIds(random.fork('ids')), log: silentLogger, metrics: silentMetrics };
  let grants: Grant[] = [];
  const allocator: HierarchicalAllocator = createAllocator(env, { policy }, batch => {
    for (const group of batch) for (const grant of group.grants) grants.push(grant);
  });
  for (let i = 0; i < frameworks; i += 1) addFramework(allocator, i);
  for (let i = 0; i < agents; i += 1) addAgent(allocator, i, frameworks);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now();
    clock.advance(1000);
    times.push(performance.now() - startedMs);
    if (grants.length === 0) throw new Error('a cycle without grants measures nothing');
    const given = grants;
    grants = [];
    if (round === rounds - 1) return { ms: Math.min(...times), grants: given.length };
    for (const grant of given) allocator.recover(grant);
  }
  throw new Error('no rounds');
}

function roleOf(i: number): string {
  const top = i % 10;
  return i % 20 < 10 ? `role-${top}` : `role-${top}/sub`;
}

function addFramework(allocator: HierarchicalAllocator, i: number): void {
  const id = `framework-${i}`;
  const role = roleOf(i);
  allocator.addFramework(
    { id, roles: [role], suppressedRoles: [], capabilities: [], minAllocatable: {}, constraints: {} },
    [],
  );
  const kind = i % kinds;
  const resources = bagOf({ cpus: 0.5 + (kind % 8) / 4, mem: 64 * (1 + (kind >> 2)) });
  allocator.setDemand(id, [{ role, resources, count: 10 }]);
}

function addAgent(allocator: HierarchicalAllocator, i: number, frameworks: number): void {
  const id = `agent-${i}`;
  const total = bagOf({ cpus: 24, mem: 65_536, disk: 65_536, ports: [[31_000, 32_000]] });
  const owner = i % frameworks;
  // Frees differ from agent to agent.
  const resources = bagOf({ cpus: 12 + (i % 9), mem: 30_000 + i });
  allocator.addAgent({ id, hostname: id, total, attributes: {} }, [
    { frameworkId: `framework-${owner}`, role: roleOf(owner), agentId: id, resources },
  ]);
}
