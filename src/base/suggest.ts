// Did you mean …? The nearest of the allowed words. In: a word someone wrote. Out: the one they probably meant, or nothing.

/** Longest word worth comparing; the work grows with the square. */
const lengthMax = 64;

/**
 * The word of `allowed` nearest to `given`, when it is near enough to be meant: the same but for case, `_` and `-`; or one a part or the beginning of the other; or at
 * most a third of its letters away.
 */
export function suggest(given: string, allowed: Iterable<string>): string | undefined {
  if (given.length > lengthMax) return undefined;
  const bare = normalized(given);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const word of allowed) {
    const other = normalized(word);
    const shorter = Math.min(bare.length, other.length);
    // `refuseSeconds` for `refuseMs`: names that begin alike and end in another unit.
    const alike = commonPrefix(bare, other) >= Math.max(4, Math.ceil(shorter * 0.6));
    const part = shorter >= 3 && (alike || other.includes(bare) || bare.includes(other));
    const distance = bare === other ? 0 : Math.min(part ? 1.5 : Number.POSITIVE_INFINITY, editDistance(bare, other));
    if (distance < bestDistance && (part || distance <= Math.max(1, Math.floor(other.length / 3)))) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** `did you mean X?`, or undefined. */
export function didYouMean(given: string, allowed: Iterable<string>): string | undefined {
  const word = suggest(given, allowed);
  return word === undefined ? undefined : `did you mean ${word}?`;
}

/** How many letters must be added, dropped, changed or swapped with their neighbour to get from `a` to `b` (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, at(beforeLast, j - 2) + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

function normalized(word: string): string {
  return word.toLowerCase().replaceAll(/[_-]/g, '');
}
