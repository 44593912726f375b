// What policies compute with, beside what is held: each client's demand, the capacity of agents, what is free. In: the state and a run.
// Out: small vectors of thousandths, by the positions of the sorter's columns.
import type { Random } from '../../env/random.js';
import type { Bag } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { AllocatorAgent } from '../model.js';
import type { Bits } from '../../base/bits.js';
import { forEachBit, hasBit, orInto, withBit } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import type { Columns } from '../sorter/columns.js';
import type { Cycle } from '../cycle/cycle.js';
import type { TreeNode } from '../sorter/tree-node.js';
import type { Vector } from '../sorter/scalars.js';

/** What one task of a client takes. */
export interface ClientDemand {
  readonly client: Client;
  readonly vector: Vector;
  /** Clients of equal demand have the same number. */
  readonly kind: number;
  /** Told or seen, and not only its minimum. */
  readonly known: boolean;
  /** Where it was told: the least of each resource over all its hints; without that much no task fits. */
  readonly least: Vector | undefined;
}

/** Agents with the same total in the same region. */
export interface Shape {
  readonly total: Vector;
  readonly agents: readonly PoolAgent[];
}

/**
 * The facts of one allocator, renewed at the beginning of each run.
 *
 * A client's demand `d`, the size of one task, is the mean of its hints, weighted by their counts; without hints the mean of what it
 * launched;
 * without either its minimum (the greatest amount of each resource over its sets), and if it has none 0.01 cpus.
 */
export class Facts {
  readonly columns: Columns;
  // The present run's.
  #cycle: Cycle | undefined;
  #demands: (ClientDemand | undefined)[] = [];
  #kinds = new Map<string, number>();
  #members: { readonly vector: Vector; slots: Bits }[] | undefined;
  // Of each resource the most that any task of theirs takes.
  #largest: Vector = new Float64Array(0);
  #freeTotal: Vector | undefined;
  #shapes: readonly Shape[] | undefined;
  #lastShapes: readonly Shape[] = [];
  // What the last shapes were made of.
  #infos: readonly AllocatorAgent[] = [];
  // By agent slot: the bags last seen and their vectors; most stay the same from run to run.
  readonly #frees: Seen[] = [];
  readonly #totals: Seen[] = [];
  // By client slot, what its demand was made of.
  readonly #measures: Measure[] = [];

  constructor(columns: Columns) {
    this.columns = columns;
  }

  renew(cycle: Cycle): void {
    this.#cycle = cycle;
    this.#demands = [];
    this.#kinds = new Map();
    this.#members = undefined;
    this.#freeTotal = undefined;
    this.#shapes = undefined;
  }

  get random(): Random | undefined {
    return this.#cycle?.random;
  }

  client(slot: number): Client | undefined {
    return this.#cycle?.state.clients.at(slot);
  }

  /** Whether the client takes part in runs now. */
  isActive(slot: number): boolean {
    return this.#cycle !== undefined && hasBit(this.#cycle.state.clients.active, slot);
  }

  /** The weight of the client's own role. */
  weightOf(client: Client): number {
    return this.#cycle?.state.tree.weightOf(client.role) ?? 1;
  }

  demandOf(client: Client): ClientDemand {
    const cached = this.#demands[client.slot];
    if (cached?.client === client) return cached;
    const { vector, known, least, key } = this.#measure(client);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = this.#kinds.size;
      this.#kinds.set(key, kind);
    }
    const demand = { client, vector, kind, known, least };
    this.#demands[client.slot] = demand;
    return demand;
  }

  /**
   * Adds to `blocked` the clients that told their tasks, and not one fits in what is free on the agent. Clients that came during the
   * run are not known here.
   */
  blockUnfit(agent: PoolAgent, blocked: Bits): void {
    const free = this.freeOf(agent);
    this.#members ??= this.#membersByKind();
    if (fits(this.#largest, free)) return;
    for (const { vector, slots } of this.#members) if (!fits(vector, free)) orInto(blocked, slots);
  }

  #membersByKind(): { readonly vector: Vector; slots: Bits }[] {
    const members = new Map<number, { readonly vector: Vector; slots: Bits }>();
    forEachBit(this.#cycle?.state.clients.active ?? new Uint32Array(0), slot => {
      const client = this.client(slot);
      const demand = client === undefined ? undefined : this.demandOf(client);
      if (demand?.least === undefined) return;
      let kind = members.get(demand.kind);
      if (kind === undefined) {
        kind = { vector: demand.least, slots: new Uint32Array(0) };
        members.set(demand.kind, kind);
      }
      kind.slots = withBit(kind.slots, slot);
    });
    this.#largest = new Float64Array(this.columns.width);
    for (const { vector } of members.values()) {
      for (let i = 0; i < vector.length; i += 1) {
        this.#largest[i] = Math.max(this.#largest[i] as number, vector[i] as number);
      }
    }
    return [...members.values()];
  }

  /** All that a client says it would still run; without hints nothing. */
  pendingOf(client: Client): Vector {
    return summed(client.hints, this.columns).vector;
  }

  /** How many tasks the holdings of a client's node amount to, by the resource it holds most of: `x[n]`. */
  tasksOf(node: TreeNode, client: Client): number {
    const { vector } = this.demandOf(client);
    let tasks = 0;
    for (let i = 0; i < vector.length; i += 1) {
      const each = vector[i] as number;
      if (each > 0) tasks = Math.max(tasks, this.columns.amount(node.id, i) / each);
    }
    return tasks;
  }

  /** What is free on an agent; overwritten when that has changed and is asked for again. */
  freeOf(agent: PoolAgent): Vector {
    return this.#vectorOf(agent.free, this.#frees, agent.slot);
  }

  totalOf(agent: PoolAgent): Vector {
    return this.#vectorOf(agent.info.total, this.#totals, agent.slot);
  }

  /** What is free on all active agents. */
  get freeTotal(): Vector {
    if (this.#freeTotal !== undefined) return this.#freeTotal;
    const sum = new Float64Array(this.columns.width);
    for (const agent of this.#cycle?.state.pool.values() ?? []) {
      if (!agent.active) continue;
      const free = this.freeOf(agent);
      for (let i = 0; i < free.length && i < sum.length; i += 1) sum[i] = (sum[i] as number) + (free[i] as number);
    }
    this.#freeTotal = sum;
    return sum;
  }

  /** To be told of what the run takes out of what is free. */
  taken(resources: Bag): void {
    const sum = this.#freeTotal;
    if (sum === undefined) return;
    const taken = this.columns.vectorOf(resources);
    for (let i = 0; i < sum.length; i += 1) sum[i] = Math.max(0, (sum[i] as number) - (taken[i] ?? 0));
  }

  /** Active agents by their totals; the same object as in the run before while no agent has come, gone or changed. */
  get shapes(): readonly Shape[] {
    if (this.#shapes !== undefined) return this.#shapes;
    const infos: AllocatorAgent[] = [];
    let same = true;
    for (const agent of this.#cycle?.state.pool.values() ?? []) {
      if (!agent.active) continue;
      if (this.#infos[infos.length] !== agent.info) same = false;
      infos.push(agent.info);
    }
    if (!same || infos.length !== this.#infos.length) this.#lastShapes = this.#shapesNow();
    this.#infos = infos;
    this.#shapes = this.#lastShapes;
    return this.#shapes;
  }

  #shapesNow(): readonly Shape[] {
    const byKey = new Map<string, { total: Vector; agents: PoolAgent[] }>();
    const byBag = new Map<Bag, { total: Vector; agents: PoolAgent[] }>();
    let region: string | undefined;
    for (const agent of this.#cycle?.state.pool.values() ?? []) {
      if (!agent.active) continue;
      const { total: bag, domain } = agent.info;
      let shape = byBag.get(bag);
      if (shape === undefined || region !== domain?.region) {
        region = domain?.region;
        const total = this.totalOf(agent).slice();
        const key = `${agent.hasGpus} ${region} ${total.join()}`;
        shape = byKey.get(key) ?? { total, agents: [] };
        byKey.set(key, shape);
        byBag.set(bag, shape);
      }
      shape.agents.push(agent);
    }
    return [...byKey.values()];
  }

  /** Whether capabilities and constraints let the client have something of the agent. */
  mayUse(client: Client, agent: PoolAgent): boolean {
    return this.#cycle === undefined || !this.#cycle.eligibility.isBarred(agent, client);
  }

  /** Whether capabilities keep the client from the agent, be its constraints what they may. */
  isKeptFrom(client: Client, agent: PoolAgent): boolean {
    if (client.test === undefined) return !this.mayUse(client, agent);
    return (
      (agent.hasGpus && !client.framework.gpus && this.#cycle?.state.filterGpus === true) ||
      (!client.framework.regions && this.#isRemote(agent))
    );
  }

  #isRemote({ info: { domain } }: PoolAgent): boolean {
    const region = this.#cycle?.state.region;
    return region !== undefined && domain !== undefined && domain.region !== region;
  }

  #vectorOf(bag: Bag, seen: Seen[], slot: number): Vector {
    const before = seen[slot];
    if (before?.bag === bag) return before.vector;
    if (before?.vector.length === this.columns.width) {
      before.bag = bag;
      this.columns.load(bag);
      if (this.columns.copyLoaded(before.vector)) return before.vector;
    }
    const vector = this.columns.vectorOf(bag);
    seen[slot] = { bag, vector };
    return vector;
  }

  #measure(client: Client): Measure {
    const before = this.#measures[client.slot];
    const { hints, launchedTasks, minimum } = client;
    if (
      before?.client === client &&
      before.hints === hints &&
      before.launchedTasks === launchedTasks &&
      before.minimum === minimum &&
      before.vector.length === this.columns.width
    ) {
      return before;
    }
    const { vector, known } = measured(client, this.columns);
    const least = leastOf(hints, this.columns);
    const key = `${known}${vector.join()} ${least?.join()}`;
    const measure = { client, hints, launchedTasks, minimum, vector, known, least, key };
    this.#measures[client.slot] = measure;
    return measure;
  }
}

interface Seen {
  bag: Bag;
  readonly vector: Vector;
}

interface Measure extends Pick<Client, 'hints' | 'launchedTasks' | 'minimum'> {
  readonly client: Client;
  readonly vector: Vector;
  readonly known: boolean;
  readonly least: Vector | undefined;
  readonly key: string;
}

/** Whether a task of this demand is in `amounts`. */
export function fits(demand: Vector, amounts: Vector): boolean {
  for (let i = 0; i < demand.length; i += 1) if ((demand[i] as number) > (amounts[i] ?? 0)) return false;
  return true;
}

/** How many whole tasks of this demand are in `amounts`, with fractions: min over r of amounts/demand. */
export function tasksIn(amounts: Vector, demand: Vector): number {
  let tasks = Number.POSITIVE_INFINITY;
  for (let i = 0; i < demand.length; i += 1) {
    const each = demand[i] as number;
    if (each > 0) tasks = Math.min(tasks, (amounts[i] ?? 0) / each);
  }
  return tasks;
}

function measured(client: Client, columns: Columns): { vector: Vector; known: boolean } {
  const { vector, count } = summed(client.hints, columns);
  if (count > 0) return { vector: vector.map(milli => Math.ceil(milli / count)), known: true };
  if (client.launchedTasks > 0 && client.launched.size > 0) {
    for (const [name, milli] of client.launched) {
      const at = columns.indexOf(name);
      if (at < vector.length) vector[at] = Math.ceil(milli / client.launchedTasks);
    }
    return { vector, known: true };
  }
  for (const set of client.minimum.sets) {
    const least = columns.vectorOf(set);
    for (let i = 0; i < vector.length; i += 1) vector[i] = Math.max(vector[i] as number, least[i] ?? 0);
  }
  if (vector.every(milli => milli === 0)) vector[columns.indexOf('cpus')] = 10;
  return { vector, known: false };
}

function leastOf(hints: Client['hints'], columns: Columns): Vector | undefined {
  let least: Vector | undefined;
  for (const { resources, count } of hints) {
    if (count <= 0) continue;
    const each = columns.vectorOf(resources);
    least = least === undefined ? each : least.map((milli, i) => Math.min(milli, each[i] ?? 0));
  }
  return least;
}

function summed(hints: Client['hints'], columns: Columns): { vector: Vector; count: number } {
  const vector = new Float64Array(columns.width);
  let tasks = 0;
  for (const { resources, count } of hints) {
    const each = columns.vectorOf(resources);
    for (let i = 0; i < vector.length; i += 1) vector[i] = (vector[i] as number) + count * (each[i] ?? 0);
    tasks += count;
  }
  return { vector, count: tasks };
}
