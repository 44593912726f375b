// The sorter: roles and their frameworks as a tree, each level in the order of hierarchical DRF or of another scoring. In: totals, allocations,
// weights, who is active. Out: who comes next. Kept sorted by moving the one entry that changed; only a change of totals sorts again.
import { assert } from '../../base/assert.js';
import type { Role } from '../../base/ids.js';
import type { Bag } from '../../resources/index.js';
import { emptyBag } from '../../resources/index.js';
import type { Bits } from '../../base/bits.js';
import { hasBit } from '../../base/bits.js';
import { Columns } from './columns.js';
import { Order } from './order.js';
import type { NodeScoring, Sorter } from './scoring.js';
import type { Hopeless, TreeNode } from './tree-node.js';

/**
 * Hierarchical DRF. Siblings are ordered by (share, count of allocations, path); a share is max over scalars of allocated/total, the total
 * being the whole cluster's at every level, divided by the node's weight: doubles, in that order of operations. A role's own frameworks
 * compete with its sub-roles as a child named `.` of weight 1.
 * Source: Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011), per level as Mesos does it (`src/master/allocator/mesos/sorter/drf`).
 */
export class RoleTree implements Sorter {
  /** Amounts and scores by node id. */
  readonly columns: Columns;
  readonly #scoring: NodeScoring | undefined;
  // The one list of a flat scoring.
  readonly #flat: Order | undefined;
  readonly #nodes: (TreeNode | undefined)[] = [];
  readonly #freeIds: number[] = [];
  readonly #weights = new Map<Role, number>();
  readonly root: TreeNode;
  readonly #toRank = new Set<TreeNode>();
  // By node id: the version of the hopeless at which all below were that.
  readonly #hopelessAt: number[] = [];
  // Totals have changed since the last sort: orders and shares are of old.
  #stale = false;

  /** Whether only scores decide, so that `compare` finds the first as well. */
  readonly scored: boolean;

  /** `excluded`: scalars that do not count in shares. `scoring`: default weighted dominant shares. */
  constructor(excluded: readonly string[] = [], scoring?: NodeScoring, scored = true) {
    this.scored = scored;
    this.columns = new Columns(excluded, scoring?.tieBreak);
    this.#scoring = scoring;
    this.#flat = scoring?.flat === true ? new Order() : undefined;
    this.root = this.#create(undefined, '', '', -1, 1);
  }

  /** Tells the scoring that a run granted something to a framework. */
  served(node: TreeNode): void {
    const scoring = this.#scoring;
    if (scoring === undefined) return;
    if (scoring.served !== undefined) {
      for (let at = node; at.parent !== undefined; at = at.parent) this.#place(at, () => scoring.served?.(at, this));
    }
    if (scoring.granted?.(this) !== true) return;
    this.#stale = true;
    this.refresh();
  }

  /** Counts an offer that books nothing as an allocation, so that equals take turns. */
  countOffer(node: TreeNode): void {
    const { counts } = this.columns;
    for (let at = node; at.parent !== undefined; at = at.parent) {
      const { id } = at;
      this.#place(at, () => (counts[id] = (counts[id] as number) + 1));
    }
  }

  /**
   * What the weights give a framework, were all active ones always served: over its levels, its weight by the sum of its active
   * siblings'.
   */
  fairFraction(node: TreeNode): number {
    let fraction = 1;
    for (let at = node; at.parent !== undefined; at = at.parent) {
      const { order } = at.parent;
      let sum = 0;
      for (let i = 0; i < order.size; i += 1) sum += this.columns.weight(order.at(i));
      if (sum > 0) fraction *= this.columns.weight(at.id) / sum;
    }
    return fraction;
  }

  /** Adds what an agent brings. */
  addTotal(bag: Bag): void {
    this.columns.addTotal(bag, 1);
    this.#stale = true;
  }

  removeTotal(bag: Bag): void {
    this.columns.addTotal(bag, -1);
    this.#stale = true;
  }

  /** Adds a framework to a role, inactive and holding nothing. */
  add(role: Role, name: string, slot: number): TreeNode {
    const own = this.#childOf(this.#roleNode(role), '.', `${role}/.`);
    assert(!own.children.has(name), () => `${name} is in role ${role} already`);
    const node = this.#create(own, name, this.#flat === undefined ? name : `${role}/./${name}`, slot, 1);
    this.#adopt(own, name, node);
    return node;
  }

  /** Takes a framework out of its role, with what it holds; roles left empty go too. */
  remove(node: TreeNode): void {
    if (node.active > 0) this.deactivate(node);
    for (let at = node.parent; at?.parent !== undefined; at = at.parent) {
      const { id } = at;
      this.#place(at, () => this.columns.subtractNode(id, node.id));
    }
    for (let at = node; at.parent !== undefined && at.children.size === 0; at = at.parent) {
      at.parent.children.delete(at === node ? at.path : lastPart(at.path));
      this.#nodes[at.id] = undefined;
      this.#toRank.delete(at);
      this.#freeIds.push(at.id);
    }
  }

  activate(node: TreeNode): void {
    assert(node.active === 0, 'activated twice');
    for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent) {
      at.active += 1;
      this.#hopelessAt[at.id] = 0;
      if (at.active > 1 || at.parent === undefined) continue;
      this.#scoring?.entered?.(at, this);
      if (!this.#stale) this.#measure(at);
      this.#listOf(at)?.insert(this.columns, at.id, !this.#stale);
    }
  }

  deactivate(node: TreeNode): void {
    assert(node.active === 1, 'deactivated twice');
    for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent) {
      at.active -= 1;
      if (at.active === 0) this.#listOf(at)?.remove(this.columns, at.id, !this.#stale);
    }
  }

  /** Books one allocation to a framework and all above it. */
  charge(node: TreeNode, bag: Bag): void {
    this.#book(node, bag, 1);
  }

  /** Takes an allocation, or part of one, back. Counts stay. */
  discharge(node: TreeNode, bag: Bag): void {
    this.#book(node, bag, -1);
  }

  setWeight(role: Role, weight: number): void {
    assert(Number.isFinite(weight) && weight > 0, () => `the weight of ${role} must be positive, got ${weight}`);
    if (weight === 1) this.#weights.delete(role);
    else this.#weights.set(role, weight);
    const node = this.find(role);
    if (node !== undefined) this.#place(node, () => this.columns.setWeight(node.id, weight));
  }

  weightOf(role: Role): number {
    return this.#weights.get(role) ?? 1;
  }

  /** Roles whose weight is not 1. */
  weighted(): Iterable<Role> {
    return this.#weights.keys();
  }

  /** The node of a role that is in the tree, be it only for its sub-roles. */
  find(role: Role): TreeNode | undefined {
    let at: TreeNode | undefined = this.root;
    for (const part of role.split('/')) at = at?.children.get(part);
    return at;
  }

  /** Brings orders up to date with totals, and with all scores if they are to be asked for again. Call before `walk`, `compare` and `ordered`. */
  refresh(rescore = false): void {
    if (rescore) this.#stale = true;
    if (this.#toRank.size > 0) this.#rank();
    if (!this.#stale) return;
    this.#stale = false;
    if (this.#scoring === undefined) this.#remeasure(this.root);
    else this.#rescore(this.root, this.#scoring);
  }

  /**
   * The slot of the first active framework that is not in `blocked`, by scores alone; -1 when there is none. `hopeless`: part of `blocked`.
   */
  walk(blocked: Bits, hopeless?: Hopeless): number {
    const flat = this.#flat;
    if (flat === undefined) {
      return hopeless === undefined
        ? this.firstBelow(this.root, blocked)
        : this.#hopefulBelow(this.root, blocked, hopeless, hopeless.version());
    }
    for (let i = 0; i < flat.size; i += 1) {
      const { slot } = this.node(flat.at(i));
      if (!hasBit(blocked, slot)) return slot;
    }
    return -1;
  }

  /** How many frameworks are active, where all are in one list. */
  get listed(): number {
    return this.#flat?.size ?? 0;
  }

  /** The framework at a place of that list. */
  listedAt(index: number): TreeNode {
    return this.node(this.#flat?.at(index) ?? -1);
  }

  /** Whether all frameworks are in one list, instead of role by role. */
  get isFlat(): boolean {
    return this.#flat !== undefined;
  }

  /** Whether some come before others whatever their scores: then only `compare` knows the order. */
  get hasClasses(): boolean {
    return this.#scoring?.classOf !== undefined;
  }

  classOf(leaf: TreeNode): number {
    return this.#scoring?.classOf?.(leaf) ?? 0;
  }

  /** What a node is ordered by; of one that has no place in the order now, what it would be. */
  scoreOf(node: TreeNode): number {
    if (node.active > 0) return this.columns.shares[node.id] as number;
    if (this.#scoring !== undefined) return comparable(this.#scoring.score(node, this.columns));
    return this.columns.dominant(node.id) / this.columns.weight(node.id);
  }

  /** Negative when `a` comes before `b`. Both are frameworks in roles. */
  compare(a: TreeNode, b: TreeNode): number {
    const scoring = this.#scoring;
    return scoring?.compare === undefined ? this.compareScores(a, b) : scoring.compare(this, a, b);
  }

  /** As `compare`, going by scores alone. */
  compareScores(a: TreeNode, b: TreeNode): number {
    if (this.#flat !== undefined) return this.columns.compare(a.id, b.id);
    let x = a;
    let y = b;
    while (x.depth > y.depth) x = x.parent as TreeNode;
    while (y.depth > x.depth) y = y.parent as TreeNode;
    while (x.parent !== y.parent) {
      x = x.parent as TreeNode;
      y = y.parent as TreeNode;
    }
    return this.columns.compare(x.id, y.id);
  }

  /** Slots of all active frameworks in order. */
  ordered(): number[] {
    const slots: number[] = [];
    const visit = (node: TreeNode): void => {
      if (node.slot >= 0) slots.push(node.slot);
      for (let i = 0; i < node.order.size; i += 1) visit(this.node(node.order.at(i)));
    };
    if (this.#flat === undefined) visit(this.root);
    else for (let i = 0; i < this.#flat.size; i += 1) visit(this.node(this.#flat.at(i)));
    return slots;
  }

  /** All frameworks in roles, active or not. */
  leaves(): TreeNode[] {
    return this.#nodes.filter(node => node !== undefined && node.slot >= 0) as TreeNode[];
  }

  /** Names of all roles in the tree, each before its sub-roles. */
  roles(): Role[] {
    const names: Role[] = [];
    const visit = (node: TreeNode): void => {
      if (node !== this.root) names.push(node.path);
      for (const [name, child] of node.children) if (name !== '.') visit(child);
    };
    visit(this.root);
    return names;
  }

  /** Slots of the frameworks in `role` and, when `below`, in its sub-roles, active or not. */
  slotsIn(role: Role, below: boolean): number[] {
    const slots: number[] = [];
    const visit = (node: TreeNode): void => {
      if (node.slot >= 0) slots.push(node.slot);
      for (const child of node.children.values()) visit(child);
    };
    const node = this.find(role);
    const top = below ? node : node?.children.get('.');
    if (top !== undefined) visit(top);
    return slots;
  }

  /** The dominant share of a role, with its sub-roles, before it is divided by the weight. */
  dominantShare(role: Role): number {
    const node = this.find(role);
    return node === undefined ? 0 : this.columns.dominant(node.id);
  }

  /** Allocations ever made to a node and below it. */
  countOf(node: TreeNode): number {
    return this.columns.counts[node.id] ?? 0;
  }

  /** Scalars that a role and its sub-roles hold, whatever they are reserved for. */
  allocatedTo(role: Role): Bag {
    const node = this.find(role);
    return node === undefined ? emptyBag : this.columns.held(node.id);
  }

  #book(node: TreeNode, bag: Bag, sign: 1 | -1): void {
    const { columns } = this;
    const scoring = this.#scoring;
    const flat = this.#flat;
    columns.load(bag);
    for (let at = node; at.parent !== undefined; at = at.parent) {
      const { id } = at;
      const share = columns.shares[id] as number;
      const count = columns.counts[id] as number;
      columns.addLoaded(id, sign);
      if (this.#stale || at.active === 0) continue;
      if (scoring === undefined) columns.measure(id);
      else this.#measure(at);
      const list = flat === undefined ? at.parent.order : this.#listOf(at);
      if (list !== undefined && list.size > 1) list.move(columns, id, share, count);
    }
  }

  // Changes something that a node's share depends on, and puts the node where it then belongs.
  #place(node: TreeNode, change: () => void): void {
    const columns = this.columns;
    const share = columns.shares[node.id] as number;
    const count = columns.counts[node.id] as number;
    change();
    if (this.#stale || node.active === 0 || node.parent === undefined) return;
    this.#measure(node);
    this.#listOf(node)?.move(columns, node.id, share, count);
  }

  #measure(node: TreeNode): void {
    if (this.#scoring === undefined) this.columns.measure(node.id);
    else this.columns.shares[node.id] = comparable(this.#scoring.score(node, this.columns));
  }

  // Where an active node has its place.
  #listOf(node: TreeNode): Order | undefined {
    if (this.#flat === undefined) return node.parent?.order;
    return node.slot >= 0 ? this.#flat : undefined;
  }

  #remeasure(node: TreeNode): void {
    node.order.remeasure(this.columns);
    if (isOwn(node)) return;
    for (let i = 0; i < node.order.size; i += 1) this.#remeasure(this.node(node.order.at(i)));
  }

  #rescore(node: TreeNode, scoring: NodeScoring): void {
    const list = this.#flat ?? node.order;
    for (let i = 0; i < list.size; i += 1) {
      const child = this.node(list.at(i));
      if (child.slot < 0) this.#rescore(child, scoring);
      this.columns.shares[child.id] = comparable(scoring.score(child, this.columns));
    }
    list.sort(this.columns);
  }

  /** The slot of the first active framework below a role's node that is not in `blocked`, by scores alone; -1 when there is none. */
  firstBelow(node: TreeNode, blocked: Bits): number {
    const { order } = node;
    for (let i = 0; i < order.size; i += 1) {
      const child = this.node(order.at(i));
      if (child.slot < 0) {
        const found = this.firstBelow(child, blocked);
        if (found >= 0) return found;
      } else if (!hasBit(blocked, child.slot)) return child.slot;
    }
    return -1;
  }

  // The same, past all nodes below which only hopeless ones were found.
  #hopefulBelow(node: TreeNode, blocked: Bits, hopeless: Hopeless, version: number): number {
    const { order } = node;
    let areHopeless = true;
    for (let i = 0; i < order.size; i += 1) {
      const id = order.at(i);
      if (this.#hopelessAt[id] === version) continue;
      const child = this.node(id);
      if (child.slot < 0) {
        const found = this.#hopefulBelow(child, blocked, hopeless, version);
        if (found >= 0) return found;
        if (this.#hopelessAt[id] !== version) areHopeless = false;
      } else if (!hasBit(blocked, child.slot)) return child.slot;
      else if (hopeless.has(child.slot)) this.#hopelessAt[id] = version;
      else areHopeless = false;
    }
    if (areHopeless) this.#hopelessAt[node.id] = version;
    return -1;
  }

  node(id: number): TreeNode {
    return this.#nodes[id] as TreeNode;
  }

  #roleNode(role: Role): TreeNode {
    let at = this.root;
    for (const part of role.split('/')) at = this.#childOf(at, part, at === this.root ? part : `${at.path}/${part}`);
    return at;
  }

  #childOf(parent: TreeNode, name: string, path: string): TreeNode {
    const known = parent.children.get(name);
    if (known !== undefined) return known;
    const node = this.#create(parent, path, path, -1, this.weightOf(path));
    this.#adopt(parent, name, node);
    return node;
  }

  #adopt(parent: TreeNode, name: string, node: TreeNode): void {
    parent.children.set(name, node);
    if (this.#flat !== undefined) return;
    parent.unranked += 1;
    this.#toRank.add(parent);
  }

  // Few newcomers are compared by their paths until it pays to rank all again.
  #rank(): void {
    for (const parent of this.#toRank) {
      if (parent.unranked * 8 < parent.children.size) continue;
      this.columns.rank(Array.from(parent.children.values(), child => child.id));
      parent.unranked = 0;
      this.#toRank.delete(parent);
    }
  }

  // `tiePath`: what breaks ties with the nodes it is listed with.
  #create(parent: TreeNode | undefined, path: string, tiePath: string, slot: number, weight: number): TreeNode {
    const id = this.#freeIds.pop() ?? this.#nodes.length;
    const node: TreeNode = {
      id,
      parent,
      depth: parent === undefined ? 0 : parent.depth + 1,
      path,
      slot,
      children: slot < 0 ? new Map<string, TreeNode>() : noChildren,
      active: 0,
      order: slot < 0 ? new Order() : noOrder,
      unranked: 0,
    };
    this.#nodes[id] = node;
    this.#hopelessAt[id] = 0;
    this.columns.reset(id, tiePath, weight);
    return node;
  }
}

const noOrder = new Order();
const noChildren = new Map<string, TreeNode>();

// Scores may be anybody's, and what is no number would be nowhere in an order.
function comparable(score: number): number {
  return Number.isNaN(score) ? Number.POSITIVE_INFINITY : score;
}

// Whether its children are frameworks.
function isOwn(node: TreeNode): boolean {
  return node.path.endsWith('/.');
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
