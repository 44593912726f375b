// The allocator: keeps frameworks, agents and what is held in step with what the master tells, and runs cycles when they are due.
import { assert } from '../base/assert.js';
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { Bag } from '../resources/index.js';
import { add, bagOf, contains, emptyBag, remainder, roleAncestors } from '../resources/index.js';
import type { PoolAgent } from './pool/agent-pool.js';
import { AgentPool, heldBy, sameAttributes } from './pool/agent-pool.js';
import { sameScalars } from './pool/holdings.js';
import type { Allocator, AllocatorOptions } from './allocator.js';
import type {
  AllocatorAgent,
  AllocatorFramework,
  Amounts,
  Conversion,
  Demand,
  Grant,
  Holder,
  Quota,
  RoleUse,
  SkipReason,
  OnGrants,
  OnStarved,
} from './model.js';
import { noBits } from '../base/bits.js';
import type { Client, Framework } from './clients/clients.js';
import { Clients, noteFilter } from './clients/clients.js';
import { Copies } from './pool/copies.js';
import type { AllocatorState } from './state.js';
import { Eligibility } from './cycle/eligibility.js';
import type { PolicyEngine } from './cycle/cycle.js';
import type { Explanation, ExplainQuery, ExplainSource } from './explain/explain.js';
import { countFits, explain, minimumOf } from './explain/explain.js';
import type { Surroundings } from './explain/judge.js';
import { hierarchicalDrf } from './cycle/hierarchical.js';
import { AllocationLoop } from './cycle/loop.js';
import { AgentFilters, FilterEras } from './filters/offer-filters.js';
import { consumption, QuotaBook } from './quota/quota-book.js';
import { Roster } from './roster.js';
import { Runs } from './cycle/runs.js';
import { standingOf } from './sorter/standing.js';
import { Starvation } from './cycle/starvation.js';

/** Mesos's default minimum: either amount is worth an offer. */
export const defaultMinAllocatable: readonly Bag[] = [bagOf({ cpus: 0.01 }), bagOf({ mem: 32 })];

/**
 * The production allocator. `onGrants` is called at the end of each turn of a run that granted something, `onStarved` after a run that found
 * a client waiting for too long; both may call the allocator.
 */
export function createAllocator(
  env: Env,
  options: AllocatorOptions,
  onGrants: OnGrants,
  onStarved?: OnStarved,
): HierarchicalAllocator {
  return new HierarchicalAllocator(env, options, onGrants, onStarved);
}

/**
 * Hierarchical DRF over roles and frameworks, whole agents, pessimistic. Frameworks and agents are active from the moment they are added.
 * A removed framework's resources stay booked on their agents until `recover`; a removed agent's are gone with it, and a late `recover`
 * for it is ignored.
 */
export class HierarchicalAllocator implements Allocator {
  readonly policy: { readonly [axis: string]: unknown };
  readonly #env: Env;
  readonly #engine: PolicyEngine;
  readonly #state: AllocatorState;
  readonly #eligibility: Eligibility;
  readonly #roster: Roster;
  // For so long an offer may be out before its return unused tells against its holder; 0: for ever.
  readonly #patienceMs: number;
  readonly #minAllocatable: readonly Bag[];
  readonly #loop: AllocationLoop;
  // What counts against roles, as long as nothing changes.
  #consumption: { readonly at: number; readonly byRole: ReadonlyMap<Role, Amounts> } | undefined;
  // The next event run visits all agents.
  #all = false;

  constructor(env: Env, options: AllocatorOptions, onGrants: OnGrants, onStarved?: OnStarved) {
    this.#env = env;
    this.#minAllocatable = options.minAllocatable ?? defaultMinAllocatable;
    const { allocationIntervalMs = 1000, recoveryIntervalMs = 50, fairSharingExcluded = [] } = options;
    const quota = new QuotaBook();
    const policy = options.policy ?? hierarchicalDrf;
    this.#engine = policy.start(fairSharingExcluded);
    this.#state = {
      tree: this.#engine.tree,
      clients: new Clients(),
      pool: new AgentPool(quota),
      eras: new FilterEras(),
      quota,
      copies: new Copies(quota),
      region: options.domain?.region,
      filterGpus: options.filterGpus ?? true,
      run: 0,
      batch: 0,
    };
    for (const [role, weight] of options.weights ?? []) this.#state.tree.setWeight(role, weight);
    this.#eligibility = new Eligibility(this.#state);
    this.#roster = new Roster(this.#state, {
      minAllocatable: this.#minAllocatable,
      dropped: client => {
        this.#state.copies.endAll(client);
        this.#engine.dropped?.(client);
      },
    });
    for (const [role, quota] of options.quotas ?? []) this.setQuota(role, quota);
    this.policy = {
      ...policy.description,
      allocationIntervalMs,
      recoveryIntervalMs,
      fairSharingExcluded,
    };
    const { patienceRuns = 5 } = options;
    this.#patienceMs = patienceRuns * allocationIntervalMs;
    const starvation = new Starvation(this.#state, this.#eligibility, this.#engine, {
      patienceRuns,
      allocationIntervalMs,
    });
    const runs = new Runs(env, this.#state, this.#eligibility, this.#engine, {
      sliceMs: options.sliceMs ?? 20,
      sliceAgents: options.sliceAgents ?? Number.POSITIVE_INFINITY,
      onGrants,
      afterBatch: () => {
        if (this.#patienceMs === 0 || onStarved === undefined) return;
        const offers = starvation.look(env.clock.now());
        if (offers.length > 0) onStarved(offers);
      },
    });
    this.#loop = new AllocationLoop(env.clock, { allocationIntervalMs, recoveryIntervalMs }, kind => {
      const all = kind === 'batch' || this.#all;
      this.#all = false;
      return runs.begin(kind, all);
    });
  }

  addFramework(framework: AllocatorFramework, used: readonly Grant[]): void {
    const known = this.#state.clients.framework(framework.id);
    assert(!known.present, () => `framework ${framework.id} is there already`);
    known.present = true;
    known.active = true;
    this.#roster.describe(known, framework);
    for (const client of known.clients.values()) this.#roster.attach(client);
    this.#bookMissing(used);
    this.#roster.settle(known);
    this.#askAll();
  }

  updateFramework(framework: AllocatorFramework): void {
    const known = this.#framework(framework.id);
    if (known === undefined) return;
    this.#roster.describe(known, framework);
    this.#roster.settle(known);
  }

  removeFramework(id: FrameworkId): void {
    const framework = this.#framework(id);
    if (framework !== undefined) this.#roster.remove(framework);
  }

  activateFramework(id: FrameworkId): void {
    const framework = this.#framework(id);
    if (framework === undefined || framework.active) return;
    framework.active = true;
    this.#roster.settle(framework);
    this.#askAll();
  }

  deactivateFramework(id: FrameworkId): void {
    const framework = this.#framework(id);
    if (framework === undefined) return;
    framework.active = false;
    for (const client of framework.clients.values()) this.#roster.clearFilters(client);
    this.#roster.settle(framework);
  }

  addAgent(agent: AllocatorAgent, used: readonly Grant[]): void {
    const { pool, tree } = this.#state;
    const added = pool.add(agent);
    tree.addTotal(agent.total);
    for (const grant of used) this.book(grant);
    this.#eased();
    this.#askFor(added);
  }

  updateAgent(agent: AllocatorAgent): void {
    const { pool, tree } = this.#state;
    const known = pool.get(agent.id);
    if (known === undefined) return;
    const before = known.info;
    if (before.total !== agent.total) {
      tree.removeTotal(before.total);
      tree.addTotal(agent.total);
    }
    if (!sameAttributes(before, agent)) known.filters = new AgentFilters();
    known.excluded = noBits;
    known.judged = noBits;
    pool.update(known, agent);
    this.#eased();
    this.#askFor(known);
  }

  removeAgent(id: AgentId): void {
    const { pool, tree } = this.#state;
    const agent = pool.get(id);
    if (agent === undefined) return;
    tree.removeTotal(agent.info.total);
    pool.remove(agent);
    for (const client of agent.held.keys()) {
      if (client.node !== undefined) tree.discharge(client.node, heldBy(agent, client));
      client.heldOn -= 1;
      this.#roster.settleClient(client);
    }
    agent.held.clear();
    this.#state.copies.endAll(agent);
    this.#eased();
  }

  activateAgent(id: AgentId): void {
    const agent = this.#state.pool.get(id);
    if (agent === undefined || agent.active) return;
    this.#state.pool.setActive(agent, true);
    this.#eased();
    this.#askFor(agent);
  }

  deactivateAgent(id: AgentId): void {
    const agent = this.#state.pool.get(id);
    if (agent !== undefined) this.#state.pool.setActive(agent, false);
  }

  book(grant: Grant): void {
    const { pool, clients, tree } = this.#state;
    const agent = pool.get(grant.agentId);
    if (agent === undefined || grant.resources.length === 0) return;
    const framework = clients.framework(grant.frameworkId);
    const client = this.#roster.ensure(framework, grant.role);
    if (framework.present) this.#roster.attach(client);
    const counted = pool.book(agent, client, grant.resources);
    if (client.node !== undefined) tree.charge(client.node, counted);
    // On an agent that has too little, a guarantee is met by more than what ceases to be free.
    this.#eased();
  }

  recover(grant: Grant, refuseMs = 0): void {
    const { pool, clients, tree, eras } = this.#state;
    const { resources } = grant;
    const agent = pool.get(grant.agentId);
    if (agent === undefined || resources.length === 0) return;
    const client = clients.find(grant.frameworkId, grant.role);
    // What an optimistic offer is made of was never booked.
    if (grant.sequence === undefined) {
      assert(client !== undefined, () => `framework ${grant.frameworkId} holds nothing of role ${grant.role}`);
      if (refuseMs === 0 && this.#patienceMs > 0) this.#noteSat(agent, client, resources);
      const counted = pool.give(agent, client, resources, grant.offered);
      if (client.node !== undefined) tree.discharge(client.node, counted);
      this.#eased();
    } else this.offerEnded(grant);
    if (client === undefined) return;
    if (refuseMs > 0 && client.subscribed && client.framework.active) {
      agent.filters.add(client, resources, this.#env.clock.now() + refuseMs, eras.stamp(), clients.at);
      noteFilter(client, agent.slot);
    }
    if (client.heldOn === 0) this.#roster.settleClient(client);
    if (!agent.active) return;
    pool.mark(agent);
    this.#loop.askRecovered();
  }

  suppress(id: FrameworkId, roles?: readonly Role[]): void {
    for (const client of this.#clientsOf(id, roles)) {
      client.suppressed = true;
      this.#roster.settleClient(client);
    }
  }

  revive(id: FrameworkId, roles?: readonly Role[]): void {
    for (const client of this.#clientsOf(id, roles)) {
      client.suppressed = false;
      this.#roster.clearFilters(client);
      this.#roster.settleClient(client);
    }
    this.#askAll();
  }

  setWeight(role: Role, weight: number): void {
    this.#state.tree.setWeight(role, weight);
  }

  setQuota(role: Role, told: Quota | undefined): void {
    const { quota, clients, pool, copies } = this.#state;
    const begun = quota.active;
    quota.set(role, told, clients.values(), pool.values());
    if (!begun && quota.active) copies.recharge();
    clients.version += 1;
  }

  quota(role: Role): Quota | undefined {
    return this.#state.quota.quotas.get(role);
  }

  quotas(): ReadonlyMap<Role, Quota> {
    return this.#state.quota.quotas;
  }

  consumed(role: Role): Amounts {
    const { quota, pool } = this.#state;
    if (quota.active) return quota.consumed(role);
    if (this.#consumption?.at !== pool.changes) {
      this.#consumption = { at: pool.changes, byRole: consumption(pool.values()) };
    }
    return this.#consumption.byRole.get(role) ?? new Map<string, number>();
  }

  convert(agentId: AgentId, conversion: Conversion, holder?: Holder): void {
    const { pool, clients, tree } = this.#state;
    const agent = pool.get(agentId);
    if (agent === undefined) return;
    const client = holder === undefined ? undefined : clients.find(holder.frameworkId, holder.role);
    assert(
      holder === undefined || client !== undefined,
      () => `framework ${holder?.frameworkId} holds nothing of role ${holder?.role}`,
    );
    pool.convert(agent, conversion, client);
    this.#eased();
    if (!sameScalars(conversion)) {
      tree.removeTotal(conversion.consumed);
      tree.addTotal(conversion.produced);
      if (client?.node !== undefined) {
        tree.discharge(client.node, conversion.consumed);
        tree.charge(client.node, conversion.produced);
      }
    }
    // What a client holds concerns others only when it becomes a shared volume.
    if (!agent.active || (client !== undefined && !conversion.produced.some(r => r.label.shared))) return;
    pool.mark(agent);
    this.#loop.askRecovered();
  }

  commit(grant: Grant, tasks: number): void {
    if (grant.sequence !== undefined) this.book(grant);
    const { clients, pool } = this.#state;
    const client = clients.find(grant.frameworkId, grant.role);
    if (client === undefined) return;
    const agent = pool.get(grant.agentId);
    if (grant.sequence === undefined && agent !== undefined) pool.commit(agent, client, grant.resources);
    if (tasks === 0) return;
    clients.launched(client, grant.resources, tasks);
  }

  offerEnded(grant: Grant): void {
    const { clients, pool, copies, tree } = this.#state;
    if (grant.sequence !== undefined) {
      if (copies.end(grant.resources) !== undefined) this.#eased();
      return;
    }
    const client = clients.find(grant.frameworkId, grant.role);
    const agent = pool.get(grant.agentId);
    if (client === undefined || agent === undefined) return;
    const counted = pool.endOffer(agent, client, grant.resources);
    if (counted.length > 0 && client.node !== undefined) tree.discharge(client.node, counted);
    if (client.heldOn === 0) this.#roster.settleClient(client);
  }

  setDemand(id: FrameworkId, demand: readonly Demand[]): void {
    const framework = this.#framework(id);
    if (framework === undefined) return;
    for (const client of framework.clients.values()) this.#state.clients.wants(client, demand);
  }

  pause(): void {
    this.#loop.pause();
  }

  resume(): void {
    this.#loop.resume();
  }

  /** Roles with frameworks, weights or reservations, and those above them, sorted. `allocated` has scalars only, sub-roles included. */
  roles(): readonly RoleUse[] {
    const { tree, pool } = this.#state;
    const names = new Set<Role>([...tree.roles(), ...tree.weighted()]);
    for (const agent of pool.values()) {
      for (const { label } of agent.info.total) if (label.role !== undefined) names.add(label.role);
    }
    const above = [...names].flatMap(roleAncestors);
    return [...new Set([...names, ...above])].toSorted().map(role => this.#use(role));
  }

  free(id: AgentId): Bag | undefined {
    return this.#state.pool.get(id)?.free;
  }

  /** Why a framework would not be offered an agent for a role now. Empty: only the order decides. Undefined: one of them is unknown. */
  whyNot(id: FrameworkId, role: Role, agentId: AgentId): readonly SkipReason[] | undefined {
    const { clients, pool } = this.#state;
    const client = clients.find(id, role);
    const agent = pool.get(agentId);
    if (client === undefined || agent === undefined) return undefined;
    this.#eligibility.expire(agent, this.#env.clock.now());
    return this.#eligibility.reasons(agent, client);
  }

  explain(query: ExplainQuery, around: Surroundings): Explanation {
    return explain(this.#explainSource(around), query);
  }

  countFits(query: ExplainQuery, around: Surroundings): number {
    return countFits(this.#explainSource(around), query);
  }

  close(): void {
    this.#loop.close();
  }

  #explainSource(around: Surroundings): ExplainSource {
    return {
      state: this.#state,
      eligibility: this.#eligibility,
      nowMs: this.#env.clock.now(),
      nextBatchMs: this.#loop.nextBatchMs,
      minimum: minimumOf(this.#minAllocatable),
      around,
    };
  }

  // An offer that returns unused after a long time, and not for a filter: its holder sat on it.
  #noteSat(agent: PoolAgent, client: Client, resources: Bag): void {
    const { pool, tree } = this.#state;
    const offeredMs = pool.offeredMs(agent, client, resources);
    if (offeredMs === undefined || this.#env.clock.now() - offeredMs < this.#patienceMs) return;
    const standing = standingOf(tree, client);
    if (standing === undefined) return;
    agent.sat = { client, standing };
    pool.indebted.add(agent);
  }

  // What quota kept from clients may be theirs now.
  #eased(): void {
    const { quota, clients } = this.#state;
    if (quota.active) clients.version += 1;
  }

  #askAll(): void {
    this.#all = true;
    this.#loop.askNow();
  }

  #askFor(agent: PoolAgent): void {
    this.#state.pool.mark(agent);
    this.#loop.askNow();
  }

  #framework(id: FrameworkId): Framework | undefined {
    const framework = this.#state.clients.frameworks.get(id);
    return framework?.present === true ? framework : undefined;
  }

  #clientsOf(id: FrameworkId, roles: readonly Role[] | undefined): Client[] {
    const framework = this.#framework(id);
    if (framework === undefined) return [];
    const all = [...framework.clients.values()].filter(client => client.subscribed);
    return roles === undefined ? all : all.filter(client => roles.includes(client.role));
  }

  // Of a framework's account of what it holds, the part that agents have not told already.
  #bookMissing(used: readonly Grant[]): void {
    const { pool, clients } = this.#state;
    const told = new Map<string, Grant>();
    for (const grant of used) {
      const key = JSON.stringify([grant.agentId, grant.role]);
      const before = told.get(key);
      told.set(key, before === undefined ? grant : { ...grant, resources: add(before.resources, grant.resources) });
    }
    for (const grant of told.values()) {
      const client = clients.find(grant.frameworkId, grant.role);
      const agent = pool.get(grant.agentId);
      const held = client === undefined || agent === undefined ? emptyBag : heldBy(agent, client);
      if (!contains(held, grant.resources)) this.book({ ...grant, resources: remainder(grant.resources, held) });
    }
  }

  #use(role: Role): RoleUse {
    const { tree, clients } = this.#state;
    const frameworks = tree.slotsIn(role, false).flatMap(slot => clients.at(slot)?.framework.id ?? []);
    const weight = tree.weightOf(role);
    return {
      role,
      weight,
      share: tree.dominantShare(role) / weight,
      allocated: tree.allocatedTo(role),
      frameworks,
    };
  }
}
