// Workloads of agents: those that come and change, with labels and volumes, and what views cost. As Mesos's hierarchical_allocator_tests.
import type { AllocatorAgent, Grant } from '../../src/allocator/index.js';
import type { Bag, Resources } from '../../src/resources/index.js';
import { bagOf } from '../../src/resources/index.js';
import { rounds } from './allocator-offers.js';
import type { Size } from './allocator-world.js';
import { agentOf, fragments, foreverMs, portsTotal, quotaOf, role, timed, World } from './allocator-world.js';
import type { BenchRow } from './row.js';
import { median, row } from './row.js';

const smallTotal = bagOf({ cpus: 2, mem: 1024, disk: 4096, ports: portsTotal });
const smallMore = bagOf({ cpus: 2, 'cpus{revocable}': 10, mem: 1024, disk: 4096, ports: portsTotal });
const smallUsed = bagOf({ cpus: 1, mem: 128, disk: 1024, ports: fragments(4) });

/** Agents come one per turn, under load (each with a framework's tasks); then each gets 10 revocable cpus. */
export function addAndUpdate([agents, frameworks]: Size): BenchRow[] {
  const capabilities = ['REVOCABLE_RESOURCES'] as const;
  const world = new World(frameworks, { capabilities });
  const infos = Array.from({ length: agents }, (_, i) => agentOf(`agent-${i}`, smallTotal));
  const used = infos.map(({ id }, i) => [world.usedBy(i % frameworks, id, smallUsed)]);
  const bigger = infos.map(info => ({ ...info, total: smallMore }));
  const { allocator, clock } = world;
  const add = timed(() => {
    for (let i = 0; i < agents; i += 1) {
      allocator.addAgent(infos[i] as AllocatorAgent, used[i] as Grant[]);
      clock.advance(0);
    }
  });
  world.expectGrants(agents);
  world.take();
  const update = timed(() => {
    for (let i = 0; i < agents; i += 1) {
      allocator.updateAgent(bigger[i] as AllocatorAgent);
      clock.advance(0);
    }
  });
  world.expectGrants(agents);
  const together = new World(frameworks, { capabilities });
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

/** On each agent two reservations of 8 cpus with twelve labels of its own; then as DeclineOffers begins. */
export function resourceLabels([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  for (let i = 0; i < agents; i += 1) {
    const id = `agent-${i}`;
    const held: Resources = { [labelled(i, 1)]: 8, [labelled(i, 2)]: 8, mem: 2014, disk: 1024, ports: fragments(16) };
    const total: Resources = { ...held, cpus: 8, mem: 4096, disk: 4096, ports: portsTotal };
    world.allocator.addAgent(agentOf(id, bagOf(total)), [world.usedBy(i % frameworks, id, bagOf(held))]);
  }
  const times = Array.from({ length: 5 }, () => {
    const ms = world.cycle();
    world.expectGrants(agents);
    world.declineAll(frameworks > 5 ? foreverMs : 0);
    return ms;
  });
  return [row('allocator/ResourceLabels', { agents, frameworks }, median(times), 'ms')];
}

function labelled(agent: number, reservation: number): string {
  const labels = Array.from({ length: 12 }, (_, k) => `k${String(k).padStart(2, '0')}=v${agent}-${reservation}`);
  return `cpus(${role},dynamic,@ops,${labels.join(',')})`;
}

/** All of each agent is reserved, with a volume of 1 GiB: regular, shared, or of either kind by turns. Six rounds, taken back without filters. */
export function persistentVolumes([agents, frameworks]: Size): BenchRow[] {
  return (['regular', 'shared', 'mixed'] as const).map(kind => {
    const world = new World(frameworks, { capabilities: ['SHARED_RESOURCES'] });
    const bags = [false, true].map(shared => volumeAgent(shared));
    for (let i = 0; i < agents; i += 1) {
      const shared = kind === 'shared' || (kind === 'mixed' && i % 2 === 1);
      world.allocator.addAgent(agentOf(`agent-${i}`, bags[shared ? 1 : 0] as Bag), []);
    }
    const ms = median(rounds(world, agents, 6));
    return row('allocator/PersistentVolumes', { agents, frameworks, volumes: kind }, ms, 'ms');
  });
}

function volumeAgent(shared: boolean): Bag {
  return bagOf({
    [`cpus(${role})`]: 24,
    [`mem(${role})`]: 4096,
    [`disk(${role})`]: 3072 - 1024,
    [`disk(${role})[data:/data]${shared ? '<shared>' : ''}`]: 1024,
  });
}

/** One agent with four labelled reservations for each of many roles: twenty times cpus are reserved, and unreserved. */
export function updateAllocation(roles: number): BenchRow[] {
  const world = new World(1);
  const total: { [key: string]: number } = { cpus: 100, mem: 4096 };
  for (let i = 0; i < roles; i += 1) {
    for (let k = 0; k < 4; k += 1) total[`cpus(role-${i},dynamic,@ops,k=v${k})`] = 1;
  }
  world.allocator.addAgent(agentOf('agent-0', bagOf(total)), []);
  world.clock.advance(0);
  world.expectGrants(1);
  const [offer] = world.take();
  if (offer === undefined) throw new Error('no offer');
  const plain = bagOf({ cpus: 1 });
  const reserved = bagOf({ [`cpus(${role},dynamic,@ops)`]: 1 });
  const times = Array.from({ length: 20 }, () =>
    timed(() => {
      world.allocator.convert('agent-0', { consumed: plain, produced: reserved }, offer);
      world.allocator.convert('agent-0', { consumed: reserved, produced: plain }, offer);
    }),
  );
  return [row('allocator/UpdateAllocation', { roles, reservations: roles * 4 }, median(times), 'ms')];
}

/** What a view of all roles costs, each with quota: weights, shares, allocations, what counts against quota. */
export function metrics([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks, { roleOf: i => `role-${i}` });
  for (let i = 0; i < frameworks; i += 1) {
    world.allocator.setQuota(`role-${i}`, quotaOf({ cpus: 1, mem: 512, disk: 256 }));
  }
  world.addAgents(agents, bagOf({ cpus: 16, mem: 2048, disk: 1024 }), []);
  world.cycle();
  const times = Array.from({ length: 7 }, () =>
    timed(() => {
      const uses = world.allocator.roles();
      const consumed = uses.reduce((sum, use) => sum + (world.allocator.consumed(use.role).get('cpus') ?? 0), 0);
      if (uses.length !== frameworks || consumed === 0) throw new Error('nothing to see');
    }),
  );
  return [row('allocator/Metrics', { agents, frameworks }, median(times), 'ms')];
}
