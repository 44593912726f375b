// Workloads of offers: whole cycles, refusals, suppression, revivals. Those of Mesos's hierarchical_allocator_tests, all frameworks in one role.
import type { Grant } from '../../src/allocator/index.js';
import { systemClock } from '../../src/env/system-clock.js';
import type { Clock } from '../../src/env/clock.js';
import { bagOf, subtract } from '../../src/resources/index.js';
import type { Size } from './allocator-world.js';
import { agentOf, foreverMs, timed, World } from './allocator-world.js';
import type { BenchRow } from './row.js';
import { median, row } from './row.js';

/** One offer per agent: the time of a whole cycle, the median of seven. */
export function cycles([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  world.addAgents(agents);
  return [row('allocator/cycle', { agents, frameworks }, median(rounds(world, agents)), 'ms')];
}

/** Times of cycles in which each agent goes to somebody, and comes back. */
export function rounds(world: World, agents: number, count = 7): number[] {
  return Array.from({ length: count }, () => {
    const ms = world.cycle();
    world.expectGrants(agents);
    world.declineAll(0);
    return ms;
  });
}

/** The longest that a cycle keeps the event loop from other work, by the real clock. */
export async function longestTurn([agents, frameworks]: Size): Promise<BenchRow[]> {
  const turns: number[] = [];
  const clock: Clock = {
    ...systemClock,
    soon: run => systemClock.soon(() => void turns.push(timed(run))),
    after: (delayMs, run) => systemClock.after(delayMs, () => void turns.push(timed(run))),
  };
  const world = new World(frameworks, { clock });
  const longest: number[] = [];
  const back: Grant[] = [];
  let count = 0;
  for (let round = 0; round < 7; round += 1) {
    if (round === 0) world.addAgents(agents);
    turns.length = 0;
    let granted = 0;
    while (granted < agents) {
      await new Promise(resolve => setTimeout(resolve, 20));
      const grants = world.take();
      granted += grants.length;
      // All come back at once when the last was made, so that the next round is whole again.
      back.push(...grants);
    }
    longest.push(Math.max(...turns));
    count = Math.max(count, turns.length);
    world.allocator.pause();
    for (const grant of back.splice(0)) world.allocator.recover(grant);
    world.allocator.resume();
  }
  world.allocator.close();
  return [row('allocator/longest turn', { agents, frameworks, turns: count }, median(longest), 'ms')];
}

/** Five rounds, in each of which another fifth of the frameworks suppresses; the last ones find nobody. */
export function suppressOffers([agents, frameworks]: Size): BenchRow[] {
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

/** All but a hundredth of the frameworks suppress: five rounds among the few. */
export function extremeSuppressOffers([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  world.addAgents(agents);
  world.cycle();
  world.suppress(0, frameworks - Math.max(1, Math.ceil(frameworks / 100)));
  world.declineAll(0);
  const ms = median(rounds(world, agents, 5));
  return [row('allocator/ExtremeSuppressOffers', { agents, frameworks, suppressed: '99%' }, ms, 'ms')];
}

/** Everybody declines everything for good: cycles at the start, with half the frameworks refusing every agent, and with all of them. */
export function declineOffers([agents, frameworks]: Size): BenchRow[] {
  // A filter takes 16 bytes and a half.
  if (agents * frameworks > 60_000_000) return [];
  const world = new World(frameworks);
  world.addAgents(agents);
  // Few frameworks have not refused for long.
  const refused = (most: number): number[] =>
    Array.from({ length: Math.min(5, most) }, () => {
      const ms = world.cycle();
      world.expectGrants(agents);
      world.declineAll(foreverMs);
      return ms;
    });
  const first = refused(Math.ceil(frameworks / 4));
  const middle = Math.floor(frameworks / 2);
  world.refuseEverywhere(0, middle);
  const half = refused(Math.floor(frameworks / 4));
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

/** Each framework revives, in a turn of its own: how many runs come of it, and how long all takes. */
export function backlog([agents, frameworks]: Size): BenchRow[] {
  const world = new World(frameworks);
  world.addAgents(agents);
  world.cycle();
  world.expectGrants(agents);
  const before = world.batches;
  const ms = timed(() => {
    world.allocator.pause();
    for (let i = 0; i < frameworks; i += 1) world.allocator.revive(`framework-${i}`);
    world.declineAll(0);
    world.allocator.resume();
    world.clock.advance(0);
  });
  const params = { agents, frameworks };
  return [
    row('allocator/AllocatorBacklog', params, ms, 'ms'),
    row('allocator/AllocatorBacklog runs', params, world.batches - before, 'runs'),
  ];
}

interface Kind {
  readonly name: string;
  readonly count: number;
  readonly tasks: number;
  readonly perOffer: number;
  readonly cpus: number;
  readonly mem: number;
  readonly shared: boolean;
}

const kinds: readonly Kind[] = [
  { name: 'marathon', count: 4, tasks: 4000, perOffer: 100, cpus: 0.07, mem: 400, shared: false },
  { name: 'jenkins', count: 500, tasks: 5, perOffer: 1, cpus: 0.1, mem: 4000, shared: true },
  { name: 'spark', count: 50, tasks: 20, perOffer: 5, cpus: 1, mem: 1000, shared: false },
];

/** 80 agents, 554 frameworks of three kinds, 19,500 tasks: virtual time, and work, until all run. */
export function multiFramework(): BenchRow[] {
  const world = new World(0);
  const left = new Map<string, { readonly kind: Kind; tasks: number }>();
  for (const kind of kinds) {
    for (let i = 0; i < kind.count; i += 1) {
      const id = `${kind.name}-${i}`;
      left.set(id, { kind, tasks: kind.tasks });
      const roles = [kind.shared ? kind.name : id];
      const rest = { suppressedRoles: [], capabilities: [], minAllocatable: {}, constraints: {} };
      world.allocator.addFramework({ id, roles, ...rest }, []);
    }
  }
  for (let i = 0; i < 80; i += 1)
    world.allocator.addAgent(agentOf(`agent-${i}`, bagOf({ cpus: 64, mem: 488_000 })), []);
  let waiting = 19_500;
  let workMs = 0;
  let offers = 0;
  while (waiting > 0) {
    if (world.clock.now() > 60_000) throw new Error(`${waiting} tasks still wait after a minute`);
    workMs += timed(() => world.clock.advance(50));
    for (const grant of world.take()) {
      offers += 1;
      const want = left.get(grant.frameworkId);
      if (want === undefined) throw new Error('a grant to nobody');
      const { kind } = want;
      const [cpus = 0, mem = 0] = ['cpus', 'mem'].map(name => {
        const found = grant.resources.find(r => r.name === name);
        return found?.kind === 'scalar' ? found.milli : 0;
      });
      const fit = Math.min(Math.floor(cpus / (kind.cpus * 1000)), Math.floor(mem / (kind.mem * 1000)));
      const tasks = Math.min(kind.perOffer, want.tasks, fit);
      want.tasks -= tasks;
      waiting -= tasks;
      const used = bagOf({ cpus: Math.round(kind.cpus * tasks * 1000) / 1000, mem: kind.mem * tasks });
      workMs += timed(() => {
        world.allocator.pause();
        if (tasks > 0) world.allocator.commit({ ...grant, resources: used }, tasks);
        const resources = tasks > 0 ? subtract(grant.resources, used) : grant.resources;
        world.allocator.recover({ ...grant, resources }, 5000);
        world.allocator.offerEnded(grant);
        if (want.tasks === 0) world.allocator.suppress(grant.frameworkId);
        world.allocator.resume();
      });
    }
  }
  const params = { agents: 80, frameworks: 554, tasks: 19_500 };
  return [
    row('allocator/MultiFrameworkAllocations', params, workMs, 'ms'),
    row('allocator/MultiFrameworkAllocations virtual time', params, world.clock.now() / 1000, 's'),
    row('allocator/MultiFrameworkAllocations offers', params, offers, 'offers'),
  ];
}
