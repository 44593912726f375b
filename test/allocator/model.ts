// The allocator as simply as it can be said: everything recomputed from what is held, by scanning all pairs. What the fast one must agree with.
import type { AgentId, FrameworkId, Role } from '../../src/base/ids.js';
import type { AllocatorAgent, AllocatorFramework, Conversion, Grant } from '../../src/allocator/index.js';
import { seededRandom } from '../../src/env/random.js';
import type { AttributeConstraint } from '../../src/protocol/entities.js';
import type { Bag, Resource } from '../../src/resources/index.js';
import {
  add,
  contains,
  exclusive,
  forRole,
  isAncestorOrSelf,
  remainder,
  roleAncestors,
  scalarMilli,
  shared,
  subtract,
  sum,
} from '../../src/resources/index.js';
import { ModelQuota } from './model-quota.js';
import type { QuotaWorld } from './model-quota.js';
import { bag } from './support.js';

interface ModelAgent {
  info: AllocatorAgent;
  active: boolean;
  readonly slot: number;
}

interface ModelFramework {
  info: AllocatorFramework;
  suppressed: Set<Role>;
  active: boolean;
}

interface Filter {
  readonly grant: Grant;
  readonly untilMs: number;
  readonly batches: number;
}

interface Pair {
  readonly id: FrameworkId;
  readonly role: Role;
}

/** What the allocator should decide. The test tells it what it tells the allocator, and when a run happens. */
export class Model {
  readonly agents = new Map<AgentId, ModelAgent>();
  readonly frameworks = new Map<FrameworkId, ModelFramework>();
  held: Grant[] = [];
  readonly weights = new Map<Role, number>();
  readonly quota = new ModelQuota();
  /** A run is owed; over all agents, or over those marked. */
  asked = false;
  nowMs = 0;
  #all = false;
  #marked = new Set<AgentId>();
  #filters: Filter[] = [];
  #batches = 0;
  #cycles = 0;
  // Allocations made, by role path and by framework in a role; forgotten with the last framework there.
  readonly #counts = new Map<string, number>();
  readonly #slots: (AgentId | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  // Agents whose shared volumes were offered in this run.
  readonly #sharedThisRun = new Set<AgentId>();
  // How many of a holding's parts have a shared volume, by holding and key; once where absent.
  readonly #uses = new Map<string, number>();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  addFramework(info: AllocatorFramework): void {
    this.frameworks.set(info.id, { info, suppressed: new Set(info.suppressedRoles), active: true });
    for (const agentId of this.agents.keys()) {
      for (const grant of this.held) if (grant.frameworkId === info.id && grant.agentId === agentId) this.#count(grant);
    }
    this.#askAll();
  }

  updateFramework(info: AllocatorFramework): void {
    const known = this.#framework(info.id);
    const suppressed = new Set(info.suppressedRoles.filter(role => info.roles.includes(role)));
    this.#unfilter(
      ({ frameworkId, role }) =>
        frameworkId === info.id &&
        (!info.roles.includes(role) || (known.suppressed.has(role) && !suppressed.has(role))),
    );
    known.info = info;
    known.suppressed = suppressed;
    this.#forgetCounts();
  }

  removeFramework(id: FrameworkId): void {
    this.frameworks.delete(id);
    this.#unfilter(({ frameworkId }) => frameworkId === id);
    this.#forgetCounts();
  }

  activateFramework(id: FrameworkId, active: boolean): void {
    const known = this.#framework(id);
    if (!active) this.#unfilter(({ frameworkId }) => frameworkId === id);
    else if (!known.active) this.#askAll();
    known.active = active;
  }

  addAgent(info: AllocatorAgent): void {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    this.#slots[slot] = info.id;
    this.agents.set(info.id, { info, active: true, slot });
    this.#mark(info.id);
  }

  updateAgent(info: AllocatorAgent): void {
    const known = this.#agent(info.id);
    const sorted = (attributes: AllocatorAgent['attributes']): string =>
      JSON.stringify(Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    if (sorted(known.info.attributes) !== sorted(info.attributes)) this.#unfilter(({ agentId }) => agentId === info.id);
    known.info = info;
    this.#mark(info.id);
  }

  removeAgent(id: AgentId): void {
    const { slot } = this.#agent(id);
    this.#slots[slot] = undefined;
    this.#freeSlots.push(slot);
    this.agents.delete(id);
    this.#marked.delete(id);
    this.held = this.held.filter(({ agentId }) => agentId !== id);
    for (const key of this.#uses.keys()) if (key.endsWith(` on ${id}`)) this.#uses.delete(key);
    this.#unfilter(({ agentId }) => agentId === id);
    this.#forgetCounts();
  }

  activateAgent(id: AgentId, active: boolean): void {
    const known = this.#agent(id);
    if (active && !known.active) this.#mark(id);
    known.active = active;
  }

  book(grant: Grant): void {
    this.#hold(grant);
    if (this.frameworks.has(grant.frameworkId)) this.#count(grant);
  }

  recover(grant: Grant, refuseMs: number): void {
    const at = this.held.findIndex(one => sameHolder(one, grant));
    const holding = this.held[at];
    if (holding === undefined) throw new Error('the test gives back what is not held');
    const left = this.#without(holding, grant.resources);
    this.held.splice(at, 1, ...(left.length > 0 ? [{ ...holding, resources: left }] : []));
    const framework = this.frameworks.get(grant.frameworkId);
    if (refuseMs > 0 && framework?.active === true && framework.info.roles.includes(grant.role)) {
      this.#filters.push({ grant, untilMs: this.nowMs + refuseMs, batches: this.#batches });
    }
    if (this.#agent(grant.agentId).active) this.#mark(grant.agentId);
    this.#forgetCounts();
  }

  /** Resources of an agent become others: what is free, or what is held there. */
  convert(agentId: AgentId, conversion: Conversion, holder?: Grant): void {
    const known = this.#agent(agentId);
    known.info = { ...known.info, total: convert(known.info.total, conversion) };
    if (holder === undefined) {
      if (known.active) this.#mark(agentId);
      return;
    }
    const at = this.held.findIndex(one => sameHolder(one, holder));
    this.held[at] = { ...holder, resources: convert(holder.resources, conversion) };
  }

  suppress(id: FrameworkId, roles: readonly Role[]): void {
    const known = this.#framework(id);
    for (const role of roles) if (known.info.roles.includes(role)) known.suppressed.add(role);
  }

  revive(id: FrameworkId, roles: readonly Role[]): void {
    const known = this.#framework(id);
    for (const role of roles) known.suppressed.delete(role);
    this.#unfilter(
      ({ frameworkId, role }) => frameworkId === id && roles.includes(role) && known.info.roles.includes(role),
    );
    this.#askAll();
  }

  free(id: AgentId): Bag {
    const held = this.held.filter(({ agentId }) => agentId === id).map(({ resources }) => resources);
    return remainder(this.#agent(id).info.total, sum(held.map(exclusive)));
  }

  /** What quota is judged by. */
  world(): QuotaWorld {
    const agents = [...this.agents.values()];
    return {
      held: this.held,
      totals: agents.map(({ info }) => info.total),
      free: agents.filter(({ active }) => active).map(({ info }) => this.free(info.id)),
      known: new Map(),
    };
  }

  /** What a framework in a role sees of an agent. */
  visible(agentId: AgentId, { id, role }: Pair): Bag {
    const capabilities = this.#framework(id).info.capabilities;
    const mayShare = capabilities.includes('SHARED_RESOURCES') && !this.#sharedThisRun.has(agentId);
    return forRole(this.free(agentId), role).filter(
      r => (!r.label.revocable || capabilities.includes('REVOCABLE_RESOURCES')) && (!r.label.shared || mayShare),
    );
  }

  /** One run over all agents or those marked, in the order the seed gives. */
  run(batch: boolean): Grant[] {
    const visited = this.#slots.filter(id => id !== undefined && (batch || this.#all || this.#marked.has(id)));
    const agents = visited.filter(
      (id): id is AgentId => id !== undefined && this.#agent(id).active && this.free(id).length > 0,
    );
    this.#all = false;
    this.asked = false;
    this.#marked.clear();
    this.#cycles += 1;
    const random = seededRandom(this.#seed).fork(`allocator/cycle-${this.#cycles}`);
    const grants: Grant[] = [];
    let left = agents;
    const world = this.world();
    if (this.order().some(pair => this.#isActive(pair) && this.quota.needy(world, pair.role))) {
      for (const agentId of random.shuffle([...agents])) this.#visit(agentId, true, grants);
      left = agents.filter(id => this.free(id).length > 0);
    }
    for (const agentId of random.shuffle(left)) this.#visit(agentId, false, grants);
    this.#sharedThisRun.clear();
    if (batch) this.#batches += 1;
    return grants;
  }

  // One agent's turn: to the first in order that may have some, and again, but to nobody twice.
  #visit(agentId: AgentId, forGuarantees: boolean, grants: Grant[]): void {
    const served = new Set<string>();
    for (;;) {
      const world = this.world();
      const next = this.order().find(pair => {
        if (served.has(clientKey(pair)) || !this.mayOffer(agentId, pair, world)) return false;
        if (!forGuarantees) return true;
        return this.quota.needy(world, pair.role) && this.quota.serves(world, pair.role, this.visible(agentId, pair));
      });
      if (next === undefined) return;
      served.add(clientKey(next));
      const resources = this.quota.offerable(world, next.role, this.visible(agentId, next));
      const grant = { frameworkId: next.id, role: next.role, agentId, resources };
      grants.push(grant);
      this.#hold(grant);
      this.#count(grant);
      if (resources.some(r => r.label.shared)) this.#sharedThisRun.add(agentId);
    }
  }

  #isActive({ id, role }: Pair): boolean {
    const framework = this.#framework(id);
    return framework.active && framework.info.roles.includes(role) && !framework.suppressed.has(role);
  }

  /** Whether only the order stands between a framework in a role and an agent. */
  mayOffer(agentId: AgentId, { id, role }: Pair, world: QuotaWorld = this.world()): boolean {
    const { info, active } = this.#agent(agentId);
    const framework = this.frameworks.get(id);
    if (!active || framework?.active !== true) return false;
    if (!framework.info.roles.includes(role) || framework.suppressed.has(role)) return false;
    const { capabilities } = framework.info;
    if (scalarMilli(info.total, 'gpus') > 0 && !capabilities.includes('GPU_RESOURCES')) return false;
    const remote = info.domain !== undefined && info.domain.region !== 'home';
    if (remote && !capabilities.includes('REGION_AWARE')) return false;
    const groups = framework.info.constraints[role];
    if (groups !== undefined && !groups.some(group => group.every(one => holds(one, info)))) return false;
    const visible = this.quota.offerable(world, role, this.visible(agentId, { id, role }));
    if (visible.length === 0) return false;
    const minima = framework.info.minAllocatable[role] ?? [bag('cpus:0.01'), bag('mem:32')];
    const enough = (set: Bag): boolean =>
      set.every(r => r.kind === 'scalar' && scalarMilli(visible, r.name) >= r.milli);
    if (minima.length > 0 && !minima.some(enough)) return false;
    return !this.#filters.some(
      ({ grant, untilMs, batches }) =>
        grant.frameworkId === id &&
        grant.role === role &&
        grant.agentId === agentId &&
        contains(grant.resources, visible) &&
        !(untilMs <= this.nowMs && batches < this.#batches),
    );
  }

  /** All frameworks in all their roles, by hierarchical DRF. */
  order(): Pair[] {
    const pairs = [...this.frameworks].flatMap(([id, { info }]) => info.roles.map(role => ({ id, role })));
    const totals = [...this.agents.values()].map(agent => agent.info.total);
    // Agents may have volumes of one name, which is no sum of resources.
    const amount = (bags: readonly Bag[], name: string): number =>
      bags.reduce((all, one) => all + scalarMilli(one, name), 0);
    const share = (grants: Grant[], path: string): number => {
      const allocated = grants.map(({ resources }) => resources);
      const parts = ['cpus', 'mem', 'disk', 'gpus'].map(name => {
        const all = amount(totals, name);
        return all > 0 ? amount(allocated, name) / all : 0;
      });
      return Math.max(...parts) / (this.weights.get(path) ?? 1);
    };
    const present = this.held.filter(({ frameworkId }) => this.frameworks.has(frameworkId));
    const level = (prefix: string): Pair[] => {
      const below = pairs.filter(({ role }) => prefix === '' || isAncestorOrSelf(prefix, role));
      const part = (role: Role): string =>
        role === prefix ? '.' : (role.slice(prefix === '' ? 0 : prefix.length + 1).split('/')[0] ?? '');
      const children = [...new Set(below.map(({ role }) => part(role)))].map(name => {
        const path = prefix === '' ? name : `${prefix}/${name}`;
        const inside = name === '.' ? prefix : path;
        const grants = present.filter(({ role }) => (name === '.' ? role === inside : isAncestorOrSelf(inside, role)));
        return { name, path, share: share(grants, path), count: this.#counts.get(path) ?? 0 };
      });
      children.sort(byShare);
      return children.flatMap(({ name, path }) => (name === '.' ? members(prefix) : level(path)));
    };
    const members = (role: Role): Pair[] =>
      pairs
        .filter(pair => pair.role === role)
        .map(pair => {
          const grants = present.filter(grant => grant.frameworkId === pair.id && grant.role === role);
          return { pair, path: pair.id, share: share(grants, ''), count: this.#counts.get(clientKey(pair)) ?? 0 };
        })
        .toSorted(byShare)
        .map(({ pair }) => pair);
    return level('');
  }

  #hold(grant: Grant): void {
    for (const r of shared(grant.resources)) {
      const key = useKey(grant, r);
      this.#uses.set(key, (this.#uses.get(key) ?? 0) + 1);
    }
    const at = this.held.findIndex(one => sameHolder(one, grant));
    const before = this.held[at];
    if (before === undefined) this.held.push(grant);
    else this.held[at] = { ...before, resources: add(before.resources, grant.resources) };
  }

  // Shared volumes go with their last use.
  #without(holding: Grant, returned: Bag): Bag {
    let left = subtract(holding.resources, returned);
    for (const r of shared(returned)) {
      const key = useKey(holding, r);
      const uses = (this.#uses.get(key) ?? 1) - 1;
      if (uses > 0) left = add(left, [r]);
      this.#uses.set(key, uses);
    }
    return left;
  }

  #count({ frameworkId, role }: Grant): void {
    for (const path of [clientKey({ id: frameworkId, role }), `${role}/.`, role, ...roleAncestors(role)]) {
      this.#counts.set(path, (this.#counts.get(path) ?? 0) + 1);
    }
  }

  // A framework is in a role while it wants it or holds something of it.
  #forgetCounts(): void {
    const there = [...this.frameworks].flatMap(([id, { info }]) => [
      ...info.roles.map(role => ({ id, role })),
      ...this.held.filter(({ frameworkId }) => frameworkId === id).map(({ role }) => ({ id, role })),
    ]);
    const alive = new Set(
      there.flatMap(pair => [clientKey(pair), `${pair.role}/.`, pair.role, ...roleAncestors(pair.role)]),
    );
    for (const path of this.#counts.keys()) if (!alive.has(path)) this.#counts.delete(path);
  }

  #unfilter(which: (grant: Grant) => boolean): void {
    this.#filters = this.#filters.filter(({ grant }) => !which(grant));
  }

  #askAll(): void {
    this.#all = true;
    this.asked = true;
  }

  #mark(id: AgentId): void {
    this.#marked.add(id);
    this.asked = true;
  }

  #agent(id: AgentId): ModelAgent {
    const agent = this.agents.get(id);
    if (agent === undefined) throw new Error(`the model has no agent ${id}`);
    return agent;
  }

  #framework(id: FrameworkId): ModelFramework {
    const framework = this.frameworks.get(id);
    if (framework === undefined) throw new Error(`the model has no framework ${id}`);
    return framework;
  }
}

function convert(from: Bag, { consumed, produced }: Conversion): Bag {
  return add(subtract(from, consumed), produced);
}

function byShare<T extends { share: number; count: number; path: string }>(a: T, b: T): number {
  return a.share - b.share || a.count - b.count || (a.path < b.path ? -1 : 1);
}

function clientKey({ id, role }: Pair): string {
  return `${id} in ${role}`;
}

function useKey(grant: Grant, { key }: Resource): string {
  return `${key} of ${grant.frameworkId} ${grant.role} on ${grant.agentId}`;
}

function sameHolder(a: Grant, b: Grant): boolean {
  return a.frameworkId === b.frameworkId && a.role === b.role && a.agentId === b.agentId;
}

// The two predicates that the property uses.
function holds({ attribute, predicate, value }: AttributeConstraint, { attributes }: AllocatorAgent): boolean {
  const found = attributes[attribute];
  return predicate === 'EXISTS' ? found !== undefined : found === value;
}
