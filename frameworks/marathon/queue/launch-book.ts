// All that waits to be launched, by run spec. In: definitions, instances as they change, offers tried. Out: who may be matched now, entries of the queue, demand.
import type { AgentId, Offer, Role } from 'proffer';
import type { InstanceId } from '../machine/ids.js';
import { isCurrent, isWaiting } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import { needOf } from '../match/need.js';
import { Placements } from '../match/placements.js';
import type { Round, RoundContender } from '../match/round.js';
import { Spread } from '../match/spread.js';
import type { PathId } from '../model/path.js';
import { backoffKeyOf } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import { afterFailure, afterStart, isForgotten, launchableAt, waitMs } from './delay.js';
import type { Delay } from './delay.js';
import { queueEntry, whyWaiting } from './entry.js';
import type { QueueEntry, Waits } from './entry.js';
import { OfferStatistics } from './statistics.js';
import { defaultTokenOptions, fullTokens, givenBack, refillAt, refilled, taken } from './tokens.js';
import type { LaunchTokens, TokenOptions } from './tokens.js';

/** One run spec and its instances, as far as launching looks. */
interface Entry {
  spec: RunSpec;
  placed: Placements;
  spread: Spread;
  offers: OfferStatistics;
  /** In the order in which they began to wait. */
  readonly waiting: Map<InstanceId, Instance>;
}

/**
 * The launch queue's memory. Nothing of it is stored: after a restart delays and refusals begin anew, and what waits is known from the instances.
 */
export class LaunchBook {
  readonly #options: TokenOptions;
  readonly #entries = new Map<PathId, Entry>();
  /** Those with something to launch. */
  readonly #waiting = new Set<Entry>();
  readonly #delays = new Map<string, Delay>();
  #tokens: LaunchTokens;

  constructor(now: number, options: TokenOptions = defaultTokenOptions) {
    this.#options = options;
    this.#tokens = fullTokens(now, options);
  }

  /** A run spec as it is from now on, with all its instances. What was refused under another configuration is forgotten. */
  define(spec: RunSpec, instances: Iterable<Instance>): void {
    const before = this.#entries.get(spec.id);
    const same = before?.spec.versionInfo.lastConfigChangeAt === spec.versionInfo.lastConfigChangeAt;
    const entry: Entry = {
      spec,
      placed: new Placements(spec.constraints.map(({ field }) => field)),
      spread: same && before !== undefined ? before.spread : new Spread(),
      offers: same && before !== undefined ? before.offers : new OfferStatistics(),
      waiting: new Map(),
    };
    if (before !== undefined) this.#waiting.delete(before);
    this.#entries.set(spec.id, entry);
    for (const instance of instances) this.#take(entry, instance);
  }

  /** A run spec is gone. */
  undefine(id: PathId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#waiting.delete(entry);
    const start = `${id}@`;
    for (const key of this.#delays.keys()) if (key.startsWith(start)) this.#delays.delete(key);
  }

  /** An instance as it is now; without `after` it is forgotten. */
  note(runSpecId: PathId, id: InstanceId, after: Instance | undefined): void {
    const entry = this.#entries.get(runSpecId);
    if (entry === undefined) return;
    if (after !== undefined) {
      this.#take(entry, after);
      return;
    }
    entry.placed.remove(id);
    this.#leave(entry, id);
  }

  /** A start of an instance ended in a way that counts. One of another configuration does not delay the present one. */
  failed(instance: Instance, now: number): void {
    const entry = this.#entries.get(instance.runSpecId);
    if (entry === undefined || !isCurrent(instance, entry.spec)) return;
    const key = backoffKeyOf(entry.spec);
    this.#delays.set(key, afterFailure(this.#delayOf(entry, now), entry.spec.backoff, now));
  }

  /** A start of an instance came to run. */
  runs(instance: Instance, now: number): void {
    const entry = this.#entries.get(instance.runSpecId);
    if (entry === undefined || !isCurrent(instance, entry.spec)) return;
    const delay = afterStart(this.#delayOf(entry, now), now);
    if (delay !== undefined) this.#delays.set(backoffKeyOf(entry.spec), delay);
  }

  /** An instance runs and is healthy: its token is there for another. */
  healthy(): void {
    this.#tokens = givenBack(this.#tokens, this.#options);
  }

  /** Failures of a run spec are forgotten; false when none of its instances waits. */
  resetDelay(id: PathId): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#delays.delete(backoffKeyOf(entry.spec));
    return entry.waiting.size > 0;
  }

  /** Tokens left now. */
  tokens(now: number): number {
    this.#tokens = refilled(this.#tokens, now, this.#options);
    return this.#tokens.left;
  }

  /** Who may be matched with offers now, at most `most` instances each. */
  contenders(now: number, agents: number, most: number): RoundContender[] {
    const contenders: RoundContender[] = [];
    for (const entry of this.#waiting) {
      if (waitMs(this.#delayOf(entry, now), now) > 0) continue;
      const { spec, placed, spread, waiting } = entry;
      // Of residents it matters who: each belongs to an agent.
      const first = needOf(spec).resident ? [...waiting.values()] : firstOf(waiting, most);
      contenders.push({ spec, placed, spread, agents, waiting: first });
    }
    return contenders;
  }

  /** Notes what one offer came to: what started takes tokens, what was refused is told in the queue. */
  tried(offer: Offer, { starts, refusals }: Round, now: number): void {
    this.#tokens = taken(refilled(this.#tokens, now, this.#options), starts.length);
    const used = new Set<PathId>();
    for (const { contender } of starts) used.add(contender.spec.id);
    for (const id of used) this.#entries.get(id)?.offers.used(offer.agentId, now);
    for (const { contender, no } of refusals) {
      if (!used.has(contender.spec.id)) this.#entries.get(contender.spec.id)?.offers.refused(offer, no.reasons, now);
    }
  }

  /** An agent is gone: what it refused says nothing any more. */
  agentGone(agentId: AgentId): void {
    for (const { offers } of this.#waiting) offers.agentGone(agentId);
  }

  /** The queue, in the order of ids. */
  entries(now: number): QueueEntry[] {
    const entries = Array.from(this.#waiting, entry => queueEntry(this.#waitsOf(entry, now), now));
    return entries.sort((a, b) => (a.runSpecId < b.runSpecId ? -1 : 1));
  }

  /** Why instances of a run spec wait, in one line; undefined when none does. */
  whyWaiting(id: PathId, now: number): string | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.waiting.size === 0 ? undefined : whyWaiting(this.#waitsOf(entry, now), now);
  }

  /** How many instances may be launched now, by role. */
  demand(now: number): Map<Role, number> {
    const demand = new Map<Role, number>();
    for (const entry of this.#waiting) {
      if (waitMs(this.#delayOf(entry, now), now) > 0) continue;
      const { role } = entry.spec;
      demand.set(role, (demand.get(role) ?? 0) + entry.waiting.size);
    }
    return demand;
  }

  /** When something may be launched that may not now: a delay is over, tokens are there again, or patience with a group is at its end. */
  nextAt(now: number): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#waiting) {
      const at = launchableAt(this.#delayOf(entry, now), now);
      if (at > now) next = Math.min(next, at);
      const yields = entry.spread.yieldsAt();
      if (yields !== undefined && yields > now) next = Math.min(next, yields);
    }
    if (this.#waiting.size > 0 && this.tokens(now) === 0) next = Math.min(next, refillAt(this.#tokens, this.#options));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  #take(entry: Entry, instance: Instance): void {
    entry.placed.note(instance, entry.spec);
    if (!isWaiting(instance)) {
      this.#leave(entry, instance.id);
      return;
    }
    entry.waiting.set(instance.id, instance);
    this.#waiting.add(entry);
  }

  #leave(entry: Entry, id: InstanceId): void {
    if (!entry.waiting.delete(id) || entry.waiting.size > 0) return;
    this.#waiting.delete(entry);
    entry.offers = new OfferStatistics();
    entry.spread = new Spread();
  }

  #delayOf({ spec }: Entry, now: number): Delay | undefined {
    const key = backoffKeyOf(spec);
    const delay = this.#delays.get(key);
    if (delay === undefined || !isForgotten(delay, now)) return delay;
    this.#delays.delete(key);
    return undefined;
  }

  #waitsOf(entry: Entry, now: number): Waits {
    let since = Number.POSITIVE_INFINITY;
    for (const instance of entry.waiting.values()) since = Math.min(since, instance.since);
    const { spec, waiting, offers } = entry;
    const { id: runSpecId, role } = spec;
    return { runSpecId, role, count: waiting.size, since, delay: this.#delayOf(entry, now), offers };
  }
}

function firstOf(waiting: ReadonlyMap<InstanceId, Instance>, most: number): Instance[] {
  const first: Instance[] = [];
  for (const instance of waiting.values()) {
    if (first.length >= most) break;
    first.push(instance);
  }
  return first;
}
