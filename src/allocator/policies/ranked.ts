// Frameworks first, or pairs: each framework in turn gets the agent that is best for it. In: agents and a score. Out: steps of a run.
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Client } from '../clients/clients.js';
import type { Bits } from '../../base/bits.js';
import { setBit } from '../../base/bits.js';
import type { Steps } from '../cycle/cycle.js';
import type { AgentScore } from './agents/agent-order.js';
import type { ClientDemand } from './facts.js';
import { fits } from './facts.js';
import { Field } from './field.js';
import { Ranking } from './ranking.js';
import type { Cursor } from './ranking.js';
import type { Run } from './run.js';

/** Agents on which not even one task fits come after all others: what is known of tasks may be wrong. */
const unfit = 1e12;

/** The first framework in order that may have something gets a portion of the agent that is best for it, again and again. */
export function frameworksFirst(run: Run, agents: PoolAgent[], score: AgentScore): Steps {
  const best = new BestAgents(run, agents, score);
  const { clients } = run.cycle.state;
  let exhausted: Bits = new Uint32Array(clients.words);
  return {
    step: () => {
      const any = best.field.agents[0];
      if (any === undefined || !best.field.hasOpen) return false;
      if (exhausted.length < clients.words) {
        const longer: Bits = new Uint32Array(clients.words);
        longer.set(exhausted);
        exhausted = longer;
      }
      const client = run.first(exhausted, any);
      if (client === undefined) return false;
      const at = best.of(client);
      if (at < 0) setBit(exhausted, client.slot);
      else best.offer(client, at);
      return true;
    },
  };
}

/**
 * The least of all pairs, again and again. A pair's score is the framework's own score times the factor of the agent, and may only rise
 * during a
 * run (the one with what is held, the other as free resources get less): so what a client's least one was is a lower bound of what it is.
 */
export function pairs(run: Run, agents: PoolAgent[], factor: AgentScore): Steps {
  const best = new BestAgents(run, agents, factor);
  const { tree } = run.cycle.state;
  const queue: Bound[] = [];
  const push = (client: Client, key: number): void => {
    if (client.node === undefined) return;
    insert(queue, { client, key, count: tree.columns.byCount ? (tree.columns.counts[client.node.id] ?? 0) : 0 });
  };
  for (const slot of tree.ordered()) {
    const client = run.cycle.state.clients.at(slot);
    if (client !== undefined) push(client, Number.NEGATIVE_INFINITY);
  }
  return {
    step: () => {
      if (!best.field.hasOpen) return false;
      const bound = queue.pop();
      if (bound === undefined) return false;
      const { client } = bound;
      const at = best.of(client);
      if (at < 0 || client.node === undefined) return queue.length > 0;
      const key = pairScore(tree.columns.shares[client.node.id] ?? 0, best.keyOf(client, at));
      const next = queue.at(-1);
      if (next === undefined || compareBounds({ ...bound, key }, next) <= 0) best.offer(client, at);
      push(client, key);
      return true;
    },
  };
}

function pairScore(share: number, factor: number): number {
  return factor >= unfit ? unfit + share : share * factor;
}

/** A client, and what its least pair costs at least. */
interface Bound {
  readonly client: Client;
  readonly key: number;
  readonly count: number;
}

// Keeps the least at the end.
function insert(queue: Bound[], bound: Bound): void {
  let low = 0;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBounds(queue[middle] as Bound, bound) > 0) low = middle + 1;
    else high = middle;
  }
  queue.splice(low, 0, bound);
}

function compareBounds(a: Bound, b: Bound): number {
  return (a.key === b.key ? 0 : a.key - b.key) || a.count - b.count || comparePaths(a.client, b.client);
}

function comparePaths(a: Client, b: Client): number {
  if (a.role !== b.role) return a.role < b.role ? -1 : 1;
  return a.framework.id < b.framework.id ? -1 : a === b ? 0 : 1;
}

// So many agents that are not for a client may stand before its best one, before it gets a ranking of its own.
const skippedMax = 32;

/** For each client the best agent that it may have. */
class BestAgents {
  readonly field: Field;
  readonly #run: Run;
  readonly #score: AgentScore;
  /** Places of agents that changed, in the order of changes. */
  readonly #changes: number[] = [];
  readonly #rankings: (Ranking | undefined)[] = [];
  readonly #seats = new Map<Client, Seat>();

  constructor(run: Run, agents: readonly PoolAgent[], score: AgentScore) {
    this.#run = run;
    this.#score = score;
    this.field = new Field(run, agents);
  }

  /** The place of the best agent for a client; -1 for none. */
  of(client: Client): number {
    const { field } = this;
    const { slot } = client;
    const seat = this.#seatOf(client);
    const accepts = (at: number): boolean =>
      field.isOpen(at) && field.may(at, slot) && !this.#run.hasCopy(client, field.agents[at] as PoolAgent);
    seat.ranking.catchUp(this.#changes);
    const found = seat.ranking.best(seat.cursor, accepts);
    if (seat.cursor.skipped > skippedMax && !seat.isOwn) {
      // Most agents are not for this client: in a ranking of its own they are not met again and again.
      seat.isOwn = true;
      seat.cursor = { at: 0, skipped: 0 };
      seat.ranking = this.#newRanking(this.#run.parts.facts.demandOf(client), accepts);
    }
    return found;
  }

  keyOf(client: Client, at: number): number {
    return this.#seatOf(client).ranking.keyOf(at);
  }

  offer(client: Client, at: number): void {
    const { field } = this;
    const isOffered = this.#run.offer(client, field.agents[at] as PoolAgent);
    if (!isOffered) field.deny(at, client.slot);
    const isOpen = field.isOpen(at);
    if (!isOpen) field.closed();
    // An optimistic offer changes nothing on the agent.
    if (isOffered && (!isOpen || !this.#run.isOptimistic)) this.#changes.push(at);
  }

  #seatOf(client: Client): Seat {
    let seat = this.#seats.get(client);
    if (seat === undefined) {
      const demand = this.#run.parts.facts.demandOf(client);
      let ranking = this.#rankings[demand.kind];
      ranking ??= this.#newRanking(demand, at => this.field.isOpen(at));
      this.#rankings[demand.kind] = ranking;
      seat = { ranking, cursor: { at: 0, skipped: 0 }, isOwn: false };
      this.#seats.set(client, seat);
    }
    return seat;
  }

  // Agents that are not accepted now will not be later.
  #newRanking(demand: ClientDemand, accepts: (at: number) => boolean): Ranking {
    const { facts, portions } = this.#run.parts;
    const { agents } = this.field;
    const least = portions.areTasks ? demand.least : undefined;
    const isFor = (at: number): boolean =>
      accepts(at) && (least === undefined || fits(least, facts.freeOf(agents[at] as PoolAgent)));
    return new Ranking(
      agents.length,
      at => (isFor(at) ? this.#rate(demand, agents[at] as PoolAgent) : Number.NaN),
      this.#changes.length,
    );
  }

  #rate({ vector }: ClientDemand, agent: PoolAgent): number {
    const { facts } = this.#run.parts;
    const free = facts.freeOf(agent);
    const score = this.#score(vector, free, facts.totalOf(agent), facts.columns.names);
    if (Number.isNaN(score)) return 2 * unfit;
    if (fits(vector, free)) return score;
    return Number.isFinite(score) ? unfit + score : 2 * unfit;
  }
}

/** Where a client looks for its agents. */
interface Seat {
  ranking: Ranking;
  cursor: Cursor;
  /** The ranking has only agents that are for this client. */
  isOwn: boolean;
}
