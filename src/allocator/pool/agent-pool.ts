// Agents and what is free on them. In: totals, grants, bookings, returns. Out: free resources, exact: free plus held is the total, unless more
// is held than there is, then nothing of that kind is free. Shared volumes stay free however many hold them.
import { assert } from '../../base/assert.js';
import type { AgentId } from '../../base/ids.js';
import type { Bag } from '../../resources/index.js';
import {
  add,
  contains,
  emptyBag,
  exclusive,
  remainder,
  scalarMilli,
  shared,
  subtract,
  without,
} from '../../resources/index.js';
import type { AllocatorAgent, Conversion } from '../model.js';
import type { Bits } from '../../base/bits.js';
import { noBits } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import type { Part } from './holdings.js';
import { commitPart, convertParts, endOffer, heldOf, lostOf, returnParts, withoutShared } from './holdings.js';
import { AgentFilters } from '../filters/offer-filters.js';
import type { QuotaBook } from '../quota/quota-book.js';
import type { Standing } from '../sorter/standing.js';

/** An agent as the cycle sees it. */
export interface PoolAgent {
  readonly slot: number;
  readonly id: AgentId;
  info: AllocatorAgent;
  active: boolean;
  free: Bag;
  /** What each client was given, in the parts it was given in: most come back as they went, and then nothing is to be merged. */
  readonly held: Map<Client, Part[]>;
  /** Moves whenever free resources or the total change. */
  version: number;
  /** More is held than the total has. */
  overbooked: boolean;
  hasGpus: boolean;
  /** It has, or once had, shared volumes. */
  hasShared: boolean;
  /** The run in which its shared volumes were offered last. */
  sharedOfferedIn: number;
  /** Who is to have what returns from an offer that was taken back for it. */
  promisedTo: Client | undefined;
  /** Who sat on an offer until it returned unused, and how it stood then: it is not to have it again before those it stood after. */
  sat: { readonly client: Client; readonly standing: Standing } | undefined;
  filters: AgentFilters;
  /** Clients whose constraints exclude this agent, as far as they are in `judged`. */
  excluded: Bits;
  judged: Bits;
  /** The version of the clients at which nobody could be offered what is free; 0 since something changed here. */
  settledAt: number;
  /** Waits for the next run that visits candidates only. */
  candidate: boolean;
}

/** All agents, by id and by small integer. Tells the quota book of all changes. */
export class AgentPool {
  readonly #quota: QuotaBook;
  readonly #byId = new Map<AgentId, PoolAgent>();
  readonly #slots: (PoolAgent | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #candidates: PoolAgent[] = [];
  /** Agents with a promise, or with an offer that was sat on. */
  readonly indebted = new Set<PoolAgent>();
  /** Moves with every change of what is held or there. */
  changes = 0;

  constructor(quota: QuotaBook) {
    this.#quota = quota;
  }

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
    // What a run looks at of each agent comes first: it is the memory of thousands of them that takes time.
    const agent: PoolAgent = {
      active: true,
      free: info.total,
      settledAt: 0,
      filters: new AgentFilters(),
      hasGpus: scalarMilli(info.total, 'gpus') > 0,
      hasShared: hasShared(info.total),
      held: new Map(),
      version: 1,
      id: info.id,
      slot,
      info,
      overbooked: false,
      sharedOfferedIn: -1,
      promisedTo: undefined,
      sat: undefined,
      excluded: noBits,
      judged: noBits,
      candidate: false,
    };
    this.#slots[slot] = agent;
    this.#byId.set(info.id, agent);
    this.changes += 1;
    this.#quota.addAgent(agent, 1);
    return agent;
  }

  /** The agent is gone, with all that is held there. */
  remove(agent: PoolAgent): void {
    this.#quota.addAgent(agent, -1);
    this.#byId.delete(agent.id);
    this.indebted.delete(agent);
    this.#slots[agent.slot] = undefined;
    this.#freeSlots.push(agent.slot);
    // Out of the list of candidates, too: a run skips what is not active.
    agent.active = false;
    this.changes += 1;
  }

  /** What is free on an agent that is not active is kept for nobody. */
  setActive(agent: PoolAgent, active: boolean): void {
    if (agent.active === active) return;
    this.#quota.release(agent.free, active ? 1 : -1);
    agent.active = active;
  }

  /** New totals; what is held stays held. */
  update(agent: PoolAgent, info: AllocatorAgent): void {
    this.#quota.reserve(agent.info.total, -1);
    this.#quota.reserve(info.total, 1);
    agent.info = info;
    agent.hasGpus = scalarMilli(info.total, 'gpus') > 0;
    agent.hasShared ||= hasShared(info.total);
    this.#recount(agent);
  }

  /** Hands out part of what is free, as an offer when `offeredMs` is given. Returns what counts in the client's share for it. */
  take(agent: PoolAgent, client: Client, resources: Bag, offeredMs?: number): Bag {
    const taken = agent.hasShared ? exclusive(resources) : resources;
    return this.#take(
      agent,
      client,
      resources,
      taken === agent.free ? emptyBag : subtract(agent.free, taken),
      offeredMs,
    );
  }

  /** Books what is in use, be it free or not. Returns what counts in the client's share for it. */
  book(agent: PoolAgent, client: Client, resources: Bag): Bag {
    // Shared volumes have to be there, and stay.
    const rest = !agent.hasShared
      ? without(agent.free, resources)
      : contains(agent.free, resources)
        ? subtract(agent.free, exclusive(resources))
        : undefined;
    if (rest !== undefined) return this.#take(agent, client, resources, rest);
    const counted = agent.hasShared ? withoutShared(resources, heldOf(agent.held.get(client))) : resources;
    this.#hold(agent, client, resources, undefined);
    this.#recount(agent);
    return counted;
  }

  /** When `resources`, if they are an offer just as it was made, were offered. */
  offeredMs(agent: PoolAgent, client: Client, resources: Bag): number | undefined {
    const parts = agent.held.get(client) ?? [];
    for (let i = 0; i < parts.length; i += 1) {
      const { offer, offeredMs } = parts[i] as Part;
      if (offer === resources) return offeredMs;
    }
    return undefined;
  }

  /** Takes back what a client holds, or part of it: of `offered`, if it says so. Returns what no longer counts in the client's share. */
  give(agent: PoolAgent, client: Client, resources: Bag, offered?: Bag): Bag {
    const parts = partsOf(agent, client);
    const before = agent.hasShared ? heldOf(parts) : emptyBag;
    returnParts(parts, resources, offered);
    const counted = agent.hasShared ? lostOf(resources, before, heldOf(parts)) : resources;
    if (parts.length === 0) {
      agent.held.delete(client);
      client.heldOn -= 1;
    }
    this.#quota.charge(client, resources, -1);
    if (agent.overbooked) {
      this.#recount(agent);
      return counted;
    }
    const given = agent.hasShared ? exclusive(resources) : resources;
    agent.free = add(agent.free, given);
    if (agent.active) this.#quota.release(given, 1);
    this.#touch(agent);
    return counted;
  }

  /** Part of what is free, or of what `client` holds, becomes other resources, in the total as well. */
  convert(agent: PoolAgent, conversion: Conversion, client: Client | undefined): void {
    const { consumed, produced } = conversion;
    this.#quota.reserve(consumed, -1);
    this.#quota.reserve(produced, 1);
    agent.info = { ...agent.info, total: add(subtract(agent.info.total, consumed), produced) };
    agent.hasShared ||= hasShared(produced);
    if (client !== undefined) {
      convertParts(partsOf(agent, client), conversion);
      this.#quota.charge(client, consumed, -1);
      this.#quota.charge(client, produced, 1);
    }
    // Shared volumes are free while they are held.
    const [less, more] = client === undefined ? [consumed, produced] : [shared(consumed), shared(produced)];
    if (agent.active) {
      this.#quota.release(less, -1);
      this.#quota.release(more, 1);
    }
    agent.free = add(subtract(agent.free, less), more);
    this.#touch(agent);
  }

  /** Offered resources, or part of them, are in use now: of shared volumes, one use more. */
  commit(agent: PoolAgent, client: Client, resources: Bag): void {
    const parts = agent.held.get(client);
    if (parts !== undefined && agent.hasShared) commitPart(parts, resources);
  }

  /** An offer is over: what is left of it is in use. Returns what no longer counts in the client's share: shared volumes that no task took. */
  endOffer(agent: PoolAgent, client: Client, offered: Bag): Bag {
    const parts = agent.held.get(client);
    if (parts === undefined) return emptyBag;
    const dropped = endOffer(parts, offered);
    if (parts.length === 0) {
      agent.held.delete(client);
      client.heldOn -= 1;
    }
    return dropped.length === 0 ? dropped : withoutShared(dropped, heldOf(parts));
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

  // `rest`: what of the free ones stays free.
  #take(agent: PoolAgent, client: Client, resources: Bag, rest: Bag, offeredMs?: number): Bag {
    const counted = agent.hasShared ? withoutShared(resources, heldOf(agent.held.get(client))) : resources;
    agent.free = rest;
    if (agent.active) this.#quota.release(agent.hasShared ? exclusive(resources) : resources, -1);
    this.#hold(agent, client, resources, offeredMs);
    return counted;
  }

  #hold(agent: PoolAgent, client: Client, resources: Bag, offeredMs: number | undefined): void {
    this.#quota.charge(client, resources, 1);
    this.#touch(agent);
    const part: Part = { resources, offer: offeredMs === undefined ? undefined : resources, offeredMs: offeredMs ?? 0 };
    const parts = agent.held.get(client);
    if (parts !== undefined) {
      parts.push(part);
      return;
    }
    agent.held.set(client, [part]);
    client.heldOn += 1;
  }

  #recount(agent: PoolAgent): void {
    const { total } = agent.info;
    const before = agent.free;
    let held = emptyBag;
    for (const parts of agent.held.values()) for (const { resources } of parts) held = add(held, exclusive(resources));
    agent.overbooked = !contains(total, held);
    agent.free = agent.overbooked ? remainder(total, held) : subtract(total, held);
    if (agent.active) {
      this.#quota.release(before, -1);
      this.#quota.release(agent.free, 1);
    }
    this.#touch(agent);
  }

  #touch(agent: PoolAgent): void {
    agent.settledAt = 0;
    agent.version += 1;
    this.changes += 1;
  }
}

/** All that a client holds on an agent; a shared volume once. */
export function heldBy(agent: PoolAgent, client: Client): Bag {
  return heldOf(agent.held.get(client));
}

function partsOf(agent: PoolAgent, client: Client): Part[] {
  const parts = agent.held.get(client);
  assert(
    parts !== undefined,
    () => `framework ${client.framework.id} holds nothing of role ${client.role} on agent ${agent.id}`,
  );
  return parts;
}

function hasShared(total: Bag): boolean {
  return total.some(r => r.label.shared);
}

/** Whether two descriptions have the same attributes, in whatever order. */
export function sameAttributes(a: AllocatorAgent, b: AllocatorAgent): boolean {
  return a.attributes === b.attributes || canonical(a) === canonical(b);
}

function canonical({ attributes }: AllocatorAgent): string {
  return JSON.stringify(Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
