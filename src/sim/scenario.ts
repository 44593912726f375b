// Named scenarios: a cluster, its tenants, and what goes wrong, all by seed. First safety under faults, then everything is healed and must settle.
// In: a name and a seed. Out: counts and a digest, or a SimulationFailure.
import { ProfferError, shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { Random } from '../env/random.js';
import type { Counts } from './checkers/floors.js';
import { unsettled } from './convergence.js';
import { faultKinds, Faults, swarmRates } from './faults.js';
import type { FaultRates } from './faults.js';
import { populate } from './population.js';
import type { Population } from './population.js';
import type { Mutations } from './surroundings.js';
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
  /** Frameworks that reserve, make volumes and run on what is lent. */
  readonly keepers: number;
  /** Mean time between calls of an operator who changes quota, reservations, maintenance …; 0: there is none. */
  readonly operatorEveryMs: number;
  /** Whether agents lend what is not used. */
  readonly lends: boolean;
  /** Which policies: the default one, any with an optimistic commit, or any at all. */
  readonly commit: 'default' | 'optimistic' | 'any';
  /** How long faults go on. */
  readonly faultsMs: number;
  readonly faults: (random: Random) => FaultRates;
}

const base = {
  agents: 5,
  batches: 2,
  wishes: 25,
  hoarders: 0,
  fickle: 1,
  rogues: 0,
  keepers: 0,
  operatorEveryMs: 0,
  lends: false,
  commit: 'default',
  faultsMs: 150_000,
} as const;

/** All that can be done to resources, for a shorter time. */
const allocation = { ...base, keepers: 2, operatorEveryMs: 2500, lends: true, faultsMs: 50_000 } as const;

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
  hoarding: {
    ...base,
    about: 'frameworks sit on offers while others wait',
    batches: 3,
    hoarders: 3,
    faultsMs: 90_000,
    faults: () => ({}),
  },
  allocation: {
    ...allocation,
    about: 'quota, reservations, volumes, loans, maintenance and drains, under any policy',
    hoarders: 1,
    commit: 'any',
    faults: () => ({}),
  },
  optimistic: {
    ...allocation,
    about: 'the same is offered to several, and the accept decides',
    batches: 3,
    commit: 'optimistic',
    faultsMs: 40_000,
    faults: random => swarmRates(random, ['agent-crash', 'scheduler-crash', 'reset', 'delay', 'agent-shutdown']),
  },
  everything: {
    ...allocation,
    about: 'all of it, in a mixture of each seed’s own',
    hoarders: 1,
    fickle: 2,
    rogues: 2,
    commit: 'any',
    faultsMs: 100_000,
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
  const population = populate(world, scenario, random);
  const faults = new Faults(world, scenario.faults(random.fork('faults')));
  world.run(scenario.faultsMs);
  faults.stop();
  for (const tenant of [...population.batches.values(), ...population.keepers]) tenant.calm();
  population.operator?.calm();
  // What misbehaves must not keep the others from settling: it leaves. A hoarder alone can split an agent into crumbs for ever.
  for (const node of world.rawSchedulers.values()) node.crash();
  for (const [name, node] of world.schedulers) if (name.startsWith('hoarder')) node.crash();
  const healedAtMs = world.nowMs;
  settle(world, population, options.settleMs ?? settleDefaultMs);
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

function settle(world: World, population: Population, withinMs: number): void {
  const untilMs = world.nowMs + withinMs;
  for (;;) {
    world.run(1000);
    const wrong = unsettled(world, population.batches);
    if (wrong.length === 0) return;
    if (world.nowMs >= untilMs) {
      world.fail('convergence', `${withinMs} ms after everything was healed:\n  ${wrong.slice(0, 12).join('\n  ')}`);
    }
  }
}

function hinted(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint };
}
