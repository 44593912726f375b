// Clients whose limits leave less than their least offer: no unreserved resources can help them, wherever. In: roles against which something
// changed. Out: a set, so that thousands of roles at their limits cost a cycle nothing.
import type { Bits } from './bits.js';
import { clearBit, noBits, withBit } from './bits.js';
import type { Client } from './clients.js';
import type { QuotaNode, QuotaTree } from './quota-tree.js';

/** Keeps the set. A role is looked at only when something is scarce there: when a limit leaves less than the greatest amount of any minimum. */
export class Exhaustion {
  readonly #tree: QuotaTree;
  // By scalar: the greatest amount of any minimum seen.
  readonly #greatest = new Map<string, number>();
  // Roles that were scarce at the last look: they may no longer be.
  readonly #scarce = new Set<QuotaNode>();
  #all = false;
  bits: Bits = noBits;

  constructor(tree: QuotaTree) {
    this.#tree = tree;
  }

  /** Everything is to be looked at again. */
  all(): void {
    this.#all = true;
    this.#scarce.clear();
    this.bits = noBits;
  }

  /** A client is new, or its minimum is. */
  judge(client: Client): void {
    for (const set of client.minimum.sets) {
      for (const r of set) {
        if (r.kind !== 'scalar' || r.milli <= (this.#greatest.get(r.name) ?? 0)) continue;
        this.#greatest.set(r.name, r.milli);
        this.#all = true;
      }
    }
    this.#put(client);
  }

  /** The set, up to date. */
  refresh(): Bits {
    const { moved } = this.#tree;
    if (!this.#all && moved.size === 0) return this.bits;
    const roots = this.#all ? this.#tree.tops() : moved;
    for (const node of roots) {
      const scarce = this.#isScarce(node);
      if (!this.#all && !scarce && !this.#scarce.has(node)) continue;
      if (scarce) this.#scarce.add(node);
      else this.#scarce.delete(node);
      for (const client of this.#tree.clientsBelow(node)) this.#put(client);
    }
    if (this.#all) for (const top of this.#tree.tops()) this.#noteScarce(top);
    this.#all = false;
    moved.clear();
    return this.bits;
  }

  #noteScarce(top: QuotaNode): void {
    for (const node of this.#tree.below(top)) if (this.#isScarce(node)) this.#scarce.add(node);
  }

  #isScarce(node: QuotaNode): boolean {
    if (node.limits === undefined) return false;
    for (const name of node.limits.keys()) {
      const at = this.#tree.indexOf(name);
      if ((node.limitsAt[at] as number) - (node.consumed[at] as number) < (this.#greatest.get(name) ?? 1)) return true;
    }
    return false;
  }

  #put(client: Client): void {
    if (this.#isExhausted(client)) this.bits = withBit(this.bits, client.slot);
    else clearBit(this.bits, client.slot);
  }

  #isExhausted({ quotaNode, minimum: { sets } }: Client): boolean {
    if (quotaNode === undefined || !quotaNode.limited || sets.length === 0) return false;
    return sets.every(set =>
      set.some(r => r.kind === 'scalar' && this.#tree.left(quotaNode, this.#tree.indexOf(r.name)) < r.milli),
    );
  }
}
