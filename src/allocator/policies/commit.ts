// The fourth axis of a policy: whether an offer books what it offers. Pessimistic: nobody else is offered it meanwhile. Optimistic:
// several are,
// and the accept decides. In: offers made and ended. Out: who may be offered an agent again.
import type { PoolAgent } from '../agent-pool.js';
import type { Client } from '../clients.js';

/**
 * When an offer takes its resources. `pessimistic`: when it is made. `optimistic`: when it is accepted, as far as there is no conflict
 * then. `test`: what a
 * conflict is: `fit`, something is not free any more; `sequence`, anything changed on the agent since the offer. `transaction`: what
 * becomes of an accept
 * with a conflict: `incremental`, what fits is done; `all-or-nothing`, nothing is. `copies`: how many offers of one agent are out at
 * once at most.
 * Source: Schwarzkopf et al., "Omega" (EuroSys 2013).
 */
export type Commit =
  | { readonly kind: 'pessimistic' }
  | {
      readonly kind: 'optimistic';
      readonly test: 'fit' | 'sequence';
      readonly transaction: 'incremental' | 'all-or-nothing';
      readonly copies: number;
    };

/** As it is written in flags. */
export function commitName(commit: Commit): string {
  return commit.kind === 'pessimistic'
    ? commit.kind
    : `optimistic:${commit.test},${commit.transaction},copies=${commit.copies}`;
}

interface Copies {
  /** By client: the agent's version of each offer that is out. */
  readonly out: Map<Client, number[]>;
  count: number;
}

/** The offers that are out, of each agent. */
export class CopyBook {
  readonly #max: number;
  readonly #byAgent = new WeakMap<PoolAgent, Copies>();

  /** `max` per agent. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whether an agent may be offered once more. */
  hasRoom(agent: PoolAgent): boolean {
    return (this.#byAgent.get(agent)?.count ?? 0) < this.#max;
  }

  /** Whether the client has an offer of the agent as it is now. After a change it may get another one beside the old. */
  has(client: Client, agent: PoolAgent): boolean {
    return this.#byAgent.get(agent)?.out.get(client)?.includes(agent.version) ?? false;
  }

  /** Calls `visit` with each client that has an offer of the agent as it is now. */
  forEach(agent: PoolAgent, visit: (client: Client) => void): void {
    const copies = this.#byAgent.get(agent);
    if (copies === undefined) return;
    for (const [client, versions] of copies.out) if (versions.includes(agent.version)) visit(client);
  }

  add(client: Client, agent: PoolAgent): void {
    let copies = this.#byAgent.get(agent);
    if (copies === undefined) {
      copies = { out: new Map(), count: 0 };
      this.#byAgent.set(agent, copies);
    }
    const versions = copies.out.get(client);
    if (versions === undefined) copies.out.set(client, [agent.version]);
    else versions.push(agent.version);
    copies.count += 1;
  }

  /** An offer is over. One that is not known (it was made by a former master's policy, say) is nothing to us. */
  end(client: Client, agent: PoolAgent, version: number): void {
    const copies = this.#byAgent.get(agent);
    const versions = copies?.out.get(client);
    const at = versions?.indexOf(version) ?? -1;
    if (copies === undefined || versions === undefined || at < 0) return;
    versions.splice(at, 1);
    copies.count -= 1;
    if (versions.length === 0) copies.out.delete(client);
  }
}
