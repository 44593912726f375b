// Persistent volumes on disk: one directory each, made, put aside, taken back and deleted, and shown to tasks. Links are never followed out of them.
// In: roles and ids, sandboxes. Out: directories below the root; what the file system says, thrown.
import {
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  symlinkSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, relative, resolve } from 'node:path';
import { messageOf, ProfferError, shown } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import type { ContainerSpec, PersistentMount } from './containerizer.js';
import { isReservedName, makeSandbox } from './sandbox.js';
import type { UserIds } from './users.js';

interface Volume {
  readonly role: string;
  readonly id: string;
}

/**
 * Keeps volumes as `<root>/roles/<role>/<id>`, the role percent-encoded. One that is put aside lies in `<root>/removed` until it is deleted, so that
 * an agent that dies meanwhile finds it again.
 */
export class FileVolumes {
  readonly #root: string;
  readonly #log: Logger;
  #last = Promise.resolve();
  #discarded = 0;

  constructor(root: string, log: Logger) {
    this.#root = resolve(root);
    this.#log = log;
  }

  path({ role, id }: Volume): string {
    return join(this.#root, 'roles', fileName(role), fileName(id));
  }

  /** @throws ProfferError SANDBOX when the directories cannot be used. */
  open(volumes: readonly Volume[]): void {
    try {
      this.#reopen(volumes);
    } catch (error) {
      throw new ProfferError('SANDBOX', `the volumes below ${this.#root} cannot be used: ${messageOf(error)}`, {
        path: 'workDir',
        cause: error,
      });
    }
  }

  make(volume: Volume): void {
    const path = this.path(volume);
    mkdirSync(dirname(path), { recursive: true });
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

  /** Resolves when nothing is being deleted. */
  idle(): Promise<void> {
    return this.#last;
  }

  // A comma can be no part of an encoded name.
  #aside({ role, id }: Volume): string {
    return join(this.#removed, `${fileName(role)},${fileName(id)}`);
  }

  get #removed(): string {
    return join(this.#root, 'removed');
  }

  #reopen(volumes: readonly Volume[]): void {
    const wanted = new Set(volumes.map(volume => this.path(volume)));
    for (const volume of volumes) {
      const path = this.path(volume);
      if (isThere(path)) continue;
      if (isThere(this.#aside(volume))) this.restore(volume);
      else {
        this.#log.warn('the directory of a volume was gone; it is empty now', { path });
        this.make(volume);
      }
    }
    for (const role of names(join(this.#root, 'roles'))) {
      for (const id of names(join(this.#root, 'roles', role))) {
        const path = join(this.#root, 'roles', role, id);
        // Made by an operation that nobody has heard of.
        if (!wanted.has(path)) this.#discard(path);
      }
      removeEmpty(join(this.#root, 'roles', role));
    }
    for (const name of names(this.#removed)) this.#discard(join(this.#removed, name));
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
    this.#last = this.#last.then(() => rm(going, { recursive: true, force: true })).catch(failed);
  }
}

/**
 * Shows the volumes of a process task to it: a link at each path in the sandbox, which is made if need be. Call it last before the start, as what was
 * fetched may be in the way.
 * @throws Error saying what cannot be, or what the file system says.
 */
export function linkVolumes({ sandbox, volumes = [] }: ContainerSpec, user: UserIds | undefined): void {
  if (volumes.length === 0) return;
  makeSandbox(sandbox, user);
  for (const volume of volumes) {
    const name = nameInSandbox(sandbox, volume);
    claimVolume(volume.source, user);
    makePlainParents(sandbox, name, user);
    const link = join(sandbox, name);
    if (isThere(link))
      throw new Error(`the volume's containerPath ${shown(volume.containerPath)} is taken in the sandbox`);
    symlinkSync(volume.source, link);
    if (user !== undefined) lchownSync(link, user.uid, user.gid);
  }
}

/** Gives a volume to its first user, while it is the agent's own and empty. Later ones take it as it is. */
export function claimVolume(source: string, user: UserIds | undefined): void {
  const found = lstatSync(source);
  if (!found.isDirectory()) throw new Error(`${source} is not a directory`);
  if (user === undefined || found.uid !== process.getuid?.() || names(source).length > 0) return;
  chownSync(source, user.uid, user.gid);
}

function nameInSandbox(sandbox: string, { containerPath }: PersistentMount): string {
  const name = normalize(isAbsolute(containerPath) ? relative(sandbox, containerPath) : containerPath).replace(
    /\/+$/,
    '',
  );
  const outside = name === '.' || name === '' || name.split('/').includes('..');
  if (isAbsolute(containerPath) && outside)
    throw new Error(
      `a process task cannot have a volume at ${shown(containerPath)}: it sees this machine's file system; give a containerPath relative to the sandbox, or run it in Docker`,
    );
  if (outside) throw new Error(`the volume's containerPath ${shown(containerPath)} is not in the sandbox`);
  if (isReservedName(name))
    throw new Error(`the volume's containerPath ${shown(containerPath)} is a file of the agent's`);
  return name;
}

// A directory that was fetched may serve; a link would lead out of the sandbox.
function makePlainParents(sandbox: string, name: string, user: UserIds | undefined): void {
  let path = sandbox;
  for (const part of name.split('/').slice(0, -1)) {
    path = join(path, part);
    if (!isThere(path)) {
      mkdirSync(path);
      if (user !== undefined) chownSync(path, user.uid, user.gid);
    } else if (!lstatSync(path).isDirectory())
      throw new Error(`${shown(relative(sandbox, path))} in the sandbox is no directory`);
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, or not there.
  }
}

/** A role or id as one name of a file; its own rules let nothing else through than what can be one. */
function fileName(text: string): string {
  const name = encodeURIComponent(text);
  if (/^\.{0,2}$/.test(name)) throw new Error(`${shown(text)} cannot be the name of a directory`);
  return name;
}
