// Arithmetic on sets of strings kept as sorted arrays without duplicates. Every function is one pass.

/** What is in either. */
export function unionSets(a: readonly string[], b: readonly string[]): readonly string[] {
  const out: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const x = a[i];
    const y = b[j];
    if (x !== undefined && (y === undefined || x <= y)) {
      out.push(x);
      i += 1;
      if (x === y) j += 1;
    } else {
      out.push(y as string);
      j += 1;
    }
  }
  return out;
}

/** What is in `a` and not in `b`. */
export function differenceSets(a: readonly string[], b: readonly string[]): readonly string[] {
  const out: string[] = [];
  let j = 0;
  for (const x of a) {
    while (j < b.length && (b[j] as string) < x) j += 1;
    if (b[j] !== x) out.push(x);
  }
  return out;
}

/** Whether all of `b` is in `a`. */
export function containsSets(a: readonly string[], b: readonly string[]): boolean {
  let i = 0;
  for (const y of b) {
    while (i < a.length && (a[i] as string) < y) i += 1;
    if (a[i] !== y) return false;
  }
  return true;
}

/** Whether anything is in both. */
export function overlapSets(a: readonly string[], b: readonly string[]): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as string;
    const y = b[j] as string;
    if (x === y) return true;
    if (x < y) i += 1;
    else j += 1;
  }
  return false;
}

/** Whether both hold the same. */
export function equalSets(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((x, i) => x === b[i]));
}
