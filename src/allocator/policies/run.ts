// One run of a policy: what all ways of going through frameworks and agents share. In: a client and an agent. Out: a grant, or none.
import type { Bag } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Bits } from '../../base/bits.js';
import { setBit } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import type { Cycle } from '../cycle/cycle.js';
import { pick } from '../cycle/hierarchical.js';
import type { RoleTree } from '../sorter/role-tree.js';
import type { Visits } from './agents/agent-order.js';
import type { Scoring } from './orders/scoring.js';
import type { Facts } from './facts.js';
import type { Portions } from './granularity.js';

/** What a policy keeps from run to run. */
export interface Parts {
  readonly tree: RoleTree;
  /** Undefined: the sorter's own. */
  readonly scoring: Scoring | undefined;
  readonly facts: Facts;
  readonly portions: Portions;
  readonly visits: Visits | undefined;
  /** With optimistic commit: how many clients may have a copy of one agent. */
  readonly copiesMax: number | undefined;
}

// A framework of very small tasks must not make a run endless. The rest waits for the next one.
const slicesMax = 256;

export class Run {
  readonly cycle: Cycle;
  readonly parts: Parts;
  // How often each agent was granted in this run, where that may be often.
  readonly #slices: Map<PoolAgent, number> | undefined;

  constructor(cycle: Cycle, parts: Parts) {
    this.cycle = cycle;
    this.parts = parts;
    this.#slices = parts.portions.areSlices ? new Map<PoolAgent, number>() : undefined;
  }

  get isOptimistic(): boolean {
    return this.parts.copiesMax !== undefined;
  }

  /** Whether the client has a copy of the agent that is not over: it is not offered the agent again before. */
  hasCopy(client: Client, agent: PoolAgent): boolean {
    return this.isOptimistic && this.cycle.state.copies.has(client, agent);
  }

  /** Whether anything of the agent may be offered to anyone. */
  isOpen(agent: PoolAgent): boolean {
    const { copiesMax } = this.parts;
    if (!agent.active || agent.free.length === 0) return false;
    if (copiesMax !== undefined && this.cycle.state.copies.countOf(agent) >= copiesMax) return false;
    return (this.#slices?.get(agent) ?? 0) < slicesMax;
  }

  /** Whether nothing has changed since nobody was found for the agent. Filters that are over count as a change. */
  isSettled(agent: PoolAgent): boolean {
    this.cycle.eligibility.expire(agent, this.cycle.nowMs);
    return !this.isOptimistic && agent.settledAt === this.cycle.state.clients.version;
  }

  /** Nobody may have what is free on the agent. */
  settle(agent: PoolAgent): void {
    if (!this.isOptimistic) agent.settledAt = this.cycle.state.clients.version;
  }

  /** The clients that may not have what is free on the agent. Overwritten by the next call. */
  blocked(agent: PoolAgent): Bits {
    const blocked = this.cycle.eligibility.blocked(agent);
    const { facts, portions } = this.parts;
    if (portions.areTasks) facts.blockUnfit(agent, blocked);
    if (this.isOptimistic) {
      this.cycle.state.copies.forEachOf(agent, ({ slot }) => {
        if (slot >>> 5 < blocked.length) setBit(blocked, slot);
      });
    }
    return blocked;
  }

  /** The first client in order of those that are active and not blocked. */
  first(blocked: Bits, agent: PoolAgent): Client | undefined {
    const { state } = this.cycle;
    const { scoring, tree } = this.parts;
    return scoring?.first === undefined ? pick(state, blocked) : state.clients.at(scoring.first(tree, blocked, agent));
  }

  /** Grants the client one portion of the agent. False: there is none that it may have now. */
  offer(client: Client, agent: PoolAgent): boolean {
    const { cycle } = this;
    const { facts, portions, visits } = this.parts;
    if (client.node === undefined || !facts.isActive(client.slot) || this.hasCopy(client, agent)) return false;
    const visible = cycle.visible(client, agent);
    if (visible.length === 0) return false;
    const portion = portions.of(client, agent, cycle.offerable(client, agent, visible));
    if (portion.length === 0 || !cycle.mayOffer(client, agent, portion)) return false;
    this.#grant(client, agent, portion);
    this.#slices?.set(agent, (this.#slices.get(agent) ?? 0) + 1);
    visits?.granted?.(agent);
    return true;
  }

  #grant(client: Client, agent: PoolAgent, portion: Bag): void {
    if (!this.isOptimistic) {
      this.parts.facts.taken(portion);
      this.cycle.grant(client, agent, portion);
    } else {
      // Each offer has resources of its own, by which it is known when it ends.
      this.cycle.grant(client, agent, [...portion]);
    }
  }
}
