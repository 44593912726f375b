// One run in progress, as policies see it: what a client may be offered of an agent, and granting it. In: the state and a policy's picks.
// Out: grants, booked and grouped by framework.
import { must } from '../../base/assert.js';
import type { Random } from '../../env/random.js';
import type { Bag } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Grant, GrantBatch } from '../model.js';
import type { Client } from '../clients/clients.js';
import { isUsable } from '../clients/clients.js';
import type { Copies } from '../pool/copies.js';
import type { Eligibility } from './eligibility.js';
import type { AllocatorState } from '../state.js';
import type { RunKind } from './loop.js';
import type { RoleTree } from '../sorter/role-tree.js';

/** Which clients come first, on which agents, and how much they are offered. Plain data and a factory; one policy may serve many allocators. */
export interface AllocationPolicy {
  /** Each axis in words, with its tie-break: shown to operators. */
  readonly description: { readonly [axis: string]: unknown };
  /** Called once by each allocator. `excluded`: scalars that do not count in shares. */
  readonly start: (excluded: readonly string[]) => PolicyEngine;
}

/** A policy at work in one allocator. */
export interface PolicyEngine {
  /** The sorter: told of all that is held. */
  readonly tree: RoleTree;
  /** Whether grants are offers of the same resources to several clients, booked by `commit` only. Default false. */
  readonly optimistic?: boolean;
  /** Begins a run over `agents`, which are active and have something free; the list is the callee's to reorder. */
  begin(cycle: Cycle, agents: PoolAgent[]): Steps;
  /** In optimistic mode: whether one more client may be offered the agent. Default true. */
  hasRoom?(agent: PoolAgent, copies: Copies): boolean;
  /** How much one grant of this run is, where agents are cut into many: guarantees are served in such portions, too. Told before `begin`. */
  portions?(cycle: Cycle): Portion | undefined;
  /** A client is about to be forgotten, its slot to be used again. */
  dropped?(client: Client): void;
}

/** The part of what a client may have of an agent that one grant is; empty for none. */
export type Portion = (client: Client, agent: PoolAgent, offerable: Bag) => Bag;

/** The work of a run in small pieces. Between two of them other work may be done: agents and clients may change, come and go. */
export interface Steps {
  /** Does one piece, an agent's worth or so; false when there is nothing left to do. */
  step(): boolean;
}

/** Visits agents in the order given, one a step. */
export function agentByAgent(agents: readonly PoolAgent[], visit: (agent: PoolAgent) => void): Steps {
  let at = 0;
  return {
    step: () => {
      const agent = agents[at];
      if (agent === undefined) return false;
      at += 1;
      visit(agent);
      return at < agents.length;
    },
  };
}

/** What a run works with. */
export class Cycle {
  readonly state: AllocatorState;
  readonly eligibility: Eligibility;
  readonly kind: RunKind;
  /** Monotonic. Moves only between turns. */
  nowMs: number;
  readonly #newRandom: () => Random;
  /** Grants are offers that book nothing. */
  readonly optimistic: boolean;
  #random: Random | undefined;
  #batch: { readonly frameworkId: string; readonly grants: Grant[] }[] = [];
  #clients: Client[] = [];

  constructor(
    state: AllocatorState,
    eligibility: Eligibility,
    kind: RunKind,
    nowMs: number,
    random: () => Random,
    optimistic: boolean,
  ) {
    this.state = state;
    this.eligibility = eligibility;
    this.kind = kind;
    this.nowMs = nowMs;
    this.#newRandom = random;
    this.optimistic = optimistic;
  }

  /** The run's own stream of chance. */
  get random(): Random {
    this.#random ??= this.#newRandom();
    return this.#random;
  }

  /** All that is free on `agent` and that the client's role and capabilities let it see. */
  visible(client: Client, agent: PoolAgent): Bag {
    return this.eligibility.visible(agent, client);
  }

  /** The part of `visible` that quota lets the client have now. It may be below its minimum, or filtered: ask `mayOffer` of what is to be granted. */
  offerable(client: Client, _agent: PoolAgent, visible: Bag): Bag {
    return this.state.quota.offerable(client, visible);
  }

  /** Whether minima, filters, capabilities and constraints let the client be offered `resources` of `agent`. */
  mayOffer(client: Client, agent: PoolAgent, resources: Bag): boolean {
    return this.eligibility.mayOffer(agent, client, resources);
  }

  /** Gives `resources`, a part of what is free on `agent`, to the client. */
  grant(client: Client, agent: PoolAgent, resources: Bag): Grant {
    const { state } = this;
    const { framework } = client;
    if (agent.hasShared && resources.some(r => r.label.shared)) agent.sharedOfferedIn = state.run;
    const node = must(client.node, 'node of a client that is offered something');
    let grant: Grant = { frameworkId: framework.id, role: client.role, agentId: agent.id, resources };
    if (this.optimistic) {
      grant = { ...grant, sequence: agent.version };
      state.copies.add(client, agent, grant, this.nowMs);
      state.tree.countOffer(node);
    } else {
      const counted = state.pool.take(agent, client, resources, this.nowMs);
      state.tree.charge(node, counted);
    }
    state.tree.served(node);
    if (isUsable(client, resources)) client.servedIn = state.batch;
    if (framework.grants === undefined) {
      framework.grants = [];
      this.#batch.push({ frameworkId: framework.id, grants: framework.grants });
      this.#clients.push(client);
    }
    framework.grants.push(grant);
    return grant;
  }

  /** What was granted since the last call, grouped by framework in the order decided. */
  collect(): GrantBatch {
    for (const client of this.#clients) client.framework.grants = undefined;
    const batch = this.#batch;
    this.#batch = [];
    this.#clients = [];
    return batch;
  }
}
