// Decline filters of one agent. A client that refused resources is not offered a subset of them again until the filter ends. In: refusals.
// Out: the set of clients blocked for what is free now. Filters of equal resources share one group, so testing is one `contains` per group.
import type { Bag } from '../../resources/index.js';
import { contains, equals } from '../../resources/index.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, hasBit, noBits, orInto, withBit } from '../../base/bits.js';

/**
 * Orders filters against batch runs and revivals without a clock. It moves only when filters were set since, so 32 bits last for years.
 */
export class FilterEras {
  #era = 1;
  #used = false;
  /** Filters set before this have lived through a whole batch run. */
  survivedBefore = 0;

  /** The era of a filter set now. */
  stamp(): number {
    this.#used = true;
    return this.#era;
  }

  /** Begins an era: what was stamped so far is before the returned one, what comes is not. */
  next(): number {
    if (this.#used) {
      this.#era += 1;
      this.#used = false;
    }
    return this.#era;
  }
}

/** What filters need to know of a client. */
export interface FilterClient {
  readonly slot: number;
  /** Filters stamped before this are void. */
  filtersVoidBefore: number;
}

/** All filters of clients that refused the same resources. */
class Group {
  readonly refused: Bag;
  clients: Bits = noBits;
  /** When the first of its filters ends. */
  firstUntilMs = Number.POSITIVE_INFINITY;
  // Parallel lists, one position per filter. Entries of revived clients stay until the next sweep.
  size = 0;
  untilMs = new Float64Array(2);
  eras = new Uint32Array(2);
  slots = new Int32Array(2);

  constructor(refused: Bag) {
    this.refused = refused;
  }

  push(slot: number, untilMs: number, era: number): void {
    if (this.size === this.slots.length) {
      const capacity = this.size + (this.size >>> 1) + 2;
      this.untilMs = grown(new Float64Array(capacity), this.untilMs);
      this.eras = grown(new Uint32Array(capacity), this.eras);
      this.slots = grown(new Int32Array(capacity), this.slots);
    }
    this.slots[this.size] = slot;
    this.untilMs[this.size] = untilMs;
    this.eras[this.size] = era;
    this.size += 1;
    this.clients = withBit(this.clients, slot);
    this.firstUntilMs = Math.min(this.firstUntilMs, untilMs);
  }
}

/** The filters of one agent. `clientOf` finds a client by slot; clients tell which of their filters were voided. */
export class AgentFilters {
  #groups: Group[] = [];
  #firstUntilMs = Number.POSITIVE_INFINITY;

  /** When the first filter may end. */
  get firstUntilMs(): number {
    return this.#firstUntilMs;
  }

  /** Refuses `resources` to `client` until `untilMs`, and until a filter of this `era` has lived through a batch run. */
  add(
    client: FilterClient,
    resources: Bag,
    untilMs: number,
    era: number,
    clientOf: (slot: number) => FilterClient | undefined,
  ): void {
    let group = this.#groups.find(g => g.refused === resources || equals(g.refused, resources));
    if (group === undefined) {
      group = new Group(resources);
      this.#groups.push(group);
    } else if (group.size === group.slots.length) {
      keep(group, (slot, _until, stamped) => stamped >= (clientOf(slot)?.filtersVoidBefore ?? Infinity));
    }
    group.push(client.slot, untilMs, era);
    this.#firstUntilMs = Math.min(this.#firstUntilMs, untilMs);
  }

  /** Drops filters whose time is up and which have lived through a batch run. Cheap while none is due. */
  expire(nowMs: number, survivedBefore: number, clientOf: (slot: number) => FilterClient | undefined): void {
    if (nowMs < this.#firstUntilMs) return;
    this.#firstUntilMs = Number.POSITIVE_INFINITY;
    for (const group of this.#groups) {
      if (group.firstUntilMs <= nowMs) {
        keep(group, (slot, untilMs, era) => {
          if (era < (clientOf(slot)?.filtersVoidBefore ?? Infinity)) return false;
          return untilMs > nowMs || era >= survivedBefore;
        });
      }
      this.#firstUntilMs = Math.min(this.#firstUntilMs, group.firstUntilMs);
    }
    this.#dropEmpty();
  }

  /** Drops one client's filters. The caller voids them first (`filtersVoidBefore`). */
  clear(client: FilterClient): void {
    for (const group of this.#groups) clearBit(group.clients, client.slot);
    this.#dropEmpty();
  }

  /** Adds to `blocked` all clients that refused `offered` or more. */
  block(offered: Bag, blocked: Bits): void {
    for (const group of this.#groups) if (covers(group.refused, offered)) orInto(blocked, group.clients);
  }

  /** Whether `slot` refused `offered` or more. */
  blocks(slot: number, offered: Bag): boolean {
    return this.#groups.some(group => hasBit(group.clients, slot) && covers(group.refused, offered));
  }

  /** When the last filter that blocks `offered` from `client` ends; undefined when none does. Those that are `over` do not count. */
  blockedUntilMs(
    client: FilterClient,
    offered: Bag,
    over: (untilMs: number, era: number) => boolean = () => false,
  ): number | undefined {
    let until: number | undefined;
    for (const group of this.#groups) {
      if (!hasBit(group.clients, client.slot) || !covers(group.refused, offered)) continue;
      for (let i = 0; i < group.size; i += 1) {
        const era = group.eras[i] as number;
        if (group.slots[i] !== client.slot || era < client.filtersVoidBefore) continue;
        const untilMs = group.untilMs[i] as number;
        if (!over(untilMs, era)) until = Math.max(until ?? 0, untilMs);
      }
    }
    return until;
  }

  #dropEmpty(): void {
    if (this.#groups.some(isVacant)) this.#groups = this.#groups.filter(group => !isVacant(group));
  }
}

function covers(refused: Bag, offered: Bag): boolean {
  return refused === offered || contains(refused, offered);
}

function isVacant(group: Group): boolean {
  for (let w = 0; w < group.clients.length; w += 1) if (group.clients[w] !== 0) return false;
  return true;
}

// Compacts the lists to the filters that `stays` accepts, and makes the set of clients anew.
function keep(group: Group, stays: (slot: number, untilMs: number, era: number) => boolean): void {
  group.clients.fill(0);
  group.firstUntilMs = Number.POSITIVE_INFINITY;
  let to = 0;
  for (let i = 0; i < group.size; i += 1) {
    const slot = group.slots[i] as number;
    const untilMs = group.untilMs[i] as number;
    const era = group.eras[i] as number;
    if (!stays(slot, untilMs, era)) continue;
    group.slots[to] = slot;
    group.untilMs[to] = untilMs;
    group.eras[to] = era;
    group.clients = withBit(group.clients, slot);
    group.firstUntilMs = Math.min(group.firstUntilMs, untilMs);
    to += 1;
  }
  group.size = to;
}

function grown<T extends Float64Array | Uint32Array | Int32Array>(longer: T, from: T): T {
  longer.set(from);
  return longer;
}
