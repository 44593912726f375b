// Files of a sandbox, and never of anything else. In: the sandbox's path and a path inside it as a client gave it. Out: a listing or bytes.
// Each part of the path is opened from the directory before it without following links, so nothing can be swapped under the reader.
import type { Dirent } from 'node:fs';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ProfferError, shown } from '../base/errors.js';

/** One entry of a directory. */
export interface SandboxEntry {
  readonly name: string;
  readonly type: 'FILE' | 'DIRECTORY' | 'OTHER';
  readonly sizeBytes: number;
  /** Wall milliseconds. */
  readonly modifiedMs: number;
}

/** What was opened; the caller closes it. */
export type SandboxItem =
  | { readonly type: 'FILE'; readonly handle: FileHandle; readonly sizeBytes: number }
  | { readonly type: 'DIRECTORY'; readonly handle: FileHandle; readonly list: () => Promise<SandboxEntry[]> };

// O_NONBLOCK: opening a pipe someone left there must not wait for its writer.
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const entriesMax = 10_000;

/**
 * Opens `path` below `sandbox` for reading.
 * @throws ProfferError INVALID_CALL for a path with `..` or control characters, FORBIDDEN for links and what is no plain file, NOT_FOUND, SANDBOX.
 */
export async function openInSandbox(sandbox: string, path: string): Promise<SandboxItem> {
  const parts = partsOf(path);
  let handle = await opened(sandbox, openFlags | constants.O_DIRECTORY, '.');
  try {
    for (const part of parts) {
      // The descriptor, not the name, is where the next part is looked up.
      const next = await opened(`/proc/self/fd/${handle.fd}/${part}`, openFlags, path);
      await handle.close();
      handle = next;
    }
    const stat = await handle.stat();
    if (stat.isDirectory()) {
      const directory = handle;
      return { type: 'DIRECTORY', handle, list: () => entriesOf(directory.fd) };
    }
    if (!stat.isFile()) throw forbidden(path, 'is neither a file nor a directory');
    // A second name may lie outside, and be somebody else's file.
    if (stat.nlink > 1) throw forbidden(path, 'has a second name (a hard link), which may lie outside the sandbox');
    return { type: 'FILE', handle, sizeBytes: stat.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Bytes from `offset` on, at most `length`; with `follow`, also what is appended, until `follow.ended()` and all is read. Closes the handle.
 * `follow.wait` resolves when it is time to look again.
 */
export async function* readFrom(
  handle: FileHandle,
  offset: number,
  length: number,
  follow?: { readonly ended: () => boolean; readonly wait: () => Promise<void> },
): AsyncGenerator<Uint8Array> {
  let at = offset;
  let left = length;
  try {
    while (left > 0) {
      // Asked before reading: what is written before the end is then read before the end.
      const last = follow === undefined || follow.ended();
      const { bytesRead, buffer } = await handle.read(
        Buffer.allocUnsafe(Math.min(chunkBytes, left)),
        0,
        Math.min(chunkBytes, left),
        at,
      );
      if (bytesRead > 0) {
        at += bytesRead;
        left -= bytesRead;
        yield buffer.subarray(0, bytesRead);
      } else if (last) {
        return;
      } else {
        await follow.wait();
      }
    }
  } finally {
    await handle.close();
  }
}

const chunkBytes = 64 * 1024;

function partsOf(path: string): string[] {
  const parts = path.split('/').filter(part => part !== '' && part !== '.');
  for (const part of parts) {
    if (part === '..' || /\p{Cc}/u.test(part) || part.length > 255) {
      throw new ProfferError('INVALID_CALL', `${shown(path)} is not a path inside the sandbox`, {
        path: 'path',
        hint: 'write for example stdout or out/result.txt',
      });
    }
  }
  return parts;
}

async function opened(path: string, flags: number, said: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    switch (code) {
      case 'ENOENT':
      case 'ENOTDIR':
        throw new ProfferError('NOT_FOUND', `the sandbox has no ${shown(said)}`, { path: 'path' });
      case 'ELOOP':
        throw forbidden(said, 'is or goes through a symbolic link');
      case 'ENXIO':
        throw forbidden(said, 'is neither a file nor a directory');
      case 'EACCES':
      case 'EPERM':
        throw forbidden(said, 'may not be read by the agent');
      default:
        throw new ProfferError('SANDBOX', `${shown(said)} could not be opened: ${String(code)}`, {
          path: 'path',
          cause: error,
        });
    }
  }
}

async function entriesOf(fd: number): Promise<SandboxEntry[]> {
  const root = `/proc/self/fd/${fd}`;
  const entries = await readdir(root, { withFileTypes: true });
  const some = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)).slice(0, entriesMax);
  const out: SandboxEntry[] = [];
  for (const entry of some) {
    // What disappeared since is left out.
    const stat = await lstat(join(root, entry.name)).catch(() => undefined);
    if (stat !== undefined)
      out.push({ name: entry.name, type: typeOf(entry), sizeBytes: stat.size, modifiedMs: Math.round(stat.mtimeMs) });
  }
  return out;
}

function typeOf(entry: Dirent): SandboxEntry['type'] {
  if (entry.isFile()) return 'FILE';
  return entry.isDirectory() ? 'DIRECTORY' : 'OTHER';
}

function forbidden(path: string, why: string): ProfferError {
  return new ProfferError('FORBIDDEN', `${shown(path)} ${why}`, { path: 'path' });
}
