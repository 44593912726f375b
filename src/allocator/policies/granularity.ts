// The third axis of a policy: how much is offered at once. In: what a client may be offered of an agent. Out: the part that one grant is.
import { countRanges, emptyBag, lowestOfRanges, scalarMilli } from '../../resources/index.js';
import type { Bag, Resource } from '../../resources/index.js';
import { withMilli, withItems, withRanges } from '../../resources/resource.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Client } from '../clients/clients.js';
import type { RoleTree } from '../sorter/role-tree.js';
import { reaches } from '../filters/min-allocatable.js';
import type { Facts } from './facts.js';
import { tasksIn } from './facts.js';
import type { Vector } from '../sorter/scalars.js';

/**
 * How much one grant is. `all`: a framework that is served gets everything it may have on all agents of the run. `agent`: all it may
 * have of one
 * agent. `fraction`: at most `fraction` times its fair part of the agent's total (its weight among the active ones), but no less than its
 * minimum, the largest of its tasks and a 32nd of the agent; what is too little for a task goes whole. `tasks`:
 * as much as `tasks` of its tasks take, and nothing where not even the least it told fits; a framework whose tasks nobody knows gets the whole agent.
 */
export type Granularity =
  | { readonly kind: 'all' }
  | { readonly kind: 'agent' }
  | { readonly kind: 'fraction'; readonly fraction: number }
  | { readonly kind: 'tasks'; readonly tasks: number };

// Thousands of frameworks would else make thousands of offers of each agent.
const leastPart = 1 / 32;

/** As it is written in flags. */
export function granularityName(granularity: Granularity): string {
  switch (granularity.kind) {
    case 'fraction':
      return `slice:${granularity.fraction}`;
    case 'tasks':
      return `slice:${granularity.tasks}tasks`;
    case 'all':
    case 'agent':
      return granularity.kind;
  }
}

/** Cuts what is offerable to what is granted at once. */
export class Portions {
  readonly #granularity: Granularity;
  readonly #facts: Facts;
  readonly #tree: RoleTree;
  // Fair parts, by slot, of the present run.
  #fair: (number | undefined)[] = [];
  #largest: (Vector | undefined)[] = [];

  constructor(granularity: Granularity, facts: Facts, tree: RoleTree) {
    this.#granularity = granularity;
    this.#facts = facts;
    this.#tree = tree;
  }

  /** Whether an agent may be granted many times in a run. */
  get areSlices(): boolean {
    return this.#granularity.kind === 'fraction' || this.#granularity.kind === 'tasks';
  }

  /** Whether only whole tasks are granted, where tasks are known. */
  get areTasks(): boolean {
    return this.#granularity.kind === 'tasks';
  }

  begin(): void {
    this.#fair = [];
    this.#largest = [];
  }

  /** The part of `offerable`, which is free on `agent`, that one grant to the client is; empty for none. */
  of(client: Client, agent: PoolAgent, offerable: Bag): Bag {
    switch (this.#granularity.kind) {
      case 'all':
      case 'agent':
        return offerable;
      case 'fraction': {
        const { vector } = this.#facts.demandOf(client);
        // Crumbs are of no use to anyone: better one than many.
        if (tasksIn(this.#facts.columns.vectorOf(offerable), vector) < 1) return offerable;
        return this.#cut(offerable, this.#fractionOf(client, agent, this.#granularity.fraction), client);
      }
      case 'tasks': {
        const demand = this.#facts.demandOf(client);
        if (!demand.known) return offerable;
        const there = this.#facts.columns.vectorOf(offerable);
        const whole = Math.floor(tasksIn(there, demand.vector));
        // What was seen of a framework need not be what comes next; only what it told says no.
        if (whole === 0 && !this.#fitsAny(client, there)) return demand.least === undefined ? offerable : emptyBag;
        const tasks = Math.max(1, Math.min(whole, this.#granularity.tasks));
        const largest = this.#largestOf(client, demand.vector);
        if (tasks === 1) return this.#cut(offerable, largest, client);
        const amounts = demand.vector.map((each, i) => Math.max(each * tasks, largest[i] ?? 0));
        return this.#cut(offerable, amounts, client);
      }
    }
  }

  /** Of each resource the most that one of the tasks it waits for takes: by their mean, the larger ones would never fit. */
  #largestOf(client: Client, mean: Vector): Vector {
    const { slot, hints } = client;
    if (hints.length < 2) return mean;
    const known = this.#largest[slot];
    if (known !== undefined) return known;
    const largest: Vector = new Float64Array(mean.length);
    for (const { resources } of hints) {
      const vector = this.#facts.columns.vectorOf(resources);
      for (let i = 0; i < largest.length; i += 1) largest[i] = Math.max(largest[i] ?? 0, vector[i] ?? 0);
    }
    this.#largest[slot] = largest;
    return largest;
  }

  #fitsAny({ hints }: Client, there: Vector): boolean {
    if (hints.length < 2) return false;
    return hints.some(({ resources }) => tasksIn(there, this.#facts.columns.vectorOf(resources)) >= 1);
  }

  #fractionOf(client: Client, agent: PoolAgent, fraction: number): Vector {
    const { slot, node } = client;
    const fair = (this.#fair[slot] ??= node === undefined ? 1 : this.#tree.fairFraction(node));
    const part = Math.max(leastPart, fraction * fair);
    const vector = this.#largestOf(client, this.#facts.demandOf(client).vector);
    const total = this.#facts.totalOf(agent);
    return total.map((capacity, i) => Math.max(Math.floor(capacity * part), vector[i] ?? 0));
  }

  // At most these amounts of unreserved scalars, the client's minimum at least where it is there; the same part of unreserved ports and
  // items, at least one, and as many ports as a task that waits picks. What is reserved is of use to few, and goes whole, as do
  // volumes and mount disks.
  #cut(bag: Bag, amounts: Vector, client: Client): Bag {
    const { columns } = this.#facts;
    const { sets } = client.minimum;
    const set = sets.length <= 1 ? sets[0] : sets.find(one => reaches(bag, [one]));
    const most = (r: Resource): number => {
      const least = set === undefined ? 0 : scalarMilli(set, r.name);
      return Math.max(amounts[columns.indexOf(r.name)] ?? 0, least);
    };
    // It may be in several places.
    let disk = 0;
    let part = 0;
    for (const r of bag) if (r.kind === 'scalar' && !isKept(r)) part = Math.max(part, Math.min(1, most(r) / r.milli));
    const ports = client.hints.reduce((max, hint) => Math.max(max, hint.ports ?? 0), 0);
    const out: Resource[] = [];
    let changed = false;
    for (const r of bag) {
      const before = r.name === 'disk' ? disk : 0;
      const cutDown = isKept(r) ? r : partOf(r, part, r.kind === 'scalar' ? most(r) - before : 0, ports);
      if (cutDown?.kind === 'scalar' && r.name === 'disk' && !isKept(r)) disk += cutDown.milli;
      if (cutDown !== r) changed = true;
      if (cutDown !== undefined) out.push(cutDown);
    }
    if (!changed) return bag;
    return out.length === 0 ? emptyBag : out;
  }
}

function isKept({ label }: Resource): boolean {
  return label.role !== undefined || label.indivisible;
}

function partOf(r: Resource, part: number, milli: number, ports: number): Resource | undefined {
  switch (r.kind) {
    case 'scalar':
      if (r.milli <= milli) return r;
      return milli <= 0 ? undefined : withMilli(r, milli);
    case 'ranges': {
      const count = countRanges(r.ranges);
      const some = Math.max(Math.ceil(count * part), r.name === 'ports' ? ports : 0);
      if (some >= count) return r;
      return some === 0 ? undefined : withRanges(r, lowestOfRanges(r.ranges, some));
    }
    case 'set': {
      const some = Math.ceil(r.items.length * part);
      if (some >= r.items.length) return r;
      return some === 0 ? undefined : withItems(r, r.items.slice(0, some));
    }
  }
}
