// A directory of a component's own: made, and locked against a second process. In: its path. Out: the lock, or who holds it.
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { messageOf, ProfferError } from '../base/errors.js';

/** A locked directory. */
export interface WorkDir {
  /** Absolute. */
  readonly path: string;
  release(): void;
}

/**
 * Makes `path` and locks it for this process. A lock whose process is gone is taken over.
 * @throws ProfferError WORK_DIR_LOCKED naming the holder, SANDBOX when it cannot be made.
 */
export function lockWorkDir(path: string): WorkDir {
  const absolute = resolve(path);
  const file = join(absolute, 'lock');
  try {
    makeDirectory(absolute);
    take(file, absolute, 3);
  } catch (error) {
    if (error instanceof ProfferError) throw error;
    throw new ProfferError('SANDBOX', `the work directory ${absolute} cannot be used: ${messageOf(error)}`, {
      path: 'workDir',
      hint: 'choose another with --work-dir',
    });
  }
  let held = true;
  return {
    path: absolute,
    release: () => {
      if (!held) return;
      held = false;
      // It may have been removed with the directory.
      ignoringMissing(() => unlinkSync(file));
    },
  };
}

/** The process that has `path` locked now; undefined when none does. */
export function holderOf(path: string): number | undefined {
  return liveHolder(join(resolve(path), 'lock'));
}

// With `recursive`, mkdirSync never returns where a file system answers ENOENT below a directory that exists, as /proc does.
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (hasCode(error, 'EEXIST') && statSync(path).isDirectory()) return;
    if (!hasCode(error, 'ENOENT') || existsSync(dirname(path))) throw error;
    makeDirectory(dirname(path));
    makeDirectory(path);
  }
}

// The lock appears with its content: a link to a file that was written before.
function take(file: string, directory: string, attempts: number): void {
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, `${process.pid} ${startTimeOf(process.pid) ?? ''}\n`);
    linkSync(own, file);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    const holder = liveHolder(file);
    if (holder !== undefined || attempts === 0) {
      throw new ProfferError(
        'WORK_DIR_LOCKED',
        `the work directory ${directory} is used by process ${holder ?? 'unknown'}`,
        {
          path: 'workDir',
          hint: 'choose another with --work-dir, or stop that process',
        },
      );
    }
    removeStale(file);
    take(file, directory, attempts - 1);
  } finally {
    ignoringMissing(() => unlinkSync(own));
  }
}

// Another process may have replaced the stale lock by its own since we looked; that one is put back.
function removeStale(file: string): void {
  const aside = `${file}.${process.pid}.stale`;
  ignoringMissing(() => {
    renameSync(file, aside);
    if (liveHolder(aside) !== undefined) linkSync(aside, file);
    unlinkSync(aside);
  });
}

function liveHolder(file: string): number | undefined {
  let text = '';
  ignoringMissing(() => {
    text = readFileSync(file, 'utf8');
  });
  const [pidText = '', startTime = ''] = text.trim().split(' ');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, but is another user's.
    if (!hasCode(error, 'EPERM')) return undefined;
  }
  // A pid is used again after a while; with its start time it is not.
  return startTime === '' || startTimeOf(pid) === startTime ? pid : undefined;
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function ignoringMissing(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
