// A Marathon to which everything happens, by seed: users, and faults of every process, link and disk; then all is well again, and it has to come to rest. In: a seed.
// Out: what happened in numbers, or a SimulationFailure.
import type { Random } from 'proffer';
import { fickle, Faults, givingUp, scenarioCheckers, swarmRates, World } from 'proffer/sim';
import type { Counts } from 'proffer/sim';
import { MarathonNode, nodeName } from './marathon-node.js';
import { DataRule } from './rules/data.js';
import { DelaysRule } from './rules/delays.js';
import { DeploymentsRule, InheritanceRule } from './rules/deployments.js';
import { FieldsRule } from './rules/fields.js';
import { NumbersRule } from './rules/numbers.js';
import { PlacesRule } from './rules/places.js';
import type { Rule } from './rules/rule.js';
import { WantedRule } from './rules/wanted.js';
import { remains, unsettled } from './settled.js';
import { Users } from './users.js';
import { Watch } from './watch.js';

export interface MarathonRun {
  readonly seed: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly settledInMs: number;
  /** Of the cluster, and of Marathon. */
  readonly counts: Counts;
  readonly marathon: { readonly [what: string]: number };
  readonly digest: string;
}

export interface MarathonRunOptions {
  readonly onJournalLine?: (line: string) => void;
  /** Something is done to the rules' sight, to show that they see. */
  readonly spoil?: (world: World, node: MarathonNode) => void;
}

const faultsMs = 240_000;
/** From the end of all faults: a master is chosen, agents are given up, what was launched and never heard of is launched again. */
const settleMs = 900_000;

/**
 * Runs a seed.
 * @throws SimulationFailure when a rule breaks, or it does not come to rest.
 */
export async function runMarathonScenario(seed: number, options: MarathonRunOptions = {}): Promise<MarathonRun> {
  const parts = {
    numbers: new NumbersRule(),
    deployments: new DeploymentsRule(),
    places: new PlacesRule(),
    delays: new DelaysRule(),
    data: new DataRule(),
    fields: new FieldsRule(),
  };
  const rules: readonly Rule[] = [...Object.values(parts), new InheritanceRule(), new WantedRule()];
  const watch = new Watch(rules);
  const world = new World({
    seed,
    scenario: nodeName,
    command: 'npm run sim:marathon --',
    checkers: [...scenarioCheckers(), watch],
    ...(options.onJournalLine === undefined ? {} : { onJournalLine: options.onJournalLine }),
  });
  const random = world.random.fork('scenario');
  populate(world, random);
  const node = new MarathonNode(world, watch);
  watch.look(world, node);
  options.spoil?.(world, node);
  const users = new Users(world, node, request => watch.asked(request));
  const faults = new Faults(world, ratesOf(random.fork('faults')));
  const own = new OwnFaults(world, node, random.fork('own'));
  await run(world, faultsMs);
  users.calm();
  own.stop();
  faults.stop();
  if ((world.counts.faults['agent-power-cut'] ?? 0) > 0 && world.agents.size > 3 && random.chance(0.5))
    loseOne(world, random);
  const healedAtMs = world.nowMs;
  // Writes that were under way on a failing disk have failed by then.
  await run(world, 15_000);
  // What cannot come up says why not; then somebody mends it.
  await settle(world, () => unsettled(world, node, false));
  await onceConnected(world, node, service => {
    users.mend(service);
    watch.afterStep();
  });
  const giveUp = (): void => giveUpLost(world, node, users);
  await settle(world, () => unsettled(world, node, true), giveUp);
  const settledInMs = world.nowMs - healedAtMs;
  // It stays so, over another process.
  node.node.crash();
  node.node.start();
  await run(world, 90_000);
  await settle(world, () => unsettled(world, node, true), giveUp);
  await onceConnected(world, node, service => {
    users.clear(service);
    watch.afterStep();
  });
  await settle(world, () => remains(world, node), giveUp);
  world.audit();
  const sum = { processes: node.processes, ...users.counts };
  for (const [name, { counts }] of Object.entries(parts))
    for (const [what, count] of Object.entries(counts)) Object.assign(sum, { [`${name}.${what}`]: count });
  return {
    seed,
    steps: world.steps,
    virtualMs: world.nowMs,
    settledInMs,
    counts: world.counts,
    marathon: sum,
    digest: world.journal.digest(),
  };
}

function populate(world: World, random: Random): void {
  world.addMaster({
    master: { agentReregisterTimeoutMs: 60_000, frameworkReregisterTimeoutMs: 60_000, agentPingTimeoutMs: 5000 },
    heartbeatIntervalMs: random.pick([5000, 15_000]),
    ...(random.chance(0.7) ? { leaseMs: random.pick([3000, 10_000]) } : {}),
  });
  const agents = random.int(2, 5);
  for (let i = 0; i < agents; i += 1)
    world.addAgent({
      resources: { cpus: 6, mem: 8192, disk: 10_240, ports: [[31_000, 31_060]] },
      attributes: { rack: `r${i % 2}` },
    });
  if (random.chance(0.3))
    world.addScheduler('fickle', { info: { name: 'fickle', roles: ['*'], failoverTimeoutMs: 3_600_000 } }, fickle);
}

function ratesOf(random: Random): ReturnType<typeof swarmRates> {
  return swarmRates(random, [
    'agent-crash',
    'agent-power-cut',
    'agent-shutdown',
    'scheduler-crash',
    'master-crash',
    'stale-master',
    'pause',
    'partition',
    'one-way-partition',
    'reset',
    'swizzle',
    'delay',
    'drop',
    'duplicate',
    'slow-disk',
    'disk-failure',
    'operator-kill',
    'flaky-link',
    'stuck-link',
    'past-master',
  ]);
}

/** Faults of Marathon's process and disk, and agents that are drained. */
class OwnFaults {
  readonly #world: World;
  readonly #node: MarathonNode;
  #stopped = false;

  constructor(world: World, node: MarathonNode, random: Random) {
    this.#world = world;
    this.#node = node;
    const kinds: { readonly [kind: string]: (random: Random) => void } = {
      'crash-at-write': its => node.endAtWrite(its.int(1, 6), its.pick(['before', 'after'])),
      'marathon-slow-disk': its => this.#disk(() => node.slowDisk(), its),
      'marathon-disk-failure': its => this.#disk(() => node.failingDisk(), its),
      drain: its => this.#drain(its),
    };
    for (const [kind, strike] of Object.entries(kinds))
      if (random.chance(0.5)) this.#next(kind, random.pick([8000, 20_000, 45_000]), random.fork(kind), strike);
  }

  stop(): void {
    this.#stopped = true;
    this.#node.heal();
    this.#activate();
  }

  #next(kind: string, meanMs: number, random: Random, strike: (random: Random) => void): void {
    this.#world.clock.after(random.int(1, meanMs * 2), () => {
      if (this.#stopped) return;
      this.#world.emit({ type: 'FAULT', node: nodeName, fault: kind, healed: false });
      strike(random);
      this.#next(kind, meanMs, random, strike);
    });
  }

  #disk(hurt: () => void, random: Random): void {
    hurt();
    this.#world.clock.after(random.int(100, 20_000), () => this.#node.heal());
  }

  #drain(random: Random): void {
    const { master, clock } = this.#world;
    const agents = [...(master.cluster?.agents.keys() ?? [])];
    if (agents.length === 0) return;
    master.operate({ type: 'DRAIN_AGENT', agentId: random.pick(agents) });
    clock.after(random.int(5000, 40_000), () => this.#activate());
  }

  // What is not drained yet is refused, and tried again.
  #activate(): void {
    const { master, clock } = this.#world;
    const drained = [...(master.cluster?.agents.values() ?? [])].filter(({ admin }) => admin.activity !== 'ACTIVE');
    for (const { id: agentId } of drained) master.operate({ type: 'REACTIVATE_AGENT', agentId });
    if (this.#stopped) clock.after(2000, () => this.#activate());
  }
}

function loseOne(world: World, random: Random): void {
  const [name, agent] = random.pick([...world.agents]);
  world.lost.add(name);
  agent.crash(false);
  world.emit({ type: 'FAULT', node: name, fault: 'agent-lost', healed: false });
}

// What is not back by now is not coming: an operator says so, and users do of their data.
function giveUpLost(world: World, { service }: MarathonNode, users: Users): void {
  const { cluster } = world.master;
  if (cluster !== undefined) for (const call of givingUp(world, cluster)) world.master.operate(call);
  if (service !== undefined) users.giveUp(service);
}

/** Runs for a time, and between two steps whatever promises have to say. */
async function run(world: World, ms: number): Promise<void> {
  const untilMs = world.nowMs + ms;
  while (world.step(untilMs)) await said();
  world.run(untilMs - world.nowMs);
}

async function settle(world: World, look: () => string[], between: () => unknown = () => {}): Promise<void> {
  const untilMs = world.nowMs + settleMs;
  for (let turn = 1; ; turn += 1) {
    await run(world, 1000);
    const wrong = look();
    if (wrong.length === 0) return;
    if (world.nowMs >= untilMs)
      world.fail('convergence', `${settleMs} ms after everything was healed:\n  ${wrong.slice(0, 12).join('\n  ')}`);
    if (turn % 200 === 0) between();
  }
}

async function onceConnected(
  world: World,
  node: MarathonNode,
  act: (service: NonNullable<MarathonNode['service']>) => void,
): Promise<void> {
  while (node.service?.connected !== true) await run(world, 1000);
  act(node.service);
  await run(world, 1000);
}

function said(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
