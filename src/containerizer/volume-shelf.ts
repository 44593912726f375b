// Persistent volumes as directories on one disk: made, put aside, taken back and deleted. Links are never followed out of them.
// In: roles and ids. Out: directories below the root; what the file system says, thrown.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, shown } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import type { DiskSource } from '../resources/index.js';
import { isThere, names, removeEmpty } from './directories.js';

/** A persistent volume among those of one agent. */
export interface Volume {
  readonly role: string;
  readonly id: string;
  /** Default: the disk of the sandboxes. */
  readonly source?: DiskSource;
}

/** Volumes of one disk. See `VolumeKeeper` of the agent for what each call is to do. */
export interface Shelf {
  path(volume: Volume): string;
  open(volumes: readonly Volume[]): void;
  make(volume: Volume): void;
  retire(volume: Volume): void;
  restore(volume: Volume): void;
  purge(volume: Volume): void;
}

/**
 * Keeps volumes as `<root>/roles/<role>/<id>`, the role percent-encoded. One that is put aside lies in `<root>/removed` until it is deleted, so that
 * an agent that dies meanwhile finds it again.
 */
export class DirectoryShelf implements Shelf {
  readonly #root: string;
  readonly #log: Logger;
  readonly #sweeps: boolean;
  readonly #later: (work: () => Promise<void>) => void;
  #discarded = 0;

  /** `sweeps`: nobody else has anything below `root`, so what is unknown there is deleted. `later` runs work in the background. */
  constructor(root: string, log: Logger, sweeps: boolean, later: (work: () => Promise<void>) => void) {
    this.#root = root;
    this.#log = log;
    this.#sweeps = sweeps;
    this.#later = later;
  }

  path({ role, id }: Volume): string {
    return join(this.#root, 'roles', fileName(role), fileName(id));
  }

  open(volumes: readonly Volume[]): void {
    for (const volume of volumes) {
      const path = this.path(volume);
      if (isThere(path)) continue;
      if (isThere(this.#aside(volume))) this.restore(volume);
      else {
        this.#log.warn('the directory of a volume was gone; it is empty now', { path });
        this.make(volume);
      }
    }
    if (this.#sweeps) this.#sweep(new Set(volumes.map(volume => this.path(volume))));
    for (const name of names(this.#removed)) this.#discard(join(this.#removed, name));
  }

  make(volume: Volume): void {
    const path = this.path(volume);
    mkdirSync(dirname(path), { recursive: true });
    if (!this.#sweeps && isThere(path)) {
      // Left by an agent that died before it could keep the volume; tasks were not in it.
      if (names(path).length === 0) return;
      throw new Error(`${path} has data that is of no volume of this agent; move it away`);
    }
    mkdirSync(path, { mode: 0o755 });
  }

  retire(volume: Volume): void {
    const aside = this.#aside(volume);
    mkdirSync(dirname(aside), { recursive: true });
    // One of the same name that is still waiting to be deleted.
    rmSync(aside, { recursive: true, force: true });
    renameSync(this.path(volume), aside);
  }

  restore(volume: Volume): void {
    mkdirSync(dirname(this.path(volume)), { recursive: true });
    renameSync(this.#aside(volume), this.path(volume));
  }

  purge(volume: Volume): void {
    this.#discard(this.#aside(volume));
    removeEmpty(dirname(this.path(volume)));
  }

  // A comma can be no part of an encoded name.
  #aside({ role, id }: Volume): string {
    return join(this.#removed, `${fileName(role)},${fileName(id)}`);
  }

  get #removed(): string {
    return join(this.#root, 'removed');
  }

  // Made by an operation that nobody has heard of.
  #sweep(wanted: ReadonlySet<string>): void {
    for (const role of names(join(this.#root, 'roles'))) {
      for (const id of names(join(this.#root, 'roles', role))) {
        const path = join(this.#root, 'roles', role, id);
        if (!wanted.has(path)) this.#discard(path);
      }
      removeEmpty(join(this.#root, 'roles', role));
    }
  }

  // Deletes in a while; at once it is out of the way of the next one of its name.
  #discard(path: string): void {
    const failed = (error: unknown): void =>
      this.#log.warn('a destroyed volume could not be deleted', { path, why: shown(messageOf(error)) });
    let going = '';
    do going = join(this.#removed, `,${(this.#discarded += 1)}`);
    while (isThere(going));
    try {
      mkdirSync(this.#removed, { recursive: true });
      renameSync(path, going);
    } catch (error) {
      return failed(error);
    }
    // Does not follow links: what a task linked to is not its volume.
    this.#later(() => rm(going, { recursive: true, force: true }).catch(failed));
  }
}

/** A role or id as one name of a file; its own rules let nothing else through than what can be one. */
function fileName(text: string): string {
  const name = encodeURIComponent(text);
  if (/^\.{0,2}$/.test(name)) throw new Error(`${shown(text)} cannot be the name of a directory`);
  return name;
}
