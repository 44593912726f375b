// An operator who cannot leave a cluster alone: quota, weights, reservations, volumes, maintenance, drains, at random; and who, once asked for calm,
// undoes all of it. In: a world and its chance. Out: operator calls.
import { every } from '../env/clock.js';
import type { Random } from '../env/random.js';
import type { AgentRecord, ClusterView } from '../master/state.js';
import type { OperatorCall, QuotaSpec } from '../protocol/operator-api.js';
import type { Resource } from '../resources/index.js';
import { fromBag, volumesOf } from '../resources/index.js';
import type { World } from './world.js';

/** How a random operator is. */
export interface OperatorOptions {
  /** Mean time between its calls. */
  readonly everyMs: number;
  readonly roles: readonly string[];
  /** Only quota and weights. Default: everything. */
  readonly onlyQuota?: boolean;
}

/** Calls by chance until `calm`. */
export class RandomOperator {
  readonly #world: World;
  readonly #random: Random;
  readonly #options: OperatorOptions;
  #calm = false;

  constructor(world: World, options: OperatorOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.random.fork('operator');
    this.#next();
    every(world.clock, replaceEveryMs, () => this.#replace());
  }

  /** Takes back, second by second, what it and others did to the cluster: quota, maintenance, drains, dynamic reservations, volumes. */
  calm(): void {
    if (this.#calm) return;
    this.#calm = true;
    this.#undo();
  }

  #next(): void {
    const { clock } = this.#world;
    clock.after(this.#random.int(1, this.#options.everyMs * 2), () => {
      if (this.#calm) return;
      const cluster = this.#world.master.cluster;
      const call = cluster === undefined ? undefined : this.#call(cluster);
      if (call !== undefined) this.#world.master.operate(call);
      this.#next();
    });
  }

  #call(cluster: ClusterView): OperatorCall | undefined {
    const random = this.#random;
    const agents = [...cluster.agents.values()];
    if (agents.length === 0) return undefined;
    const agent = random.pick(agents);
    const agentId = agent.id;
    const role = random.pick(this.#options.roles);
    const kind = random.pick(this.#options.onlyQuota === true ? quotaKinds : kinds);
    switch (kind) {
      case 'quota': {
        const quotas = [...new Set([role, random.pick(this.#options.roles)])].map(each => this.#quota(each));
        return { type: 'UPDATE_QUOTA', quotas, force: random.chance(0.4) };
      }
      case 'weights':
        return { type: 'UPDATE_WEIGHTS', weights: [{ role, weight: random.pick([0.5, 1, 2, 10]) }] };
      case 'reserve': {
        const resources = random.pick([{ cpus: 0.5, disk: 300 }, { mem: 128 }, { cpus: 1 }]);
        return { type: 'RESERVE', agentId, resources, reservation: { role, principal: 'ops' } };
      }
      case 'unreserve': {
        const entry = pickOf(agent, random);
        return entry === undefined ? undefined : { type: 'UNRESERVE', agentId, resources: fromBag([entry]) };
      }
      case 'create': {
        const id = `v${random.int(0, 9)}`;
        const shared = random.chance(0.3);
        const volumes = [{ id, disk: random.pick([20, 100]), containerPath: 'data', ...(shared ? { shared } : {}) }];
        return { type: 'CREATE_VOLUMES', agentId, role, volumes };
      }
      case 'volume': {
        const volumes = volumesOf(agent.total);
        if (volumes.length === 0) return undefined;
        const { volume, resource } = random.pick(volumes);
        const of = { agentId, role: resource.label.role ?? role };
        if (random.chance(0.5)) return { type: 'DESTROY_VOLUMES', ...of, volumeIds: [volume.id] };
        const type = random.chance(0.5) ? 'GROW_VOLUME' : 'SHRINK_VOLUME';
        return { type, ...of, volumeId: volume.id, disk: 10 };
      }
      case 'schedule': {
        const hosts = random.shuffle([...this.#world.agents.keys()]).slice(0, random.int(0, 2));
        const startMs = this.#world.clock.wallMs() + random.int(0, 60_000);
        const down = [...cluster.maintenance.down];
        const hostnames = [...new Set([...hosts, ...down])];
        const unavailability = { startMs, durationMs: random.pick([10_000, 60_000]) };
        return { type: 'UPDATE_MAINTENANCE', windows: hostnames.length === 0 ? [] : [{ hostnames, unavailability }] };
      }
      case 'maintain': {
        const down = [...cluster.maintenance.down];
        if (down.length > 0 && random.chance(0.7)) return { type: 'STOP_MAINTENANCE', hostnames: [random.pick(down)] };
        const planned = [...cluster.maintenance.byHost.keys()];
        return planned.length === 0 ? undefined : { type: 'START_MAINTENANCE', hostnames: [random.pick(planned)] };
      }
      case 'drain': {
        const grace = random.chance(0.5) ? { gracePeriodMs: random.int(0, 5000) } : {};
        return { type: 'DRAIN_AGENT', agentId, ...grace, ...(random.chance(0.15) ? { markGone: true } : {}) };
      }
      case 'deactivate':
        return { type: 'DEACTIVATE_AGENT', agentId };
      case 'reactivate': {
        const away = agents.filter(({ admin }) => admin.activity !== 'ACTIVE');
        return { type: 'REACTIVATE_AGENT', agentId: away.length === 0 ? agentId : random.pick(away).id };
      }
      case 'gone':
        return random.chance(0.3) ? { type: 'MARK_AGENT_GONE', agentId } : undefined;
    }
  }

  #quota(role: string): QuotaSpec {
    const random = this.#random;
    const limits = random.chance(0.6) ? { cpus: random.pick([0, 0.5, 1, 3, 6]) } : {};
    const more = random.chance(0.2) ? { mem: random.pick([64, 512, 1024]) } : {};
    if (this.#options.onlyQuota === true && random.chance(0.5))
      return { role, limits: {}, guarantees: { cpus: random.pick([1, 2, 4]), ...more } };
    const guarantees = random.chance(0.35) ? { cpus: random.pick([0.5, 1]) } : {};
    return { role, limits: { ...limits, ...more }, guarantees };
  }

  // What was declared gone may not come back: somebody brings another machine.
  #replace(): void {
    const gone = this.#world.master.cluster?.goneAgents;
    for (const [name, node] of this.#world.agents) {
      if (this.#world.lost.has(name)) continue;
      if (gone?.has(node.agentId ?? '') === true) node.replace();
    }
  }

  #undo(): void {
    const { cluster } = this.#world.master;
    if (cluster !== undefined) {
      for (const call of [...undoing(cluster), ...givingUp(this.#world, cluster)]) this.#world.master.operate(call);
    }
    this.#world.clock.after(undoEveryMs, () => this.#undo());
  }
}

const kinds = [
  'quota',
  'quota',
  'quota',
  'weights',
  'reserve',
  'reserve',
  'unreserve',
  'create',
  'create',
  'volume',
  'volume',
  'schedule',
  'maintain',
  'drain',
  'deactivate',
  'reactivate',
  'reactivate',
  'reactivate',
  'gone',
] as const;

const quotaKinds = ['quota', 'quota', 'weights'] as const;

const undoEveryMs = 1000;
const replaceEveryMs = 30_000;

/** What is still to be undone. What is in use is refused, and tried again. */
export function undoing(cluster: ClusterView): OperatorCall[] {
  const calls: OperatorCall[] = [];
  const roles = [...cluster.quotas.keys()];
  if (roles.length > 0) calls.push({ type: 'UPDATE_QUOTA', quotas: roles.map(role => ({ role })) });
  const down = [...cluster.maintenance.down];
  if (down.length > 0) calls.push({ type: 'STOP_MAINTENANCE', hostnames: down });
  else if (cluster.maintenance.windows.length > 0) calls.push({ type: 'UPDATE_MAINTENANCE', windows: [] });
  for (const agent of cluster.agents.values()) {
    const { id: agentId, state, admin, total } = agent;
    if (state !== 'REGISTERED') continue;
    if (admin.activity !== 'ACTIVE') calls.push({ type: 'REACTIVATE_AGENT', agentId });
    for (const { volume, resource } of volumesOf(total)) {
      const { role } = resource.label;
      if (role !== undefined) calls.push({ type: 'DESTROY_VOLUMES', agentId, role, volumeIds: [volume.id] });
    }
    for (const entry of releasable(agent)) calls.push({ type: 'UNRESERVE', agentId, resources: fromBag([entry]) });
  }
  return calls;
}

/** Dynamic reservations that no task has: free or offered. */
export function releasable(agent: Readonly<AgentRecord>): Resource[] {
  const bags = [agent.free, ...[...agent.offers].map(offer => offer.resources)];
  return bags.flatMap(bag => bag.filter(isDynamic));
}

function isDynamic({ label }: Resource): boolean {
  return label.volume === undefined && label.reservations.at(-1)?.type === 'DYNAMIC';
}

function pickOf(agent: Readonly<AgentRecord>, random: Random): Resource | undefined {
  const found = agent.total.filter(isDynamic);
  return found.length === 0 ? undefined : random.pick(found);
}

/** An agent that lost its id before it was on disk, or its disk, is another one now; the first will never be back. */
export function givingUp(world: World, cluster: ClusterView): OperatorCall[] {
  const there = new Set([...world.agents].flatMap(([name, node]) => (world.lost.has(name) ? [] : [node.agentId])));
  return [...cluster.agents.values()]
    .filter(({ id, state }) => state !== 'REGISTERED' && !there.has(id))
    .map(({ id }) => ({ type: 'MARK_AGENT_GONE', agentId: id }));
}
