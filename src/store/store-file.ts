// The records of a store's file, all of them verified. In: its path. Out: records and head, or which one is damaged and what to do.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, ProfferError, shown } from '../base/errors.js';
import type { Head } from './envelope.js';
import { emptyHead, headAfter, headKey, sealProblem, unseal, unsealHead } from './envelope.js';
import type { LmdbEntry, LmdbSnapshot } from './lmdb-file.js';
import { LmdbDamage, readLmdbFile } from './lmdb-file.js';

/** One record. */
export interface StoreRecord {
  readonly key: string;
  /** The epoch of who wrote it. */
  readonly epoch: number;
  readonly value: unknown;
}

/** A verified file. */
export interface StoreFile {
  readonly path: string;
  readonly bytes: number;
  readonly head: Head;
  /** As stored, the head aside. */
  readonly entries: readonly LmdbEntry[];
  /** LMDB must not write into it, though all records are whole; see `LmdbSnapshot`. */
  readonly unsound: string | undefined;
}

/** The file of a store within its directory. */
export function storeFileOf(directory: string): string {
  return join(directory, 'data.mdb');
}

/** Whether there is a store; a directory without its file is a damaged one. */
export function storeExists(directory: string): boolean {
  return statSync(directory, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Reads a file and verifies every record, their number, and that none is missing.
 * @throws ProfferError STORE_DAMAGED saying where and, with `hint`, what to do; STORE_FAILED when it cannot be read at all.
 */
export function readStoreFile(path: string, hint: string): StoreFile {
  return verifyStoreFile(path, contentOf(path, hint), hint);
}

/** The same for what is in memory: the content of a file called `path`. */
export function verifyStoreFile(path: string, file: Buffer, hint: string): StoreFile {
  const { entries, unsound } = snapshotOf(path, file, hint);
  const [first, ...records] = entries;
  if (first === undefined || !first.key.equals(headKey)) throw damaged(path, 'its head record is missing', hint);
  const head = unsealHead(first.value);
  if (typeof head === 'string') throw damaged(path, `its head record cannot be read: ${head}`, hint);
  for (const { key, value } of records) {
    const problem = sealProblem(key, value);
    if (problem !== undefined) {
      throw damaged(path, `the record ${shown(key.toString())} cannot be read: ${problem}`, hint, key.toString());
    }
  }
  const { count, digest } = headAfter(emptyHead, sealedOf(records), []);
  if (count !== head.count || digest !== head.digest) {
    throw damaged(path, `it holds ${count} records that are not the ${head.count} written last`, hint);
  }
  return { path, bytes: file.length, head, entries: records, unsound };
}

/** The records whose key starts with `prefix`, in the order of their keys. */
export function recordsOf({ entries }: StoreFile, prefix: string): StoreRecord[] {
  const start = Buffer.from(prefix);
  return entries
    .filter(({ key }) => key.length >= start.length && start.equals(key.subarray(0, start.length)))
    .map(({ key, value }) => ({ key: key.toString(), ...unseal(value) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function* sealedOf(entries: readonly LmdbEntry[]): Iterable<Buffer> {
  for (const { value } of entries) yield value;
}

function contentOf(path: string, hint: string): Buffer {
  try {
    // To read from a pipe would take for ever.
    if (!statSync(path).isFile()) throw damaged(path, 'it is not a plain file', hint);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof ProfferError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw damaged(path, 'it is missing', hint);
    if (code === 'EACCES' || code === 'EPERM') {
      throw new ProfferError('STORE_DAMAGED', `the store ${path} cannot be read: ${messageOf(error)}`, {
        hint: 'run this as the user whose file it is',
        cause: error,
      });
    }
    throw new ProfferError('STORE_FAILED', `${path} could not be read: ${messageOf(error)}`, { cause: error });
  }
}

function snapshotOf(path: string, file: Buffer, hint: string): LmdbSnapshot {
  try {
    return readLmdbFile(file);
  } catch (error) {
    if (error instanceof LmdbDamage) throw damaged(path, error.message, hint);
    throw error;
  }
}

function damaged(file: string, what: string, hint: string, path = ''): ProfferError {
  return new ProfferError('STORE_DAMAGED', `the store ${file} is damaged: ${what}`, { path, hint });
}
