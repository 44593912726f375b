// Nobody waits for long while others sit on offers. In: clients that batch runs passed over, offers that are out for long. Out: offers to be taken
// back for them, and a promise that they get what returns. The rule and its bound: docs/decisions/008-starvation.md.
import type { Bag } from '../../resources/index.js';
import { add, forRole, withoutCapabilities } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Grant, TakenBack } from '../model.js';
import { forEachBit } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import { isUsable, needsOf } from '../clients/clients.js';
import type { PolicyEngine } from './cycle.js';
import type { Eligibility } from './eligibility.js';
import type { AllocatorState } from '../state.js';
import { reaches } from '../filters/min-allocatable.js';
import { isBefore } from '../sorter/standing.js';

export interface StarvationOptions {
  /** A client waits, and an offer is out, for long when it was for this many batch runs. */
  readonly patienceRuns: number;
  readonly allocationIntervalMs: number;
}

interface Offer {
  readonly agent: PoolAgent;
  readonly client: Client;
  readonly resources: Bag;
  readonly offeredMs: number;
  readonly grant: Grant;
}

// What one look may cost: tests of an agent for a client. Whom it does not come to is looked at after the next batch.
const testsMax = 5000;

/** Looks after batch runs. What clients wait is counted by the runs themselves, so that nothing is to be done while nobody waits for long. */
export class Starvation {
  readonly #state: AllocatorState;
  readonly #eligibility: Eligibility;
  readonly #engine: PolicyEngine;
  readonly #options: StarvationOptions;
  // Before this no offer is out for long.
  #nextLookMs = 0;
  // Clients that a look which had to end early came to: the next one begins after them.
  readonly #examined = new Set<Client>();

  constructor(state: AllocatorState, eligibility: Eligibility, engine: PolicyEngine, options: StarvationOptions) {
    this.#state = state;
    this.#eligibility = eligibility;
    this.#engine = engine;
    this.#options = options;
  }

  /** Offers whose return would serve clients that waited for long, oldest first for each. The agents are promised to these. */
  look(nowMs: number): readonly TakenBack[] {
    if (nowMs < this.#nextLookMs) return [];
    const waiting = this.#waiting();
    if (waiting.length === 0) return [];
    const { old, holders } = this.#offers(nowMs);
    const out: TakenBack[] = [];
    let tests = 0;
    for (const client of waiting) {
      if (old.size === 0) break;
      if (this.#examined.has(client)) continue;
      if (tests >= testsMax) return out;
      this.#examined.add(client);
      // Who holds an offer is not waiting for one.
      if (holders.has(client)) client.servedIn = this.#state.batch;
      else tests += this.#serve(client, old, out);
    }
    this.#examined.clear();
    return out;
  }

  // Finds an agent for a client, takes it off the list, and notes its offers. Out: how many were looked at.
  #serve(client: Client, old: Map<PoolAgent, Offer[]>, out: TakenBack[]): number {
    let tests = 0;
    for (const [agent, offers] of old) {
      tests += 1;
      const needed =
        this.#engine.optimistic === true
          ? this.#neededCopy(client, agent, offers)
          : this.#needed(client, agent, offers);
      if (needed === undefined) continue;
      old.delete(agent);
      agent.promisedTo = client;
      this.#state.pool.indebted.add(agent);
      client.servedIn = this.#state.batch;
      const waiting = { frameworkId: client.framework.id, role: client.role };
      for (const { grant } of needed) out.push({ ...grant, waiting });
      break;
    }
    return tests;
  }

  // Clients that were granted nothing they can use for long, in order.
  #waiting(): Client[] {
    const { clients, tree, batch } = this.#state;
    const out: Client[] = [];
    forEachBit(clients.active, slot => {
      const client = clients.at(slot);
      if (client?.node !== undefined && batch - client.servedIn >= this.#options.patienceRuns) out.push(client);
    });
    if (out.length === 0) return out;
    tree.refresh();
    return out.sort((a, b) => (a.node === undefined || b.node === undefined ? 0 : tree.compare(a.node, b.node)));
  }

  // Offers that are out for long, by agent, the agent with the oldest first; and everybody who holds offers.
  #offers(nowMs: number): { readonly old: Map<PoolAgent, Offer[]>; readonly holders: ReadonlySet<Client> } {
    const { patienceRuns, allocationIntervalMs } = this.#options;
    const patienceMs = patienceRuns * allocationIntervalMs;
    const holders = new Set<Client>();
    const found: Offer[] = [];
    let firstMs = nowMs;
    for (const offer of this.#engine.optimistic === true ? this.#copies() : this.#booked()) {
      const { client, agent, resources, offeredMs } = offer;
      if (isUsable(client, resources)) holders.add(client);
      firstMs = Math.min(firstMs, offeredMs);
      if (nowMs - offeredMs >= patienceMs && agent.active) found.push(offer);
    }
    this.#nextLookMs = found.length > 0 ? nowMs : firstMs + patienceMs;
    const old = new Map<PoolAgent, Offer[]>();
    for (const offer of found.sort((a, b) => a.offeredMs - b.offeredMs || a.agent.slot - b.agent.slot)) {
      const there = old.get(offer.agent);
      if (there === undefined) old.set(offer.agent, [offer]);
      else there.push(offer);
    }
    return { old, holders };
  }

  *#booked(): Iterable<Offer> {
    for (const agent of this.#state.pool.values()) {
      for (const [client, parts] of agent.held) {
        for (const { offer, resources, offeredMs } of parts) {
          if (offer === undefined) continue;
          yield { agent, client, resources, offeredMs, grant: grantOf(client, agent, offer) };
        }
      }
    }
  }

  *#copies(): Iterable<Offer> {
    for (const copy of this.#state.copies.values()) yield { ...copy, resources: copy.grant.resources };
  }

  // The oldest offers on `agent`, held by clients that come after this one, with which what is free there is what it needs.
  #needed(client: Client, agent: PoolAgent, offers: readonly Offer[]): readonly Offer[] | undefined {
    const taken: Offer[] = [];
    let free = agent.free;
    for (const offer of offers) {
      if (!isBefore(this.#state.tree, client, offer.client)) continue;
      taken.push(offer);
      free = add(free, offer.resources);
      if (this.#serves(client, agent, free)) return taken;
    }
    return undefined;
  }

  // A copy books nothing, so its holder's share does not tell that it sits on it, and nobody loses more than a turn: where there is no room for one
  // more copy, the oldest that is not of a higher class goes. Or the client's own, when it is of before there was what it needs.
  #neededCopy(client: Client, agent: PoolAgent, offers: readonly Offer[]): readonly Offer[] | undefined {
    const { tree, copies } = this.#state;
    const { node } = client;
    if (node === undefined) return undefined;
    let offer = offers.find(one => one.client === client);
    if (offer === undefined) {
      if (copies.has(client, agent) || this.#engine.hasRoom?.(agent, copies) !== false) return undefined;
      const own = tree.classOf(node);
      offer = offers.find(one => one.client.node === undefined || tree.classOf(one.client.node) <= own);
    }
    return offer !== undefined && this.#serves(client, agent, agent.free) ? [offer] : undefined;
  }

  #serves(client: Client, agent: PoolAgent, free: Bag): boolean {
    const visible = withoutCapabilities(forRole(free, client.role), client.framework);
    const offerable = this.#state.quota.offerable(client, visible);
    return reaches(offerable, needsOf(client)) && this.#eligibility.mayOffer(agent, client, offerable);
  }
}

function grantOf({ framework, role }: Client, agent: PoolAgent, resources: Bag): Grant {
  return { frameworkId: framework.id, role, agentId: agent.id, resources };
}
