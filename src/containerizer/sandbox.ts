// The sandbox of a task on disk: the directory, its stdout and stderr, and beside them the run file `.proffer`.
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { UserIds } from './users.js';

/** Where the wrapper of a process task keeps its record. */
export function runFilePath(sandbox: string): string {
  return join(sandbox, '.proffer');
}

/**
 * Makes the sandbox directory and gives it to `user`. Doing it again changes nothing.
 * @throws what the file system says.
 */
export function makeSandbox(sandbox: string, user: UserIds | undefined): void {
  mkdirSync(sandbox, { recursive: true });
  if (user !== undefined) chownSync(sandbox, user.uid, user.gid);
}

// A link in the sandbox (from an archive, say) must not lead the agent to a file elsewhere.
const appendFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
const runFlags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_NOFOLLOW;

/**
 * Opens `stdout` or `stderr` of a sandbox for appending; the caller closes it.
 * @throws what the file system says.
 */
export function openOutput(sandbox: string, name: 'stdout' | 'stderr', user: UserIds | undefined): number {
  const fd = openSync(join(sandbox, name), appendFlags, 0o644);
  // So that the task may open /dev/stdout again.
  if (user !== undefined) fchownSync(fd, user.uid, user.gid);
  return fd;
}

/**
 * Makes the run file, which must not be there yet: a container starts once.
 * @throws what the file system says.
 */
export function createRunFile(sandbox: string): number {
  return openSync(runFilePath(sandbox), runFlags, 0o644);
}

/** In the sandbox of a task: stands for "the wrapper of this attempt to start it shall not run it". */
export function refusalName(attempt: number): string {
  return `.proffer-not-${attempt}`;
}

/**
 * Says so to the wrapper, should it still come.
 * @throws what the file system says.
 */
export function refuseAttempt(sandbox: string, attempt: number): void {
  closeSync(openSync(join(sandbox, refusalName(attempt)), appendFlags, 0o644));
}

/** The number of the attempt that was made last: those before it were refused. */
export function lastAttempt(sandbox: string): number {
  let attempt = 1;
  while (existsSync(join(sandbox, refusalName(attempt)))) attempt += 1;
  return attempt;
}

/**
 * Removes the run file of an attempt of which nothing will come. The refusal stays.
 * @throws what the file system says.
 */
export function removeRunFile(sandbox: string): void {
  unlinkSync(runFilePath(sandbox));
}

/** Opens the run file of an earlier life of the agent for reading; undefined when there is none. The task may have put anything in its place. */
export function openRunFile(sandbox: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(runFilePath(sandbox), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}

/** Closes descriptors; one that is closed already is a bug and throws. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}

/** Names in the sandbox that are the agent's. */
export function isReservedName(name: string): boolean {
  const [first = ''] = name.split('/');
  return first === 'stdout' || first === 'stderr' || first.startsWith('.proffer');
}

/** Makes the folders of `name` below `root`; the new ones belong to `owner`. */
export async function makeParents(root: string, name: string, owner: UserIds | undefined): Promise<void> {
  const first = await mkdir(dirname(join(root, name)), { recursive: true });
  if (first === undefined || owner === undefined) return;
  for (let path = dirname(join(root, name)); path.length >= first.length; path = dirname(path)) {
    await chown(path, owner.uid, owner.gid);
  }
}
