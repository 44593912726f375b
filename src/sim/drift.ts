// Clocks that drift: that of each machine runs at a rate of its own, a little fast or slow. In: chance, a node. Out: its rate; what checkers allow for it.
import type { Random } from '../env/random.js';

/** How much faster or slower than true time the clock of a machine may run: ten times what crystals do. */
export const driftMax = 0.001;

export class Drift {
  readonly #random: Random;
  readonly #rates = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The rate of the clock of a node; what runs on one machine has one. */
  rateOf(node: string): number {
    const machine = node.split('/')[0] ?? node;
    const known = this.#rates.get(machine);
    if (known !== undefined) return known;
    const rate = 1 + (driftMax * this.#random.fork(machine).int(-1000, 1000)) / 1000;
    this.#rates.set(machine, rate);
    return rate;
  }
}

/** By how much a time of `ms` on one clock may differ on another, and a millisecond for what is rounded. */
export function driftOf(ms: number): number {
  return Math.ceil(ms * driftMax * 2) + 1;
}
