// What an operator does with the registry of a master: read, verify, copy, restore it; also while the master runs. In: a work directory or a copy.
// Out: verified records, or which of them is damaged.
import { existsSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProfferError } from '../base/errors.js';
import { masterDefaults } from '../master/options.js';
import { recoverRegistry, restoredMark } from '../master/registry.js';
import { copyStore, restoreStore } from '../store/store-directory.js';
import type { StoreFile, StoreRecord } from '../store/store-file.js';
import { readStoreFile, recordsOf, storeExists, storeFileOf } from '../store/store-file.js';
import { registryDirectory, registryHint } from './stores.js';
import { holderOf, lockWorkDir } from './work-dir.js';
import type { WorkDir } from './work-dir.js';

/** A registry, every record of it verified. */
export interface RegistryContent {
  /** What was read. */
  readonly file: string;
  readonly bytes: number;
  /** The master that writes it now. */
  readonly masterPid?: number;
  readonly epoch: number;
  /** Commits since it was made. */
  readonly generation: number;
  /** Why the next master will rewrite the file: its records are whole, but not its list of free pages. */
  readonly unsound?: string;
  readonly records: readonly StoreRecord[];
}

/**
 * Reads the registry below `workDir`, or the copy `file`.
 * @throws (rejects) ProfferError STORE_DAMAGED, NOT_FOUND, STORE_FAILED.
 */
export async function readRegistry(workDir: string, file?: string): Promise<RegistryContent> {
  if (file !== undefined) return contentOf(readStoreFile(present(file), 'choose another copy'), file);
  const directory = existing(workDir);
  const masterPid = holderOf(join(workDir, 'master'));
  if (masterPid === undefined) {
    const path = storeFileOf(directory);
    return contentOf(readStoreFile(path, registryHint), path);
  }
  // Read while it is written it would change under our eyes.
  const aside = mkdtempSync(join(tmpdir(), 'proffer-registry-'));
  try {
    const copy = await copyStore(directory, join(aside, 'copy.mdb'), true, registryHint);
    return { ...contentOf(copy, storeFileOf(directory)), masterPid };
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/**
 * Copies the registry to `to`, one file, and verifies the copy. The master may run.
 * @throws (rejects) ProfferError STORE_DAMAGED, NOT_FOUND, STORE_FAILED (also when `to` exists).
 */
export async function backupRegistry(workDir: string, to: string): Promise<RegistryContent> {
  const directory = existing(workDir);
  const isInUse = holderOf(join(workDir, 'master')) !== undefined;
  return contentOf(await copyStore(directory, to, isInUse, registryHint), to);
}

/**
 * Puts the copy `from` in the place of the registry, marked as restored; the former one stays beside it, under the name returned.
 * @throws (rejects) ProfferError WORK_DIR_LOCKED while a master runs, STORE_DAMAGED when the copy is, STORE_FAILED.
 */
export async function restoreRegistry(
  workDir: string,
  from: string,
): Promise<{ readonly content: RegistryContent; readonly former: string | undefined }> {
  const copy = present(from);
  const directory = registryDirectory(workDir);
  if (existsSync(storeFileOf(directory)) && realpathSync(copy) === realpathSync(storeFileOf(directory))) {
    throw new ProfferError('USAGE', `${from} is the registry itself`, {
      hint: 'name a copy made by proffer registry backup',
    });
  }
  const lock = lockToRestore(workDir);
  try {
    // Nothing is replaced by what no master could start with.
    const content = contentOf(readStoreFile(copy, 'choose another copy'), from);
    const { former } = await restoreStore(directory, copy, [restoredMark]);
    return { content, former };
  } finally {
    lock.release();
  }
}

function lockToRestore(workDir: string): WorkDir {
  try {
    return lockWorkDir(join(workDir, 'master'));
  } catch (error) {
    if (!(error instanceof ProfferError) || error.code !== 'WORK_DIR_LOCKED') throw error;
    const { message, path } = error;
    throw new ProfferError('WORK_DIR_LOCKED', message, {
      path,
      hint: 'stop the master first: it has its registry in memory',
    });
  }
}

function contentOf(read: StoreFile, file: string): RegistryContent {
  const { bytes, head, unsound } = read;
  const { epoch, generation } = head;
  const records = recordsOf(read, '');
  // Whether a master could start with it; an agent's store is whole as well.
  recoverRegistry({ load: prefix => recordsOf(read, prefix) }, '', masterDefaults, { nowMs: 0, wallMs: 0 });
  return { file, bytes, epoch, generation, ...(unsound === undefined ? {} : { unsound }), records };
}

function present(file: string): string {
  if (existsSync(file)) return file;
  throw new ProfferError('NOT_FOUND', `there is no file ${file}`, {
    hint: 'name a copy made by proffer registry backup',
  });
}

function existing(workDir: string): string {
  const directory = registryDirectory(workDir);
  if (storeExists(directory)) return directory;
  const former = existsSync(join(workDir, 'master', 'registry.json'));
  const isDirectory = statSync(workDir, { throwIfNoEntry: false })?.isDirectory() === true;
  throw new ProfferError(
    'NOT_FOUND',
    `there is no registry below ${workDir}${isDirectory ? '' : ', which is not there'}`,
    {
      path: 'workDir',
      hint: former
        ? 'it is of an earlier release; start the master once, which takes it over'
        : 'name the --work-dir of a master that has run on this machine',
    },
  );
}
