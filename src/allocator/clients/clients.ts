// Clients: a framework in one of its roles, which is what gets offers. In: frameworks as the master tells them. Out: clients by small
// integer, and sets of them that a cycle tests an agent against.
import type { FrameworkId, Role } from '../../base/ids.js';
import type { Bag, ScalarResource } from '../../resources/index.js';
import { compareResources, plain, quantities } from '../../resources/index.js';
import type { Demand, Grant } from '../model.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, noBits, withBit, wordsFor } from '../../base/bits.js';
import type { AgentTest } from '../filters/constraints.js';
import type { FilterClient } from '../filters/offer-filters.js';
import { Minima, reaches, type Minimum } from '../filters/min-allocatable.js';
import type { QuotaClient } from '../quota/quota-tree.js';
import { RoleGroups } from './role-groups.js';
import type { TreeNode } from '../sorter/tree-node.js';

/** A framework in one role. */
export interface Client extends FilterClient, QuotaClient {
  readonly framework: Framework;
  readonly role: Role;
  /** Its place in the sorter; undefined once the framework is removed and only its tasks' resources are left. */
  node: TreeNode | undefined;
  /** Whether the framework wants this role; else it only holds resources of it. */
  subscribed: boolean;
  suppressed: boolean;
  minimum: Minimum;
  test: AgentTest | undefined;
  /** On how many agents it holds something. */
  heldOn: number;
  /** Agent slots on which it may have filters. */
  filteredOn: Bits;
  /** The batch run after which it was last granted something that it can use, or began to want anything. */
  servedIn: number;
  /** Scalars of what it would run, a set for each kind of task; undefined while nothing is known. */
  needs: readonly Bag[] | undefined;
  /** What it said it would run. */
  hints: readonly Demand[];
  /** What it launched: tasks, and the scalars they took in thousandths by name. */
  launchedTasks: number;
  readonly launched: Map<string, number>;
}

/** A framework; also one that is gone while some of its resources are not. */
export interface Framework {
  readonly id: FrameworkId;
  readonly clients: Map<Role, Client>;
  present: boolean;
  active: boolean;
  gpus: boolean;
  regions: boolean;
  revocable: boolean;
  shared: boolean;
  /** Grants of the present run. */
  grants: Grant[] | undefined;
}

/** All clients. */
export class Clients {
  readonly minima = new Minima();
  readonly groups = new RoleGroups();
  /** Those that may be offered something: connected, subscribed, not suppressed. */
  active: Bits = noBits;
  /** Those that must not see agents with gpus, or agents of another region. */
  withoutGpus: Bits = noBits;
  withoutRegions: Bits = noBits;
  /** Those that must not be offered what can be taken away any time, or shared volumes. */
  withoutRevocable: Bits = noBits;
  withoutShared: Bits = noBits;
  /** Those with offer constraints. */
  constrained: Bits = noBits;
  readonly frameworks = new Map<FrameworkId, Framework>();
  /** Moves when some client may have become eligible for agents that nobody was eligible for. */
  version = 1;
  readonly #slots: (Client | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  /** Words of a set that can hold every client. */
  get words(): number {
    return wordsFor(this.#slots.length);
  }

  *values(): Iterable<Client> {
    for (const client of this.#slots) if (client !== undefined) yield client;
  }

  readonly at = (slot: number): Client | undefined => this.#slots[slot];

  find(id: FrameworkId, role: Role): Client | undefined {
    return this.frameworks.get(id)?.clients.get(role);
  }

  framework(id: FrameworkId): Framework {
    let framework = this.frameworks.get(id);
    if (framework === undefined) {
      framework = {
        id,
        clients: new Map(),
        present: false,
        active: false,
        gpus: false,
        regions: false,
        revocable: false,
        shared: false,
        grants: undefined,
      };
      this.frameworks.set(id, framework);
    }
    return framework;
  }

  /** The client of a framework in a role, made when there is none. `voidBefore`: the present filter era, as slots are used again. */
  ensure(framework: Framework, role: Role, voidBefore: number): Client {
    const known = framework.clients.get(role);
    if (known !== undefined) return known;
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const client: Client = {
      slot,
      framework,
      role,
      node: undefined,
      subscribed: false,
      suppressed: false,
      minimum: this.minima.join([], slot),
      test: undefined,
      quotaNode: undefined,
      heldOn: 0,
      filteredOn: noBits,
      servedIn: 0,
      needs: undefined,
      hints: [],
      launchedTasks: 0,
      launched: new Map(),
      filtersVoidBefore: voidBefore,
    };
    this.#slots[slot] = client;
    framework.clients.set(role, client);
    this.groups.join(role, slot);
    this.describe(client);
    return client;
  }

  /** Brings the sets up to date with what the client and its framework say. */
  describe(client: Client): void {
    const { slot, framework } = client;
    this.withoutGpus = put(this.withoutGpus, slot, !framework.gpus);
    this.withoutRegions = put(this.withoutRegions, slot, !framework.regions);
    this.withoutRevocable = put(this.withoutRevocable, slot, !framework.revocable);
    this.withoutShared = put(this.withoutShared, slot, !framework.shared);
    this.constrained = put(this.constrained, slot, client.test !== undefined);
  }

  setActive(client: Client, active: boolean): void {
    this.active = put(this.active, client.slot, active);
  }

  /** What the framework says it would run in this role. */
  wants(client: Client, demand: readonly Demand[]): void {
    client.hints = demand.filter(({ role, count }) => role === client.role && count > 0);
    this.#judgeNeeds(client);
  }

  /** `tasks` tasks were launched, with `resources` in all. */
  launched(client: Client, resources: Bag, tasks: number): void {
    client.launchedTasks += tasks;
    for (const [name, milli] of quantities(resources)) {
      client.launched.set(name, (client.launched.get(name) ?? 0) + milli);
    }
    this.#judgeNeeds(client);
  }

  // What it says comes before what it did.
  #judgeNeeds(client: Client): void {
    const { hints, launched, launchedTasks } = client;
    if (hints.length > 0) client.needs = hints.map(({ resources }) => resources);
    else if (launchedTasks > 0) client.needs = [meanOf(launched, launchedTasks)];
    else client.needs = undefined;
  }

  /** Forgets a client that neither wants nor holds anything, and its framework with the last one when that is gone. */
  drop(client: Client): void {
    const { slot, framework } = client;
    this.minima.leave(client.minimum, slot);
    this.groups.leave(client.role, slot);
    const sets = [this.active, this.withoutGpus, this.withoutRegions, this.withoutRevocable, this.withoutShared];
    for (const bits of [...sets, this.constrained]) clearBit(bits, slot);
    this.#slots[slot] = undefined;
    this.#freeSlots.push(slot);
    framework.clients.delete(client.role);
    if (!framework.present && framework.clients.size === 0) this.frameworks.delete(framework.id);
  }
}

/** Whether what a client was granted is something it can use: then its waiting is over. */
export function isUsable(client: Client, resources: Bag): boolean {
  return client.needs === undefined || reaches(resources, client.needs);
}

/** What a client told that it wants, else what its tasks were like so far, else the least it is offered. */
export function needsOf(client: Client): readonly Bag[] {
  return client.needs ?? client.minimum.sets;
}

function meanOf(amounts: ReadonlyMap<string, number>, count: number): Bag {
  return Array.from(amounts)
    .map(
      ([name, milli]): ScalarResource => ({
        kind: 'scalar',
        key: name,
        name,
        label: plain,
        milli: Math.floor(milli / count),
      }),
    )
    .filter(({ milli }) => milli > 0)
    .sort(compareResources);
}

/** Where a client is filtered, for voiding its filters without a look at every agent. */
export function noteFilter(client: Client, agentSlot: number): void {
  client.filteredOn = withBit(client.filteredOn, agentSlot);
}

function put(bits: Bits, slot: number, member: boolean): Bits {
  if (member) return withBit(bits, slot);
  clearBit(bits, slot);
  return bits;
}
