// The allocator: keeps frameworks, agents and what is held in step with what the master tells, and runs cycles when they are due.
import { assert } from '../base/assert.js';
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { Counter, Histogram } from '../env/metrics.js';
import type { Bag } from '../resources/index.js';
import { add, bagOf, contains, emptyBag, quantities, remainder, roleAncestors } from '../resources/index.js';
import type { PoolAgent } from './agent-pool.js';
import { AgentPool, heldBy } from './agent-pool.js';
import type {
  Allocator,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorOptions,
  Amounts,
  Conversion,
  Demand,
  Grant,
  Holder,
  OnGrants,
  OnStarved,
  Quota,
  RoleUse,
  SkipReason,
} from './allocator.js';
import { clearBit, forEachBit, noBits } from './bits.js';
import type { Client, Framework } from './clients.js';
import { Clients, noteFilter } from './clients.js';
import { compileConstraints } from './constraints.js';
import type { AllocatorState } from './eligibility.js';
import { Eligibility } from './eligibility.js';
import type { PolicyEngine } from './cycle.js';
import { Cycle } from './cycle.js';
import type { Explanation, ExplainQuery, ExplainSource } from './explain.js';
import { countFits, explain, minimumOf, quotaBounds } from './explain.js';
import type { Surroundings } from './explain-judge.js';
import { hierarchicalDrf } from './hierarchical.js';
import type { RunKind } from './loop.js';
import { AllocationLoop } from './loop.js';
import { AgentFilters, FilterEras } from './offer-filters.js';
import { consumption } from './quota.js';

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
  readonly #onGrants: OnGrants;
  readonly #engine: PolicyEngine;
  readonly #quotas = new Map<Role, Quota>();
  readonly #minAllocatable: readonly Bag[];
  readonly #state: AllocatorState;
  readonly #eligibility: Eligibility;
  readonly #loop: AllocationLoop;
  readonly #runs: Counter;
  readonly #granted: Counter;
  readonly #runSeconds: Histogram;
  #cycle = 0;
  // The next event run visits all agents.
  #all = false;

  constructor(env: Env, options: AllocatorOptions, onGrants: OnGrants, _onStarved?: OnStarved) {
    this.#env = env;
    this.#onGrants = onGrants;
    this.#minAllocatable = options.minAllocatable ?? defaultMinAllocatable;
    const { allocationIntervalMs = 1000, recoveryIntervalMs = 50, fairSharingExcluded = [] } = options;
    const policy = options.policy ?? hierarchicalDrf;
    this.#engine = policy.start(fairSharingExcluded);
    this.#state = {
      tree: this.#engine.tree,
      clients: new Clients(),
      pool: new AgentPool(),
      eras: new FilterEras(),
      region: options.domain?.region,
      filterGpus: options.filterGpus ?? true,
    };
    for (const [role, weight] of options.weights ?? []) this.#state.tree.setWeight(role, weight);
    this.#eligibility = new Eligibility(this.#state);
    for (const [role, quota] of options.quotas ?? []) this.setQuota(role, quota);
    this.policy = {
      ...policy.description,
      allocationIntervalMs,
      recoveryIntervalMs,
      fairSharingExcluded,
    };
    const { metrics } = env;
    this.#runs = metrics.counter('proffer_allocator_runs_total', 'Allocation runs by kind.', ['kind']);
    this.#granted = metrics.counter('proffer_allocator_grants_total', 'Grants of one agent to one framework and role.');
    this.#runSeconds = metrics.histogram('proffer_allocator_run_seconds', 'Duration of allocation runs.', runBuckets);
    this.#loop = new AllocationLoop(env.clock, { allocationIntervalMs, recoveryIntervalMs }, kind => this.#run(kind));
  }

  addFramework(framework: AllocatorFramework, used: readonly Grant[]): void {
    const known = this.#state.clients.framework(framework.id);
    assert(!known.present, () => `framework ${framework.id} is there already`);
    known.present = true;
    known.active = true;
    this.#describe(known, framework);
    for (const client of known.clients.values()) this.#attach(client);
    this.#bookMissing(used);
    this.#settle(known);
    this.#askAll();
  }

  updateFramework(framework: AllocatorFramework): void {
    const known = this.#framework(framework.id);
    if (known === undefined) return;
    this.#describe(known, framework);
    this.#settle(known);
  }

  removeFramework(id: FrameworkId): void {
    const framework = this.#framework(id);
    if (framework === undefined) return;
    const { clients, tree } = this.#state;
    framework.present = false;
    framework.active = false;
    for (const client of framework.clients.values()) {
      client.subscribed = false;
      this.#clearFilters(client);
      clients.setActive(client, false);
      if (client.node !== undefined) tree.remove(client.node);
      client.node = undefined;
      if (client.heldOn === 0) this.#drop(client);
    }
    if (framework.clients.size === 0) clients.frameworks.delete(id);
  }

  activateFramework(id: FrameworkId): void {
    const framework = this.#framework(id);
    if (framework === undefined || framework.active) return;
    framework.active = true;
    this.#settle(framework);
    this.#askAll();
  }

  deactivateFramework(id: FrameworkId): void {
    const framework = this.#framework(id);
    if (framework === undefined) return;
    framework.active = false;
    for (const client of framework.clients.values()) this.#clearFilters(client);
    this.#settle(framework);
  }

  addAgent(agent: AllocatorAgent, used: readonly Grant[]): void {
    const { pool, tree } = this.#state;
    const added = pool.add(agent);
    tree.addTotal(agent.total);
    for (const grant of used) this.book(grant);
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
      this.#settleClient(client);
    }
    agent.held.clear();
  }

  activateAgent(id: AgentId): void {
    const agent = this.#state.pool.get(id);
    if (agent === undefined || agent.active) return;
    agent.active = true;
    this.#askFor(agent);
  }

  deactivateAgent(id: AgentId): void {
    const agent = this.#state.pool.get(id);
    if (agent !== undefined) agent.active = false;
  }

  book(grant: Grant): void {
    const { pool, clients, tree, eras } = this.#state;
    const agent = pool.get(grant.agentId);
    if (agent === undefined || grant.resources.length === 0) return;
    const framework = clients.framework(grant.frameworkId);
    const client = clients.ensure(framework, grant.role, eras.next());
    if (framework.present) this.#attach(client);
    pool.book(agent, client, grant.resources);
    if (client.node !== undefined) tree.charge(client.node, grant.resources);
  }

  recover(grant: Grant, refuseMs = 0): void {
    const { pool, clients, tree, eras } = this.#state;
    const { resources } = grant;
    const agent = pool.get(grant.agentId);
    if (agent === undefined || resources.length === 0) return;
    const client = clients.find(grant.frameworkId, grant.role);
    assert(client !== undefined, () => `framework ${grant.frameworkId} holds nothing of role ${grant.role}`);
    // What an optimistic offer is made of was never booked.
    if (grant.sequence === undefined) {
      pool.give(agent, client, resources);
      if (client.node !== undefined) tree.discharge(client.node, resources);
    }
    if (refuseMs > 0 && client.subscribed && client.framework.active) {
      agent.filters.add(client, resources, this.#env.clock.now() + refuseMs, eras.stamp(), clients.at);
      noteFilter(client, agent.slot);
    }
    if (client.heldOn === 0) this.#settleClient(client);
    if (!agent.active) return;
    pool.mark(agent);
    this.#loop.askRecovered();
  }

  suppress(id: FrameworkId, roles?: readonly Role[]): void {
    for (const client of this.#clientsOf(id, roles)) {
      client.suppressed = true;
      this.#settleClient(client);
    }
  }

  revive(id: FrameworkId, roles?: readonly Role[]): void {
    for (const client of this.#clientsOf(id, roles)) {
      client.suppressed = false;
      this.#clearFilters(client);
      this.#settleClient(client);
    }
    this.#askAll();
  }

  setWeight(role: Role, weight: number): void {
    this.#state.tree.setWeight(role, weight);
  }

  setQuota(role: Role, quota: Quota | undefined): void {
    if (quota === undefined) this.#quotas.delete(role);
    else this.#quotas.set(role, quota);
  }

  quota(role: Role): Quota | undefined {
    return this.#quotas.get(role);
  }

  quotas(): ReadonlyMap<Role, Quota> {
    return this.#quotas;
  }

  consumed(role: Role): Amounts {
    return consumption(role, this.#state.pool.values());
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
    if (!sameScalars(conversion)) {
      tree.removeTotal(conversion.consumed);
      tree.addTotal(conversion.produced);
      if (client?.node !== undefined) {
        tree.discharge(client.node, conversion.consumed);
        tree.charge(client.node, conversion.produced);
      }
    }
    if (client !== undefined || !agent.active) return;
    pool.mark(agent);
    this.#loop.askRecovered();
  }

  commit(grant: Grant, tasks: number): void {
    if (grant.sequence !== undefined) this.book(grant);
    const client = this.#state.clients.find(grant.frameworkId, grant.role);
    if (client === undefined || tasks === 0) return;
    client.launchedTasks += tasks;
    for (const [name, milli] of quantities(grant.resources)) {
      client.launched.set(name, (client.launched.get(name) ?? 0) + milli);
    }
  }

  offerEnded(grant: Grant): void {
    const { clients, pool } = this.#state;
    const client = clients.find(grant.frameworkId, grant.role);
    const agent = pool.get(grant.agentId);
    if (client !== undefined && agent !== undefined) this.#engine.offerEnded?.(client, agent, grant);
  }

  setDemand(id: FrameworkId, demand: readonly Demand[]): void {
    const framework = this.#framework(id);
    if (framework === undefined) return;
    for (const client of framework.clients.values()) client.hints = demand.filter(({ role }) => role === client.role);
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

  #run(kind: RunKind): void {
    const { pool, eras } = this.#state;
    const { clock, random, log } = this.#env;
    const startedMs = clock.now();
    const era = kind === 'batch' ? eras.next() : 0;
    const agents = pool.visitable(kind === 'batch' || this.#all);
    this.#all = false;
    this.#cycle += 1;
    const stream = `allocator/cycle-${this.#cycle}`;
    this.#state.tree.refresh();
    const fork = (): Random => random.fork(stream);
    const optimistic = this.#engine.optimistic === true;
    const cycle = new Cycle(this.#state, this.#eligibility, kind, startedMs, fork, optimistic);
    const steps = this.#engine.begin(cycle, agents);
    while (steps.step());
    const batch = cycle.collect();
    // Filters set before this batch have now lived through it.
    if (kind === 'batch') eras.survivedBefore = era;
    let grants = 0;
    for (const group of batch) grants += group.grants.length;
    this.#runs.inc(1, { kind });
    this.#granted.inc(grants);
    this.#runSeconds.observe((clock.now() - startedMs) / 1000);
    if (grants === 0) return;
    log.debug('allocated', { stream, kind, agents: agents.length, frameworks: batch.length, grants });
    this.#onGrants(batch);
  }

  #explainSource(around: Surroundings): ExplainSource {
    return {
      state: this.#state,
      eligibility: this.#eligibility,
      nowMs: this.#env.clock.now(),
      bounds: role => quotaBounds(role, this.#quotas, each => this.consumed(each)),
      minimum: minimumOf(this.#minAllocatable),
      around,
    };
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

  // Takes over what the master says of a framework.
  #describe(framework: Framework, told: AllocatorFramework): void {
    const { clients, eras } = this.#state;
    clients.version += 1;
    framework.gpus = told.capabilities.includes('GPU_RESOURCES');
    framework.regions = told.capabilities.includes('REGION_AWARE');
    for (const role of told.roles) this.#attach(clients.ensure(framework, role, eras.next()));
    for (const client of framework.clients.values()) {
      const { role } = client;
      const subscribed = told.roles.includes(role);
      const suppressed = subscribed && told.suppressedRoles.includes(role);
      if (!subscribed || (client.suppressed && !suppressed)) this.#clearFilters(client);
      client.subscribed = subscribed;
      client.suppressed = suppressed;
      clients.minima.leave(client.minimum, client.slot);
      const minima = Object.hasOwn(told.minAllocatable, role) ? told.minAllocatable[role] : undefined;
      client.minimum = clients.minima.join(minima ?? this.#minAllocatable, client.slot);
      const groups = Object.hasOwn(told.constraints, role) ? told.constraints[role] : undefined;
      this.#forgetJudgement(client);
      client.test = compileConstraints(groups);
      clients.describe(client);
    }
  }

  // Puts a client into the sorter, with what it holds.
  #attach(client: Client): void {
    if (client.node !== undefined) return;
    const { tree, pool } = this.#state;
    client.node = tree.add(client.role, client.framework.id, client.slot);
    if (client.heldOn === 0) return;
    for (const agent of pool.values()) {
      if (agent.held.has(client)) tree.charge(client.node, heldBy(agent, client));
    }
  }

  #settle(framework: Framework): void {
    for (const client of framework.clients.values()) this.#settleClient(client);
  }

  // Brings a client's activity in the sorter in line, and drops it when it neither wants nor holds anything.
  #settleClient(client: Client): void {
    const { clients, tree } = this.#state;
    const { framework, node } = client;
    const active = framework.active && client.subscribed && !client.suppressed;
    if (node !== undefined && active !== node.active > 0) {
      if (active) tree.activate(node);
      else tree.deactivate(node);
      if (active) clients.version += 1;
      clients.setActive(client, active);
    }
    if (client.subscribed || client.heldOn > 0) return;
    if (node !== undefined) tree.remove(node);
    client.node = undefined;
    this.#drop(client);
  }

  #drop(client: Client): void {
    this.#clearFilters(client);
    this.#forgetJudgement(client);
    this.#engine.dropped?.(client);
    this.#state.clients.drop(client);
  }

  #clearFilters(client: Client): void {
    const { pool, eras, clients } = this.#state;
    client.filtersVoidBefore = eras.next();
    if (client.filteredOn.length === 0) return;
    clients.version += 1;
    forEachBit(client.filteredOn, slot => pool.at(slot)?.filters.clear(client));
    client.filteredOn = noBits;
  }

  #forgetJudgement(client: Client): void {
    if (client.test === undefined) return;
    for (const agent of this.#state.pool.values()) clearBit(agent.judged, client.slot);
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

const runBuckets = [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

function sameScalars({ consumed, produced }: Conversion): boolean {
  const before = quantities(consumed);
  const after = quantities(produced);
  if (before.size !== after.size) return false;
  for (const [name, milli] of before) if (after.get(name) !== milli) return false;
  return true;
}

function sameAttributes(a: AllocatorAgent, b: AllocatorAgent): boolean {
  return a.attributes === b.attributes || canonical(a) === canonical(b);
}

function canonical({ attributes }: AllocatorAgent): string {
  return JSON.stringify(Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
