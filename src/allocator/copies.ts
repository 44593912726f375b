// Offers of optimistic commit: several clients may have been offered the same resources, and nothing is booked. In: grants, their ends. Out: which
// are outstanding; against limits they count like any offer.
import type { Bag } from '../resources/index.js';
import type { PoolAgent } from './agent-pool.js';
import type { Grant } from './allocator.js';
import type { Client } from './clients.js';
import type { QuotaBook } from './quota.js';

interface Copy {
  readonly client: Client;
  readonly agent: PoolAgent;
  readonly grant: Grant;
}

/** All outstanding ones, by the resources object of the grant. */
export class Copies {
  readonly #quota: QuotaBook;
  readonly #all = new Map<Bag, Copy>();

  constructor(quota: QuotaBook) {
    this.#quota = quota;
  }

  add(client: Client, agent: PoolAgent, grant: Grant): void {
    this.#all.set(grant.resources, { client, agent, grant });
    this.#quota.charge(client, grant.resources, 1);
  }

  /** Ends the one made of `resources`; undefined when it is over already. */
  end(resources: Bag): Copy | undefined {
    const copy = this.#all.get(resources);
    if (copy === undefined) return undefined;
    this.#all.delete(resources);
    this.#quota.charge(copy.client, resources, -1);
    return copy;
  }

  /** Ends all of a client or an agent that is gone. */
  endAll(gone: Client | PoolAgent): void {
    for (const [resources, { client, agent }] of this.#all) if (client === gone || agent === gone) this.end(resources);
  }

  /** The quota book was begun: it must know of them. */
  recharge(): void {
    for (const [resources, { client }] of this.#all) this.#quota.charge(client, resources, 1);
  }
}
