// Named scenarios: a cluster, its tenants, and what goes wrong. In: a name. Out: what a seed chooses from.
import { ProfferError, shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { Random } from '../env/random.js';
import { faultKinds, swarmRates } from './faults.js';
import type { FaultRates } from './faults.js';

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
  /** Frameworks that keep to the rules, and take no care. */
  readonly guests: number;
  /** Guests that go away again and again, and come back about when their failover timeout ends. */
  readonly visitors: number;
  /** Agents that tell of tasks that are others'. */
  readonly impostors: number;
  /** Frameworks that reserve, make volumes and run on what is lent. */
  readonly keepers: number;
  /** Frameworks that launch the same few ids again and again, and remember nothing. */
  readonly namesakes: number;
  /** Mean time between calls of an operator who changes quota, reservations, maintenance …; 0: there is none. */
  readonly operatorEveryMs: number;
  /** How long offers are out: one of these. Default: as long as masters leave them. */
  readonly offerTimeoutMs?: readonly number[];
  /** What that operator does: everything, or only quota and weights. */
  readonly operatorDoes: 'everything' | 'quota';
  /** Whether agents lend what is not used. */
  readonly lends: boolean;
  /** Which policies: the default one, any with an optimistic commit, any at all, or each order of frameworks in turn. */
  readonly commit: 'default' | 'optimistic' | 'any' | 'each-order';
  /** Whether each machine's clock runs a little fast or slow. */
  readonly drifts: boolean;
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
  guests: 1,
  visitors: 0,
  impostors: 0,
  keepers: 0,
  namesakes: 0,
  operatorEveryMs: 0,
  operatorDoes: 'everything',
  lends: false,
  commit: 'default',
  drifts: false,
  faultsMs: 150_000,
} as const;

/** All that can be done to resources, for a shorter time. */
const allocation = { ...base, guests: 0, keepers: 2, operatorEveryMs: 2500, lends: true, faultsMs: 50_000 } as const;

export const scenarios = {
  calm: { ...base, about: 'nothing goes wrong', faults: () => ({}) },
  churn: {
    ...base,
    drifts: true,
    about: 'processes crash and come back, machines reboot, disks fail, and a master is followed while it sleeps',
    visitors: 2,
    faults: random =>
      swarmRates(random, [
        'agent-crash',
        'agent-power-cut',
        'agent-shutdown',
        'scheduler-crash',
        'master-crash',
        'stale-master',
        'operator-teardown',
        'slow-disk',
        'disk-failure',
        'disk-full',
        'disk-rot',
        'executor-crash',
        'executor-partition',
        'past-master',
        'registry-rot',
        'wall-clock-jump',
      ]),
  },
  partitions: {
    ...base,
    drifts: true,
    about: 'links are cut, one way or both, held or lossy, and healed',
    faults: random =>
      swarmRates(random, [
        'partition',
        'one-way-partition',
        'reset',
        'swizzle',
        'delay',
        'pause',
        'flaky-link',
        'stuck-link',
        'past-master',
      ]),
  },
  lossy: {
    ...base,
    drifts: true,
    about: 'messages are lost, repeated and late',
    faults: random => swarmRates(random, ['drop', 'duplicate', 'delay', 'reset']),
  },
  failovers: {
    ...base,
    about: 'masters and schedulers are followed by others, while agents are away, and ids are used again',
    batches: 1,
    wishes: 10,
    guests: 0,
    namesakes: 3,
    faults: random => ({
      'master-crash': random.pick([15_000, 30_000]),
      ...swarmRates(random, [
        'scheduler-crash',
        'agent-crash',
        'agent-power-cut',
        'partition',
        'reset',
        'stuck-link',
        'pause',
        'stale-master',
      ]),
    }),
  },
  rogues: {
    ...base,
    about: 'frameworks hoard, dither and break every rule',
    hoarders: 1,
    fickle: 2,
    rogues: 3,
    guests: 0,
    impostors: 1,
    faults: () => ({}),
  },
  hoarding: {
    ...base,
    about: 'frameworks sit on offers while others wait, under any policy, with quota now and then',
    batches: 3,
    guests: 0,
    hoarders: 3,
    operatorEveryMs: 25_000,
    operatorDoes: 'quota',
    commit: 'each-order',
    // Where they do not expire, only those who wait can end them.
    offerTimeoutMs: [30_000, 3_600_000],
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
    drifts: true,
    about: 'the same is offered to several, and the accept decides',
    batches: 3,
    commit: 'optimistic',
    faultsMs: 40_000,
    faults: random => swarmRates(random, ['agent-crash', 'scheduler-crash', 'reset', 'delay', 'agent-shutdown']),
  },
  everything: {
    ...allocation,
    drifts: true,
    about: 'all of it, in a mixture of each seed’s own',
    hoarders: 1,
    fickle: 2,
    rogues: 2,
    guests: 1,
    visitors: 1,
    impostors: 1,
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

function hinted(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint };
}
