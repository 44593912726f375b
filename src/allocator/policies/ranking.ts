// Agents from best to worst for one kind of demand, sorted only as far as somebody looks. In: agents, a score, changes. Out: the best
// one that a
// test accepts.

/** A heap of small integers. */
class Heap {
  readonly #before: (a: number, b: number) => boolean;
  readonly #items: number[];

  constructor(before: (a: number, b: number) => boolean, items: number[] = []) {
    this.#before = before;
    this.#items = items;
    for (let i = (items.length >>> 1) - 1; i >= 0; i -= 1) this.#sink(i);
  }

  get top(): number | undefined {
    return this.#items[0];
  }

  pop(): number {
    const items = this.#items;
    const top = items[0] as number;
    const last = items.pop() as number;
    if (items.length > 0) {
      items[0] = last;
      this.#sink(0);
    }
    return top;
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#before(item, items[parent] as number)) break;
      items[at] = items[parent] as number;
      at = parent;
    }
    items[at] = item;
  }

  #sink(from: number): void {
    const items = this.#items;
    const item = items[from] as number;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#before(items[child + 1] as number, items[child] as number)) child += 1;
      if (!this.#before(items[child] as number, item)) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = item;
  }
}

/** Where one client stands in a ranking: agents before that are out of the question for it. */
export interface Cursor {
  at: number;
  /** Changed agents that it had to look past, again at each look. */
  skipped: number;
}

/** Agents by place in a list of `size`. Equal ones in the order of their places. */
export class Ranking {
  readonly #score: (agent: number) => number;
  // Agents as they were at the beginning, and the part of them that is sorted.
  readonly #keys: Float64Array<ArrayBuffer>;
  readonly #unsorted: Heap;
  readonly #sorted: number[] = [];
  // Of each of these places a later one with only changed agents between; at first the next.
  readonly #skips: number[] = [];
  // Agents that have changed since, an entry for each change; the newest of an agent holds.
  readonly #entryAgents: number[] = [];
  readonly #entryKeys: number[] = [];
  readonly #newest: Int32Array<ArrayBuffer>;
  readonly #changed: Heap;

  // How many of the changes have been looked at.
  #seen: number;

  /**
   * `score` is asked of each agent at once, and of changed ones again; an agent for which it is NaN is left out. `seen`: how many changes
   * the scores know of.
   */
  constructor(size: number, score: (agent: number) => number, seen: number) {
    this.#score = score;
    this.#seen = seen;
    const keys = new Float64Array(size);
    const items: number[] = [];
    for (let i = 0; i < size; i += 1) {
      const key = score(i);
      keys[i] = key;
      if (!Number.isNaN(key)) items.push(i);
    }
    this.#keys = keys;
    this.#unsorted = new Heap((a, b) => isBetter(keys[a] as number, a, keys[b] as number, b), items);
    this.#newest = new Int32Array(size).fill(-1);
    this.#changed = new Heap((a, b) =>
      isBetter(this.#entryKey(a), this.#entryAgent(a), this.#entryKey(b), this.#entryAgent(b)),
    );
  }

  /** Brings scores up to date with the agents that changed since the last look, told in the order of changes. */
  catchUp(changes: readonly number[]): void {
    const from = this.#seen;
    this.#seen = changes.length;
    for (let i = from; i < changes.length; i += 1) {
      const agent = changes[i] as number;
      const before = this.#newest[agent] as number;
      const key = this.#score(agent);
      // Several changes of an agent since the last look are one.
      if (before >= 0 && Object.is(this.#entryKeys[before], key)) continue;
      const entry = this.#entryAgents.push(agent) - 1;
      this.#newest[agent] = entry;
      this.#entryKeys.push(key);
      if (!Number.isNaN(key)) this.#changed.push(entry);
    }
  }

  keyOf(agent: number): number {
    const entry = this.#newest[agent] as number;
    return entry < 0 ? (this.#keys[agent] as number) : this.#entryKey(entry);
  }

  /** The best agent that `accepts`; -1 for none. Whom it does not accept once it must not accept later, unless that is changed. */
  best(cursor: Cursor, accepts: (agent: number) => boolean): number {
    const first = this.#bestUnchanged(cursor, accepts);
    let aside: number[] | undefined;
    let found = first;
    for (;;) {
      const top = this.#changed.top;
      if (top === undefined) break;
      const agent = this.#entryAgent(top);
      if (this.#newest[agent] !== top) {
        this.#changed.pop();
        continue;
      }
      if (first >= 0 && !isBetter(this.#entryKey(top), agent, this.#keys[first] as number, first)) break;
      if (accepts(agent)) {
        found = agent;
        break;
      }
      aside ??= [];
      aside.push(this.#changed.pop());
    }
    cursor.skipped += aside?.length ?? 0;
    for (const entry of aside ?? []) this.#changed.push(entry);
    return found;
  }

  #bestUnchanged(cursor: Cursor, accepts: (agent: number) => boolean): number {
    for (;;) {
      cursor.at = this.#unchangedFrom(cursor.at);
      if (cursor.at === this.#sorted.length) {
        if (this.#unsorted.top === undefined) return -1;
        const next = this.#unsorted.pop();
        // Changed before anybody came this far.
        if ((this.#newest[next] as number) >= 0) continue;
        this.#skips.push(this.#sorted.push(next));
      }
      const agent = this.#sorted[cursor.at] as number;
      if (accepts(agent)) return agent;
      cursor.at += 1;
    }
  }

  // The first sorted place from `at` on whose agent has not changed. Runs of changed ones are walked once, then jumped over.
  #unchangedFrom(at: number): number {
    const sorted = this.#sorted;
    const skips = this.#skips;
    let to = at;
    while (to < sorted.length && (this.#newest[sorted[to] as number] as number) >= 0) to = skips[to] as number;
    for (let i = at; i < to; ) {
      const next = skips[i] as number;
      skips[i] = to;
      i = next;
    }
    return to;
  }

  #entryAgent(entry: number): number {
    return this.#entryAgents[entry] as number;
  }

  #entryKey(entry: number): number {
    return this.#entryKeys[entry] as number;
  }
}

function isBetter(key: number, agent: number, otherKey: number, other: number): boolean {
  return key === otherKey ? agent < other : key < otherKey;
}
