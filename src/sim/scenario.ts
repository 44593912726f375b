// Named scenarios: a cluster, its tenants, and what goes wrong, all by seed. First safety under faults, then everything is healed and must settle.
// In: a name and a seed. Out: counts and a digest, or a SimulationFailure.
import { ProfferError, shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { Random } from '../env/random.js';
import type { FrameworkCapability, FrameworkInfo } from '../protocol/entities.js';
import type { Resources } from '../resources/index.js';
import { BatchTenant } from './batch-tenant.js';
import type { Wish, WishedTask } from './batch-tenant.js';
import type { Behaviour } from './behaviour.js';
import type { Counts } from './checkers/floors.js';
import { unsettled } from './convergence.js';
import { faultKinds, Faults, swarmRates } from './faults.js';
import type { FaultRates } from './faults.js';
import type { Mutations } from './surroundings.js';
import { fickle, hoarder, rogue } from './tenants.js';
import { World } from './world.js';

/** What a scenario is made of. Numbers are upper bounds; the seed chooses below them. */
export interface Scenario {
  /** For people. */
  readonly about: string;
  readonly agents: number;
  readonly batches: number;
  /** Jobs and services of each batch tenant. */
  readonly wishes: number;
  readonly hoarders: number;
  readonly fickle: number;
  readonly rogues: number;
  /** How long faults go on. */
  readonly faultsMs: number;
  readonly faults: (random: Random) => FaultRates;
}

const base = { agents: 5, batches: 2, wishes: 25, hoarders: 0, fickle: 1, rogues: 0, faultsMs: 150_000 };

export const scenarios = {
  calm: { ...base, about: 'nothing goes wrong', faults: () => ({}) },
  churn: {
    ...base,
    about: 'agents, schedulers and the master crash and come back',
    faults: random =>
      swarmRates(random, [
        'agent-crash',
        'agent-power-cut',
        'agent-shutdown',
        'scheduler-crash',
        'master-crash',
        'slow-disk',
        'disk-failure',
      ]),
  },
  partitions: {
    ...base,
    about: 'links are cut, one way or both, held or lossy, and healed',
    faults: random => swarmRates(random, ['partition', 'one-way-partition', 'reset', 'swizzle', 'delay', 'pause']),
  },
  lossy: {
    ...base,
    about: 'messages are lost, repeated and late',
    faults: random => swarmRates(random, ['drop', 'duplicate', 'delay', 'reset']),
  },
  rogues: {
    ...base,
    about: 'frameworks hoard, dither and break every rule',
    hoarders: 1,
    fickle: 2,
    rogues: 3,
    faults: () => ({}),
  },
  everything: {
    ...base,
    about: 'all of it, in a mixture of each seed’s own',
    hoarders: 1,
    fickle: 2,
    rogues: 2,
    faults: random => swarmRates(random, faultKinds),
  },
} as const satisfies { readonly [name: string]: Scenario };

export type ScenarioName = keyof typeof scenarios;

/**
 * The scenario of that name.
 * @throws ProfferError USAGE with the names there are.
 */
export function scenarioNamed(name: string): ScenarioName {
  if (Object.hasOwn(scenarios, name)) return name as ScenarioName;
  const names = Object.keys(scenarios);
  throw new ProfferError('USAGE', `${shown(name)} is not a scenario; there are ${names.join(', ')}`, {
    path: 'scenario',
    ...hinted(didYouMean(name, names)),
  });
}

/** What a run came to. */
export interface RunResult {
  readonly seed: number;
  readonly scenario: ScenarioName;
  readonly steps: number;
  readonly virtualMs: number;
  /** From the healing to the settled cluster. */
  readonly settledInMs: number;
  readonly counts: Counts;
  readonly messages: number;
  readonly digest: string;
}

/** More about a run. */
export interface RunOptions {
  readonly mutations?: Mutations;
  readonly onJournalLine?: (line: string) => void;
  readonly encode?: 'none' | 'msgpack';
  /** How long the healed cluster may take. Default 10 minutes. */
  readonly settleMs?: number;
}

const settleDefaultMs = 600_000;

/**
 * Runs a scenario with a seed.
 * @throws SimulationFailure when an invariant breaks, something throws, or the healed cluster does not settle.
 */
export function runScenario(name: ScenarioName, seed: number, options: RunOptions = {}): RunResult {
  const scenario: Scenario = scenarios[name];
  const { mutations, onJournalLine, encode } = options;
  const world = new World({
    seed,
    scenario: name,
    network: { encode: encode ?? 'none' },
    ...(mutations === undefined ? {} : { mutations }),
    ...(onJournalLine === undefined ? {} : { onJournalLine }),
  });
  const random = world.random.fork('scenario');
  const tenants = populate(world, scenario, random);
  const faults = new Faults(world, scenario.faults(random.fork('faults')));
  world.run(scenario.faultsMs);
  faults.stop();
  for (const tenant of tenants.values()) tenant.calm();
  // What misbehaves must not keep the others from settling: it leaves. A hoarder alone can split an agent into crumbs for ever.
  for (const node of world.rawSchedulers.values()) node.crash();
  for (const [name, node] of world.schedulers) if (name.startsWith('hoarder')) node.crash();
  const healedAtMs = world.nowMs;
  settle(world, tenants, options.settleMs ?? settleDefaultMs);
  const settledInMs = world.nowMs - healedAtMs;
  world.run(5000);
  world.audit();
  return {
    seed,
    scenario: name,
    steps: world.steps,
    virtualMs: world.nowMs,
    settledInMs,
    counts: world.counts,
    messages: world.network.counts.messages,
    digest: world.journal.digest(),
  };
}

function settle(world: World, tenants: ReadonlyMap<string, BatchTenant>, withinMs: number): void {
  const untilMs = world.nowMs + withinMs;
  for (;;) {
    world.run(1000);
    const wrong = unsettled(world, tenants);
    if (wrong.length === 0) return;
    if (world.nowMs >= untilMs) {
      world.fail('convergence', `${withinMs} ms after everything was healed:\n  ${wrong.slice(0, 12).join('\n  ')}`);
    }
  }
}

function populate(world: World, scenario: Scenario, random: Random): ReadonlyMap<string, BatchTenant> {
  world.addMaster({
    // Short windows, so that a run sees them end.
    master: { agentReregisterTimeoutMs: 120_000, frameworkReregisterTimeoutMs: 120_000, agentPingTimeoutMs: 5000 },
    heartbeatIntervalMs: random.pick([5000, 15_000]),
  });
  const agents = random.int(1, scenario.agents);
  for (let i = 0; i < agents; i += 1) {
    world.addAgent({ resources: agentResources(random), attributes: { rack: `r${i % 2}` } });
  }
  const tenants = new Map<string, BatchTenant>();
  for (let i = 1; i <= random.int(1, scenario.batches); i += 1) {
    const name = `batch-${i}`;
    const wishes = makeWishes(name, random.int(3, scenario.wishes), scenario.faultsMs, random.fork(name));
    const tenant = new BatchTenant(wishes, { killEveryMs: random.pick([0, 5000, 20_000]) });
    tenants.set(name, tenant);
    world.addScheduler(name, { info: info(name, random) }, (framework, env) => tenant.program(framework, env));
  }
  for (let i = 1; i <= random.int(Math.min(1, scenario.hoarders), scenario.hoarders); i += 1) {
    world.addScheduler(`hoarder-${i}`, { info: info(`hoarder-${i}`, random) }, hoarder);
  }
  for (let i = 1; i <= random.int(Math.min(1, scenario.fickle), scenario.fickle); i += 1) {
    world.addScheduler(`fickle-${i}`, { info: info(`fickle-${i}`, random) }, fickle);
  }
  for (let i = 1; i <= random.int(Math.min(1, scenario.rogues), scenario.rogues); i += 1) {
    world.addRawScheduler(
      `rogue-${i}`,
      rogue({ ...info(`rogue-${i}`, random), roles: ['*'], failoverTimeoutMs: 1000 }),
    );
  }
  return tenants;
}

function info(name: string, random: Random): Omit<FrameworkInfo, 'id'> {
  const capabilities: FrameworkCapability[] = [];
  if (random.chance(0.7)) capabilities.push('PARTITION_AWARE');
  if (random.chance(0.5)) capabilities.push('TASK_KILLING_STATE');
  return {
    name,
    roles: random.pick([['*'], ['prod'], ['prod/web', 'dev'], ['*', 'dev']]),
    // Longer than any outage, so that its tasks are never taken from a tenant that is only away.
    failoverTimeoutMs: 3_600_000,
    capabilities,
  };
}

function agentResources(random: Random): Resources {
  const from = 31_000;
  const resources: Resources = {
    cpus: random.pick([4, 6, 8.5]),
    mem: random.pick([2048, 4096]),
    disk: 10_240,
    ports: [[from, from + random.int(4, 20)]],
  };
  return random.chance(0.3) ? { ...resources, 'cpus(prod)': 1, 'mem(prod)': 512 } : resources;
}

function makeWishes(name: string, count: number, withinMs: number, random: Random): Wish[] {
  return Array.from({ length: count }, (_, index): Wish => {
    const service = random.chance(0.15);
    const group = random.chance(0.15);
    const first = wishedTask(random, service, group);
    const more = group ? Array.from({ length: random.int(1, 2) }, () => wishedTask(random, service, group)) : [];
    return {
      key: `${name}-w${index}`,
      kind: service ? 'service' : 'job',
      tasks: [first, ...more],
      atMs: random.int(0, Math.floor(withinMs * 0.7)),
    };
  });
}

// Whatever services there are, the largest job or group still fits beside them on the smallest agent.
function wishedTask(random: Random, service: boolean, group: boolean): WishedTask {
  const small = service || group;
  const resources: Resources = {
    cpus: small ? 0.1 : random.pick([0.1, 0.5, 1]),
    mem: small ? 32 : random.pick([32, 128, 256]),
  };
  const behaviour: Behaviour = {
    ...(service ? {} : { runMs: random.pick([0, 10, 1000, 8000, 30_000]) }),
    ...(random.chance(0.2) ? { prepareMs: random.pick([100, 3000, 15_000]) } : {}),
    ...(service ? {} : random.chance(0.15) ? { exitCode: random.int(1, 255) } : {}),
    ...(service ? {} : random.chance(0.05) ? { oom: true } : {}),
    ...(service ? {} : random.chance(0.05) ? { failToStart: 'no such program' } : {}),
    ...(random.chance(0.1) ? { ignoresTerm: true } : {}),
    ...(random.chance(0.2) ? { termMs: random.int(1, 4000) } : {}),
  };
  return { resources, behaviour, more: !service && random.chance(0.2) ? { ports: random.int(1, 2) } : {} };
}

function hinted(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint };
}
