// Persistent volumes of an agent, each on its disk. In: roles, ids and disks. Out: directories; what the file system says, thrown.
import { rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { messageOf, ProfferError } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import type { DiskSource } from '../resources/index.js';
import { names } from './directories.js';
import { DiskOwner } from './disk-owner.js';
import { MountDisk } from './mount-disk.js';
import type { Shelf, Volume } from './volume-shelf.js';
import { DirectoryShelf } from './volume-shelf.js';

/**
 * Keeps volumes below its root as `roles/<role>/<id>`, on a PATH disk as `volumes/roles/<role>/<id>`; a MOUNT disk is the volume that is made of it.
 * Source: Mesos, `paths::getPersistentVolumePath`.
 */
export class FileVolumes {
  readonly #root: string;
  readonly #log: Logger;
  readonly #own: Shelf;
  readonly #owner: DiskOwner;
  readonly #shelves = new Map<string, Shelf>();
  #last = Promise.resolve();

  constructor(root: string, log: Logger) {
    this.#root = resolve(root);
    this.#log = log;
    this.#owner = new DiskOwner(this.#root);
    this.#own = new DirectoryShelf(this.#root, log, true, work => this.#later(work));
  }

  path(volume: Volume): string {
    return this.#shelf(volume.source).path(volume);
  }

  /** @throws ProfferError SANDBOX when the directories cannot be used, DISK_IN_USE when a disk is another agent's. */
  open(volumes: readonly Volume[], disks: readonly DiskSource[] = []): void {
    attempt(`the volumes below ${this.#root} cannot be used`, 'workDir', () => {
      this.#own.open(volumes.filter(({ source }) => source === undefined));
      // Whose disk is no longer the agent's may have other data by now.
      const known = new Set(disks.map(({ root }) => encodeURIComponent(root)));
      for (const mark of names(this.#marks)) if (!known.has(mark)) rmSync(join(this.#marks, mark));
    });
    // All of them before any is touched.
    for (const disk of disks) {
      attempt(`the disk ${disk.root} cannot be used`, 'resources', () => {
        this.#look(disk);
        this.#owner.take(disk.root);
      });
    }
    attempt('a disk that is no longer the agent’s cannot be given up', 'resources', () => {
      this.#owner.keepOnly(disks.map(({ root }) => root));
    });
    for (const disk of disks) {
      attempt(`the disk ${disk.root} cannot be used`, 'resources', () => {
        this.#shelf(disk).open(volumes.filter(({ source }) => source?.root === disk.root));
      });
    }
  }

  make(volume: Volume): void {
    this.#shelf(volume.source).make(volume);
  }

  retire(volume: Volume): void {
    this.#shelf(volume.source).retire(volume);
  }

  restore(volume: Volume): void {
    this.#shelf(volume.source).restore(volume);
  }

  purge(volume: Volume): void {
    this.#shelf(volume.source).purge(volume);
  }

  /** Resolves when nothing is being deleted. */
  idle(): Promise<void> {
    return this.#last;
  }

  #look({ type, root }: DiskSource): void {
    const found = statSync(root);
    if (!found.isDirectory()) throw new Error('it is not a directory');
    if (type === 'MOUNT' && statSync(dirname(root)).dev === found.dev)
      this.#log.warn('nothing is mounted at the root of a MOUNT disk; it shares its space with others', { root });
  }

  #shelf(source: DiskSource | undefined): Shelf {
    if (source === undefined) return this.#own;
    const { type, root } = source;
    let shelf = this.#shelves.get(root);
    if (shelf === undefined) {
      const later = (work: () => Promise<void>): void => this.#later(work);
      shelf =
        type === 'MOUNT'
          ? new MountDisk(root, this.#marks, this.#log, later)
          : new DirectoryShelf(join(root, 'volumes'), this.#log, false, later);
      this.#shelves.set(root, shelf);
    }
    return shelf;
  }

  get #marks(): string {
    return join(this.#root, 'emptying');
  }

  #later(work: () => Promise<void>): void {
    this.#last = this.#last.then(work);
  }
}

function attempt(what: string, path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof ProfferError) throw error;
    throw new ProfferError('SANDBOX', `${what}: ${messageOf(error)}`, { path, cause: error });
  }
}
