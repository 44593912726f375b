// An operator who copies the master's registry now and then, and restores the newest copy when a master refuses to start on what is there.
// In: a world and its chance. Out: copies and restorations, told to the history.
import { assert } from '../base/assert.js';
import type { ProfferError } from '../base/errors.js';
import type { Random } from '../env/random.js';
import { restoredMark } from '../master/registry.js';
import type { DiskCopy } from './disk.js';
import type { World } from './world.js';

export class RegistryCopies {
  readonly #world: World;
  readonly #random: Random;
  readonly #everyMs: number;
  #newest: DiskCopy | undefined;
  #isRestoring = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('registry-copies');
    this.#everyMs = this.#random.pick([5000, 20_000, 60_000]);
    world.master.onDamaged = error => this.#refused(error);
    this.#next();
  }

  /** Whether there is one to restore. */
  get hasOne(): boolean {
    return this.#newest !== undefined;
  }

  #next(): void {
    this.#world.clock.after(this.#random.int(1, this.#everyMs * 2), () => {
      this.#copy();
      this.#next();
    });
  }

  // As `proffer registry backup`, which verifies what it reads: of a damaged registry there is none.
  #copy(): void {
    const { master } = this.#world;
    const copy = master.disk.copy();
    if (copy === undefined) return;
    this.#newest = copy;
    this.#world.emit({ type: 'REGISTRY', node: master.name, what: 'COPIED' });
  }

  // As `proffer registry restore`, some time after somebody has read why it does not start.
  #refused({ hint }: ProfferError): void {
    assert(hint?.includes('restore') === true, 'who refuses a damaged registry says what to do');
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    this.#world.clock.after(this.#random.int(1000, 10_000), () => {
      this.#isRestoring = false;
      const { master } = this.#world;
      if (this.#newest === undefined || !master.disk.isDamaged) return;
      master.disk.restore(this.#newest, [restoredMark]);
      this.#world.emit({ type: 'REGISTRY', node: master.name, what: 'RESTORED' });
      master.start();
    });
  }
}
