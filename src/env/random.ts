// Seeded chance with addresses: fork('allocator/cycle-812') gives the same stream in every run of a seed, whoever else draws.
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { assert } from '../base/assert.js';

/** A stream of pseudo-random draws. Source of the generator: Blackman and Vigna, xoroshiro128+. */
export interface Random {
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform integer in [min, max], both included. */
  int(min: number, max: number): number;
  /** Shuffles in place (Fisher–Yates) and returns the same array. */
  shuffle<T>(items: T[]): T[];
  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** An independent stream, a function of this stream's seed and `name` alone (not of what was drawn before). */
  fork(name: string): Random;
}

/** A stream for `seed` (32 bits are used). */
export function seededRandom(seed: number): Random {
  return new SeededRandom(seed | 0);
}

class SeededRandom implements Random {
  readonly #seed: number;
  readonly #generator: RandomGenerator;

  constructor(seed: number) {
    this.#seed = seed;
    this.#generator = xoroshiro128plus(mix(seed));
  }

  unit(): number {
    return (this.#generator.next() >>> 0) / 4_294_967_296;
  }

  int(min: number, max: number): number {
    return uniformInt(this.#generator, min, max);
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = uniformInt(this.#generator, 0, i);
      const item = items[i] as T;
      items[i] = items[j] as T;
      items[j] = item;
    }
    return items;
  }

  pick<T>(items: readonly T[]): T {
    assert(items.length > 0, 'pick from nothing');
    return items[this.int(0, items.length - 1)] as T;
  }

  chance(p: number): boolean {
    return this.unit() < p;
  }

  fork(name: string): Random {
    return new SeededRandom(hash(name, this.#seed));
  }
}

// FNV-1a over the name, started from the parent's seed, then mixed.
function hash(name: string, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return mix(h);
}

// The finaliser of MurmurHash3: neighbouring seeds give unrelated streams.
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
