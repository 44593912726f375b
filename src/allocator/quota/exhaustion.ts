// Clients whose limits leave less than their least offer: no unreserved resources can help them, wherever. In: roles against which something
// changed. Out: a set, so that thousands of roles at their limits cost a cycle nothing.
import type { Bits } from '../../base/bits.js';
import { clearBit, noBits, withBit } from '../../base/bits.js';
import type { QuotaClient, QuotaNode, QuotaTree } from './quota-tree.js';

/** Keeps the set. A role is looked at only when something is scarce there: when a limit leaves less than the greatest amount of any minimum. */
export class Exhaustion {
  readonly #tree: QuotaTree;
  #all = false;
  bits: Bits = noBits;

  constructor(tree: QuotaTree) {
    this.#tree = tree;
  }

  /** Everything is to be looked at again. */
  all(): void {
    this.#all = true;
    this.bits = noBits;
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
      for (const node of moved) {
        node.scarce = this.#isScarce(node);
        this.#tree.eachClient(node, client => this.#put(client));
      }
    }
    this.#all = false;
    moved.clear();
    return this.bits;
  }

  #isScarce(node: QuotaNode): boolean {
    const { enough } = this.#tree;
    return node.limitsAt.some((limit, at) => limit - (node.consumed[at] as number) < (enough[at] as number));
  }

  #put(client: QuotaClient): void {
    if (this.#isExhausted(client)) this.bits = withBit(this.bits, client.slot);
    else clearBit(this.bits, client.slot);
  }

  #isExhausted({ quotaNode, minimum: { sets } }: QuotaClient): boolean {
    if (quotaNode === undefined || !quotaNode.limited || sets.length === 0) return false;
    return sets.every(set =>
      set.some(r => r.kind === 'scalar' && this.#tree.left(quotaNode, this.#tree.indexOf(r.name)) < r.milli),
    );
  }
}
