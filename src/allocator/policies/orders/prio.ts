// Strict priority between classes of roles, another order within a class.
import type { Role } from '../../../base/ids.js';
import { roleAncestors } from '../../../resources/index.js';
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { Bits } from '../../../base/bits.js';
import { withBit } from '../../../base/bits.js';
import type { Columns, TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { Facts } from '../facts.js';
import { drf } from './drf.js';
import type { FrameworkOrder } from './order.js';
import { formatRoleNumbers } from './role-numbers.js';

/**
 * The highest class that has someone who may have the agent is served, in the order `inner` among its members. A role's class is its
 * own, else
 * that of the nearest role above it that has one, else 0. Nobody is preempted.
 */
export function prio(classes: ReadonlyMap<Role, number>, inner: FrameworkOrder = drf()): FrameworkOrder {
  return {
    name: `prio:${formatRoleNumbers(classes)}${inner.name === 'drf' ? '' : `:${inner.name}`}`,
    rule: `highest class first; within a class: ${inner.rule}`,
    ...(inner.tieBreak === undefined ? {} : { tieBreak: inner.tieBreak }),
    start: tieBreak => new Prio(classes, inner.start(tieBreak), tieBreak),
  };
}

/** Members of a class; everybody else is out of the way while it is served. */
interface Class {
  readonly value: number;
  members: Bits;
}

class Prio implements Scoring {
  readonly flat: boolean;
  readonly tieBreak: TieBreak;
  readonly entered?: (node: TreeNode, tree: Sorter) => void;
  readonly #classOf = new Map<Role, number>();
  readonly #given: ReadonlyMap<Role, number>;
  readonly #inner: Scoring | undefined;
  #classes: Class[] = [];
  #scratch: Bits = new Uint32Array(0);
  #outside: Bits = new Uint32Array(0);
  #tree: Sorter | undefined;

  constructor(given: ReadonlyMap<Role, number>, inner: Scoring | undefined, tieBreak: TieBreak) {
    this.#given = given;
    this.#inner = inner;
    this.flat = inner?.flat ?? false;
    this.tieBreak = tieBreak;
    if (inner?.entered !== undefined) this.entered = (node, tree) => inner.entered?.(node, tree);
  }

  begin(facts: Facts, tree: Sorter): boolean {
    this.#tree = tree;
    const byValue = new Map<number, Class>();
    for (const leaf of tree.leaves()) {
      if (leaf.active === 0) continue;
      const role = facts.client(leaf.slot)?.role;
      if (role === undefined) continue;
      const value = this.#valueOf(role);
      let found = byValue.get(value);
      if (found === undefined) {
        found = { value, members: new Uint32Array(0) };
        byValue.set(value, found);
      }
      found.members = withBit(found.members, leaf.slot);
    }
    this.#classes = [...byValue.values()].sort((a, b) => b.value - a.value);
    return this.#inner?.begin?.(facts, tree) ?? false;
  }

  score(node: TreeNode, columns: Columns): number {
    return this.#inner?.score(node, columns) ?? columns.dominant(node.id) / columns.weight(node.id);
  }

  served(node: TreeNode, tree: Sorter): void {
    this.#inner?.served?.(node, tree);
  }

  granted(tree: Sorter): boolean {
    return this.#inner?.granted?.(tree) ?? false;
  }

  first(tree: Sorter, blocked: Bits, agent: PoolAgent): number {
    for (const { members } of this.#classes) {
      const length = Math.max(members.length, blocked.length);
      // Clients beyond the end of a set count as not in it, and those beyond `length` arrived after the run began.
      if (this.#scratch.length <= length) {
        this.#scratch = new Uint32Array(length * 2 + 1);
        this.#outside = new Uint32Array(length * 2 + 1);
      }
      const scratch = this.#scratch;
      const outside = this.#outside;
      for (let w = 0; w < scratch.length; w += 1) {
        outside[w] = ~(members[w] ?? 0);
        scratch[w] = (blocked[w] ?? 0) | (outside[w] as number);
      }
      const found = this.#inner?.first?.(tree, scratch, agent, outside) ?? tree.walk(scratch);
      if (found >= 0) return found;
    }
    return -1;
  }

  classOf(leaf: TreeNode): number {
    return this.#valueOf(roleOf(leaf));
  }

  compare(tree: Sorter, a: TreeNode, b: TreeNode): number {
    return (
      this.classOf(b) - this.classOf(a) ||
      (this.#inner?.compare?.(this.#tree ?? tree, a, b) ?? tree.compareScores(a, b))
    );
  }

  #valueOf(role: Role): number {
    let value = this.#classOf.get(role);
    if (value === undefined) {
      const named = [role, ...roleAncestors(role).toReversed()].find(name => this.#given.has(name));
      value = named === undefined ? 0 : (this.#given.get(named) ?? 0);
      this.#classOf.set(role, value);
    }
    return value;
  }
}

// A framework hangs under its role's place `role/.`.
function roleOf(leaf: TreeNode): Role {
  return leaf.parent?.path.slice(0, -2) ?? '';
}
