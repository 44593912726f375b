// What one thing was over time, oldest first. In: a log, what is still asked for. Out: which of its entries are kept. Pure.

/** What became of it by the change of the tree `at`: it was `value` from then on, or, without one, it was gone. */
export interface Entry<T> {
  /** The version of the tree. */
  readonly at: number;
  /** Of what it was then: the same, unless it went back to what it had been. */
  readonly version: number;
  readonly value?: T;
}

/** Each entry is later than the one before; never empty, and never begins with a removal. */
export type Log<T> = readonly Entry<T>[];

/** What it was `at`: by its newest entry that is not later. */
export function entryAt<T>(log: Log<T>, at: number): Entry<T> | undefined {
  return log[firstFrom(log, at + 1, entry => entry.at) - 1];
}

/** Whether it is gone. */
export function isDead<T>(log: Log<T>): boolean {
  return log.at(-1)?.value === undefined;
}

/** Which entries somebody may still ask for. */
export interface Retention {
  /** So many entries of what is there are kept. */
  readonly newest: number;
  /** When the group around it changed, oldest first: at each of these times what is gone by now may have been there. */
  readonly around: readonly number[];
  /** Whether somebody names this version. */
  readonly isNamed: (version: number) => boolean;
}

/** The entries to keep; undefined for all of them. None of them when it is gone, and nobody can tell that it was there. */
export function retained<T>(log: Log<T>, { newest, around, isNamed }: Retention): Log<T> | undefined {
  const dead = isDead(log);
  const kept: Entry<T>[] = [];
  for (const [i, entry] of log.entries()) {
    // A removal is worth something after what it removed.
    const wanted =
      entry.value === undefined
        ? kept.at(-1)?.value !== undefined
        : isNamed(entry.version) || (dead ? isSeen(entry, log[i + 1], around) : i >= log.length - newest);
    if (wanted) kept.push(entry);
  }
  return kept.length === log.length ? undefined : kept;
}

/** Whether it was there at one of these times. */
function isSeen(entry: Entry<unknown>, next: Entry<unknown> | undefined, around: readonly number[]): boolean {
  const found = around[firstFrom(around, entry.at, at => at)];
  return next !== undefined && found !== undefined && found < next.at;
}

/** The index of the first item whose number is at least `from`. */
function firstFrom<T>(sorted: readonly T[], from: number, numberOf: (item: T) => number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numberOf(sorted[middle] as T) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
