// What is left of the offers of one ACCEPT while its operations take their parts out of them. In: the offers, the agent. Out: parts, or what is short.
import type { Problem } from '../base/errors.js';
import { problem } from '../base/errors.js';
import type { AgentId, Role } from '../base/ids.js';
import type { Bag, Conversion, Converted, Shortage, Taken } from '../resources/index.js';
import {
  addDisjoint,
  contains,
  convert,
  emptyBag,
  exclusive,
  isEmpty,
  remainder,
  shared,
  subtract,
  sum,
  take,
  takeExactly,
} from '../resources/index.js';
import type { Move } from './quota-room.js';
import { addOpen, QuotaRoom } from './quota-room.js';
import type { Tally } from './role-use.js';
import { tally } from './role-use.js';
import type { AgentRecord, ClusterView, OfferRecord } from './state.js';

/** Parts taken together, or why not: more than was offered, (optimistic commit) what others were faster to take, or more than limits allow. */
export type Claim =
  | { readonly kind: 'TAKEN'; readonly parts: readonly Bag[] }
  | { readonly kind: 'SHORT'; readonly shortages: readonly Shortage[]; readonly problem?: undefined }
  | { readonly kind: 'LOST'; readonly shortages: readonly Shortage[]; readonly problem?: Problem }
  | { readonly kind: 'OVER'; readonly problem: Problem };

/** A conversion made, what is wrong with it, or that others were faster. */
export type Conversed =
  | { readonly kind: 'MADE'; readonly conversion: Conversion }
  | { readonly kind: 'WRONG'; readonly problems: readonly Problem[] }
  | { readonly kind: 'LOST'; readonly problems: readonly Problem[] };

interface Mark {
  readonly left: Bag;
  readonly there: Bag | undefined;
  readonly counted: Tally | undefined;
  readonly quota: number;
}

export class Pot {
  /** As far as the framework can know: what was offered, without what its tasks asked for. */
  left: Bag;
  /** The agent's total, with the conversions of this ACCEPT. */
  total: Bag;
  readonly #quota: QuotaRoom;
  /** All that was offered. */
  readonly offered: Bag;
  /** Optimistic commit: the part of `left` that nobody else has taken. */
  #there: Bag | undefined;
  /** Optimistic commit by sequence: something happened on this agent since the offer, so that all of it is lost. */
  readonly #staleOn: AgentId | undefined;
  readonly #role: Role;
  // Once a reservation was turned back, the part of what is left that counted against the role of the offers before; the rest counts when it is taken.
  #counted: Tally | undefined;
  #converted = false;

  constructor(view: ClusterView, agent: Readonly<AgentRecord>, offers: readonly OfferRecord[]) {
    let left = emptyBag;
    let there: Bag | undefined;
    for (const offer of offers) {
      // Two optimistic offers of one agent may hold the same: it counts once.
      left =
        offer.sequence === undefined ? addDisjoint(left, exclusive(offer.resources)) : cover(left, offer.resources);
      if (offer.sequence !== undefined) there = agent.free;
    }
    for (const offer of offers) left = cover(left, shared(offer.resources));
    const changed = offers.some(offer => offer.version !== agent.version);
    this.#staleOn = there !== undefined && changed && view.conflict.test === 'sequence' ? agent.id : undefined;
    if (this.#staleOn !== undefined) there = emptyBag;
    this.left = left;
    this.offered = left;
    this.total = agent.total;
    this.#quota = new QuotaRoom(view, { keepsGuarantees: there !== undefined });
    this.#there = there === undefined ? undefined : common(left, there);
    this.#role = offers[0]?.role ?? '*';
  }

  /** Takes each of `wants`, or nothing; with `exact` nothing reserved for what they name without a reservation. Shared volumes stay for others. */
  claim(wants: readonly Bag[], path: string, exact = false): Claim {
    const asked = fitAll(this.left, wants, exact);
    if (asked.shortages.length > 0) return { kind: 'SHORT', shortages: asked.shortages };
    if (this.#there === undefined) {
      const over = this.#count(asked.parts, path);
      if (over !== undefined) return { kind: 'OVER', problem: over };
      this.left = asked.rest;
      return { kind: 'TAKEN', parts: asked.parts };
    }
    const got = fitAll(this.#there, wants, exact);
    if (got.shortages.length > 0) {
      // What the framework asked for is gone for its later tasks, too, as it would be had nobody been faster.
      this.left = asked.rest;
      this.#there = common(this.left, this.#there);
      return this.#staleOn === undefined
        ? { kind: 'LOST', shortages: got.shortages }
        : { kind: 'LOST', shortages: [], problem: staleProblem(this.#staleOn, path) };
    }
    // Offers of several frameworks together may go beyond what the role may have.
    const over = this.#count(got.parts, path);
    if (over !== undefined) return { kind: 'LOST', shortages: [], problem: over };
    this.left = subtract(this.left, exclusive(subtract(this.#there, got.rest)));
    this.#there = got.rest;
    return { kind: 'TAKEN', parts: got.parts };
  }

  /**
   * A conversion as far as the framework can know. An optimistic offer may be so old that it has volumes that are destroyed by now, and so may what was
   * made by an operation that was lost: they are looked at when it does not go without them, so that whoever means them hears of a conflict.
   */
  imagine(make: (have: Bag, total: Bag) => Converted): { readonly have: Bag; readonly converted: Converted } {
    const { left, total } = this;
    const have = this.#there === undefined ? left : left.filter(r => !r.label.indivisible || contains(total, [r]));
    const converted = make(have, total);
    if (converted.ok || have.length === left.length) return { have, converted };
    const imagined = make(left, total);
    return imagined.ok ? { have: left, converted: imagined } : { have, converted };
  }

  /** Converts a part of what is left, as far as limits allow. */
  convert(make: (have: Bag, total: Bag) => Converted, path: string): Conversed {
    const { have, converted: asked } = this.imagine(make);
    if (!asked.ok) return { kind: 'WRONG', problems: asked.problems };
    let { conversion } = asked;
    let lost: readonly Problem[] | undefined;
    if (this.#there !== undefined) {
      const got = make(this.#there, this.total);
      if (got.ok) conversion = got.conversion;
      else lost = this.#staleOn === undefined ? got.problems : [staleProblem(this.#staleOn, path)];
    }
    if (lost === undefined) {
      const over = this.#recount(conversion, path);
      if (over !== undefined && over.code !== 'OFFER_CONFLICT') return { kind: 'WRONG', problems: [over] };
      if (over !== undefined) lost = [over];
    }
    if (this.#there !== undefined) this.#there = lost === undefined ? convert(this.#there, conversion) : this.#there;
    this.left = convert(have, lost === undefined ? conversion : asked.conversion);
    this.#converted = true;
    if (lost !== undefined) {
      if (this.#there !== undefined) this.#there = common(this.left, this.#there);
      return { kind: 'LOST', problems: lost };
    }
    this.total = convert(this.total, conversion);
    return { kind: 'MADE', conversion };
  }

  /** Of what is left, that which is as it was offered. */
  get untouched(): Bag {
    return this.#converted ? common(this.left, this.offered) : this.left;
  }

  /** What tasks took, `parts` being the part of each; shared volumes left out. */
  taken(parts: readonly Bag[]): Bag {
    if (!this.#converted && this.#there === undefined) return exclusive(subtract(this.offered, this.left));
    return sum(parts.map(exclusive));
  }

  // Tasks take `parts`: what of them did not count against the role yet does from now on.
  #count(parts: readonly Bag[], path: string): Problem | undefined {
    if (!this.#quota.isActive || (this.#there === undefined && this.#counted === undefined)) return undefined;
    const wanted: Tally = new Map();
    for (const part of parts) addOpen(wanted, part);
    const counted = new Map(this.#counted);
    const moves: Move[] = [];
    for (const [name, milli] of wanted) {
      const known = spend(counted, name, milli);
      if (milli > known) moves.push({ name, milli: milli - known, from: undefined, to: this.#role });
    }
    const over = this.#quota.take(moves, path);
    if (over === undefined && this.#counted !== undefined) this.#counted = counted;
    return over;
  }

  // A conversion: reservations count against their roles.
  #recount({ consumed, produced }: Conversion, path: string): Problem | undefined {
    if (!this.#quota.isActive) return undefined;
    const changes = reservedChanges(consumed, produced);
    if (changes.length === 0) return undefined;
    const booked = this.#there === undefined;
    const counted: Tally = new Map(this.#counted);
    if (booked && this.#counted === undefined) addOpen(counted, this.left);
    const moves: Move[] = [];
    for (const change of changes) {
      const known = booked && change.from === undefined ? spend(counted, change.name, change.milli) : 0;
      if (known > 0) moves.push({ ...change, milli: known, from: this.#role });
      if (change.milli > known) moves.push({ ...change, milli: change.milli - known });
    }
    const over = this.#quota.take(moves, path);
    const isOpened = changes.some(({ to }) => to === undefined);
    if (over === undefined && booked && (isOpened || this.#counted !== undefined)) this.#counted = counted;
    return over;
  }

  mark(): Mark {
    return { left: this.left, there: this.#there, counted: this.#counted, quota: this.#quota.mark() };
  }

  /** Back to a mark; not over a conversion. */
  restore(mark: Mark): void {
    this.left = mark.left;
    this.#there = mark.there;
    this.#counted = mark.counted;
    this.#quota.restore(mark.quota);
  }
}

function staleProblem(agentId: AgentId, path: string): Problem {
  const why = `something was taken or converted on agent ${agentId} since this offer was made, which by sequence is a conflict whether it fits or not`;
  return problem(path, 'OFFER_CONFLICT', why, 'wait for the next offers');
}

/** What is in both; a volume of another size is not. */
export function common(a: Bag, b: Bag): Bag {
  if (a === b) return a;
  const whole = a.filter(r => !r.label.indivisible || contains(b, [r]));
  return subtract(whole, remainder(whole, b));
}

/** The most of either. */
export function cover(a: Bag, b: Bag): Bag {
  return isEmpty(a) ? b : addDisjoint(a, remainder(b, a));
}

// Takes up to `milli` of what is there; says how much.
function spend(from: Tally, name: string, milli: number): number {
  const known = Math.min(from.get(name) ?? 0, milli);
  if (known > 0) tally(from, name, -known);
  return known;
}

/** From which role to which amounts go in a conversion. What stays reserved to a role, as in a volume, is left out. */
export function reservedChanges(consumed: Bag, produced: Bag): Move[] {
  const nets = new Map<string, Map<Role | undefined, number>>();
  for (const [bag, sign] of [
    [consumed, -1],
    [produced, 1],
  ] as const) {
    for (const r of bag) {
      if (r.kind !== 'scalar' || r.label.revocable) continue;
      let net = nets.get(r.name);
      if (net === undefined) nets.set(r.name, (net = new Map<Role | undefined, number>()));
      net.set(r.label.role, (net.get(r.label.role) ?? 0) + sign * r.milli);
    }
  }
  const moves: Move[] = [];
  for (const [name, net] of nets) {
    const gains = [...net].filter(([, milli]) => milli > 0);
    for (const [from, lost] of net) {
      for (let rest = -lost; rest > 0 && gains.length > 0; ) {
        const [to, gained] = gains[0] as [Role | undefined, number];
        const milli = Math.min(rest, gained);
        moves.push({ name, milli, from, to });
        rest -= milli;
        if (milli === gained) gains.shift();
        else gains[0] = [to, gained - milli];
      }
    }
  }
  return moves;
}

function fitAll(
  have: Bag,
  wants: readonly Bag[],
  exact: boolean,
): { readonly parts: readonly Bag[]; readonly rest: Bag; readonly shortages: readonly Shortage[] } {
  const parts: Bag[] = [];
  let rest = have;
  for (const want of wants) {
    const { taken, shortages: missing } = fit(rest, want, exact);
    if (missing.length > 0) return { parts: [], rest: have, shortages: missing };
    parts.push(taken);
    rest = subtract(rest, exclusive(taken));
  }
  return { parts, rest, shortages: [] };
}

/** The part of `left` that serves `want`: unless `exact`, reserved resources first. */
function fit(left: Bag, want: Bag, exact: boolean): Taken {
  if (isEmpty(want)) return { taken: emptyBag, shortages: [] };
  return exact || left.every(r => r.label.suffix === '') ? takeExactly(left, want) : take(left, want);
}
