// Clients whose limits leave less than their least offer: no unreserved resources can help them, wherever. In: roles against which something
// changed. Out: a set, so that thousands of roles at their limits cost a cycle nothing.
import type { Bag, Resource } from '../../resources/index.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, hasBit, noBits, withBit } from '../../base/bits.js';
import type { QuotaClient, QuotaNode, QuotaTree } from './quota-tree.js';

/** Keeps the set. A role is looked at only when something is scarce there: when a limit leaves less than the greatest amount of any minimum. */
export class Exhaustion {
  readonly #tree: QuotaTree;
  #all = false;
  bits: Bits = noBits;
  /** Moves whenever a client ceases to be in the set. */
  losses = 0;

  constructor(tree: QuotaTree) {
    this.#tree = tree;
  }

  /** Everything is to be looked at again. */
  all(): void {
    this.#all = true;
    this.bits = noBits;
    this.losses += 1;
  }

  /** The limits of a role are other ones. */
  look(from: QuotaNode): void {
    for (const node of this.#tree.below(from)) {
      node.scarce = this.#isScarce(node);
      for (const client of node.own) this.#put(client);
    }
  }

  /** A client is new, or its minimum is. */
  judge(client: QuotaClient): void {
    for (const set of client.minimum.sets) {
      for (const r of set) {
        if (r.kind !== 'scalar') continue;
        const at = this.#tree.indexOf(r.name);
        if (r.milli <= (this.#tree.enough[at] as number)) continue;
        this.#tree.enough[at] = r.milli;
        this.#all = true;
      }
    }
    this.#put(client);
  }

  /** The set, up to date. */
  refresh(): Bits {
    const { moved } = this.#tree;
    if (!this.#all && moved.size === 0) return this.bits;
    if (this.#all) {
      for (const top of this.#tree.tops()) this.look(top);
    } else {
      for (const node of moved.take()) {
        node.scarce = this.#isScarce(node);
        this.#putAll(node);
      }
    }
    if (this.#all) moved.take();
    this.#all = false;
    return this.bits;
  }

  #isScarce({ limitsAt, consumed }: QuotaNode): boolean {
    const { enough } = this.#tree;
    for (let at = 0; at < limitsAt.length; at += 1) {
      if ((limitsAt[at] as number) - (consumed[at] as number) < (enough[at] as number)) return true;
    }
    return false;
  }

  #putAll(node: QuotaNode): void {
    for (const client of node.own) this.#put(client);
    for (const child of node.children) this.#putAll(child);
  }

  #put(client: QuotaClient): void {
    if (this.#isExhausted(client)) this.bits = withBit(this.bits, client.slot);
    else if (hasBit(this.bits, client.slot)) {
      clearBit(this.bits, client.slot);
      this.losses += 1;
    }
  }

  #isExhausted({ quotaNode, minimum: { sets } }: QuotaClient): boolean {
    if (quotaNode === undefined || !quotaNode.limited || sets.length === 0) return false;
    for (let i = 0; i < sets.length; i += 1) if (!this.#isBeyond(quotaNode, sets[i] as Bag)) return false;
    return true;
  }

  // Whether limits leave less than the set of something.
  #isBeyond(node: QuotaNode, set: Bag): boolean {
    for (let i = 0; i < set.length; i += 1) {
      const r = set[i] as Resource;
      if (r.kind === 'scalar' && this.#tree.left(node, this.#tree.indexOf(r.name)) < r.milli) return true;
    }
    return false;
  }
}
