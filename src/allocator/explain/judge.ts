// Whether a launch could be placed on one agent now, and if not, everything that is in the way. In: agent, framework in a role, wish, what else is
// known; all as values, so that a changed copy answers "what if". Out: obstacles; none means that only the order decides.
import type { AgentId, FrameworkId, Role } from '../../base/ids.js';
import type { AttributeConstraint } from '../../protocol/entities.js';
import type { AgentObstacle } from '../../protocol/explain.js';
import type { Bag, Resource, ScalarResource, Shortage, Wish } from '../../resources/index.js';
import {
  add,
  bare,
  contains,
  forRole,
  isForAnything,
  scalarMilli,
  shrinkUnreserved,
  sum,
  wishShortages,
  withoutCapabilities,
} from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { SkipReason } from '../model.js';
import type { Client } from '../clients/clients.js';
import type { AgentTest } from '../filters/constraints.js';
import { compileConstraints } from '../filters/constraints.js';
import { reaches } from '../filters/min-allocatable.js';

/** Part of an agent's resources in somebody's hand. */
export interface Holding {
  readonly what: 'OFFER' | 'TASK' | 'EXECUTOR';
  readonly id: string;
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  readonly resources: Bag;
  /** Undefined when it is not known. */
  readonly heldForMs: number | undefined;
  /** Of an offer: when it is taken back. */
  readonly endsInMs?: number;
}

/** What the master knows and the allocator does not. */
export interface Surroundings {
  /** Why an agent is offered to nobody; undefined when nothing speaks against it. */
  activityOf(id: AgentId): AgentObstacle | undefined;
  /** The announced absence of an agent, on the allocator's clock; undefined when there is none, or it is over. */
  absenceOf(id: AgentId): Absence | undefined;
  /** Outstanding offers of an agent, oldest first. */
  offersOn(id: AgentId): readonly Holding[];
  /** Tasks and executors that hold resources of an agent. */
  tasksOn(id: AgentId): readonly Holding[];
  /** The offer constraints of a framework in a role. */
  constraintsOf(id: FrameworkId, role: Role): readonly (readonly AttributeConstraint[])[];
}

/** When an agent is to be away. */
export interface Absence {
  readonly startMs: number;
  /** Undefined when that is not known. */
  readonly endMs: number | undefined;
}

/** A bound on what a role may have of a scalar, in thousandths. */
export interface Bound {
  readonly kind: 'QUOTA' | 'GUARANTEES';
  readonly name: string;
  /** What may still be handed out of unreserved resources. */
  readonly leftMilli: number;
  /** Of a quota: the role with the limit. Of guarantees: for whom the rest is kept. */
  readonly roles: readonly Role[];
  readonly limitMilli: number;
  readonly consumedMilli: number;
  /** Of guarantees: how much is guaranteed to each of these roles, and how much at least it must be: what it has, and what is guaranteed below it. */
  readonly promises?: () => readonly { readonly role: Role; readonly milli: number; readonly floorMilli: number }[];
}

/** Everything that does not depend on the agent. */
export interface World {
  readonly nowMs: number;
  /** Eligibility's verdict; filters, quota and what is free are judged here in more detail. */
  readonly reasons: (agent: PoolAgent, client: Client) => readonly SkipReason[];
  /** When the filters that keep the agent from the client are over; undefined when none does at `nowMs`. */
  readonly filteredUntilMs: (agent: PoolAgent, client: Client, nowMs: number) => number | undefined;
  /** What quota lets a client have. */
  readonly bounds: (client: Client) => readonly Bound[];
  /** The same if guarantees were changed so, of one scalar; with none changed, as it is. */
  readonly boundsAfter: (role: Role, name: string, guarantees: ReadonlyMap<Role, number>) => readonly Bound[];
  readonly around: Surroundings;
}

/** A framework in a role, with its offer constraints taken apart. */
export interface Asker {
  readonly client: Client;
  readonly constraints: Groups;
}

/** What is asked for; undefined resources: any offer at all. */
export interface Question {
  readonly wish: Wish | undefined;
  readonly constraints: Groups;
  /** The scheduler launches nothing where an absence lasts, or begins within this time; undefined: absences do not matter to it. */
  readonly absenceWithinMs?: number | undefined;
}

/** Constraints taken apart, for telling which of them fails. */
export type Groups = readonly (readonly SingleTest[])[];

export interface SingleTest {
  readonly constraint: AttributeConstraint;
  readonly text: string;
  readonly test: AgentTest;
}

/** One thing in the way of one launch on one agent. */
export type Obstacle =
  | { readonly kind: 'AGENT_INACTIVE'; readonly activity: AgentObstacle }
  | { readonly kind: 'ABSENCE'; readonly endMs: number | undefined }
  | { readonly kind: 'FRAMEWORK_INACTIVE' }
  | { readonly kind: 'NOT_SUBSCRIBED' | 'SUPPRESSED'; readonly role: Role }
  | { readonly kind: 'CAPABILITY'; readonly capability: Extract<SkipReason, { kind: 'capability' }>['capability'] }
  | { readonly kind: 'CONSTRAINT'; readonly of: 'REQUEST' | 'FRAMEWORK'; readonly text: string }
  | { readonly kind: 'TOO_SMALL' | 'IN_USE' | 'OFFERED' | 'OFFERED_TO_ITSELF'; readonly short: Shortage | undefined }
  | { readonly kind: 'RESERVED'; readonly short: Shortage | undefined; readonly roles: readonly Role[] }
  | { readonly kind: 'BELOW_MINIMUM'; readonly minimum: string }
  | { readonly kind: 'FILTERED'; readonly untilMs: number }
  | { readonly kind: 'QUOTA' | 'GUARANTEES'; readonly bound: Bound; readonly short: Shortage };

/** Every obstacle to placing what is asked for on the agent, for this framework in this role. */
export function obstaclesOn(world: World, asker: Asker, agent: PoolAgent, question: Question): Obstacle[] {
  const { client } = asker;
  const out: Obstacle[] = [];
  for (const reason of world.reasons(agent, client)) {
    const told = obstacleOf(reason, world, asker, agent);
    if (told !== undefined) out.push(told);
  }
  // Agents are offered with their absence; whether that matters is up to the scheduler.
  const absence = question.absenceWithinMs === undefined ? undefined : world.around.absenceOf(agent.id);
  if (absence !== undefined && concerns(absence, world.nowMs, question.absenceWithinMs ?? 0))
    out.push({ kind: 'ABSENCE', endMs: absence.endMs });
  for (const { text } of broken(asker.constraints, agent)) out.push({ kind: 'CONSTRAINT', of: 'FRAMEWORK', text });
  for (const { text } of broken(question.constraints, agent)) out.push({ kind: 'CONSTRAINT', of: 'REQUEST', text });
  const visible = visibleTo(client, agent.free);
  const lacking = lackOf(question.wish, visible);
  if (lacking.length > 0) out.push(...shortObstacles(world, client, agent, question.wish, visible, lacking));
  const untilMs = visible.length === 0 ? undefined : world.filteredUntilMs(agent, client, world.nowMs);
  if (untilMs !== undefined) out.push({ kind: 'FILTERED', untilMs });
  const bounds = world.bounds(client);
  if (bounds.length > 0) out.push(...boundObstacles(bounds, client, visible, question.wish));
  return out;
}

function concerns({ startMs, endMs }: Absence, nowMs: number, withinMs: number): boolean {
  return startMs <= nowMs + withinMs && (endMs === undefined || endMs > nowMs);
}

/** The part of a bag that the client's role and capabilities let it see. */
export function visibleTo({ role, framework }: Client, bag: Bag): Bag {
  return withoutCapabilities(forRole(bag, role), framework);
}

/** Takes constraints apart. */
export function groupsOf(groups: readonly (readonly AttributeConstraint[])[] | undefined): Groups {
  return (groups ?? []).map(group =>
    group.map(constraint => ({
      constraint,
      text: constraintText(constraint),
      test: remembered(constraint, compileConstraints([[constraint]]) ?? (() => true)),
    })),
  );
}

// Matching a regular expression costs more than all else together, and thousands of agents share a few values.
function remembered({ attribute, predicate }: AttributeConstraint, test: AgentTest): AgentTest {
  if (!predicate.endsWith('MATCHES') || attribute.startsWith('@')) return test;
  const known = new Map<string, boolean>();
  return agent => {
    const value = Object.hasOwn(agent.attributes, attribute) ? agent.attributes[attribute] : undefined;
    if (typeof value !== 'string') return test(agent);
    let passes = known.get(value);
    if (passes === undefined) {
      passes = test(agent);
      known.set(value, passes);
    }
    return passes;
  };
}

/** `rack TEXT_EQUALS a` */
export function constraintText({ attribute, predicate, value }: AttributeConstraint): string {
  return value === undefined ? `${attribute} ${predicate}` : `${attribute} ${predicate} ${value}`;
}

// Constraints that fail where no group holds entirely: those of the group that fails in the fewest.
function broken(groups: Groups, agent: PoolAgent): readonly SingleTest[] {
  let nearest: readonly SingleTest[] | undefined;
  for (const group of groups) {
    const failing = group.filter(({ test }) => !test(agent.info));
    if (failing.length === 0) return none;
    if (nearest === undefined || failing.length < nearest.length) nearest = failing;
  }
  return nearest ?? none;
}

const none: readonly SingleTest[] = [];

function obstacleOf(reason: SkipReason, world: World, asker: Asker, agent: PoolAgent): Obstacle | undefined {
  const { client } = asker;
  switch (reason.kind) {
    case 'agent-inactive':
      return { kind: 'AGENT_INACTIVE', activity: world.around.activityOf(agent.id) ?? 'DEACTIVATED' };
    case 'framework-inactive':
      return { kind: 'FRAMEWORK_INACTIVE' };
    case 'not-subscribed':
      return { kind: 'NOT_SUBSCRIBED', role: client.role };
    case 'suppressed':
      return { kind: 'SUPPRESSED', role: client.role };
    case 'capability':
      return { kind: 'CAPABILITY', capability: reason.capability };
    case 'below-minimum':
      return { kind: 'BELOW_MINIMUM', minimum: client.minimum.key };
    default:
      // Constraints, filters and what is free are told with more detail than this.
      return undefined;
  }
}

// What a bag lacks; with nothing certain asked for, anything is enough.
function lackOf(wish: Wish | undefined, bag: Bag): Lack {
  if (wish === undefined) return bag.length === 0 ? [undefined] : [];
  return wishShortages(wish, bag);
}

/** For each thing that is short: whose it is now. What holds first is told: too small, reserved for good, offers, reserved and free, tasks. */
function shortObstacles(
  world: World,
  client: Client,
  agent: PoolAgent,
  wish: Wish | undefined,
  visible: Bag,
  lacking: Lack,
): Obstacle[] {
  const { total } = agent.info;
  const offers = world.around.offersOn(agent.id);
  const whole = visibleTo(client, total);
  const inWhole = lackOf(wish, whole);
  // Each is worked out when the one before it does not settle the matter.
  const inTotal = once(() => (whole.length === total.length ? inWhole : lackOf(wish, asUnreserved(total))));
  const withOffers = (all: boolean): Lack => {
    const counted = all ? offers : offers.filter(offer => offer.frameworkId === client.framework.id);
    if (counted.length === 0) return lacking;
    return lackOf(
      wish,
      counted.reduce((bag, offer) => add(bag, visibleTo(client, offer.resources)), visible),
    );
  };
  const withOwnOffers = once(() => withOffers(false));
  const withAllOffers = once(() => withOffers(true));
  const inFree = once(() => (visible.length === agent.free.length ? lacking : lackOf(wish, asUnreserved(agent.free))));
  return lacking.map((short): Obstacle => {
    if (has(inWhole, short)) {
      const never = find(inTotal(), short);
      if (never !== undefined || has(inTotal(), short)) return { kind: 'TOO_SMALL', short: never };
      const capability = lacksCapability(client, short?.key ?? '');
      if (capability !== undefined) return { kind: 'CAPABILITY', capability };
      return { kind: 'RESERVED', short: find(inWhole, short), roles: hiddenRoles(total, whole) };
    }
    if (offers.length > 0 && !has(withOwnOffers(), short)) return { kind: 'OFFERED_TO_ITSELF', short };
    if (offers.length > 0 && !has(withAllOffers(), short)) return { kind: 'OFFERED', short };
    if (!has(inFree(), short)) return { kind: 'RESERVED', short, roles: hiddenRoles(agent.free, visible) };
    return { kind: 'IN_USE', short };
  });
}

/** What a bag lacks; with nothing certain asked for, an undefined one stands for anything. */
type Lack = readonly (Shortage | undefined)[];

function find(lack: Lack, like: Shortage | undefined): Shortage | undefined {
  return lack.find(short => short?.key === like?.key);
}

function has(lack: Lack, like: Shortage | undefined): boolean {
  return lack.some(short => short?.key === like?.key);
}

function once<T>(work: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => (known ??= { value: work() }).value;
}

// As if nothing were reserved: for telling whether a reservation is what stands in the way. Volumes stay what they are.
function asUnreserved(bag: Bag): Bag {
  return sum(bag.map((r): Bag => [r.label.role === undefined || isVolume(r) ? r : bare(r)]));
}

function isVolume(r: Resource): boolean {
  return r.label.volume !== undefined;
}

function hiddenRoles(bag: Bag, visible: Bag): readonly Role[] {
  const seen = new Set(visible);
  const roles = new Set<Role>();
  for (const r of bag) if (r.label.role !== undefined && !seen.has(r)) roles.add(r.label.role);
  return [...roles].sort();
}

// The capability without which the client does not see what it names.
function lacksCapability({ framework }: Client, key: string): 'REVOCABLE_RESOURCES' | 'SHARED_RESOURCES' | undefined {
  if (key.endsWith('{revocable}') && !framework.revocable) return 'REVOCABLE_RESOURCES';
  return key.endsWith('<shared>') && !framework.shared ? 'SHARED_RESOURCES' : undefined;
}

/** What quota keeps from the client: of what the wish takes, and of the least that is worth an offer. */
function boundObstacles(bounds: readonly Bound[], client: Client, visible: Bag, wish: Wish | undefined): Obstacle[] {
  const needs = new Map<string, number>();
  const left = new Map<string, number>();
  for (const { name, leftMilli } of bounds) {
    left.set(name, Math.min(Math.max(0, leftMilli), left.get(name) ?? Number.POSITIVE_INFINITY));
  }
  const offered = shrinkUnreserved(visible, name => left.get(name) ?? Number.POSITIVE_INFINITY);
  if (wish !== undefined) for (const name of left.keys()) needs.set(name, unreservedNeed(wish, visible, offered, name));
  for (const [name, milli] of leastNeeds(client, visible, offered)) {
    needs.set(name, Math.max(milli, needs.get(name) ?? 0));
  }
  const out: Obstacle[] = [];
  for (const bound of bounds) {
    const { name, leftMilli } = bound;
    const wanted = needs.get(name) ?? 0;
    const have = Math.max(0, leftMilli);
    if (wanted <= have) continue;
    // Over the limit already, by force: that much has to come back as well.
    const short = { name, key: name, wanted: wanted / 1000, have: have / 1000, short: (wanted - leftMilli) / 1000 };
    out.push({ kind: bound.kind, bound, short });
  }
  return out;
}

// What an offer needs of each scalar to be made at all, when quota leaves less than that of what is visible: of the minima the one nearest.
function leastNeeds({ minimum: { sets } }: Client, visible: Bag, offered: Bag): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  if (offered === visible || !reaches(visible, sets) || reaches(offered, sets)) return found;
  if (sets.length === 0) {
    const [first] = visible.filter(isCommon);
    return first === undefined ? found : found.set(first.name, throughput(visible, first.name, 1));
  }
  let nearest: ReadonlyMap<string, number> | undefined;
  for (const set of sets) {
    if (!reaches(visible, [set])) continue;
    const lacks = new Map<string, number>();
    for (const r of set) {
      if (r.kind !== 'scalar' || scalarMilli(offered, r.name) >= r.milli) continue;
      const kept = scalarMilli(
        visible.filter(each => !isCommon(each)),
        r.name,
      );
      lacks.set(r.name, throughput(visible, r.name, r.milli - kept));
    }
    if (nearest === undefined || lacks.size < nearest.size) nearest = lacks;
  }
  return nearest ?? found;
}

/** Scalars that quota is about. */
export function isCommon(r: Resource): r is ScalarResource {
  return r.kind === 'scalar' && r.label.role === undefined && !r.label.revocable;
}

// Of a scalar that is asked for without a reservation: what reserved resources do not cover. What is asked for on a disk of its own is cut after all that
// comes before it.
function unreservedNeed(wish: Wish, visible: Bag, offered: Bag, name: string): number {
  let need = 0;
  for (const r of wish.resources) if (r.kind === 'scalar' && r.key === name) need += r.milli;
  for (const r of need > 0 && wish.exactResources !== true ? visible : [])
    if (r.kind === 'scalar' && r.name === name && r.label.role !== undefined && isForAnything(r)) need -= r.milli;
  for (const r of wish.resources) {
    if (!isCommon(r) || r.name !== name || r.label.source === undefined || contains(offered, [r])) continue;
    const before = scalarMilli(
      visible.filter(each => isCommon(each) && each.key < r.key),
      name,
    );
    need = Math.max(need, before + r.milli);
  }
  return Math.max(0, need);
}

// How much must be let through so that `milli` of a scalar are: a mount disk is whole.
function throughput(visible: Bag, name: string, milli: number): number {
  let before = 0;
  for (const r of visible) {
    if (!isCommon(r) || r.name !== name) continue;
    if (before + r.milli >= milli) return r.label.indivisible ? before + r.milli : milli;
    before += r.milli;
  }
  return milli;
}
