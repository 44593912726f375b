// Quota bookkeeping: what counts against each role, how much is kept back for guarantees that are not met, and how much of what is free a client
// may have. In: every change of what is held, reserved and free. Out: bags cut down to what quota lets pass, and sets of clients to test closer.
import { assert } from '../../base/assert.js';
import type { Role } from '../../base/ids.js';
import type { Bag, Resource, ScalarResource } from '../../resources/index.js';
import { roleAncestors, shrinkUnreserved } from '../../resources/index.js';
import type { Amounts, Quota } from '../model.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, hasBit, noBits, withBit } from '../../base/bits.js';
import { Exhaustion } from './exhaustion.js';
import type { Hopeless } from '../sorter/tree-node.js';
import type { QuotaClient, QuotaNode } from './quota-tree.js';
import { QuotaTree } from './quota-tree.js';

/** An agent as quota sees it. */
export interface QuotaAgent {
  readonly info: { readonly total: Bag };
  readonly active: boolean;
  readonly free: Bag;
  readonly held: ReadonlyMap<QuotaClient, readonly { readonly resources: Bag }[]>;
}

/**
 * Limits and guarantees by role. A role's use counts for every role above it, too, and every limit on the way up binds (in Mesos quota is for
 * top-level roles, and only a role's own limit binds). Without any quota nothing is counted.
 *
 * With c what counts against a role, g its guarantee and need(role) = min(limit − c, max(0, g − c, Σ need(sub-roles))), of what is free
 * Σ need(top-level roles) is kept back. Others' needs are those that would stay if the client's role and all above it were content. A client may
 * have of a scalar: at every role from its own up at most limit − c less others' needs below that role; and at most the part of all needs that is
 * not others', and what is free beyond all needs.
 */
export class QuotaBook {
  readonly #quotas = new Map<Role, Quota>();
  readonly #tree = new QuotaTree();
  readonly #exhaustion = new Exhaustion(this.#tree);
  // What is free, unreserved, not revocable, and on active agents, by index of the name.
  #available = new Float64Array(8);
  #active = false;
  // Roles with guarantees.
  #guarantees = 0;
  #becameNeedy = 0;
  // Their versions are odd for the one and even for the other.
  readonly #exhausted: Hopeless = {
    version: () => 2 * this.#exhaustion.losses + 1,
    has: slot => hasBit(this.#exhaustion.bits, slot),
  };
  readonly #contentOrExhausted: Hopeless = {
    version: () => 2 * (this.#exhaustion.losses + this.#becameNeedy) + 2,
    has: slot => !hasBit(this.needy, slot) || hasBit(this.#exhaustion.bits, slot),
  };
  /** Clients of roles for which something is kept back. */
  needy: Bits = noBits;
  /** Clients of roles that have a limit, or are below one that has. */
  limited: Bits = noBits;

  get quotas(): ReadonlyMap<Role, Quota> {
    return this.#quotas;
  }

  /** Whether any role has quota: only then the book is to be told of changes. */
  get active(): boolean {
    return this.#active;
  }

  /** Whether any role has a guarantee. */
  get guaranteeing(): boolean {
    return this.#guarantees > 0;
  }

  /** Sets, changes or removes quota. With the first one, the book is written from `clients` and `agents`. */
  set(role: Role, quota: Quota | undefined, clients: Iterable<QuotaClient>, agents: Iterable<QuotaAgent>): void {
    const before = (this.#quotas.get(role)?.guarantees.size ?? 0) > 0;
    const after = (quota?.guarantees.size ?? 0) > 0;
    if (quota === undefined || (quota.limits.size === 0 && quota.guarantees.size === 0)) this.#quotas.delete(role);
    else this.#quotas.set(role, quota);
    if (this.#quotas.size === 0) {
      this.#clear(clients);
      return;
    }
    if (!this.#active) {
      this.#active = true;
      for (const client of clients) this.join(client);
      for (const agent of agents) this.addAgent(agent, 1);
    }
    const node = this.#tree.setQuota(role, this.#quotas.get(role));
    this.#guarantees += (after ? 1 : 0) - (before ? 1 : 0);
    this.#tree.crossed.add(node.top);
    this.#tree.eachClient(node, client => this.#noteLimited(client));
    this.#exhaustion.look(node);
    this.#tree.prune(node);
  }

  /** A client begins to be. */
  join(client: QuotaClient): void {
    if (!this.#active) return;
    const node = this.#tree.join(client);
    this.#noteLimited(client);
    if (this.guaranteeing) this.#tree.crossed.add(node.top);
    this.#exhaustion.judge(client);
  }

  /** What makes a client's least offer changed. */
  rejudge(client: QuotaClient): void {
    if (this.#active) this.#exhaustion.judge(client);
  }

  /** A client is forgotten; it holds nothing. */
  leave(client: QuotaClient): void {
    if (!this.#active) return;
    this.#tree.leave(client);
    for (const bits of [this.needy, this.limited, this.#exhaustion.bits]) clearBit(bits, client.slot);
  }

  /** An agent comes or goes, with what is held there. */
  addAgent(agent: QuotaAgent, sign: 1 | -1): void {
    if (!this.#active) return;
    this.reserve(agent.info.total, sign);
    if (agent.active) this.release(agent.free, sign);
    for (const [client, parts] of agent.held) for (const { resources } of parts) this.charge(client, resources, sign);
  }

  /** A client gets resources, or gives them up. */
  charge(client: QuotaClient, bag: Bag, sign: 1 | -1): void {
    if (!this.#active) return;
    const node = client.quotaNode;
    assert(node !== undefined, 'a client that holds something is in the quota tree');
    for (let i = 0; i < bag.length; i += 1) {
      const r = bag[i] as Resource;
      if (isCommon(r)) this.#tree.consume(node, r.name, sign * r.milli);
    }
  }

  /** A client is offered resources that it does not hold by that (optimistic commit), or is no more. */
  chargeCopy(client: QuotaClient, bag: Bag, sign: 1 | -1): void {
    if (!this.#active) return;
    const node = client.quotaNode;
    assert(node !== undefined, 'a client that is offered something is in the quota tree');
    for (const r of bag) if (isCommon(r)) this.#tree.consumeCopy(node, r.name, sign * r.milli);
  }

  /** Totals of agents that come or go: of them, reservations count. */
  reserve(total: Bag, sign: 1 | -1): void {
    if (!this.#active) return;
    for (const r of total) {
      const { role } = r.label;
      if (r.kind === 'scalar' && role !== undefined) this.#tree.consumeReserved(role, r.name, sign * r.milli);
    }
  }

  /** Resources become free on an active agent, or cease to be. */
  release(bag: Bag, sign: 1 | -1): void {
    if (!this.#active) return;
    for (let i = 0; i < bag.length; i += 1) {
      const r = bag[i] as Resource;
      if (!isCommon(r)) continue;
      const at = this.#tree.indexOf(r.name);
      if (at >= this.#available.length) this.#available = longer(this.#available, at * 2);
      this.#available[at] = (this.#available[at] as number) + sign * r.milli;
    }
  }

  /** What counts against a role; for a role that nobody knows, nothing. Only while active. */
  consumed(role: Role): Amounts {
    return this.#tree.consumed(role);
  }

  /** The part of that which is held or reserved, not only offered. */
  firmMilli(role: Role, name: string): number {
    return this.#tree.firmMilli(role, name);
  }

  /** What is kept back for all guarantees that are not met, of a scalar. */
  requiredMilli(name: string): number {
    return this.#tree.required[this.#tree.indexOf(name)] ?? 0;
  }

  /** Of a scalar: what is free and not kept back from `role` for guarantees of others; infinite without guarantees. */
  beyondOthersMilli(role: Role, name: string): number {
    if (!this.guaranteeing) return Number.POSITIVE_INFINITY;
    const at = this.#tree.indexOf(name);
    const node = this.#tree.nearest(role);
    return this.#surplus(at) + (node === undefined ? 0 : this.#tree.ownNeed(node, at));
  }

  /** What is free for whomever, of a scalar. */
  availableMilli(name: string): number {
    return this.#available[this.#tree.indexOf(name)] ?? 0;
  }

  /** Brings `needy` up to date, and returns the clients that no unreserved resources can help to their least offer. Call before using sets. */
  exhausted(): Bits {
    const { crossed } = this.#tree;
    if (crossed.size === 0) return this.#exhaustion.refresh();
    for (const top of crossed.take()) this.#noteNeedy(top, this.guaranteeing && isAny(top.need));
    return this.#exhaustion.refresh();
  }

  /**
   * Clients to whom nothing that all may see helps now: their limits leave too little, or, for a stage that is only for guarantees, nothing is kept
   * back for them. Call `exhausted` before.
   */
  hopeless(forGuarantees: boolean): Hopeless {
    return forGuarantees ? this.#contentOrExhausted : this.#exhausted;
  }

  /** `bag` without what is kept back for guarantees: what a client without any may have of it. */
  beyondNeeds(bag: Bag): Bag {
    if (!this.guaranteeing) return bag;
    return shrinkUnreserved(bag, name => this.#surplus(this.#tree.indexOf(name)));
  }

  /** The part of `visible` that quota lets this client have now. The same bag when that is all. */
  offerable(client: QuotaClient, visible: Bag): Bag {
    const node = client.quotaNode;
    if (node === undefined || (!this.guaranteeing && !node.limited)) return visible;
    return shrinkUnreserved(visible, name => this.#allowed(node, this.#tree.indexOf(name)));
  }

  /** Whether `visible` has something that would go towards a guarantee that is not met. */
  serves(client: QuotaClient, visible: Bag): boolean {
    const node = client.quotaNode;
    if (node === undefined) return false;
    return visible.some(r => {
      if (!isCommon(r)) return false;
      const at = this.#tree.indexOf(r.name);
      if (this.#tree.ownNeed(node, at) <= 0) return false;
      return r.label.indivisible ? this.#allowed(node, at) >= r.milli : this.#tree.leftBeside(node, at) > 0;
    });
  }

  /**
   * The role from `client`'s own up whose limit leaves it least of scalar `name`, and what of that limit is kept for guarantees of others below
   * the role; undefined when none limits it.
   */
  binding(client: QuotaClient, name: string): BindingLimit | undefined {
    const { quotaNode } = client;
    if (quotaNode === undefined) return undefined;
    const at = this.#tree.indexOf(name);
    let found: BindingLimit | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let node: QuotaNode | undefined = quotaNode; node !== undefined; node = node.parent) {
      const limitMilli = node.limits?.get(name);
      if (limitMilli === undefined) continue;
      const consumedMilli = node.consumed[at] as number;
      const keptMilli = this.guaranteeing ? this.#tree.keptUnder(node, quotaNode, at) : 0;
      const left = Math.max(0, limitMilli - consumedMilli - keptMilli);
      if (left >= least) continue;
      least = left;
      found = { role: node.role, limitMilli, consumedMilli, ...(keptMilli > 0 ? { keptMilli } : {}) };
    }
    return found;
  }

  /** Of a scalar: the part of the limit of `limited` that is for guarantees of others than `role`, which is that role or below it. */
  keptUnderMilli(limited: Role, role: Role, name: string): number {
    const node = this.#tree.nearest(role);
    const above = this.#tree.nearest(limited);
    if (!this.guaranteeing || node === undefined || above?.role !== limited) return 0;
    return this.#tree.keptUnder(above, node, this.#tree.indexOf(name));
  }

  #allowed(node: QuotaNode, at: number): number {
    if (!this.guaranteeing) return this.#tree.left(node, at);
    const surplus = this.#surplus(at);
    const left = this.#tree.leftBeside(node, at);
    return left <= surplus ? left : Math.min(left, surplus + this.#tree.ownNeed(node, at));
  }

  #noteNeedy(node: QuotaNode, needs: boolean): void {
    for (const { slot } of node.own) {
      if (!needs) clearBit(this.needy, slot);
      else if (!hasBit(this.needy, slot)) {
        this.needy = withBit(this.needy, slot);
        this.#becameNeedy += 1;
      }
    }
    for (const child of node.children) this.#noteNeedy(child, needs);
  }

  #surplus(at: number): number {
    return Math.max(0, (this.#available[at] ?? 0) - (this.#tree.required[at] ?? 0));
  }

  #noteLimited(client: QuotaClient): void {
    if (client.quotaNode?.limited === true) this.limited = withBit(this.limited, client.slot);
    else clearBit(this.limited, client.slot);
  }

  #clear(clients: Iterable<QuotaClient>): void {
    if (!this.#active) return;
    this.#active = false;
    this.#guarantees = 0;
    for (const client of clients) client.quotaNode = undefined;
    this.#tree.clear();
    this.#exhaustion.all();
    this.#available.fill(0);
    this.needy = noBits;
    this.limited = noBits;
  }
}

/** A limit on the way up, and what is there of it. */
export interface BindingLimit {
  readonly role: Role;
  readonly limitMilli: number;
  readonly consumedMilli: number;
  readonly keptMilli?: number;
}

/** What counts against every role and those above it, by scanning all agents: for the moments when no book is kept. */
export function consumption(agents: Iterable<QuotaAgent>): ReadonlyMap<Role, Amounts> {
  const all = new Map<Role, Map<string, number>>();
  const count = (role: Role, name: string, milli: number): void => {
    let amounts = all.get(role);
    if (amounts === undefined) all.set(role, (amounts = new Map<string, number>()));
    amounts.set(name, (amounts.get(name) ?? 0) + milli);
  };
  for (const { info, held } of agents) {
    for (const r of info.total) {
      if (r.kind === 'scalar' && r.label.role !== undefined) count(r.label.role, r.name, r.milli);
    }
    for (const [client, parts] of held) {
      for (const { resources } of parts)
        for (const r of resources) if (isCommon(r)) count(client.role, r.name, r.milli);
    }
  }
  const sums = new Map<Role, Map<string, number>>();
  for (const [role, amounts] of all) {
    for (const above of [role, ...roleAncestors(role)]) {
      let total = sums.get(above);
      if (total === undefined) sums.set(above, (total = new Map<string, number>()));
      for (const [name, milli] of amounts) total.set(name, (total.get(name) ?? 0) + milli);
    }
  }
  return sums;
}

/** Scalars that quota is about: neither reserved nor revocable. */
function isCommon(r: Resource): r is ScalarResource {
  return r.kind === 'scalar' && r.label.role === undefined && !r.label.revocable;
}

function isAny(amounts: Float64Array): boolean {
  for (let at = 0; at < amounts.length; at += 1) if ((amounts[at] as number) > 0) return true;
  return false;
}

function longer(from: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(length);
  out.set(from);
  return out;
}
