// Why is nothing offered, or why does it not fit? In: the allocator's state, to be read only, and a question. Out: the tally of reasons over all
// agents, how the frameworks stand, and the changes that would help.
import type { FrameworkId, Role } from '../../base/ids.js';
import type { AttributeConstraint } from '../../protocol/entities.js';
import type { Bag, Wish } from '../../resources/index.js';
import { formatResources } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Client, Framework } from '../clients/clients.js';
import { Clients } from '../clients/clients.js';
import { noBits } from '../../base/bits.js';
import type { Eligibility } from '../cycle/eligibility.js';
import type { AllocatorState } from '../state.js';
import { findChanges } from './changes.js';
import type { Asker, Bound, Question, Surroundings, World } from './judge.js';
import { groupsOf, obstaclesOn, visibleTo } from './judge.js';
import { bookAfter, quotaBounds } from './quota-bounds.js';
import type { TalliedReason } from './tally.js';
import { Tally } from './tally.js';
import type { Near, TriedChange } from './trial.js';
import type { Minimum } from '../filters/min-allocatable.js';

/** What is asked. Without a framework: for anybody in the role, or with a wish for a framework that is not there yet. */
export interface ExplainQuery {
  readonly frameworkId?: FrameworkId;
  /** Without one: all roles of the framework. */
  readonly role?: Role;
  /** What is to be launched; without it, why no offers come. */
  readonly wish?: Wish;
  /** Of the launch: any of these groups, each an AND. */
  readonly constraints?: readonly (readonly AttributeConstraint[])[];
  /** Its scheduler launches nothing where an announced absence lasts, or begins within this time. Default: absences do not matter. */
  readonly absenceWithinMs?: number;
}

/** A framework in a role, and its place in the order. */
export interface Standing {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  readonly active: boolean;
  readonly subscribed: boolean;
  readonly suppressed: boolean;
  readonly share: number;
  /** From 1, among `competitors`; undefined when it may not be offered anything. */
  readonly position: number | undefined;
  readonly competitors: number;
}

/** The answer. */
export interface Explanation {
  readonly agents: number;
  readonly fits: number;
  readonly reasons: readonly TalliedReason[];
  readonly changes: readonly TriedChange[];
  readonly standings: readonly Standing[];
  /** How many frameworks in roles the reasons were looked for; of many, those that come first in the order. */
  readonly looked: number;
}

/** What explain reads of the allocator. */
export interface ExplainSource {
  readonly state: AllocatorState;
  readonly eligibility: Eligibility;
  readonly nowMs: number;
  /** Filters that are over go with a run over all agents: when the next is due. */
  readonly nextBatchMs: number;
  /** The minimum of a framework that does not name one. */
  readonly minimum: Minimum;
  readonly around: Surroundings;
}

/**
 * Looks at every agent once, and for an agent at whoever of the askers has the least in the way there. Nothing is changed: asking does not alter any
 * later run.
 */
export function explain(source: ExplainSource, query: ExplainQuery): Explanation {
  const { state } = source;
  const world = worldOf(source);
  const clients = clientsFor(source, query);
  const standings = standingsOf(state, clients);
  const looked = nearestInOrder(clients, standings, state.pool.size);
  const askers = looked.map(client => ({
    client,
    constraints: groupsOf(client.slot < 0 ? [] : source.around.constraintsOf(client.framework.id, client.role)),
  }));
  const question = questionOf(query);
  const tally = new Tally(world);
  const nears: Near[] = [];
  for (const agent of state.pool.values()) {
    const near = nearest(world, askers, agent, question);
    tally.add(agent.id, near.asker, near.obstacles);
    nears.push(near);
  }
  return {
    agents: state.pool.size,
    fits: tally.fits,
    reasons: tally.reasons(),
    changes: tally.fits > 0 ? [] : findChanges(world, nears, question, askers[0] as Asker),
    standings,
    looked: looked.length,
  };
}

function questionOf({ wish, constraints, absenceWithinMs }: ExplainQuery): Question {
  return { wish, constraints: groupsOf(constraints), absenceWithinMs };
}

/** How many agents a launch fits on now: the short form of `explain`. */
export function countFits(source: ExplainSource, query: ExplainQuery): number {
  const world = worldOf(source);
  const askers = clientsFor(source, query).map(client => ({
    client,
    constraints: groupsOf(client.slot < 0 ? [] : source.around.constraintsOf(client.framework.id, client.role)),
  }));
  const question = questionOf(query);
  let count = 0;
  for (const agent of source.state.pool.values()) {
    if (askers.some(asker => obstaclesOn(world, asker, agent, question).length === 0)) count += 1;
  }
  return count;
}

/** The minimum of frameworks that name none. */
export function minimumOf(sets: readonly Bag[]): Minimum {
  return { key: sets.map(formatResources).join('|'), sets, clients: noBits, count: 0 };
}

// Judgements of one question are bounded: clients × agents.
const judgementsMax = 40_000;

function worldOf(source: ExplainSource): World {
  const { state, eligibility, nowMs, nextBatchMs, around } = source;
  const { eras, quota } = state;
  const boundsOf = new Map<Role, readonly Bound[]>();
  return {
    nowMs,
    around,
    reasons: (agent, client) => eligibility.reasons(agent, client),
    filteredUntilMs: (agent, client, atMs) => {
      if (client.slot < 0 || agent.filters.firstUntilMs === Number.POSITIVE_INFINITY) return undefined;
      const offered = quota.offerable(client, visibleTo(client, agent.free));
      let lasting = false;
      const untilMs = agent.filters.blockedUntilMs(client, offered, (endMs, era) => {
        const aged = era < eras.survivedBefore;
        if (endMs <= atMs && (aged || nextBatchMs <= atMs)) return true;
        lasting ||= !aged;
        return false;
      });
      return untilMs !== undefined && lasting ? Math.max(untilMs, nextBatchMs) : untilMs;
    },
    bounds: client => {
      if (!quota.active) return none;
      let known = boundsOf.get(client.role);
      if (known === undefined) {
        known = quotaBounds(quota, client.role);
        boundsOf.set(client.role, known);
      }
      return known;
    },
    boundsAfter: (role, name, guarantees) => quotaBounds(bookAfter(quota, role, name, guarantees), role),
  };
}

const none: readonly Bound[] = [];

function nearest(world: World, askers: readonly Asker[], agent: PoolAgent, question: Question): Near {
  let best: Near | undefined;
  for (const asker of askers) {
    const obstacles = obstaclesOn(world, asker, agent, question);
    if (best === undefined || obstacles.length < best.obstacles.length) best = { agent, asker, obstacles };
    if (obstacles.length === 0) break;
  }
  return best ?? { agent, asker: askers[0] as Asker, obstacles: [] };
}

function clientsFor(source: ExplainSource, { frameworkId, role, wish }: ExplainQuery): readonly Client[] {
  const { clients, tree } = source.state;
  if (frameworkId !== undefined) {
    const framework = clients.frameworks.get(frameworkId);
    const all = [...(framework?.clients.values() ?? [])];
    const mine = role === undefined ? all.filter(client => client.subscribed) : all.filter(each => each.role === role);
    if (mine.length > 0) return mine;
    return [stranger(source.minimum, frameworkId, role ?? '*', framework, false)];
  }
  const wanted = role ?? '*';
  if (wish === undefined) {
    const inRole = tree
      .slotsIn(wanted, true)
      .flatMap(slot => clients.at(slot) ?? [])
      .filter(client => client.subscribed);
    if (inRole.length > 0) return inRole;
  }
  return [stranger(source.minimum, '', wanted, undefined, true)];
}

// A client that the allocator does not have: of a framework that is not in the role, or of one that is not there yet and would be let in.
function stranger(
  minimum: Minimum,
  id: FrameworkId,
  role: Role,
  of: Framework | undefined,
  subscribed: boolean,
): Client {
  const clients = new Clients();
  const made = clients.framework(id);
  const capable = { gpus: subscribed, regions: subscribed, revocable: subscribed, shared: subscribed };
  const framework = of ?? { ...made, present: subscribed, active: subscribed, ...capable };
  return { ...clients.ensure(made, role, 0), framework, slot: -1, subscribed, minimum };
}

function standingsOf(state: AllocatorState, clients: readonly Client[]): Standing[] {
  const { tree } = state;
  // Some policies order frameworks anew for each agent: then nobody has a place.
  let ordered: readonly number[] = [];
  if (tree.scored) {
    // Sorts what the next run would sort first anyway, by the same keys.
    tree.refresh();
    ordered = tree.ordered();
  }
  const position = new Map(ordered.map((slot, index) => [slot, index + 1]));
  return clients
    .filter(({ slot }) => slot >= 0)
    .map(({ framework, role, subscribed, suppressed, slot }) => ({
      frameworkId: framework.id,
      role,
      active: framework.present && framework.active,
      subscribed,
      suppressed,
      share: tree.dominantShare(role) / tree.weightOf(role),
      position: position.get(slot),
      competitors: ordered.length,
    }))
    .sort((a, b) => (a.position ?? Number.MAX_SAFE_INTEGER) - (b.position ?? Number.MAX_SAFE_INTEGER));
}

function nearestInOrder(clients: readonly Client[], standings: readonly Standing[], agents: number): readonly Client[] {
  const most = Math.max(1, Math.floor(judgementsMax / Math.max(1, agents)));
  const rank = new Map(standings.map(({ frameworkId, role }, index) => [JSON.stringify([frameworkId, role]), index]));
  const rankOf = ({ framework, role }: Client): number => rank.get(JSON.stringify([framework.id, role])) ?? 0;
  return [...clients].sort((a, b) => rankOf(a) - rankOf(b)).slice(0, most);
}
