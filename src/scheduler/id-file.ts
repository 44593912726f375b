// A framework's id in a file of its own, with the epoch of the latest master below it: replaced as a whole and flushed before it counts. In: a path.
// Out: an IdKeeper.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { messageOf, ProfferError } from '../base/errors.js';
import type { IdKeeper, KeptId } from './kept-id.js';

/** The id in the file at `path`, which need not be there yet; its directory must. */
export function idInFile(path: string): IdKeeper {
  const file = resolve(path);
  return { where: file, load: () => read(file), keep: (kept, onDurable) => onDurable(write(file, kept)) };
}

function read(file: string): KeptId | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw damaged(file, messageOf(error), error);
  }
  const [, id, epoch = 0] = /^\s*(\S+)\s*\n(?:epoch (\d{1,15})\n)?\s*$/.exec(text) ?? [];
  // One word, and a whole line: an empty or torn file must not pass for a framework that never was.
  if (id === undefined) throw damaged(file, 'it does not hold one id and a line end');
  return { id, epoch: Number(epoch) };
}

function damaged(file: string, why: string, cause?: unknown): ProfferError {
  return new ProfferError('STORE_DAMAGED', `the framework id in ${file} cannot be read: ${why}`, {
    path: 'idFile',
    hint: 'write the id that `proffer frameworks` shows into it, or remove it to begin as a new framework',
    ...(cause === undefined ? {} : { cause }),
  });
}

function write(file: string, { id, epoch }: KeptId): Error | undefined {
  try {
    const next = `${file}.next`;
    flushed(next, 'w', fd => writeSync(fd, epoch === 0 ? `${id}\n` : `${id}\nepoch ${epoch}\n`));
    renameSync(next, file);
    flushed(dirname(file), 'r', () => {});
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function flushed(path: string, flags: 'w' | 'r', use: (fd: number) => void): void {
  const fd = openSync(path, flags);
  try {
    use(fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
