// Roles as quota sees them: what counts against each, with its sub-roles; its limits; what it and its sub-roles still need. Kept by steps.
import { assert } from '../../base/assert.js';
import type { Role } from '../../base/ids.js';
import type { Amounts, Quota } from '../model.js';
import type { Minimum } from '../filters/min-allocatable.js';

type Vector = Float64Array<ArrayBuffer>;

/** A framework in a role as quota sees it. */
export interface QuotaClient {
  readonly slot: number;
  readonly role: Role;
  readonly minimum: Minimum;
  /** Its role in the book, while there is one. */
  quotaNode: QuotaNode | undefined;
}

/** One role. Vectors hold thousandths by index of the scalar's name. */
export interface QuotaNode {
  readonly role: Role;
  readonly parent: QuotaNode | undefined;
  /** The top-level role above it, or itself. */
  readonly top: QuotaNode;
  readonly children: Set<QuotaNode>;
  /** Clients of exactly this role. */
  readonly own: Set<QuotaClient>;
  limits: Amounts | undefined;
  guarantees: Amounts | undefined;
  /** Infinite where there is no limit; empty when there is none at all. */
  limitsAt: Vector;
  guaranteesAt: Vector;
  consumed: Vector;
  /** The part of that which is only offered and holds nothing (optimistic commit): it counts against limits, and meets no guarantee. */
  copied: Vector;
  /** The greater of its own guarantee less what it consumes, and the sum of its children's needs; but no more than its limits leave. */
  need: Vector;
  childrenNeed: Vector;
  /** It, or a role above it, has limits. */
  limited: boolean;
  /** Its limits left too little of something for some client when it was looked at last. */
  scarce: boolean;
  /** Whether it is on one of the lists of the tree. */
  crossed: boolean;
  moved: boolean;
}

/** A list of roles to be looked at, each once. Roles that are gone meanwhile have no clients. */
export class Marked {
  readonly #mark: 'crossed' | 'moved';
  #nodes: QuotaNode[] = [];

  constructor(mark: 'crossed' | 'moved') {
    this.#mark = mark;
  }

  get size(): number {
    return this.#nodes.length;
  }

  add(node: QuotaNode): void {
    if (node[this.#mark]) return;
    node[this.#mark] = true;
    this.#nodes.push(node);
  }

  /** Takes all off the list. */
  take(): readonly QuotaNode[] {
    const nodes = this.#nodes;
    if (nodes.length === 0) return nodes;
    this.#nodes = [];
    for (let i = 0; i < nodes.length; i += 1) (nodes[i] as QuotaNode)[this.#mark] = false;
    return nodes;
  }
}

/** All roles that have clients, quota or reservations, and those above them. */
export class QuotaTree {
  readonly #nodes = new Map<Role, QuotaNode>();
  readonly #indexes = new Map<string, number>();
  #width = 8;
  /** The sum of the needs of top-level roles. */
  required: Vector = new Float64Array(8);
  /** Top-level roles that began or ceased to need something. */
  readonly crossed = new Marked('crossed');
  /** What is enough for every client, by index: below it, what limits leave is to be looked at. */
  enough: Vector = new Float64Array(8).fill(1);
  /** Roles whose limits leave, or left, too little of something, and against which something changed. */
  readonly moved = new Marked('moved');

  indexOf(name: string): number {
    return this.#indexes.get(name) ?? this.#learn(name);
  }

  names(): Iterable<[string, number]> {
    return this.#indexes;
  }

  clear(): void {
    this.#nodes.clear();
    this.#indexes.clear();
    this.required.fill(0);
    this.enough.fill(1);
    this.crossed.take();
    this.moved.take();
  }

  *tops(): Iterable<QuotaNode> {
    for (const node of this.#nodes.values()) if (node.parent === undefined) yield node;
  }

  /** The role, or the nearest one above it that is here. */
  nearest(role: Role): QuotaNode | undefined {
    for (let at = role; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      const node = this.#nodes.get(at);
      if (node !== undefined) return node;
    }
    return undefined;
  }

  /** Nodes at and below `node`, each after the one above it. */
  *below(node: QuotaNode): Iterable<QuotaNode> {
    yield node;
    for (const child of node.children) yield* this.below(child);
  }

  /** Calls `visit` with each client of `node` and the roles below it. */
  eachClient(node: QuotaNode, visit: (client: QuotaClient) => void): void {
    for (const client of node.own) visit(client);
    for (const child of node.children) this.eachClient(child, visit);
  }

  join(client: QuotaClient): QuotaNode {
    const node = this.#ensure(client.role);
    client.quotaNode = node;
    node.own.add(client);
    return node;
  }

  leave(client: QuotaClient): void {
    const node = client.quotaNode;
    if (node === undefined) return;
    client.quotaNode = undefined;
    node.own.delete(client);
    this.prune(node);
  }

  /** Out: the role's node, to be pruned when all is done. */
  setQuota(role: Role, quota: Quota | undefined): QuotaNode {
    const node = this.#ensure(role);
    node.limits = quota === undefined || quota.limits.size === 0 ? undefined : quota.limits;
    node.guarantees = quota === undefined || quota.guarantees.size === 0 ? undefined : quota.guarantees;
    for (const name of [...(node.limits?.keys() ?? []), ...(node.guarantees?.keys() ?? [])]) this.indexOf(name);
    this.#spread(node);
    for (const at of this.#indexes.values()) this.#settle(node, at, 0);
    for (const each of this.below(node)) each.limited = each.limits !== undefined || each.parent?.limited === true;
    return node;
  }

  /** `milli` more of a scalar counts against `node` and all above it. */
  consume(node: QuotaNode, name: string, milli: number): void {
    this.#settle(node, this.indexOf(name), milli);
  }

  /** The same for what is only offered and holds nothing. */
  consumeCopy(node: QuotaNode, name: string, milli: number): void {
    const at = this.indexOf(name);
    for (let each: QuotaNode | undefined = node; each !== undefined; each = each.parent)
      each.copied[at] = (each.copied[at] as number) + milli;
    this.#settle(node, at, milli);
  }

  /** The same by role; roles that only have reservations come and go with them. */
  consumeReserved(role: Role, name: string, milli: number): void {
    const node = this.#ensure(role);
    this.#settle(node, this.indexOf(name), milli);
    if (milli < 0) this.prune(node);
  }

  /** What a role has of a scalar for good. */
  firmMilli(role: Role, name: string): number {
    const node = this.#nodes.get(role);
    return node === undefined ? 0 : firmAt(node, this.indexOf(name));
  }

  consumed(role: Role): Amounts {
    const out = new Map<string, number>();
    const node = this.#nodes.get(role);
    if (node === undefined) return out;
    for (const [name, at] of this.#indexes) if (node.consumed[at] !== 0) out.set(name, node.consumed[at] as number);
    return out;
  }

  /** The least that the limits of `node` and of the roles above it leave; infinite without any. */
  left(node: QuotaNode, at: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let each: QuotaNode | undefined = node; each !== undefined; each = each.parent) {
      if (each.limits === undefined) continue;
      const left = (each.limitsAt[at] as number) - (each.consumed[at] as number);
      if (left < least) least = left;
    }
    return Math.max(0, least);
  }

  /** The same, less what the limits must leave for the needs of roles beside the path from `node` up to them, and below `node`. */
  leftBeside(node: QuotaNode, at: number): number {
    if (isLone(node)) return leftAt(node, at);
    let least = Number.POSITIVE_INFINITY;
    let others = 0;
    let below: QuotaNode | undefined;
    for (let each: QuotaNode | undefined = node; each !== undefined; each = each.parent) {
      others = needsBeside(each, below, others, at);
      const left = leftAt(each, at) - beyondCopies(each, others, at);
      if (left < least) least = left;
      others = Math.min(others, firmLeftAt(each, at));
      below = each;
    }
    return Math.max(0, least);
  }

  /** Of what a limit of `limited`, which is `node` or above it, leaves: the part that is for the needs of others than `node`. */
  keptUnder(limited: QuotaNode, node: QuotaNode, at: number): number {
    let others = 0;
    let below: QuotaNode | undefined;
    for (let each: QuotaNode | undefined = node; each !== undefined; each = each.parent) {
      others = needsBeside(each, below, others, at);
      if (each === limited) return beyondCopies(each, others, at);
      others = Math.min(others, firmLeftAt(each, at));
      below = each;
    }
    return 0;
  }

  /** How much less is left under the role's own limits than it and the roles below it need. */
  shortUnder(role: Role, at: number): number {
    const node = this.#nodes.get(role);
    if (node?.limits === undefined) return 0;
    return Math.max(0, wantAt(node, at) - firmLeftAt(node, at));
  }

  /** How much a client of `node` may take without touching what is kept for roles beside the path from it to the top. */
  ownNeed(node: QuotaNode, at: number): number {
    if (isLone(node)) return node.need[at] as number;
    let others = 0;
    let below: QuotaNode | undefined;
    for (let each: QuotaNode | undefined = node; each !== undefined; each = each.parent) {
      others = Math.min(needsBeside(each, below, others, at), firmLeftAt(each, at));
      below = each;
    }
    return Math.max(0, (node.top.need[at] as number) - others);
  }

  // Counts `milli` at `from` and all above, and brings needs up to date.
  #settle(from: QuotaNode, at: number, milli: number): void {
    let childNeed = 0;
    for (let node: QuotaNode | undefined = from; node !== undefined; node = node.parent) {
      node.consumed[at] = (node.consumed[at] as number) + milli;
      if (node.limits !== undefined) {
        const left = (node.limitsAt[at] as number) - node.consumed[at];
        if (node.scarce || left < (this.enough[at] as number)) this.moved.add(node);
      }
      node.childrenNeed[at] = (node.childrenNeed[at] as number) + childNeed;
      const before = node.need[at] as number;
      const need = Math.min(wantAt(node, at), firmLeftAt(node, at));
      node.need[at] = need;
      childNeed = need - before;
      if (node.parent !== undefined || childNeed === 0) continue;
      this.required[at] = (this.required[at] as number) + childNeed;
      if (before === 0 || need === 0) this.crossed.add(node);
    }
  }

  #ensure(role: Role): QuotaNode {
    const known = this.#nodes.get(role);
    if (known !== undefined) return known;
    const slash = role.lastIndexOf('/');
    const parent = slash < 0 ? undefined : this.#ensure(role.slice(0, slash));
    const node: { -readonly [K in keyof QuotaNode]: QuotaNode[K] } & { top: QuotaNode } = {
      role,
      parent,
      top: undefined as unknown as QuotaNode,
      children: new Set(),
      own: new Set(),
      limits: undefined,
      guarantees: undefined,
      limitsAt: none,
      guaranteesAt: none,
      consumed: new Float64Array(this.#width),
      copied: new Float64Array(this.#width),
      need: new Float64Array(this.#width),
      childrenNeed: new Float64Array(this.#width),
      limited: parent?.limited === true,
      scarce: false,
      crossed: false,
      moved: false,
    };
    node.top = parent?.top ?? node;
    parent?.children.add(node);
    this.#nodes.set(role, node);
    return node;
  }

  /** Forgets roles that nothing hangs on, from this one up. */
  prune(from: QuotaNode): void {
    for (let node: QuotaNode | undefined = from; node !== undefined; node = node.parent) {
      if (node.own.size > 0 || node.children.size > 0 || node.limits !== undefined || node.guarantees !== undefined)
        return;
      if (node.consumed.some(milli => milli !== 0)) return;
      this.#nodes.delete(node.role);
      node.parent?.children.delete(node);
    }
  }

  #spread(node: QuotaNode): void {
    const { limits, guarantees } = node;
    node.limitsAt = limits === undefined ? none : this.#vector(limits, Number.POSITIVE_INFINITY);
    node.guaranteesAt = guarantees === undefined ? none : this.#vector(guarantees, 0);
  }

  #vector(amounts: Amounts, otherwise: number): Vector {
    const out = new Float64Array(this.#width).fill(otherwise);
    for (const [name, milli] of amounts) {
      const at = this.#indexes.get(name);
      assert(at !== undefined, 'a name with quota has an index');
      out[at] = milli;
    }
    return out;
  }

  #learn(name: string): number {
    const at = this.#indexes.size;
    this.#indexes.set(name, at);
    if (at < this.#width) return at;
    this.#width *= 2;
    this.required = longer(this.required, this.#width);
    const enough = new Float64Array(this.#width).fill(1);
    enough.set(this.enough);
    this.enough = enough;
    for (const node of this.#nodes.values()) {
      node.consumed = longer(node.consumed, this.#width);
      node.copied = longer(node.copied, this.#width);
      node.need = longer(node.need, this.#width);
      node.childrenNeed = longer(node.childrenNeed, this.#width);
      this.#spread(node);
    }
    return at;
  }
}

const none: Vector = new Float64Array(0);

// Most roles have none above or below them.
function isLone({ parent, children }: QuotaNode): boolean {
  return parent === undefined && children.size === 0;
}

function leftAt(node: QuotaNode, at: number): number {
  if (node.limits === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, (node.limitsAt[at] as number) - (node.consumed[at] as number));
}

// What it has for good.
function firmAt(node: QuotaNode, at: number): number {
  return (node.consumed[at] as number) - (node.copied[at] as number);
}

function firmLeftAt(node: QuotaNode, at: number): number {
  if (node.limits === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, (node.limitsAt[at] as number) - firmAt(node, at));
}

// Needs under a limit: what is offered there, and counts already, may be for them.
function beyondCopies(node: QuotaNode, needs: number, at: number): number {
  return Math.max(0, needs - (node.copied[at] as number));
}

// What it and the roles below it lack, limits of its own aside.
function wantAt(node: QuotaNode, at: number): number {
  const own = node.guarantees === undefined ? 0 : (node.guaranteesAt[at] as number) - firmAt(node, at);
  return Math.max(0, own, node.childrenNeed[at] as number);
}

// What of the needs below `node` stays if all on the way down to a client had what they want: `others` is that of `below`, the next on the way.
function needsBeside(node: QuotaNode, below: QuotaNode | undefined, others: number, at: number): number {
  const all = node.childrenNeed[at] as number;
  return below === undefined ? all : all - (below.need[at] as number) + others;
}

function longer(from: Vector, length: number): Vector {
  const out = new Float64Array(length);
  out.set(from);
  return out;
}
