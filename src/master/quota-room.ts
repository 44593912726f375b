// How much may still be counted against the limits of a role and those above it, and taken without what is kept for guarantees. In: the state, what
// an accept or a reservation moves. Out: what is short.
import type { Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import type { Quota } from '../allocator/model.js';
import { QuotaTree } from '../allocator/quota/quota-tree.js';
import type { Bag } from '../resources/index.js';
import type { Tally } from './role-use.js';
import { eachUse, isOnOffer, rolePath, tally } from './role-use.js';
import type { ClusterView, OfferRecord } from './state.js';

/** An amount of a scalar that begins to count against `to`, and ceases to against `from`; absent: it is free for whomever. */
export interface Move {
  readonly name: string;
  readonly milli: number;
  readonly from: Role | undefined;
  readonly to: Role | undefined;
}

export interface QuotaRoomOptions {
  /** Offers that are about to return, and count no more. */
  readonly back?: ReadonlySet<OfferRecord>;
  /** What is free is taken only as far as guarantees of others allow: for offers that held nothing. */
  readonly keepsGuarantees?: boolean;
}

/** One decision's view of quota: what it takes stays taken for its next step. */
export class QuotaRoom {
  readonly #view: ClusterView;
  readonly #back: ReadonlySet<OfferRecord> | undefined;
  readonly #guarantees: boolean;
  readonly #done: Move[] = [];
  /** Made when first asked. */
  #books: QuotaBooks | undefined;

  constructor(view: ClusterView, { back, keepsGuarantees = false }: QuotaRoomOptions = {}) {
    this.#view = view;
    this.#back = back;
    this.#guarantees = keepsGuarantees && [...view.quotas.values()].some(({ guarantees }) => guarantees.size > 0);
  }

  get isActive(): boolean {
    return this.#view.quotas.size > 0;
  }

  /** Why not all of `moves` can be made; OFFER_CONFLICT where guarantees are in the way. Without a problem they are made, else none is. */
  take(moves: readonly Move[], path: string): Problem | undefined {
    if (!this.isActive) return undefined;
    const mark = this.mark();
    for (const move of moves) {
      const over = this.#problem(move, path);
      if (over !== undefined) {
        this.restore(mark);
        return over;
      }
      this.#done.push(move);
      if (this.#books !== undefined) applyMove(this.#books, move, 1);
    }
    return undefined;
  }

  mark(): number {
    return this.#done.length;
  }

  /** Back to a mark. */
  restore(mark: number): void {
    for (const move of this.#done.splice(mark).reverse())
      if (this.#books !== undefined) applyMove(this.#books, move, -1);
  }

  #problem(move: Move, path: string): Problem | undefined {
    const { name, milli, from, to } = move;
    if (to === undefined) return undefined;
    for (const role of this.#limited(to, from)) {
      const limit = this.#view.quotas.get(role)?.limits.get(name);
      if (limit === undefined) continue;
      const left = Math.max(0, limit - (this.#tree().consumed(role).get(name) ?? 0));
      if (milli <= left) continue;
      const message = `${name} ${milli / 1000} would count against role ${shown(role)}, and its limit leaves ${left / 1000}`;
      return problem(path, 'QUOTA_EXCEEDED', message, 'raise the limit of the role, or use less');
    }
    return this.#guarantees && from === undefined ? this.#keptProblem(to, name, milli, path) : undefined;
  }

  #keptProblem(to: Role, name: string, milli: number, path: string): Problem | undefined {
    const tree = this.#tree();
    const at = tree.indexOf(name);
    const surplus = Math.max(0, (this.#books?.available.get(name) ?? 0) - (tree.required[at] ?? 0));
    const node = tree.nearest(to);
    const allowed =
      node === undefined ? surplus : Math.min(tree.leftBeside(node, at), surplus + tree.ownNeed(node, at));
    if (milli <= allowed) return undefined;
    const onPath = new Set(rolePath(to));
    const unmet = [...this.#view.quotas].flatMap(([role, { guarantees }]) =>
      !onPath.has(role) && (guarantees.get(name) ?? 0) > (tree.consumed(role).get(name) ?? 0) ? [shown(role)] : [],
    );
    const whose = unmet.length > 3 ? `${unmet.slice(0, 3).join(', ')} and ${unmet.length - 3} more` : unmet.join(', ');
    const message = `${name} ${milli / 1000} is more than the ${allowed / 1000} that the guarantees of ${whose} leave to role ${shown(to)}`;
    return problem(path, 'OFFER_CONFLICT', message, 'wait for the next offers');
  }

  #limited(to: Role, from: Role | undefined): Role[] {
    const counted = from === undefined ? [] : rolePath(from);
    return rolePath(to).filter(role => !counted.includes(role) && (this.#view.quotas.get(role)?.limits.size ?? 0) > 0);
  }

  #tree(): QuotaTree {
    if (this.#books === undefined) {
      this.#books = quotaBooks(this.#view, this.#view.quotas, this.#back);
      for (const move of this.#done) applyMove(this.#books, move, 1);
    }
    return this.#books.tree;
  }
}

/** What counts against each role and what it needs; and what is free for whomever, by scalar, in thousandths. */
export interface QuotaBooks {
  readonly tree: QuotaTree;
  readonly available: Tally;
}

/** All of it under `quotas`, by one pass over the cluster; offers in `back` count as free. */
export function quotaBooks(
  view: ClusterView,
  quotas: ReadonlyMap<Role, Quota>,
  back?: ReadonlySet<OfferRecord>,
): QuotaBooks {
  const tree = new QuotaTree();
  const available: Tally = new Map();
  for (const [role, quota] of quotas) tree.setQuota(role, quota);
  const sums = new Map<Role, Tally>();
  eachUse(view, back, (_kind, role, bag) => {
    let sum = sums.get(role);
    if (sum === undefined) sums.set(role, (sum = new Map()));
    for (const r of bag) if (r.kind === 'scalar') tally(sum, r.name, r.milli);
  });
  for (const [role, sum] of sums) for (const [name, milli] of sum) tree.consumeReserved(role, name, milli);
  for (const agent of view.agents.values()) if (isOnOffer(agent)) addOpen(available, agent.free);
  for (const offer of back ?? []) addOpen(available, offer.resources);
  return { tree, available };
}

/** Adds the scalars that quota is about: neither reserved nor revocable. */
export function addOpen(to: Tally, bag: Bag): void {
  for (const r of bag)
    if (r.kind === 'scalar' && r.label.role === undefined && !r.label.revocable) tally(to, r.name, r.milli);
}

/** Moves it, or with -1 back. */
export function applyMove({ tree, available }: QuotaBooks, { name, milli, from, to }: Move, sign: 1 | -1): void {
  if (to === undefined) tally(available, name, sign * milli);
  else tree.consumeReserved(to, name, sign * milli);
  if (from === undefined) tally(available, name, -sign * milli);
  else tree.consumeReserved(from, name, -sign * milli);
}
