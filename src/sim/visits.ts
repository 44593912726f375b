// A framework that goes away again and again, and comes back about when its time to return is over: a moment before, a moment after, or while its end
// is being written. In: the node of its scheduler, its failover timeout. Out: a process that ends and starts until `calm`.
import type { Random } from '../env/random.js';
import type { RawSchedulerNode } from './scheduler-node.js';
import type { World } from './world.js';

export class Visits {
  readonly #world: World;
  readonly #node: RawSchedulerNode;
  readonly #failoverTimeoutMs: number;
  readonly #random: Random;
  #calm = false;

  constructor(world: World, node: RawSchedulerNode, failoverTimeoutMs: number) {
    this.#world = world;
    this.#node = node;
    this.#failoverTimeoutMs = failoverTimeoutMs;
    this.#random = world.random.fork(`visits/${node.name}`);
    this.#stay();
  }

  /** It comes, and stays. */
  calm(): void {
    this.#calm = true;
    this.#node.start();
  }

  #stay(): void {
    const random = this.#random;
    // Now and then only for a word.
    this.#after(random.chance(0.3) ? random.int(0, 300) : random.int(2000, 15_000), () => {
      this.#node.crash();
      this.#leave();
    });
  }

  #leave(): void {
    const random = this.#random;
    // At the very moment, or somewhere about it.
    const lateMs = random.chance(0.4) ? random.int(-25, 10) : random.int(-1500, 3500);
    this.#after(Math.max(100, this.#failoverTimeoutMs + lateMs), () => {
      this.#node.start();
      if (random.chance(0.2)) this.#after(random.int(0, 20), () => this.#tearDown());
      this.#stay();
    });
  }

  // An operator who does not wait for it either.
  #tearDown(): void {
    const { cluster } = this.#world.master;
    for (const { id, info } of cluster?.frameworks.values() ?? [])
      if (info.name === this.#node.name) this.#world.master.operate({ type: 'TEARDOWN', frameworkId: id });
  }

  #after(ms: number, run: () => void): void {
    this.#world.clock.after(ms, () => {
      if (!this.#calm) run();
    });
  }
}
