// Unpacks archives into the sandbox, trusting nothing in them: no `..`, no absolute names, no links, no devices, no bombs. In: the archive's path. Out: plain
// files and folders, or one sentence that says which entry was refused and why.
import { constants, createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { chown, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Extract, Headers } from 'tar-stream';
import type { Entry, ZipFile } from 'yauzl';
import { shown } from '../base/errors.js';
import { formatBytes } from '../base/units.js';
import { isReservedName, makeParents } from './sandbox.js';
import type { UserIds } from './users.js';

export type ArchiveKind = 'TAR' | 'TAR_GZ' | 'ZIP';

/** The kind of archive a file name promises; undefined: none we unpack. */
export function archiveKind(name: string): ArchiveKind | undefined {
  if (/\.(tar\.gz|tgz)$/i.test(name)) return 'TAR_GZ';
  if (/\.tar$/i.test(name)) return 'TAR';
  return /\.zip$/i.test(name) ? 'ZIP' : undefined;
}

export interface ExtractOptions {
  readonly owner: UserIds | undefined;
  readonly bytesMax: number;
  /** Largest expansion as a multiple of the archive's size; up to {@link smallBytes} it is not looked at. */
  readonly expansionMax: number;
  readonly signal: AbortSignal;
}

const smallBytes = 1024 * 1024;
/** What lies between the files of a tar: headers and their extensions, which tar-stream collects in memory, and padding. */
const betweenFilesBytesMax = 1024 * 1024;
/** An empty file costs the disk something, too. */
const entryBytesMin = 512;

/**
 * Unpacks `path` below `root`.
 * @throws Error for people; entries before the refused one have been written.
 */
export async function extractArchive(
  kind: ArchiveKind,
  path: string,
  root: string,
  options: ExtractOptions,
): Promise<void> {
  const { size } = await stat(path);
  const allowance = Math.min(options.bytesMax, Math.max(smallBytes, size * options.expansionMax));
  const unpacking = new Unpacking(root, options.owner, allowance, options.signal);
  if (kind === 'ZIP') await unpackZip(path, unpacking);
  else await unpackTar(path, kind === 'TAR_GZ', unpacking);
}

/** What all kinds share: checks of names and sums, and writing. */
class Unpacking {
  readonly #root: string;
  readonly #owner: UserIds | undefined;
  readonly #allowance: number;
  readonly #stopped = new AbortController();
  readonly signal: AbortSignal;
  #bytes = 0;

  /** What has been unpacked so far. */
  get bytes(): number {
    return this.#bytes;
  }

  constructor(root: string, owner: UserIds | undefined, allowance: number, signal: AbortSignal) {
    this.#root = root;
    this.#owner = owner;
    this.#allowance = allowance;
    this.signal = AbortSignal.any([signal, this.#stopped.signal]);
  }

  /** Nothing more is begun, and what is being written ends early. */
  stop(): void {
    this.#stopped.abort();
  }

  async folder(name: string): Promise<void> {
    const path = this.#check(name);
    this.count(entryBytesMin, name);
    if (path === '') return;
    await makeParents(this.#root, path, this.#owner);
    await mkdir(join(this.#root, path), { recursive: true });
    if (this.#owner !== undefined) await chown(join(this.#root, path), this.#owner.uid, this.#owner.gid);
  }

  async file(name: string, mode: number, content: Readable): Promise<void> {
    const path = this.#check(name);
    if (path === '') throw new Error(`the archive holds a file without a name`);
    this.count(entryBytesMin, name);
    await makeParents(this.#root, path, this.#owner);
    this.signal.throwIfAborted();
    // To open a FIFO, of a volume say, would take until somebody reads from it.
    const flags =
      constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    // Neither set-user-id nor sticky.
    const file = await open(join(this.#root, path), flags, 0o600 | (mode & 0o777)).catch((error: unknown) => {
      const isPipe = error instanceof Error && 'code' in error && error.code === 'ENXIO';
      throw isPipe ? new Error(`${shown(name)} is a pipe in the sandbox`) : error;
    });
    try {
      if (this.#owner !== undefined) await file.chown(this.#owner.uid, this.#owner.gid);
      this.signal.throwIfAborted();
      await this.#pour(name, content, file);
    } finally {
      await file.close();
    }
  }

  async #pour(name: string, content: Readable, file: FileHandle): Promise<void> {
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        try {
          this.count(chunk.length, name);
          next(null, chunk);
        } catch (error) {
          next(error as Error);
        }
      },
    });
    // No part of the pipeline: tar-stream's, once it is destroyed, may never say that it is closed, and who waits for that waits for ever.
    finished(content, { writable: false }, error => {
      if (error != null) counted.destroy(error);
    });
    content.pipe(counted);
    await pipeline(counted, file.createWriteStream(), { signal: this.signal });
  }

  count(bytes: number, name: string): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#allowance) {
      throw new Error(
        `the archive expands to more than ${formatBytes(this.#allowance)} (at ${shown(name)}), which is not allowed`,
      );
    }
  }

  // Names are refused, not repaired: who sends `../x` means it.
  #check(name: string): string {
    const parts = name.split('/').filter(part => part !== '' && part !== '.');
    const refuse = (why: string): Error => new Error(`the archive holds ${shown(name)}, ${why}`);
    if (name.startsWith('/')) throw refuse('an absolute name');
    if (parts.includes('..')) throw refuse('which leads out of the sandbox');
    if (name.includes('\0') || name.includes('\\')) throw refuse('a name with a NUL or backslash');
    const path = parts.join('/');
    if (path !== '' && isReservedName(path)) throw refuse("a name of the agent's own");
    return path;
  }
}

async function unpackTar(path: string, gzip: boolean, unpacking: Unpacking): Promise<void> {
  const { extract } = await import('tar-stream');
  const entries = extract();
  refuseNegativeSizes(entries);
  let read = 0;
  let readAtEntry = 0;
  let unpacked: Promise<void> = Promise.resolve();
  entries.on('entry', (header, content, next) => {
    readAtEntry = read - unpacking.bytes;
    const unpack = async (): Promise<void> => {
      try {
        await tarEntry(header, content, unpacking);
        next();
      } catch (error) {
        entries.destroy(error as Error);
      }
    };
    unpacked = unpack();
  });
  const bounded = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      read += chunk.length;
      if (read - unpacking.bytes - readAtEntry <= betweenFilesBytesMax) done(null, chunk);
      else done(new Error(`the archive holds more than ${formatBytes(betweenFilesBytesMax)} between two files`));
    },
  });
  const { signal } = unpacking;
  const source = createReadStream(path);
  try {
    if (gzip) await pipeline(source, createGunzip(), bounded, entries, { signal });
    else await pipeline(source, bounded, entries, { signal });
  } catch (error) {
    unpacking.stop();
    throw error;
  } finally {
    // The archive may break while one of its files is still being opened.
    await unpacked;
  }
}

/**
 * tar-stream would stop at a size below 0, and say that all went well. Its headers of extensions, which have sizes, too, are not shown to anyone, but each part
 * is asked for by this method of its own.
 */
function refuseNegativeSizes(entries: Extract): void {
  const parser = entries as unknown as { _parse(size: number, then: () => void): void };
  const parse = parser._parse.bind(entries);
  parser._parse = (size, then) => {
    if (size < 0) entries.destroy(new Error('the archive holds a header with a size below 0'));
    else parse(size, then);
  };
}

async function tarEntry(header: Headers, content: Readable, unpacking: Unpacking): Promise<void> {
  const { name, type, mode = 0o644 } = header;
  if (type === 'directory') {
    await unpacking.folder(name);
    content.resume();
  } else if (type === 'file' || type === 'contiguous-file' || type == null) {
    await unpacking.file(name, mode, content);
  } else {
    throw new Error(`the archive holds ${shown(name)}, a ${type}; only files and folders are unpacked`);
  }
}

async function unpackZip(path: string, unpacking: Unpacking): Promise<void> {
  const { default: yauzl } = await import('yauzl');
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    yauzl.open(path, { lazyEntries: true, strictFileNames: true }, (error, file) =>
      error === null ? resolve(file) : reject(error),
    );
  });
  try {
    await new Promise<void>((resolve, reject) => {
      zip.once('error', reject);
      zip.once('end', resolve);
      zip.on('entry', (entry: Entry) => {
        zipEntry(zip, entry, unpacking).then(() => zip.readEntry(), reject);
      });
      zip.readEntry();
    });
  } finally {
    zip.close();
  }
}

/** File type bits of a Unix mode; a link's content is its target. */
const typeMask = 0o170000;
const plainFile = 0o100000;
const folderType = 0o040000;

async function zipEntry(zip: ZipFile, entry: Entry, unpacking: Unpacking): Promise<void> {
  const name = entry.fileName;
  const mode = entry.externalFileAttributes >>> 16;
  const type = mode & typeMask;
  if (type !== 0 && type !== plainFile && type !== folderType) {
    throw new Error(
      `the archive holds ${shown(name)}, which is a link or a device; only files and folders are unpacked`,
    );
  }
  if (name.endsWith('/')) return unpacking.folder(name);
  const content = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error === null ? resolve(stream) : reject(error)));
  });
  try {
    await unpacking.file(name, (mode & 0o777) === 0 ? 0o644 : mode, content);
  } finally {
    content.destroy();
  }
}
