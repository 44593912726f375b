// Offers of optimistic commit: several clients may have been offered the same resources, and nothing is booked. In: grants, their ends. Out: which
// are outstanding, of whom and of which agent; against limits they count like any offer, and they meet no guarantee.
import type { Bag } from '../../resources/index.js';
import type { PoolAgent } from './agent-pool.js';
import type { Grant } from '../model.js';
import type { Client } from '../clients/clients.js';
import type { QuotaBook } from '../quota/quota-book.js';

export interface Copy {
  readonly client: Client;
  readonly agent: PoolAgent;
  readonly grant: Grant;
  /** Monotonic. */
  readonly offeredMs: number;
}

/** All outstanding ones, by the resources object of the grant. A client has one of an agent at most. */
export class Copies {
  readonly #quota: QuotaBook;
  readonly #all = new Map<Bag, Copy>();
  readonly #byAgent = new Map<PoolAgent, Map<Client, Copy>>();

  constructor(quota: QuotaBook) {
    this.#quota = quota;
  }

  add(client: Client, agent: PoolAgent, grant: Grant, nowMs: number): void {
    const copy = { client, agent, grant, offeredMs: nowMs };
    this.#all.set(grant.resources, copy);
    const there = this.#byAgent.get(agent);
    if (there === undefined) this.#byAgent.set(agent, new Map([[client, copy]]));
    else there.set(client, copy);
    this.#quota.chargeCopy(client, grant.resources, 1);
  }

  /** Ends the one made of `resources`; undefined when it is over already. */
  end(resources: Bag): Copy | undefined {
    const copy = this.#all.get(resources);
    if (copy === undefined) return undefined;
    const { client, agent } = copy;
    this.#all.delete(resources);
    const there = this.#byAgent.get(agent);
    if (there?.get(client) === copy) there.delete(client);
    if (there?.size === 0) this.#byAgent.delete(agent);
    this.#quota.chargeCopy(client, resources, -1);
    return copy;
  }

  /** Ends all of a client or an agent that is gone. */
  endAll(gone: Client | PoolAgent): void {
    for (const [resources, { client, agent }] of this.#all) if (client === gone || agent === gone) this.end(resources);
  }

  /** The quota book was begun: it must know of them. */
  recharge(): void {
    for (const [resources, { client }] of this.#all) this.#quota.chargeCopy(client, resources, 1);
  }

  /** How many clients have a copy of the agent, be it of before something changed there. */
  countOf(agent: PoolAgent): number {
    return this.#byAgent.get(agent)?.size ?? 0;
  }

  has(client: Client, agent: PoolAgent): boolean {
    return this.#byAgent.get(agent)?.has(client) ?? false;
  }

  /** Calls `visit` with each client that has a copy of the agent. */
  forEachOf(agent: PoolAgent, visit: (client: Client) => void): void {
    const there = this.#byAgent.get(agent);
    if (there !== undefined) for (const client of there.keys()) visit(client);
  }

  values(): Iterable<Copy> {
    return this.#all.values();
  }
}
