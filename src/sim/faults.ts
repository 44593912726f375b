// What goes wrong in a run, by seed: which kinds of faults, how often, for how long. In: a world and its chance. Out: faults, each told to the
// history; `stop` heals everything, so that the cluster can show that it settles.
import type { Random } from '../env/random.js';
import { executorNode } from './agent-node.js';
import type { AgentNode } from './agent-node.js';
import { diskLatencyMs } from './disk.js';
import type { MasterNode } from './master-node.js';
import { noTrouble } from './network.js';
import type { RawSchedulerNode, SchedulerNode } from './scheduler-node.js';
import { RegistryCopies } from './registry-copies.js';
import type { World } from './world.js';

/** The kinds of faults. */
export const faultKinds = [
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
  'disk-full',
  'disk-rot',
  'wall-clock-jump',
  'operator-kill',
  'operator-teardown',
  'executor-crash',
  'executor-partition',
  'flaky-link',
  'stuck-link',
  'past-master',
  'registry-rot',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Mean time between faults of a kind; absent: never. */
export type FaultRates = { readonly [Kind in FaultKind]?: number };

type AnyNode = AgentNode | MasterNode | SchedulerNode | RawSchedulerNode;

/** Each kind is on or off and rare or frequent, as the seed has it: a seed that can do only a few things goes further with them (swarm testing). */
export function swarmRates(random: Random, kinds: readonly FaultKind[] = faultKinds): FaultRates {
  const rates: { [Kind in FaultKind]?: number } = {};
  for (const kind of kinds) {
    if (random.chance(0.4)) rates[kind] = random.pick([8000, 20_000, 45_000]);
  }
  return rates;
}

/** Faults on a world until stopped. */
export class Faults {
  readonly #world: World;
  readonly #random: Random;
  /** What has to be undone, by what it is called. */
  readonly #open = new Map<string, () => void>();
  readonly #copies: RegistryCopies | undefined;
  #stopped = false;

  constructor(world: World, rates: FaultRates) {
    this.#world = world;
    this.#random = world.random.fork('faults');
    this.#copies = rates['registry-rot'] === undefined ? undefined : new RegistryCopies(world);
    for (const kind of faultKinds) {
      const meanMs = rates[kind];
      if (meanMs !== undefined) this.#next(kind, meanMs, this.#random.fork(kind));
    }
  }

  /** Heals everything and starts what is down. No fault comes after it. */
  stop(): void {
    this.#stopped = true;
    for (const heal of this.#open.values()) heal();
    this.#world.network.trouble = noTrouble;
    this.#world.network.local.heal();
    for (const node of this.#nodes()) {
      node.process?.resume();
      node.start();
    }
    this.#world.master.resumeFormer();
  }

  #next(kind: FaultKind, meanMs: number, random: Random): void {
    this.#world.clock.after(random.int(1, meanMs * 2), () => {
      if (this.#stopped) return;
      this.#strike(kind, random);
      this.#next(kind, meanMs, random);
    });
  }

  #strike(kind: FaultKind, random: Random): void {
    const world = this.#world;
    switch (kind) {
      case 'agent-crash':
      case 'agent-power-cut': {
        const agents = [...world.agents.values()];
        const node = random.pick(agents);
        const downMs = random.int(0, 100_000);
        const isCrash = kind === 'agent-crash';
        if (!random.chance(0.6)) return this.#crash(kind, node, isCrash, downMs);
        // Where something is lost by it.
        const busy = agents.filter(({ host }) => host.live.length > 0);
        if (isCrash) this.#crashInAKill(node, downMs);
        else this.#crash(kind, busy.length > 0 ? random.pick(busy) : node, isCrash, downMs);
        return;
      }
      case 'agent-shutdown': {
        const node = random.pick([...world.agents.values()]);
        if (node.process?.alive !== true || node.process.paused) return;
        this.#told(kind, node.name, false);
        node.shutDown();
        return;
      }
      case 'operator-kill': {
        const { master, cluster } = world.master;
        const tasks = [...(cluster?.frameworks.values() ?? [])].flatMap(framework => [...framework.tasks.values()]);
        if (master === undefined || world.master.process?.paused === true || tasks.length === 0) return;
        const { id: taskId, frameworkId } = random.pick(tasks);
        this.#told(kind, taskId, false);
        master.operate({ type: 'KILL', taskId, frameworkId }, () => {});
        return;
      }
      case 'operator-teardown': {
        const guests = [...(world.master.cluster?.frameworks.values() ?? [])].filter(one =>
          beginAnew.test(one.info.name),
        );
        if (world.master.process?.paused === true || guests.length === 0) return;
        const { id: frameworkId } = random.pick(guests);
        this.#told(kind, frameworkId, false);
        world.master.operate({ type: 'TEARDOWN', frameworkId });
        return;
      }
      case 'executor-crash': {
        const executor = this.#anyExecutor(random);
        if (executor === undefined) return;
        this.#told(kind, executorNode(executor.host, executor.containerId), false);
        world.agents.get(executor.host)?.host.kill(executor.containerId);
        return;
      }
      case 'executor-partition': {
        const executor = this.#anyExecutor(random);
        if (executor === undefined) return;
        const name = executorNode(executor.host, executor.containerId);
        const { local } = world.network;
        this.#heal(kind, name);
        local.partition(name, executor.host, { mode: random.chance(0.5) ? 'hold' : 'drop' });
        if (random.chance(0.3)) local.reset(name, executor.host);
        return this.#heals(kind, name, random.pick([500, 10_000, 90_000]), () => local.heal(name, executor.host));
      }
      case 'scheduler-crash': {
        const node = random.pick(this.#schedulers());
        return this.#crash(kind, node, random.chance(0.7), random.int(0, 40_000));
      }
      case 'master-crash':
        return this.#crash(kind, world.master, random.chance(0.7), random.int(0, 30_000));
      case 'stale-master':
        return this.#staleMaster(random);
      case 'pause': {
        const node = random.pick(this.#nodes());
        const { process } = node;
        if (process === undefined || !process.alive || process.paused) return;
        process.pause();
        return this.#heals(kind, node.name, random.pick([300, 5000, 30_000, 100_000]), () => process.resume());
      }
      case 'partition':
      case 'one-way-partition':
        return this.#partition(kind, random.pick(this.#peers()).name, random);
      case 'reset': {
        const { name } = random.pick(this.#peers());
        this.#told(kind, name, false);
        world.network.local.reset(name, 'master');
        return;
      }
      case 'swizzle':
        return this.#swizzle(random);
      case 'delay':
        return this.#trouble(kind, { delayRate: 0.2, delayMs: [10, random.pick([200, 3000, 40_000])] }, random);
      case 'drop':
        return this.#trouble(kind, { dropRate: random.pick([0.01, 0.1, 0.3]), hidden: random.chance(0.5) }, random);
      case 'duplicate':
        return this.#trouble(
          kind,
          {
            duplicateRate: random.pick([0.02, 0.2]),
            copyMs: [0, random.pick([0, 3000, 20_000])],
            hidden: random.chance(0.5),
          },
          random,
        );
      case 'slow-disk': {
        const { name, disk } = random.pick(this.#withDisk());
        this.#heal(kind, name);
        disk.latencyMs = [100, 4000];
        return this.#heals(kind, name, random.int(1000, 30_000), () => {
          disk.latencyMs = diskLatencyMs;
        });
      }
      case 'disk-failure':
      case 'disk-full': {
        const { name, disk } = random.pick(this.#withDisk());
        this.#heal(kind, name);
        disk.trouble = kind === 'disk-full' ? 'ENOSPC: no space left on device, write' : 'EIO: i/o error, write';
        return this.#heals(kind, name, random.int(100, 5000), () => {
          disk.trouble = undefined;
        });
      }
      case 'disk-rot': {
        const node = random.pick([...world.agents.values()]);
        if (node.process?.alive !== true || !node.disk.rot(random)) return;
        this.#told(kind, node.name, false);
        node.crash();
        world.clock.after(1000, () => node.start());
        return;
      }
      case 'registry-rot': {
        const { master } = world;
        if (this.#copies?.hasOne !== true || master.process?.alive !== true || !master.disk.rot(random)) return;
        return this.#crash(kind, master, random.chance(0.7), random.int(0, 5000));
      }
      case 'wall-clock-jump': {
        const node = random.pick(this.#nodes());
        this.#told(kind, node.name, false);
        if (node.process !== undefined) node.process.wallSkewMs = random.int(-7_200_000, 7_200_000);
        return;
      }
      case 'flaky-link':
        return this.#flakyLink(random.pick([...world.agents.values()]).name, random);
      case 'stuck-link':
        return this.#stuckLink(random.pick(this.#peers()).name, random);
      case 'past-master': {
        const { master, network } = world;
        const nodes = random.shuffle(this.#peers()).slice(0, random.int(1, 3));
        const names = nodes.map(node => node.name);
        this.#heals(kind, 'master', random.pick([2000, 10_000, 30_000]), () => {
          master.astray = new Set();
          for (const name of names) network.local.reset(name, 'master');
        });
        master.astray = new Set(names);
        for (const name of names) network.local.reset(name, 'master');
        // A new process finds nobody else.
        for (const node of nodes) if (random.chance(0.3)) this.#crash('past-master', node, true, random.int(1, 1000));
        return;
      }
    }
  }

  // While something is being ended on an agent, if anything is soon: what is half done is what may be forgotten.
  #crashInAKill(node: AgentNode, downMs: number, withinMs = 20_000): void {
    if (this.#stopped) return;
    const ending = [...this.#world.agents.values()].find(({ host, agent }) => agent !== undefined && host.isEnding);
    if (ending !== undefined || withinMs <= 0) return this.#crash('agent-crash', ending ?? node, true, downMs);
    this.#world.clock.after(lookEveryMs, () => this.#crashInAKill(node, downMs, withinMs - lookEveryMs));
  }

  // Gone for a moment, again and again, but never for long.
  #flakyLink(name: string, random: Random): void {
    const { clock, network } = this.#world;
    let healed = false;
    const cut = (): void => {
      if (healed) return;
      network.local.partition(name, 'master', { mode: 'hold' });
      clock.after(random.int(6000, 14_000), () => {
        if (healed) return;
        network.local.heal(name, 'master');
        clock.after(random.int(500, 3000), cut);
      });
    };
    this.#heals('flaky-link', name, random.pick([30_000, 90_000]), () => {
      healed = true;
      network.local.heal(name, 'master');
    });
    cut();
  }

  // It introduces itself over a link that has got stuck, gives it up, and takes another, over which it is heard first.
  #stuckLink(name: string, random: Random): void {
    const { clock, network } = this.#world;
    const delayMs = random.pick([6000, 15_000, 40_000]);
    this.#heals('stuck-link', name, delayMs + 2000, () => network.stick(name, undefined));
    network.stick(name, delayMs);
    network.local.reset(name, 'master');
    clock.after(random.int(1500, 4000), () => {
      if (!this.#stopped) network.local.reset(name, 'master');
    });
  }

  #crash(kind: FaultKind, node: AnyNode, tell: boolean, downMs: number): void {
    if (node.process?.alive !== true) return;
    this.#told(kind, node.name, false);
    node.crash(tell);
    this.#world.clock.after(downMs, () => {
      if (!this.#stopped) node.start();
    });
  }

  // The master stops for longer than its lease; another takes over; the first one wakes up. The others may hear of it at once, or find out.
  #staleMaster(random: Random): void {
    const { master, clock, network } = this.#world;
    const { process } = master;
    if (process === undefined || !process.alive || process.paused || master.former !== undefined) return;
    process.pause();
    const isKnown = random.chance(0.5);
    const wakesMs = random.pick([100, 5000, 30_000, 100_000]);
    this.#heals('stale-master', 'master', master.leaseMs + random.int(1, 10_000), () => {
      if (!master.takeOver()) return process.resume();
      if (isKnown) for (const { name } of this.#peers()) network.local.reset(name, 'master');
      if (this.#stopped) return;
      clock.after(wakesMs, () => master.resumeFormer());
    });
  }

  #partition(kind: FaultKind, name: string, random: Random): void {
    const mode = random.chance(0.6) ? 'hold' : 'drop';
    const { local } = this.#world.network;
    const oneWay = kind === 'one-way-partition';
    const [from, to] = random.chance(0.5) ? [name, 'master'] : ['master', name];
    this.#heal(kind, name);
    local.partition(from, to, { mode, oneWay });
    this.#heals(kind, name, random.pick([500, 10_000, 60_000, 150_000]), () => local.heal(name, 'master'));
  }

  // A random subset of the links is stopped one by one, and restored in a random order.
  #swizzle(random: Random): void {
    const names = random.shuffle(this.#peers().map(node => node.name)).slice(0, random.int(1, this.#peers().length));
    const { clock, network } = this.#world;
    for (const [index, name] of names.entries()) {
      clock.after(index * random.int(100, 3000), () => {
        if (this.#stopped) return;
        this.#heal('swizzle', name);
        network.local.partition(name, 'master', { mode: 'hold' });
        this.#heals('swizzle', name, random.int(5000, 60_000), () => network.local.heal(name, 'master'));
      });
    }
  }

  #trouble(kind: FaultKind, trouble: Partial<typeof noTrouble>, random: Random): void {
    const { network } = this.#world;
    this.#heal(kind, 'network');
    network.trouble = { ...noTrouble, ...trouble };
    this.#heals(kind, 'network', random.int(2000, 30_000), () => {
      network.trouble = noTrouble;
    });
  }

  #heals(kind: FaultKind, node: string, afterMs: number, heal: () => void): void {
    const key = `${kind}\n${node}`;
    this.#heal(kind, node);
    this.#told(kind, node, false);
    const undo = (): void => {
      if (this.#open.get(key) !== undo) return;
      this.#open.delete(key);
      this.#told(kind, node, true);
      heal();
    };
    this.#open.set(key, undo);
    this.#world.clock.after(afterMs, undo);
  }

  // One of the kind that is open there is over before the next begins.
  #heal(kind: FaultKind, node: string): void {
    this.#open.get(`${kind}\n${node}`)?.();
  }

  #told(kind: FaultKind, node: string, healed: boolean): void {
    this.#world.emit({ type: 'FAULT', node, fault: kind, healed });
  }

  #anyExecutor(random: Random): { readonly host: string; readonly containerId: string } | undefined {
    const executors = this.#world
      .live()
      .filter(({ spec }) => spec.env['PROFFER_EXECUTOR_ID'] !== undefined)
      .map(({ host, spec }) => ({ host, containerId: spec.containerId }));
    return executors.length === 0 ? undefined : random.pick(executors);
  }

  #withDisk(): (AgentNode | MasterNode)[] {
    return [this.#world.master, this.#world.master, ...this.#world.agents.values()];
  }

  #schedulers(): (SchedulerNode | RawSchedulerNode)[] {
    return [...this.#world.schedulers.values(), ...this.#world.rawSchedulers.values()];
  }

  #peers(): AnyNode[] {
    return [...this.#world.agents.values(), ...this.#schedulers()];
  }

  #nodes(): AnyNode[] {
    return [this.#world.master, ...this.#peers()];
  }
}

/** How often to see whether something is being ended. */
const lookEveryMs = 50;

/** Those who come back as another framework. */
const beginAnew = /^(guest|visitor|rogue)-/;
