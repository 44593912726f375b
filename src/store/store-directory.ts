// A store's directory: made, opened, copied, replaced. In: its path. Out: a store, or a verified copy. Nothing unreadable is ever taken for empty.
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, ProfferError } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import { encodeBatch } from './batch.js';
import type { Head } from './envelope.js';
import { emptyHead, headAfter, headKey, seal, sealHead } from './envelope.js';
import type { LmdbEntry } from './lmdb-file.js';
import type { LmdbRequest } from './lmdb-messages.js';
import { LmdbStore } from './lmdb-store.js';
import { LmdbThread } from './lmdb-thread.js';
import type { StoreFile } from './store-file.js';
import { readStoreFile, storeExists, storeFileOf } from './store-file.js';

type Records = readonly { readonly key: string; readonly value: unknown }[];

/** How a store is opened. */
export interface OpenStoreOptions {
  /** What a person should do when it is damaged. */
  readonly hint: string;
  readonly log: Logger;
  /** What a new one holds. Default nothing. */
  readonly initial?: Records;
  /** After this long a write has failed. Default 20 s, as Mesos's registry. */
  readonly writeTimeoutMs?: number;
  /** After this long without a write its thread ends, which gives about 10 MiB back; the next write takes 0.1 s or more longer. Default: never. */
  readonly idleMs?: number;
}

const defaultTimeoutMs = 20_000;
const buildTimeoutMs = 600_000;

/**
 * Opens the store in `directory`, which is made when it is not there; whoever calls holds the lock of the directory above. Everything in it is verified.
 * @throws (rejects) ProfferError STORE_DAMAGED, STORE_FAILED.
 */
export async function openStore(directory: string, options: OpenStoreOptions): Promise<LmdbStore> {
  const { hint, log, initial = [], writeTimeoutMs = defaultTimeoutMs, idleMs } = options;
  const file = storeFileOf(directory);
  try {
    if (!storeExists(directory)) await makeDirectory(directory, initial);
    let read = readStoreFile(file, hint);
    if (read.unsound !== undefined) {
      log.warn('the store is rewritten: its records are whole, but not its list of free pages', {
        file,
        why: read.unsound,
      });
      await replaceStoreFile(file, read.entries, read.head);
      read = readStoreFile(file, hint);
    }
    const thread = new LmdbThread({ timeoutMs: writeTimeoutMs, idleMs });
    await asked(thread, { type: 'OPEN', file });
    return new LmdbStore(read, thread, hint);
  } catch (error) {
    if (error instanceof ProfferError) throw error;
    throw new ProfferError('STORE_FAILED', `the store ${directory} cannot be opened: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

// The directory appears with its file: one without is damaged, not new.
async function makeDirectory(directory: string, initial: Records): Promise<void> {
  const next = `${directory}.new`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  await buildStoreFile(storeFileOf(next), sealed(initial, 0), emptyHead);
  syncDirectory(next);
  renameSync(next, directory);
  syncDirectory(dirname(directory));
}

function sealed(records: Records, epoch: number): LmdbEntry[] {
  return records.map(({ key: text, value }) => {
    const key = Buffer.from(text);
    return { key, value: seal(key, epoch, Buffer.from(JSON.stringify(value))) };
  });
}

/** A new file of these records; what was there of that name stays until the new one is whole. The head goes on counting from `head`. */
export async function replaceStoreFile(file: string, entries: readonly LmdbEntry[], head: Head): Promise<void> {
  const next = `${file}.new`;
  rmSync(next, { force: true });
  await buildStoreFile(next, entries, head);
  renameSync(next, file);
  syncDirectory(dirname(file));
}

async function buildStoreFile(file: string, entries: readonly LmdbEntry[], head: Head): Promise<void> {
  const { count, digest } = headAfter(
    emptyHead,
    entries.map(({ value }) => value),
    [],
  );
  const first = { key: headKey, record: sealHead({ ...head, generation: head.generation + 1, count, digest }) };
  const batch = encodeBatch([first, ...entries.map(({ key, value }) => ({ key, record: value }))]);
  await once({ type: 'BUILD', file, batch });
  rmSync(`${file}-lock`, { force: true });
}

/**
 * A verified copy of the store in `directory` as one file, also while another process writes there.
 * @throws (rejects) ProfferError STORE_DAMAGED, STORE_FAILED, also when `to` exists.
 */
export async function copyStore(directory: string, to: string, isInUse: boolean, hint: string): Promise<StoreFile> {
  if (existsSync(to)) {
    throw new ProfferError('STORE_FAILED', `${to} exists already`, { hint: 'name a file that is not there' });
  }
  const file = storeFileOf(directory);
  const next = `${to}.new`;
  const { entries, head } = isInUse ? await snapshotOf(file, `${to}.snapshot`, hint) : readStoreFile(file, hint);
  rmSync(next, { force: true });
  await buildStoreFile(next, entries, head);
  const copy = readStoreFile(next, hint);
  renameSync(next, to);
  syncDirectory(dirname(to));
  return { ...copy, path: to };
}

// While others write, LMDB keeps what it copies as it was.
async function snapshotOf(file: string, aside: string, hint: string): Promise<StoreFile> {
  rmSync(aside, { force: true });
  try {
    await once({ type: 'COPY', file, to: aside });
    return readStoreFile(aside, hint);
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * Puts the records of `from`, and those of `added`, in the place of the store in `directory`; the former one stays beside it, as `.before-restore`.
 * The epoch goes on from the later of both, so that nobody who led before is believed again.
 * @throws (rejects) ProfferError STORE_DAMAGED when `from` is, STORE_FAILED.
 */
export async function restoreStore(
  directory: string,
  from: string,
  added: Records = [],
): Promise<{ restored: StoreFile; former: string | undefined }> {
  const restored = readStoreFile(from, 'choose another copy');
  const next = `${directory}.new`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  const epoch = Math.max(restored.head.epoch, epochOf(directory));
  const news = sealed(added, epoch);
  const others = restored.entries.filter(({ key }) => !news.some(entry => entry.key.equals(key)));
  await buildStoreFile(storeFileOf(next), [...others, ...news], { ...restored.head, epoch });
  syncDirectory(next);
  if (!storeExists(directory)) {
    renameSync(next, directory);
    syncDirectory(dirname(directory));
    return { restored, former: undefined };
  }
  const former = freeName(`${directory}.before-restore`);
  keepAside(storeFileOf(directory), former);
  // One step: whoever is interrupted leaves the former store or the restored one, and never none.
  renameSync(storeFileOf(next), storeFileOf(directory));
  syncDirectory(directory);
  rmSync(`${storeFileOf(directory)}-lock`, { force: true });
  rmSync(next, { recursive: true, force: true });
  return { restored, former };
}

// A second name for the file, so that it is never without one.
function keepAside(file: string, aside: string): void {
  mkdirSync(aside);
  const found = lstatSync(file, { throwIfNoEntry: false });
  const to = storeFileOf(aside);
  if (found?.isFile() === true) {
    try {
      linkSync(file, to);
    } catch {
      // Not every file system has links.
      copyFileSync(file, to);
    }
  } else if (found !== undefined) renameSync(file, to);
  syncDirectory(aside);
  syncDirectory(dirname(aside));
}

// Of a store too damaged to say, the copy's counts.
function epochOf(directory: string): number {
  try {
    return readStoreFile(storeFileOf(directory), '').head.epoch;
  } catch {
    return 0;
  }
}

function freeName(path: string): string {
  for (let i = 1; ; i += 1) {
    const name = i === 1 ? path : `${path}-${i}`;
    if (!existsSync(name)) return name;
  }
}

/** Runs one request in a thread of its own. */
async function once(request: LmdbRequest): Promise<void> {
  const thread = new LmdbThread({ timeoutMs: buildTimeoutMs });
  try {
    await asked(thread, request);
  } finally {
    await asked(thread, { type: 'CLOSE' }).catch(() => {});
  }
}

function asked(thread: LmdbThread, request: LmdbRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.ask(request, answer => {
      if (answer.type === 'DONE') resolve();
      else reject(new Error(answer.type === 'FAILED' ? answer.message : `epoch ${answer.epoch} has taken over`));
    });
  });
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
