// A disk that is one persistent volume as a whole, or none: its root is the volume. In: a volume's beginning and end. Out: a root that is empty before it
// and after; a mark elsewhere from the moment the volume is given up until its data is gone, so that an agent that dies meanwhile finishes that.
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, shown } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import { contentOf, isThere } from './directories.js';
import type { Shelf, Volume } from './volume-shelf.js';

export class MountDisk implements Shelf {
  readonly #root: string;
  readonly #marks: string;
  readonly #log: Logger;
  readonly #later: (work: () => Promise<void>) => void;
  #isGoing = false;

  /** `marks` is a directory for the marks of all such disks; `later` runs work in the background. */
  constructor(root: string, marks: string, log: Logger, later: (work: () => Promise<void>) => void) {
    this.#root = root;
    this.#marks = marks;
    this.#log = log;
    this.#later = later;
  }

  path(): string {
    return this.#root;
  }

  open(volumes: readonly Volume[]): void {
    if (!isThere(this.#mark)) return;
    if (volumes.length > 0) this.restore();
    else this.purge();
  }

  make(): void {
    if (this.#isGoing)
      throw new Error(`the data of the volume that was at ${this.#root} is still being deleted; try again later`);
    const [first] = contentOf(this.#root);
    if (first === undefined) return;
    throw new Error(`${this.#root} is not empty: ${shown(first)} is no data of a volume; move it away`);
  }

  retire(): void {
    mkdirSync(this.#marks, { recursive: true });
    writeFileSync(this.#mark, '');
  }

  restore(): void {
    rmSync(this.#mark, { force: true });
  }

  purge(): void {
    this.#isGoing = true;
    this.#later(() =>
      this.#empty().catch((error: unknown) =>
        this.#log.warn('a destroyed volume could not be deleted', { path: this.#root, why: shown(messageOf(error)) }),
      ),
    );
  }

  async #empty(): Promise<void> {
    // Does not follow links: what a task linked to is not its volume.
    for (const name of contentOf(this.#root)) await rm(join(this.#root, name), { recursive: true, force: true });
    // The next task may be another user's.
    const own = process.getuid?.();
    if (own === 0) chownSync(this.#root, own, process.getgid?.() ?? 0);
    this.restore();
    this.#isGoing = false;
  }

  get #mark(): string {
    return join(this.#marks, encodeURIComponent(this.#root));
  }
}
