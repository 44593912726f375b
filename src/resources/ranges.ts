// Arithmetic on ranges: sorted lists of [begin, end], both included, that neither overlap nor touch. Every function is one pass.
import type { Range } from './resources.js';

/** Sorts and joins what overlaps or touches. The input may be in any order; each range must have begin <= end. */
export function coalesceRanges(ranges: readonly Range[]): readonly Range[] {
  if (ranges.length < 2) return ranges;
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const out: Range[] = [];
  for (const range of sorted) append(out, range);
  return out;
}

/** What is in either. */
export function unionRanges(a: readonly Range[], b: readonly Range[]): readonly Range[] {
  const out: Range[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const x = a[i];
    const y = b[j];
    if (y === undefined || (x !== undefined && x[0] <= y[0])) {
      append(out, x as Range);
      i += 1;
    } else {
      append(out, y);
      j += 1;
    }
  }
  return out;
}

/** What is in `a` and not in `b`. */
export function differenceRanges(a: readonly Range[], b: readonly Range[]): readonly Range[] {
  const out: Range[] = [];
  let j = 0;
  for (const range of a) {
    let begin = range[0];
    const end = range[1];
    while (j < b.length && (b[j] as Range)[1] < begin) j += 1;
    for (let k = j; begin <= end; k += 1) {
      const cut = b[k];
      if (cut === undefined || cut[0] > end) {
        out.push(begin === range[0] ? range : [begin, end]);
        break;
      }
      if (cut[0] > begin) out.push([begin, cut[0] - 1]);
      begin = cut[1] + 1;
      // The last cut may reach into the next range, so j stays on it.
      j = k;
    }
  }
  return out;
}

/** What is in both. */
export function intersectRanges(a: readonly Range[], b: readonly Range[]): readonly Range[] {
  const out: Range[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as Range;
    const y = b[j] as Range;
    const begin = Math.max(x[0], y[0]);
    const end = Math.min(x[1], y[1]);
    if (begin <= end) out.push(begin === x[0] && end === x[1] ? x : [begin, end]);
    if (x[1] < y[1]) i += 1;
    else j += 1;
  }
  return out;
}

/** Whether all of `b` is in `a`. */
export function containsRanges(a: readonly Range[], b: readonly Range[]): boolean {
  let i = 0;
  for (const y of b) {
    while (i < a.length && (a[i] as Range)[1] < y[0]) i += 1;
    const x = a[i];
    if (x === undefined || x[0] > y[0] || x[1] < y[1]) return false;
  }
  return true;
}

/** Whether anything is in both. */
export function overlapRanges(a: readonly Range[], b: readonly Range[]): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as Range;
    const y = b[j] as Range;
    if (x[1] < y[0]) i += 1;
    else if (y[1] < x[0]) j += 1;
    else return true;
  }
  return false;
}

/** Whether both hold the same. */
export function equalRanges(a: readonly Range[], b: readonly Range[]): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((x, i) => x[0] === b[i]?.[0] && x[1] === b[i]?.[1]);
}

/** How many numbers are in it. */
export function countRanges(ranges: readonly Range[]): number {
  let count = 0;
  for (const range of ranges) count += range[1] - range[0] + 1;
  return count;
}

/** The lowest `count` numbers; fewer when there are not as many. */
export function lowestOfRanges(ranges: readonly Range[], count: number): readonly Range[] {
  const out: Range[] = [];
  let left = count;
  for (const range of ranges) {
    if (left <= 0) break;
    const size = range[1] - range[0] + 1;
    out.push(size <= left ? range : [range[0], range[0] + left - 1]);
    left -= size;
  }
  return out;
}

/** Every number, ascending. For few numbers, such as the ports of a task. */
export function expandRanges(ranges: readonly Range[]): number[] {
  const out: number[] = [];
  for (const range of ranges) for (let n = range[0]; n <= range[1]; n += 1) out.push(n);
  return out;
}

/** `31000-31001,31005`; with `piecesMax`, the rest is only counted. */
export function showRanges(ranges: readonly Range[], piecesMax = Number.POSITIVE_INFINITY): string {
  const pieces: string[] = [];
  for (const range of ranges) {
    if (pieces.length >= piecesMax) return `${pieces.join(',')} and ${ranges.length - pieces.length} more ranges`;
    pieces.push(range[0] === range[1] ? `${range[0]}` : `${range[0]}-${range[1]}`);
  }
  return pieces.join(',');
}

// Appends a range that begins no earlier than the last one.
function append(out: Range[], range: Range): void {
  const last = out[out.length - 1];
  if (last === undefined || last[1] + 1 < range[0]) out.push(range);
  else if (last[1] < range[1]) out[out.length - 1] = [last[0], range[1]];
}
