// A store in one file, replaced as a whole: an agent's id, and the registry of a master with few agents. In: writes. Out: callbacks, when durable.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, ProfferError } from '../base/errors.js';
import { parseJsonText } from '../base/json-text.js';
import type { Store, StoreChange } from '../store/store.js';

/** Records of a file, in memory and on disk alike. */
export class FileStore implements Store {
  readonly #file: string;
  readonly #records = new Map<string, unknown>();
  #epoch = 0;
  readonly #waiting: ((error?: Error) => void)[] = [];

  /** @throws ProfferError STORE_FAILED when the file is there but cannot be read. */
  constructor(file: string) {
    this.#file = file;
    for (const [key, value] of Object.entries(readRecords(file))) this.#records.set(key, value);
  }

  load(prefix: string): readonly { readonly key: string; readonly value: unknown }[] {
    return [...this.#records]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => ({ key, value }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void {
    for (const change of changes) {
      if ('remove' in change) this.#records.delete(change.key);
      else this.#records.set(change.key, change.value);
    }
    if (this.#waiting.push(onDurable) === 1) setImmediate(() => this.#flush());
  }

  // All writes of a turn become durable together.
  #flush(): void {
    const waiting = this.#waiting.splice(0);
    let failure: ProfferError | undefined;
    try {
      replaceFile(this.#file, `${JSON.stringify(Object.fromEntries(this.#records))}\n`);
    } catch (error) {
      failure = new ProfferError('STORE_FAILED', `${this.#file} could not be written: ${messageOf(error)}`, {
        cause: error,
      });
    }
    for (const onDurable of waiting) onDurable(failure);
  }

  claim(atLeast: number, onClaimed: (error: ProfferError | undefined, epoch: number) => void): void {
    this.#epoch = Math.max(this.#epoch + 1, atLeast);
    setImmediate(() => onClaimed(undefined, this.#epoch));
  }

  close(onClosed: () => void): void {
    setImmediate(onClosed);
  }

  /** Forgets everything. */
  clear(): void {
    this.#records.clear();
    rmSync(this.#file, { force: true });
  }
}

function readRecords(file: string): object {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new ProfferError('STORE_FAILED', `${file} could not be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    const { value } = parseJsonText(text, file);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw new ProfferError('STORE_FAILED', messageOf(error), {
      hint: 'restore the file, or remove it to begin anew',
      cause: error,
    });
  }
  throw new ProfferError('STORE_FAILED', `${file} holds no records`, {
    hint: 'restore the file, or remove it to begin anew',
  });
}

// The new content is on disk before it takes the old one's name, and the name before anyone is told.
function replaceFile(file: string, text: string): void {
  const next = `${file}.new`;
  const fd = openSync(next, 'w', 0o644);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, file);
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
