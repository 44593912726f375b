// Who is there in a run: a master with a policy, agents, tenants good and bad, and an operator, all by seed. In: a world, a scenario, chance.
// Out: those that have to be told when calm is wanted.
import type { AllocationPolicy } from '../allocator/index.js';
import { definePolicy } from '../allocator/policies/index.js';
import type { PolicySpec } from '../allocator/policies/index.js';
import { ProfferError } from '../base/errors.js';
import type { Random } from '../env/random.js';
import type {
  ExecutorInfo,
  FrameworkCapability,
  FrameworkInfo,
  HealthCheckInfo,
  OfferConstraints,
} from '../protocol/entities.js';
import type { MasterOptions } from '../master/options.js';
import type { Resources } from '../resources/index.js';
import { BatchTenant } from './batch-tenant.js';
import type { Wish, WishedTask } from './batch-tenant.js';
import { behaviourEnv } from './behaviour.js';
import type { Behaviour } from './behaviour.js';
import { GuestTenant } from './guest.js';
import { Impostor } from './impostor.js';
import { KeeperTenant } from './keeper-tenant.js';
import { NamesakeTenant } from './namesake-tenant.js';
import { RandomOperator } from './operator.js';
import type { Scenario } from './scenario.js';
import { fickle, hoarder, rogue } from './tenants.js';
import { Visits } from './visits.js';
import type { World } from './world.js';

/** Those that do something until they are told to be calm. */
export interface Population {
  readonly batches: ReadonlyMap<string, BatchTenant>;
  readonly keepers: readonly KeeperTenant[];
  readonly namesakes: ReadonlyMap<string, NamesakeTenant>;
  /** By the names of their nodes. */
  readonly guests: ReadonlyMap<string, GuestTenant>;
  readonly visits: readonly Visits[];
  readonly impostors: readonly Impostor[];
  readonly operator: RandomOperator | undefined;
}

/** Fills a world. */
export function populate(world: World, scenario: Scenario, random: Random): Population {
  // Chances of its own, so that others stay what they were.
  const lasting = random.fork('lasting');
  const policy = randomPolicy(scenario.commit, world.seed, random.fork('policy'));
  world.addMaster({
    // Short windows, so that a run sees them end.
    master: {
      agentReregisterTimeoutMs: 60_000,
      frameworkReregisterTimeoutMs: 60_000,
      agentPingTimeoutMs: 5000,
      ...bounds(random.fork('bounds')),
      ...(scenario.offerTimeoutMs === undefined ? {} : { offerTimeoutMs: random.pick(scenario.offerTimeoutMs) }),
    },
    heartbeatIntervalMs: random.pick([5000, 15_000]),
    // Else it leads for ever, and nobody ever follows one that is only asleep.
    ...(lasting.chance(0.7) ? { leaseMs: lasting.pick([3000, 10_000]) } : {}),
    ...(policy === undefined ? {} : { allocator: { policy } }),
  });
  const agents = random.int(1, scenario.agents);
  for (let i = 0; i < agents; i += 1) {
    world.addAgent({
      resources: { ...agentResources(random), ...(scenario.keepers > 0 ? ownDisks(random.fork(`disks-${i}`)) : {}) },
      attributes: { rack: `r${i % 2}` },
      ...(scenario.guests > 0 && random.fork(`containerizers-${i}`).chance(0.4) ? { containerizers: ['PROCESS'] } : {}),
      agent: {
        oversubscribedResourcesIntervalMs: 5000,
        // Some never do; whatever waits for them comes after what waits for a new master.
        executorRegistrationMs: 30_000,
        // Each task or executor is a part of its own.
        ...(random.fork(`parts-${i}`).chance(0.3) ? { registerPartBytes: 1 } : {}),
        // Short for some, so that agents come back too late for their tasks.
        ...(lasting.chance(0.2) ? { recoveryTimeoutMs: 90_000 } : {}),
      },
      ...(scenario.lends && random.chance(0.5) ? { lends: lendsSome } : {}),
    });
  }
  const batches = new Map<string, BatchTenant>();
  for (let i = 1; i <= random.int(1, scenario.batches); i += 1) {
    const name = `batch-${i}`;
    const wishes = makeWishes(name, random.int(3, scenario.wishes), scenario.faultsMs, random.fork(name));
    const tenant = new BatchTenant(wishes, { killEveryMs: random.pick([0, 5000, 20_000]) });
    batches.set(name, tenant);
    world.addScheduler(name, { info: info(name, random) }, (framework, env) => tenant.program(framework, env));
  }
  const keepers = named('keeper', scenario.keepers, random).map(name => {
    const tenant = new KeeperTenant(name);
    const more: FrameworkCapability[] = ['SHARED_RESOURCES', 'REVOCABLE_RESOURCES'];
    const { capabilities = [], ...rest } = info(name, random);
    const roles = random.pick([['prod'], ['prod/web'], ['store', 'prod']]);
    const keeper = { ...rest, roles, capabilities: [...capabilities, ...more.filter(() => random.chance(0.7))] };
    world.addScheduler(name, { info: keeper }, (framework, env) => tenant.program(framework, env));
    return tenant;
  });
  const namesakes = new Map(makeNamesakes(world, scenario, random.fork('namesakes')));
  for (const name of named('hoarder', scenario.hoarders, random)) {
    world.addScheduler(name, { info: info(name, random) }, hoarder);
  }
  for (const name of named('fickle', scenario.fickle, random)) {
    const its = info(name, random);
    const picky = random.chance(0.3) ? { offerConstraints: onRack(its.roles, random.pick(['r0', 'r1'])) } : {};
    world.addScheduler(name, { info: its, ...picky }, fickle);
  }
  for (const name of named('rogue', scenario.rogues, random)) {
    // Where an operator undoes it, also one whose reservations succeed.
    const roles = scenario.operatorEveryMs > 0 && random.chance(0.5) ? ['*', 'prod'] : ['*'];
    world.addRawScheduler(name, rogue({ ...info(name, random), roles, failoverTimeoutMs: 1000 }));
  }
  const guests = new Map(makeGuests(world, scenario, random.fork('guests')));
  const visitors = makeVisitors(world, scenario, random.fork('visitors'));
  for (const { name, tenant } of visitors) guests.set(name, tenant);
  const impostors = Array.from({ length: scenario.impostors }, (_, i) => makeImpostor(world, `impostor-${i + 1}`));
  const operator =
    scenario.operatorEveryMs > 0
      ? new RandomOperator(world, {
          everyMs: scenario.operatorEveryMs,
          roles: operatorRoles,
          onlyQuota: scenario.operatorDoes === 'quota',
        })
      : undefined;
  return { batches, keepers, namesakes, guests, visits: visitors.map(({ visits }) => visits), impostors, operator };
}

interface Visitor {
  readonly name: string;
  readonly tenant: GuestTenant;
  readonly visits: Visits;
}

// Not in every run, as nothing is at rest where they are.
function makeVisitors(world: World, scenario: Scenario, random: Random): Visitor[] {
  if (random.chance(0.5)) return [];
  return named('visitor', scenario.visitors, random).map(name => {
    const failoverTimeoutMs = random.pick([2000, 5000, 20_000]);
    const info = { name, roles: ['*'], failoverTimeoutMs, capabilities: ['PARTITION_AWARE'] } as const;
    const tenant = new GuestTenant(info, false);
    return { name, tenant, visits: new Visits(world, world.addRawScheduler(name, tenant.program), failoverTimeoutMs) };
  });
}

function makeNamesakes(world: World, scenario: Scenario, random: Random): [string, NamesakeTenant][] {
  return named('namesake', scenario.namesakes, random).map(name => {
    const tenant = new NamesakeTenant(name, random.int(1, 4), random.chance(0.4));
    // Without checkpoints a task is lost as soon as its agent is away, and may still be alive when its id is used again.
    const { checkpoint: _all, ...its } = info(name, random);
    world.addScheduler(name, { info: its }, (framework, env) => tenant.program(framework, env));
    return [name, tenant];
  });
}

function makeGuests(world: World, scenario: Scenario, random: Random): [string, GuestTenant][] {
  return named('guest', scenario.guests, random).map(name => {
    const capabilities: FrameworkCapability[] = random.chance(0.8) ? ['PARTITION_AWARE'] : [];
    // Gone at once when it is away, or waited for.
    const failoverTimeoutMs = random.pick([1000, 600_000, 600_000]);
    const tenant = new GuestTenant(
      { name, roles: random.pick([['*'], ['dev']]), failoverTimeoutMs, capabilities },
      scenario.operatorEveryMs === 0,
    );
    world.addRawScheduler(name, tenant.program);
    return [name, tenant];
  });
}

function makeImpostor(world: World, name: string): Impostor {
  const impostor = new Impostor(() =>
    [...(world.master.cluster?.frameworks.values() ?? [])].flatMap(({ id, tasks, unreachable, completed }) =>
      [...tasks.values(), ...unreachable.values(), ...completed.values()].map(task => ({
        frameworkId: id,
        taskId: task.id,
      })),
    ),
  );
  world.addRawAgent(name, impostor.program);
  return impostor;
}

/** Small ones in some runs, so that they are reached. */
function bounds(random: Random): Partial<MasterOptions> {
  return {
    ...(random.chance(0.25) ? { agentRemovalRateLimit: { count: 1, perMs: 20_000 } } : {}),
    ...(random.chance(0.25) ? { completedTasksMax: 5, completedFrameworksMax: 2 } : {}),
  };
}

const operatorRoles = ['prod', 'prod/web', 'prod/web/db', 'dev', 'store', '*'];

function named(name: string, max: number, random: Random): string[] {
  return Array.from({ length: random.int(Math.min(1, max), max) }, (_, i) => `${name}-${i + 1}`);
}

function onRack(roles: readonly string[], rack: string): OfferConstraints {
  return Object.fromEntries(
    roles.map(role => [role, [[{ attribute: 'rack', predicate: 'TEXT_EQUALS' as const, value: rack }]]]),
  );
}

function lendsSome(random: Random): Resources {
  const cpus = random.pick([0, 0.4, 1, 2]);
  return cpus === 0 ? {} : { cpus };
}

const axes = {
  frameworkOrder: [
    'drf',
    'hdrf',
    'random',
    'rr',
    'fifo',
    'prio:prod=2,dev=1',
    'least-alloc:cpus',
    'lottery',
    'stride',
    'asset',
    'tsf',
    'cdrf',
    'ps-dsf',
    'rps-dsf',
    'demand',
  ],
  agentOrder: ['shuffle', 'iid', 'first-fit', 'next-fit', 'best-fit', 'dot-product', 'spread', 'binpack', 'joint'],
  granularity: ['agent', 'agent', 'all', 'slice:0.5', 'slice:3tasks'],
} as const;

const optimistic = ['optimistic', 'optimistic:sequence', 'optimistic:all-or-nothing,copies=2', 'optimistic:copies=8'];

/** Undefined: what a master does that was told nothing. */
function randomPolicy(commit: Scenario['commit'], seed: number, random: Random): AllocationPolicy | undefined {
  if (commit === 'default' || (commit === 'any' && random.chance(0.4))) return undefined;
  const isOptimistic = commit === 'optimistic' || random.chance(commit === 'any' ? 0.3 : 0.15);
  const inTurn = commit === 'each-order' ? axes.frameworkOrder[seed % axes.frameworkOrder.length] : undefined;
  const spec: PolicySpec = {
    frameworkOrder: inTurn ?? random.pick(axes.frameworkOrder),
    agentOrder: random.pick(axes.agentOrder),
    granularity: random.pick(axes.granularity),
    commit: isOptimistic ? random.pick(optimistic) : 'pessimistic',
  };
  try {
    return definePolicy(spec);
  } catch (error) {
    // Axes that make no sense together are refused.
    if (error instanceof ProfferError) {
      const order = inTurn === undefined ? {} : { frameworkOrder: inTurn };
      return definePolicy(isOptimistic ? { ...order, commit: 'optimistic' } : order);
    }
    throw error;
  }
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
    // Then what its agents were running ends when they come back.
    ...(random.fork(`${name}/checkpoint`).chance(0.1) ? { checkpoint: false } : {}),
  };
}

function agentResources(random: Random): Resources {
  const from = 31_000;
  const resources: Resources = {
    cpus: random.pick([4, 6, 8.29]),
    mem: random.pick([2048, 4096]),
    disk: 10_240,
    ports: [[from, from + random.int(4, 20)]],
  };
  return random.chance(0.3) ? { ...resources, 'cpus(prod)': 1, 'mem(prod)': 512 } : resources;
}

/** Disks beside that of the sandboxes, on some agents. */
function ownDisks(random: Random): Resources {
  if (!random.chance(0.3)) return {};
  return {
    [random.chance(0.3) ? 'disk<mount=/mnt/a>(prod)' : 'disk<mount=/mnt/a>']: 400,
    'disk<path=/mnt/b>': 1024,
  };
}

/** Executors that a tenant's tasks may share on each agent. What comes first is never the cause of a task's end. */
function makeExecutors(name: string, random: Random): readonly [ExecutorInfo, ...ExecutorInfo[]] {
  const make = (suffix: string, behaviour: Behaviour): ExecutorInfo => ({
    executorId: `${name}-${suffix}`,
    command: { value: 'simulated', env: behaviourEnv(behaviour) },
    resources: { cpus: 0.1, mem: 32 },
  });
  return [
    make('steady', { idleMs: random.pick([500, 5000, 30_000]), ...(random.chance(0.3) ? { prepareMs: 4000 } : {}) }),
    make('shaky', { runMs: random.pick([100, 3000, 20_000]), exitCode: 3 }),
    make('stubborn', { ignoresTerm: true, idleMs: 10_000 }),
    make(
      'failing',
      random.pick<Behaviour>([{ failToStart: 'no such program' }, { mute: true }, { oom: true, runMs: 5000 }]),
    ),
  ];
}

function makeWishes(name: string, count: number, withinMs: number, random: Random): Wish[] {
  const executors = random.chance(0.5) ? makeExecutors(name, random.fork('executors')) : undefined;
  return Array.from({ length: count }, (_, index): Wish => {
    const service = random.chance(0.15);
    const group = random.chance(0.15);
    const task = wishedTask(random, service, group);
    const [steady, ...others] = executors ?? [];
    // A service is to stay up, also with its executor; tasks of groups cannot have one.
    const executor =
      steady === undefined || group || random.chance(0.5)
        ? undefined
        : service || random.chance(0.6)
          ? steady
          : random.pick(others);
    const first = executor === undefined ? task : insideOf(executor, task);
    const more = group ? Array.from({ length: random.int(1, 2) }, () => wishedTask(random, service, group)) : [];
    return {
      key: `${name}-w${index}`,
      kind: service ? 'service' : 'job',
      tasks: [first, ...more],
      atMs: random.int(0, Math.floor(withinMs * 0.7)),
    };
  });
}

// Checks look into containers, and ports are a container's: neither is for what runs inside an executor.
function insideOf(executor: ExecutorInfo, { resources, behaviour }: WishedTask): WishedTask {
  const { probeExitCode: _none, ...its } = behaviour;
  return { resources, behaviour: its, executor };
}

const healthCheck: HealthCheckInfo = {
  probe: { type: 'COMMAND', command: { value: 'probe' } },
  delayMs: 500,
  intervalMs: 1000,
  gracePeriodMs: 2000,
  consecutiveFailures: 2,
};

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
  const checked = random.chance(0.15);
  return {
    resources,
    // A job may be unhealthy for as long as it runs, and is ended for that.
    behaviour: checked && !service && random.chance(0.3) ? { ...behaviour, probeExitCode: 1 } : behaviour,
    more: {
      ...(!service && random.chance(0.2) ? { ports: random.int(1, 2) } : {}),
      ...(checked ? { healthCheck } : {}),
    },
  };
}
