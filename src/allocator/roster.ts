// Who the frameworks are: what the master says of them, in the terms of a cycle. In: descriptions, activity. Out: clients in the sorter, active or
// not, in the sets that cycles test, and forgotten when they neither want nor hold anything.
import type { Role } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import { heldBy } from './pool/agent-pool.js';
import type { AllocatorFramework } from './model.js';
import { clearBit, forEachBit, noBits } from '../base/bits.js';
import type { Client, Framework } from './clients/clients.js';
import { compileConstraints } from './filters/constraints.js';
import type { AllocatorState } from './state.js';

export interface RosterOptions {
  readonly minAllocatable: readonly Bag[];
  /** A client is about to be forgotten. */
  readonly dropped: (client: Client) => void;
}

/** Keeps the clients of frameworks in step. */
export class Roster {
  readonly #state: AllocatorState;
  readonly #options: RosterOptions;

  constructor(state: AllocatorState, options: RosterOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** The client of a framework in a role, made when there is none. */
  ensure(framework: Framework, role: Role): Client {
    const { clients, eras, quota } = this.#state;
    const client = clients.ensure(framework, role, eras.next());
    if (client.quotaNode === undefined) quota.join(client);
    return client;
  }

  /** Takes over what the master says of a framework. */
  describe(framework: Framework, told: AllocatorFramework): void {
    const { clients, quota } = this.#state;
    clients.version += 1;
    framework.gpus = told.capabilities.includes('GPU_RESOURCES');
    framework.regions = told.capabilities.includes('REGION_AWARE');
    framework.revocable = told.capabilities.includes('REVOCABLE_RESOURCES');
    framework.shared = told.capabilities.includes('SHARED_RESOURCES');
    for (const role of told.roles) this.attach(this.ensure(framework, role));
    for (const client of framework.clients.values()) {
      const { role } = client;
      const subscribed = told.roles.includes(role);
      const suppressed = subscribed && told.suppressedRoles.includes(role);
      if (!subscribed || (client.suppressed && !suppressed)) this.clearFilters(client);
      client.subscribed = subscribed;
      client.suppressed = suppressed;
      clients.minima.leave(client.minimum, client.slot);
      const minima = Object.hasOwn(told.minAllocatable, role) ? told.minAllocatable[role] : undefined;
      client.minimum = clients.minima.join(minima ?? this.#options.minAllocatable, client.slot);
      const groups = Object.hasOwn(told.constraints, role) ? told.constraints[role] : undefined;
      this.#forgetJudgement(client);
      client.test = compileConstraints(groups);
      clients.describe(client);
      quota.rejudge(client);
    }
  }

  /** Puts a client into the sorter, with what it holds. */
  attach(client: Client): void {
    const { tree, pool } = this.#state;
    if (client.node !== undefined) return;
    client.node = tree.add(client.role, client.framework.id, client.slot);
    if (client.heldOn === 0) return;
    for (const agent of pool.values()) {
      if (agent.held.has(client)) tree.charge(client.node, heldBy(agent, client));
    }
  }

  settle(framework: Framework): void {
    for (const client of framework.clients.values()) this.settleClient(client);
  }

  /** Brings a client's activity in the sorter in line, and drops it when it neither wants nor holds anything. */
  settleClient(client: Client): void {
    const { clients, tree } = this.#state;
    const { framework, node } = client;
    const active = framework.active && client.subscribed && !client.suppressed;
    if (node !== undefined && active !== node.active > 0) {
      if (active) tree.activate(node);
      else tree.deactivate(node);
      if (active) {
        clients.version += 1;
        client.servedIn = this.#state.batch;
      }
      clients.setActive(client, active);
    }
    if (client.subscribed || client.heldOn > 0) return;
    if (node !== undefined) tree.remove(node);
    client.node = undefined;
    this.#drop(client);
  }

  /** The framework is gone; what its tasks hold stays booked. */
  remove(framework: Framework): void {
    const { clients, tree } = this.#state;
    framework.present = false;
    framework.active = false;
    for (const client of framework.clients.values()) {
      client.subscribed = false;
      this.clearFilters(client);
      clients.setActive(client, false);
      if (client.node !== undefined) tree.remove(client.node);
      client.node = undefined;
      if (client.heldOn === 0) this.#drop(client);
    }
    if (framework.clients.size === 0) clients.frameworks.delete(framework.id);
  }

  clearFilters(client: Client): void {
    const { pool, eras, clients } = this.#state;
    client.filtersVoidBefore = eras.next();
    if (client.filteredOn.length === 0) return;
    clients.version += 1;
    forEachBit(client.filteredOn, slot => pool.at(slot)?.filters.clear(client));
    client.filteredOn = noBits;
  }

  #drop(client: Client): void {
    this.clearFilters(client);
    this.#forgetJudgement(client);
    this.#options.dropped(client);
    this.#state.quota.leave(client);
    this.#state.clients.drop(client);
  }

  #forgetJudgement(client: Client): void {
    if (client.test === undefined) return;
    for (const agent of this.#state.pool.values()) clearBit(agent.judged, client.slot);
  }
}
