// The sorter: roles and their frameworks as a tree, each level in the order of hierarchical DRF. In: totals, allocations, weights, who is
// active. Out: who comes next. Kept sorted by moving the one entry that changed; only a change of totals sorts again.
import { assert, must } from '../base/assert.js';
import type { Role } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import { bagOf } from '../resources/index.js';
import type { Bits } from './bits.js';
import { hasBit } from './bits.js';
import { insertId, moveId, removeId, sortIds } from './order.js';
import type { Vector } from './scalars.js';
import { Scalars } from './scalars.js';
import type { TreeNode } from './tree-node.js';
import { compareNodes, depthOf } from './tree-node.js';

/**
 * Hierarchical DRF. Siblings are ordered by (share, count, path); a share is max over scalars of allocated/total, the total being the
 * whole cluster's at every level, divided by the node's weight: doubles, in that order of operations. A role with sub-roles competes with
 * them through a child named `.` of weight 1.
 * Source: Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011), per level as Mesos does it (`src/master/allocator/mesos/sorter/drf`).
 */
export class RoleTree {
  readonly #scalars = new Scalars();
  readonly #excluded: ReadonlySet<string>;
  readonly #nodes: (TreeNode | undefined)[] = [];
  readonly #freeIds: number[] = [];
  readonly #weights = new Map<Role, number>();
  readonly #root: TreeNode;
  #totals: Vector = new Float64Array(8);
  // Totals have changed since the last sort: orders and shares are of old.
  #stale = false;

  /** `excluded`: scalars that do not count in shares. */
  constructor(excluded: readonly string[] = []) {
    this.#excluded = new Set(excluded);
    this.#root = this.#create(undefined, '', -1);
  }

  /** Adds what an agent brings. */
  addTotal(bag: Bag): void {
    this.#scalars.load(bag);
    this.#totals = this.#scalars.addLoaded(this.#totals, 1);
    this.#stale = true;
  }

  removeTotal(bag: Bag): void {
    this.#scalars.load(bag);
    this.#totals = this.#scalars.addLoaded(this.#totals, -1);
    this.#stale = true;
  }

  /** Adds a framework to a role, inactive and holding nothing. */
  add(role: Role, name: string, slot: number): TreeNode {
    const own = this.#childOf(this.#roleNode(role), '.', `${role}/.`);
    assert(!own.children.has(name), () => `${name} is in role ${role} already`);
    return this.#attach(own, name, this.#create(own, name, slot));
  }

  /** Takes a framework out of its role, with what it holds; roles left empty go too. */
  remove(node: TreeNode): void {
    if (node.active > 0) this.deactivate(node);
    for (let at = node.parent; at !== undefined && at !== this.#root; at = at.parent) {
      this.#place(at, () => {
        for (let i = 0; i < node.allocated.length; i += 1) {
          at.allocated[i] = (at.allocated[i] as number) - (node.allocated[i] as number);
        }
      });
    }
    for (let at = node; at.parent !== undefined && at.children.size === 0; at = at.parent) {
      at.parent.children.delete(at === node ? at.path : lastPart(at.path));
      this.#nodes[at.id] = undefined;
      this.#freeIds.push(at.id);
    }
  }

  activate(node: TreeNode): void {
    assert(node.active === 0, 'activated twice');
    for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent) {
      at.active += 1;
      if (at.active > 1 || at.parent === undefined) continue;
      if (!this.#stale) at.share = this.#shareOf(at);
      insertId(at.parent, this.#nodes, at, !this.#stale);
    }
  }

  deactivate(node: TreeNode): void {
    assert(node.active === 1, 'deactivated twice');
    for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent) {
      at.active -= 1;
      if (at.active === 0 && at.parent !== undefined) removeId(at.parent, this.#nodes, at, !this.#stale);
    }
  }

  /** Books one allocation to a framework and all above it. */
  charge(node: TreeNode, bag: Bag): void {
    this.#scalars.load(bag);
    this.#book(node, 1);
  }

  /** Takes an allocation, or part of one, back. Counts stay. */
  discharge(node: TreeNode, bag: Bag): void {
    this.#scalars.load(bag);
    this.#book(node, -1);
  }

  setWeight(role: Role, weight: number): void {
    assert(Number.isFinite(weight) && weight > 0, () => `the weight of ${role} must be positive, got ${weight}`);
    if (weight === 1) this.#weights.delete(role);
    else this.#weights.set(role, weight);
    const node = this.find(role);
    if (node === undefined) return;
    this.#place(node, () => {
      node.weight = weight;
    });
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
    let at: TreeNode | undefined = this.#root;
    for (const part of role.split('/')) at = at?.children.get(part);
    return at;
  }

  /** Brings orders up to date with totals. Call before `first`, `compare` and `ordered`. */
  refresh(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#resort(this.#root);
  }

  /** The slot of the first active framework, in order, that is not in `blocked`; -1 when there is none. */
  first(blocked: Bits): number {
    return this.#firstBelow(this.#root, blocked);
  }

  /** Negative when `a` comes before `b`. Both are frameworks in roles. */
  compare(a: TreeNode, b: TreeNode): number {
    let x = a;
    let y = b;
    let depths = depthOf(a) - depthOf(b);
    for (; depths > 0; depths -= 1) x = x.parent as TreeNode;
    for (; depths < 0; depths += 1) y = y.parent as TreeNode;
    while (x.parent !== y.parent) {
      x = x.parent as TreeNode;
      y = y.parent as TreeNode;
    }
    return compareNodes(x, y);
  }

  /** Slots of all active frameworks in order. */
  ordered(): number[] {
    const slots: number[] = [];
    this.#collect(this.#root, slots);
    return slots;
  }

  /** Names of all roles in the tree, each before its sub-roles. */
  roles(): Role[] {
    const names: Role[] = [];
    const visit = (node: TreeNode): void => {
      if (node !== this.#root) names.push(node.path);
      for (const [name, child] of node.children) if (name !== '.') visit(child);
    };
    visit(this.#root);
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
    return node === undefined ? 0 : this.#dominant(node);
  }

  /** Scalars that a role and its sub-roles hold, whatever they are reserved for. */
  allocatedTo(role: Role): Bag {
    const node = this.find(role);
    if (node === undefined) return [];
    const amounts = this.#scalars.names.map((name, i) => [name, (node.allocated[i] ?? 0) / 1000] as const);
    return bagOf(Object.fromEntries(amounts));
  }

  #book(node: TreeNode, sign: 1 | -1): void {
    for (let at = node; at.parent !== undefined; at = at.parent) {
      if (this.#stale || at.active === 0) {
        at.allocated = this.#scalars.addLoaded(at.allocated, sign);
        if (sign > 0) at.count += 1;
        continue;
      }
      const { share, count } = at;
      at.allocated = this.#scalars.addLoaded(at.allocated, sign);
      if (sign > 0) at.count += 1;
      at.share = this.#shareOf(at);
      if (at.parent.size > 1) moveId(at.parent, this.#nodes, at, share, count);
    }
  }

  // Changes something of a node that its share depends on, and puts it where it then belongs.
  #place(node: TreeNode, change: () => void): void {
    const { share, count } = node;
    change();
    if (this.#stale || node.active === 0 || node.parent === undefined) return;
    node.share = this.#shareOf(node);
    moveId(node.parent, this.#nodes, node, share, count);
  }

  #resort(node: TreeNode): void {
    for (let i = 0; i < node.size; i += 1) {
      const child = this.#nodes[node.order[i] as number] as TreeNode;
      child.share = this.#shareOf(child);
      if (child.size > 0) this.#resort(child);
    }
    sortIds(node, this.#nodes);
  }

  #shareOf(node: TreeNode): number {
    return this.#dominant(node) / node.weight;
  }

  #dominant(node: TreeNode): number {
    const { allocated } = node;
    const { names } = this.#scalars;
    let share = 0;
    for (let i = 0; i < allocated.length && i < names.length; i += 1) {
      const total = this.#totals[i] ?? 0;
      if (total <= 0) continue;
      const part = (allocated[i] as number) / total;
      if (part > share && !(this.#excluded.size > 0 && this.#excluded.has(names[i] as string))) share = part;
    }
    return share;
  }

  #firstBelow(node: TreeNode, blocked: Bits): number {
    for (let i = 0; i < node.size; i += 1) {
      const child = this.#nodes[node.order[i] as number] as TreeNode;
      if (child.slot < 0) {
        const found = this.#firstBelow(child, blocked);
        if (found >= 0) return found;
      } else if (!hasBit(blocked, child.slot)) return child.slot;
    }
    return -1;
  }

  #collect(node: TreeNode, slots: number[]): void {
    if (node.slot >= 0) slots.push(node.slot);
    for (let i = 0; i < node.size; i += 1) this.#collect(must(this.#nodes[node.order[i] as number], 'node'), slots);
  }

  #roleNode(role: Role): TreeNode {
    let at = this.#root;
    for (const part of role.split('/')) {
      const path = at === this.#root ? part : `${at.path}/${part}`;
      at = this.#childOf(at, part, path);
    }
    return at;
  }

  #childOf(parent: TreeNode, name: string, path: string): TreeNode {
    const known = parent.children.get(name);
    if (known !== undefined) return known;
    const node = this.#create(parent, path, -1);
    node.weight = this.weightOf(path);
    return this.#attach(parent, name, node);
  }

  #attach(parent: TreeNode, name: string, node: TreeNode): TreeNode {
    parent.children.set(name, node);
    return node;
  }

  #create(parent: TreeNode | undefined, path: string, slot: number): TreeNode {
    const id = this.#freeIds.pop() ?? this.#nodes.length;
    const node: TreeNode = {
      id,
      parent,
      path,
      slot,
      children: slot < 0 ? new Map<string, TreeNode>() : noChildren,
      weight: 1,
      allocated: new Float64Array(this.#scalars.names.length),
      count: 0,
      share: 0,
      active: 0,
      order: noOrder,
      size: 0,
    };
    this.#nodes[id] = node;
    return node;
  }
}

const noOrder = new Int32Array(0);
const noChildren = new Map<string, TreeNode>();

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
