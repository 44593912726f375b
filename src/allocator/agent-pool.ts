// Agents and what is free on them. In: totals, grants, bookings, returns. Out: free resources, exact: free plus held is the total, unless more
// is held than there is, then nothing of that kind is free.
import { assert } from '../base/assert.js';
import type { AgentId } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import { add, contains, emptyBag, remainder, scalarMilli, subtract, sum } from '../resources/index.js';
import type { AllocatorAgent, Conversion } from './allocator.js';
import type { Bits } from './bits.js';
import { noBits } from './bits.js';
import type { Client } from './clients.js';
import { AgentFilters } from './offer-filters.js';

/** An agent as the cycle sees it. */
export interface PoolAgent {
  readonly slot: number;
  readonly id: AgentId;
  info: AllocatorAgent;
  active: boolean;
  free: Bag;
  /** What each client was given, in the parts it was given in: most come back as they went, and then nothing is to be merged. */
  readonly held: Map<Client, Bag[]>;
  /** Moves whenever free resources or the total change. */
  version: number;
  /** More is held than the total has. */
  overbooked: boolean;
  hasGpus: boolean;
  filters: AgentFilters;
  /** Clients whose constraints exclude this agent, as far as they are in `judged`. */
  excluded: Bits;
  judged: Bits;
  /** The version of the clients at which nobody could be offered what is free; 0 since something changed here. */
  settledAt: number;
  /** Waits for the next run that visits candidates only. */
  candidate: boolean;
}

/** All agents, by id and by small integer. */
export class AgentPool {
  readonly #byId = new Map<AgentId, PoolAgent>();
  readonly #slots: (PoolAgent | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #candidates: PoolAgent[] = [];

  get size(): number {
    return this.#byId.size;
  }

  get(id: AgentId): PoolAgent | undefined {
    return this.#byId.get(id);
  }

  at(slot: number): PoolAgent | undefined {
    return this.#slots[slot];
  }

  values(): Iterable<PoolAgent> {
    return this.#byId.values();
  }

  add(info: AllocatorAgent): PoolAgent {
    assert(!this.#byId.has(info.id), () => `agent ${info.id} is there already`);
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const agent: PoolAgent = {
      slot,
      id: info.id,
      info,
      active: true,
      free: info.total,
      held: new Map(),
      version: 1,
      overbooked: false,
      hasGpus: scalarMilli(info.total, 'gpus') > 0,
      filters: new AgentFilters(),
      excluded: noBits,
      judged: noBits,
      settledAt: 0,
      candidate: false,
    };
    this.#slots[slot] = agent;
    this.#byId.set(info.id, agent);
    return agent;
  }

  remove(agent: PoolAgent): void {
    this.#byId.delete(agent.id);
    this.#slots[agent.slot] = undefined;
    this.#freeSlots.push(agent.slot);
    // Out of the list of candidates, too: a run skips what is not active.
    agent.active = false;
  }

  /** New totals; what is held stays held. */
  update(agent: PoolAgent, info: AllocatorAgent): void {
    agent.info = info;
    agent.hasGpus = scalarMilli(info.total, 'gpus') > 0;
    recount(agent);
  }

  /** Hands out part of what is free. */
  take(agent: PoolAgent, client: Client, resources: Bag): void {
    agent.free = resources === agent.free ? emptyBag : subtract(agent.free, resources);
    touch(agent);
    hold(agent, client, resources);
  }

  /** Books what is in use, be it free or not. */
  book(agent: PoolAgent, client: Client, resources: Bag): void {
    if (contains(agent.free, resources)) {
      this.take(agent, client, resources);
      return;
    }
    hold(agent, client, resources);
    recount(agent);
  }

  /** Takes back what a client holds, or part of it. */
  give(agent: PoolAgent, client: Client, resources: Bag): void {
    const parts = agent.held.get(client);
    assert(
      parts !== undefined,
      () => `framework ${client.framework.id} holds nothing of role ${client.role} on agent ${agent.id}`,
    );
    const at = parts.indexOf(resources);
    if (at >= 0) parts.splice(at, 1);
    else {
      const left = subtract(sum(parts), resources);
      parts.length = 0;
      if (left.length > 0) parts.push(left);
    }
    if (parts.length === 0) {
      agent.held.delete(client);
      client.heldOn -= 1;
    }
    touch(agent);
    if (agent.overbooked) recount(agent);
    else agent.free = add(agent.free, resources);
  }

  /** Part of what is free, or of what `client` holds, becomes other resources, in the total as well. */
  convert(agent: PoolAgent, { consumed, produced }: Conversion, client: Client | undefined): void {
    agent.info = { ...agent.info, total: add(subtract(agent.info.total, consumed), produced) };
    touch(agent);
    if (client === undefined) {
      agent.free = add(subtract(agent.free, consumed), produced);
      return;
    }
    const parts = agent.held.get(client);
    assert(
      parts !== undefined,
      () => `framework ${client.framework.id} holds nothing of role ${client.role} on agent ${agent.id}`,
    );
    const converted = add(subtract(sum(parts), consumed), produced);
    parts.length = 0;
    parts.push(converted);
  }

  /** Marks an agent for the next run over candidates. */
  mark(agent: PoolAgent): void {
    if (agent.candidate) return;
    agent.candidate = true;
    this.#candidates.push(agent);
  }

  /** Agents that a run has something to give of, `all` or the marked ones, in order of their slots; takes the marks off. */
  visitable(all: boolean): PoolAgent[] {
    const marked = this.#candidates;
    this.#candidates = [];
    for (const agent of marked) agent.candidate = false;
    const from = all ? this.#slots : marked.sort((a, b) => a.slot - b.slot);
    const out: PoolAgent[] = [];
    for (const agent of from) if (agent !== undefined && agent.active && agent.free.length > 0) out.push(agent);
    return out;
  }
}

/** All that a client holds on an agent. */
export function heldBy(agent: PoolAgent, client: Client): Bag {
  return sum(agent.held.get(client) ?? []);
}

function touch(agent: PoolAgent): void {
  agent.settledAt = 0;
  agent.version += 1;
}

function hold(agent: PoolAgent, client: Client, resources: Bag): void {
  const parts = agent.held.get(client);
  if (parts !== undefined) {
    parts.push(resources);
    return;
  }
  agent.held.set(client, [resources]);
  client.heldOn += 1;
}

function recount(agent: PoolAgent): void {
  const { total } = agent.info;
  const held = sum([...agent.held.values()].flat());
  touch(agent);
  agent.overbooked = !contains(total, held);
  agent.free = agent.overbooked ? remainder(total, held) : subtract(total, held);
}
