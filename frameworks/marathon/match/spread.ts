// GROUP_BY is an aim: groups that are full or missing must not hold the rest back for ever. In: which groups could take an instance, and when. Out: whether to yield.

/** For so long a group may be waited for, in milliseconds. */
export const spreadPatienceMs = 30_000;

interface Field {
  /** When a group was last offered by an agent on which all else would have fitted. */
  readonly offeredAt: Map<string, number>;
  /** Since when offers fit but for their group; undefined when none is waiting. */
  refusedSince: number | undefined;
}

/**
 * What one run spec has seen of the groups of its GROUP_BY fields. Marathon refuses an agent whose group has its share, even when the other groups are full, or do
 * not exist: instances then wait for ever. Here they wait for `spreadPatienceMs` from the first such refusal; then the emptiest of the groups offered
 * in that time takes the next one, and so on at once while nothing else is offered, until a group below its share is offered again.
 */
export class Spread {
  readonly #fields = new Map<string, Field>();
  readonly #patienceMs: number;

  constructor(patienceMs: number = spreadPatienceMs) {
    this.#patienceMs = patienceMs;
  }

  /** A group below its share was offered. */
  fits(field: string, group: string, now: number): void {
    const known = this.#field(field);
    known.offeredAt.set(group, now);
    known.refusedSince = undefined;
  }

  /** A group that has its share was offered: whether it is to take one more all the same. */
  yields(field: string, group: string, counts: ReadonlyMap<string, number>, now: number): boolean {
    const known = this.#field(field);
    known.offeredAt.set(group, now);
    known.refusedSince ??= now;
    if (now - known.refusedSince < this.#patienceMs) return false;
    const count = counts.get(group) ?? 0;
    for (const [other, at] of known.offeredAt) {
      if (now - at > this.#patienceMs) known.offeredAt.delete(other);
      else if ((counts.get(other) ?? 0) < count) return false;
    }
    return true;
  }

  /** When an offer that was refused would be taken; for whoever wants to be offered again then. */
  yieldsAt(): number | undefined {
    let at: number | undefined;
    for (const { refusedSince } of this.#fields.values()) {
      if (refusedSince !== undefined) at = Math.min(at ?? Number.POSITIVE_INFINITY, refusedSince + this.#patienceMs);
    }
    return at;
  }

  #field(field: string): Field {
    let known = this.#fields.get(field);
    if (known === undefined) {
      known = { offeredAt: new Map(), refusedSince: undefined };
      this.#fields.set(field, known);
    }
    return known;
  }
}
