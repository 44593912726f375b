// How process tasks see persistent volumes: links in their sandboxes, which lead nowhere else. In: what a container is told. Out: links; what is in
// the way, thrown.
import { chownSync, lchownSync, lstatSync, mkdirSync, symlinkSync } from 'node:fs';
import { isAbsolute, join, normalize, relative } from 'node:path';
import { shown } from '../base/errors.js';
import type { ContainerSpec, PersistentMount } from './containerizer.js';
import { contentOf, isThere } from './directories.js';
import { isReservedName, makeSandbox } from './sandbox.js';
import type { UserIds } from './users.js';

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

/**
 * Shows the directories of this machine that a process task names to it, as links in its sandbox, and makes those that are its own. What has been brought
 * there stays.
 * @throws Error saying what cannot be, or what the file system says.
 */
export function linkMounts({ sandbox, container }: ContainerSpec, user: UserIds | undefined): void {
  const mounts = container?.volumes ?? [];
  if (mounts.length === 0) return;
  makeSandbox(sandbox, user);
  for (const { containerPath, hostPath } of mounts) {
    // It is where it is.
    if (isAbsolute(containerPath) && containerPath === hostPath) continue;
    const name = nameInSandbox(sandbox, { containerPath });
    makePlainParents(sandbox, name, user);
    // A relative one is a folder of the sandbox, or a file that was brought there.
    const own = hostPath === undefined ? name : isAbsolute(hostPath) ? undefined : normalize(hostPath);
    const source = own === undefined ? (hostPath as string) : join(sandbox, own);
    if (own !== undefined && !isThere(source)) makeFolder(sandbox, own, user);
    const path = join(sandbox, name);
    if (source === path) continue;
    if (isThere(path)) throw new Error(`the volume's containerPath ${shown(containerPath)} is taken in the sandbox`);
    if (!isThere(source)) throw new Error(`the volume's hostPath ${shown(hostPath)} does not exist on this agent`);
    symlinkSync(source, path);
    if (user !== undefined) lchownSync(path, user.uid, user.gid);
  }
}

/** Gives a volume to its first user, while it is the agent's own and empty. Later ones take it as it is. */
export function claimVolume(source: string, user: UserIds | undefined): void {
  const found = lstatSync(source);
  if (!found.isDirectory()) throw new Error(`${source} is not a directory`);
  if (user === undefined || found.uid !== process.getuid?.() || contentOf(source).length > 0) return;
  chownSync(source, user.uid, user.gid);
}

function nameInSandbox(sandbox: string, { containerPath }: Pick<PersistentMount, 'containerPath'>): string {
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

function makeFolder(sandbox: string, name: string, user: UserIds | undefined): void {
  makePlainParents(sandbox, `${name}/.`, user);
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
