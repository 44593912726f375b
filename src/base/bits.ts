// Sets of small integers as words of 32 bits. Absent words count as zeros, so sets of different lengths mix.

export type Bits = Uint32Array<ArrayBuffer>;

export const noBits: Bits = new Uint32Array(0);

/** The words needed for `count` members. */
export function wordsFor(count: number): number {
  return (count + 31) >>> 5;
}

export function hasBit(bits: Bits, index: number): boolean {
  return (((bits[index >>> 5] ?? 0) >>> (index & 31)) & 1) !== 0;
}

/** The same set, or a longer copy, with `index` in it. */
export function withBit(bits: Bits, index: number): Bits {
  const word = index >>> 5;
  let out = bits;
  if (word >= bits.length) {
    out = new Uint32Array(Math.max(word + 1, bits.length + (bits.length >>> 1)));
    out.set(bits);
  }
  out[word] = (out[word] as number) | (1 << (index & 31));
  return out;
}

/** Puts a member into a set that is long enough for it. */
export function setBit(bits: Bits, index: number): void {
  const word = index >>> 5;
  bits[word] = (bits[word] as number) | (1 << (index & 31));
}

export function clearBit(bits: Bits, index: number): void {
  const word = index >>> 5;
  if (word < bits.length) bits[word] = (bits[word] as number) & ~(1 << (index & 31));
}

/** Adds the members of `more` to `bits`, which must be long enough for them. */
export function orInto(bits: Bits, more: Bits): void {
  const words = Math.min(bits.length, more.length);
  for (let w = 0; w < words; w += 1) bits[w] = (bits[w] as number) | (more[w] as number);
}

/** How many members a word holds. */
export function bitsInWord(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Calls `visit` with each member, ascending. */
export function forEachBit(bits: Bits, visit: (index: number) => void): void {
  for (let w = 0; w < bits.length; w += 1) {
    let word = bits[w] as number;
    while (word !== 0) {
      visit((w << 5) + 31 - Math.clz32(word & -word));
      word &= word - 1;
    }
  }
}

/** Whether a member of one is in the other. */
export function intersects(a: Bits, b: Bits): boolean {
  return sharedWord(a, b, 0) >= 0;
}

/** The index of a word in which both have a member, from `from` on, then from the beginning; -1 for none. */
export function sharedWord(a: Bits, b: Bits, from: number): number {
  for (let w = from; w < a.length; w += 1) if (((a[w] as number) & (b[w] ?? 0)) !== 0) return w;
  for (let w = 0; w < from; w += 1) if (((a[w] ?? 0) & (b[w] ?? 0)) !== 0) return w;
  return -1;
}
