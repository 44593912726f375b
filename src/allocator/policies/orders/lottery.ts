// Lottery scheduling: each grant is drawn among all frameworks by their tickets.
import type { Role } from '../../../base/ids.js';
import type { Bits } from '../../../base/bits.js';
import { hasBit } from '../../../base/bits.js';
import type { Client } from '../../clients/clients.js';
import type { TieBreak } from '../../sorter/columns.js';
import type { Sorter } from '../../sorter/scoring.js';
import type { TreeNode } from '../../sorter/tree-node.js';
import type { Scoring } from './scoring.js';
import type { Facts } from '../facts.js';
import type { FrameworkOrder } from './order.js';
import { formatRoleNumbers } from './role-numbers.js';

/**
 * `P(n) = t[n] / Σ t` over all frameworks that may have the agent, regardless of roles above each other. Tickets are given per role, and
 * each
 * framework in it has as many; a role that is not named has its weight.
 * Source: Waldspurger and Weihl, "Lottery Scheduling" (OSDI 1994); as Hindman et al., "Mesos" (NSDI 2011), 4.3 suggest for contended
 * agents.
 */
export function lottery(tickets: ReadonlyMap<Role, number> = new Map()): FrameworkOrder {
  return {
    name: tickets.size === 0 ? 'lottery' : `lottery:${formatRoleNumbers(tickets)}`,
    rule: 'each grant drawn among all frameworks, by tickets',
    tieBreak: 'path',
    start: tieBreak => new Lottery(tieBreak, tickets),
  };
}

const triesMax = 8;

class Lottery implements Scoring {
  readonly flat = true;
  readonly tieBreak: TieBreak;
  readonly #tickets: ReadonlyMap<Role, number>;
  #facts: Facts | undefined;
  #slots: number[] = [];
  // Sums of tickets up to each.
  #upTo: number[] = [];

  constructor(tieBreak: TieBreak, tickets: ReadonlyMap<Role, number>) {
    this.tieBreak = tieBreak;
    this.#tickets = tickets;
  }

  begin(facts: Facts, tree: Sorter): boolean {
    this.#facts = facts;
    this.#slots = tree.ordered();
    let sum = 0;
    this.#upTo = this.#slots.map(slot => (sum += this.#ticketsOf(facts, facts.client(slot))));
    return false;
  }

  score(_node: TreeNode): number {
    return 0;
  }

  first(_tree: Sorter, blocked: Bits): number {
    const facts = this.#facts;
    const chance = facts?.random;
    const sum = this.#upTo.at(-1);
    if (facts === undefined || chance === undefined || sum === undefined) return -1;
    for (let tries = 0; tries < triesMax; tries += 1) {
      const slot = this.#at(chance.unit() * sum);
      if (!hasBit(blocked, slot) && facts.isActive(slot)) return slot;
    }
    let drawn = -1;
    let open = 0;
    for (const slot of this.#slots) {
      if (hasBit(blocked, slot) || !facts.isActive(slot)) continue;
      const tickets = this.#ticketsOf(facts, facts.client(slot));
      open += tickets;
      if (chance.unit() * open < tickets) drawn = slot;
    }
    return drawn;
  }

  #ticketsOf(facts: Facts, client: Client | undefined): number {
    if (client === undefined) return 0;
    return this.#tickets.get(client.role) ?? facts.weightOf(client);
  }

  #at(ticket: number): number {
    let low = 0;
    let high = this.#upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#upTo[middle] as number) <= ticket) low = middle + 1;
      else high = middle;
    }
    return this.#slots[low] ?? -1;
  }
}
