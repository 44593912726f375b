// Who may be offered what is free on an agent. In: the agent's free resources, filters and attributes, the clients' minima, capabilities and
// constraints. Out: the set of clients that may not; and, asked for one client, every reason.
import type { Role } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import { forRole, unreserved } from '../resources/index.js';
import type { AgentPool, PoolAgent } from './agent-pool.js';
import type { SkipReason } from './allocator.js';
import type { Bits } from './bits.js';
import { clearBit, hasBit, orInto, withBit } from './bits.js';
import type { Client, Clients } from './clients.js';
import { reaches } from './min-allocatable.js';
import type { FilterEras } from './offer-filters.js';
import type { RoleTree } from './role-tree.js';

/** Everything a cycle works on. */
export interface AllocatorState {
  readonly tree: RoleTree;
  readonly clients: Clients;
  readonly pool: AgentPool;
  readonly eras: FilterEras;
  /** The master's region, when it has one. */
  readonly region: string | undefined;
  /** Whether agents with gpus are kept for frameworks that can use them. */
  readonly filterGpus: boolean;
}

/** Tests agents against all clients at once. */
export class Eligibility {
  readonly #state: AllocatorState;
  #blocked: Bits = new Uint32Array(0);

  constructor(state: AllocatorState) {
    this.#state = state;
  }

  /** Drops the agent's filters that are over. */
  expire(agent: PoolAgent, nowMs: number): void {
    if (nowMs < agent.filters.firstUntilMs) return;
    const { clients, eras } = this.#state;
    agent.filters.expire(nowMs, eras.survivedBefore, clients.at);
    agent.settledAt = 0;
  }

  /** The clients that must not be offered `free` of `agent`. The result is overwritten by the next call. */
  blocked(agent: PoolAgent, free: Bag): Bits {
    const { clients } = this.#state;
    if (this.#blocked.length < clients.words) this.#blocked = new Uint32Array(clients.words * 2);
    const blocked = this.#blocked;
    blocked.fill(0);
    this.#bar(agent, blocked);
    const reservedTo = reservationRoles(free);
    const common = reservedTo.length === 0 ? free : unreserved(free);
    if (common.length === 0) blocked.fill(0xffffffff);
    else {
      for (const minimum of clients.minima.values()) {
        if (!reaches(common, minimum.sets)) orInto(blocked, minimum.clients);
      }
      agent.filters.block(common, blocked);
    }
    for (const role of reservedTo) this.#reconsider(agent, free, role, blocked);
    return blocked;
  }

  /** Whether this one client may be offered `visible`, all of `agent` that its role may see. */
  mayOffer(agent: PoolAgent, client: Client, visible: Bag): boolean {
    return (
      visible.length > 0 &&
      reaches(visible, client.minimum.sets) &&
      !this.#isBarred(agent, client) &&
      !agent.filters.blocks(client.slot, visible)
    );
  }

  /** Every reason why `client` would not be offered `agent` now; empty when only the order decides. */
  reasons(agent: PoolAgent, client: Client): SkipReason[] {
    const { framework, role } = client;
    const out: SkipReason[] = [];
    if (!agent.active) out.push({ kind: 'agent-inactive' });
    if (!framework.present || !framework.active) out.push({ kind: 'framework-inactive' });
    if (!client.subscribed) out.push({ kind: 'not-subscribed' });
    if (client.suppressed) out.push({ kind: 'suppressed' });
    if (this.#keepsGpus(agent) && !framework.gpus) out.push({ kind: 'capability', capability: 'GPU_RESOURCES' });
    if (this.#isRemote(agent) && !framework.regions) out.push({ kind: 'capability', capability: 'REGION_AWARE' });
    if (client.test !== undefined && !client.test(agent.info)) out.push({ kind: 'constraints' });
    const visible = forRole(agent.free, role);
    if (visible.length === 0) {
      out.push({ kind: 'nothing-free', reservedForOthers: agent.free.length > 0 });
      return out;
    }
    if (!reaches(visible, client.minimum.sets)) out.push({ kind: 'below-minimum', free: visible });
    const untilMs = agent.filters.blockedUntilMs(client, visible);
    if (untilMs !== undefined) out.push({ kind: 'filtered', untilMs });
    return out;
  }

  // What keeps a client from an agent whatever is free there.
  #bar(agent: PoolAgent, blocked: Bits): void {
    const { clients } = this.#state;
    if (this.#keepsGpus(agent)) orInto(blocked, clients.withoutGpus);
    if (this.#isRemote(agent)) orInto(blocked, clients.withoutRegions);
    const { constrained } = clients;
    for (let w = 0; w < constrained.length; w += 1) {
      let unknown = (constrained[w] as number) & ~(agent.judged[w] ?? 0);
      for (; unknown !== 0; unknown &= unknown - 1) this.#judge(agent, (w << 5) + 31 - Math.clz32(unknown & -unknown));
      if (w < blocked.length) {
        blocked[w] = (blocked[w] as number) | ((constrained[w] as number) & (agent.excluded[w] ?? 0));
      }
    }
  }

  #isBarred(agent: PoolAgent, client: Client): boolean {
    if (this.#keepsGpus(agent) && !client.framework.gpus) return true;
    if (this.#isRemote(agent) && !client.framework.regions) return true;
    if (client.test === undefined) return false;
    if (!hasBit(agent.judged, client.slot)) this.#judge(agent, client.slot);
    return hasBit(agent.excluded, client.slot);
  }

  #judge(agent: PoolAgent, slot: number): void {
    const passes = this.#state.clients.at(slot)?.test?.(agent.info) ?? true;
    agent.judged = withBit(agent.judged, slot);
    if (passes) clearBit(agent.excluded, slot);
    else agent.excluded = withBit(agent.excluded, slot);
  }

  #keepsGpus(agent: PoolAgent): boolean {
    return agent.hasGpus && this.#state.filterGpus;
  }

  #isRemote(agent: PoolAgent): boolean {
    const { region } = this.#state;
    const { domain } = agent.info;
    return region !== undefined && domain !== undefined && domain.region !== region;
  }

  // Clients of a role with reservations here, and of its sub-roles, see more than the others.
  #reconsider(agent: PoolAgent, free: Bag, reservedTo: Role, blocked: Bits): void {
    const { tree, clients } = this.#state;
    for (const slot of tree.slotsIn(reservedTo, true)) {
      const client = clients.at(slot);
      if (client === undefined) continue;
      if (this.mayOffer(agent, client, forRole(free, client.role))) clearBit(blocked, slot);
      else blocked[slot >>> 5] = (blocked[slot >>> 5] as number) | (1 << (slot & 31));
    }
  }
}

const nobody: readonly Role[] = [];

function reservationRoles(bag: Bag): readonly Role[] {
  let roles: Role[] | undefined;
  for (let i = 0; i < bag.length; i += 1) {
    const role = bag[i]?.label.role;
    if (role === undefined) continue;
    roles ??= [];
    if (!roles.includes(role)) roles.push(role);
  }
  return roles ?? nobody;
}
