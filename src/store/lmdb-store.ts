// Records in a file of LMDB. Writes that come while a commit is under way, or in one turn, make the next commit: the disk is waited for once for all of
// them. In: writes. Out: callbacks, when durable. The file is written by a thread (lmdb-worker.ts) and read without LMDB (lmdb-file.ts).
import { assert } from '../base/assert.js';
import { ProfferError } from '../base/errors.js';
import { encodeBatch } from './batch.js';
import { seal } from './envelope.js';
import { deadStore, fenced } from './fencing.js';
import type { LmdbAnswer } from './lmdb-messages.js';
import type { LmdbThread } from './lmdb-thread.js';
import type { StoreFile } from './store-file.js';
import { readStoreFile, recordsOf } from './store-file.js';
import type { Store, StoreChange } from './store.js';

/** Changes that make up a commit at most, unless one write has more: what a commit takes should stay below 10 ms where a disk is quick. */
const groupMax = 2048;

interface Write {
  readonly type: 'WRITE';
  /** Keys, and values as JSON. */
  readonly changes: readonly { readonly key: string; readonly json: Buffer | undefined }[];
  readonly done: (error?: Error) => void;
}

interface Claim {
  readonly type: 'CLAIM';
  readonly atLeast: number;
  readonly done: (error: ProfferError | undefined, epoch: number) => void;
}

/** A store on disk; see `openStore`. */
export class LmdbStore implements Store {
  /** Where it is. */
  readonly file: string;
  readonly #hint: string;
  readonly #thread: LmdbThread;
  #epoch: number;
  #queue: (Write | Claim)[] = [];
  #underway: readonly (Write | Claim)[] = [];
  #scheduled = false;
  #dead: ProfferError | undefined;
  #onIdle: (() => void) | undefined;
  /** What is on disk, as long as nothing has been written since it was read. */
  #read: StoreFile | undefined;

  /** `read` was verified just now, and `thread` has it open. */
  constructor(read: StoreFile, thread: LmdbThread, hint: string) {
    this.file = read.path;
    this.#hint = hint;
    this.#thread = thread;
    this.#epoch = read.head.epoch;
    this.#read = read;
  }

  load(prefix: string): readonly { readonly key: string; readonly value: unknown }[] {
    // A commit under way leaves the pages of the one before alone, and there is only one.
    const read = this.#read ?? readStoreFile(this.file, this.#hint);
    if (this.#underway.length === 0 && this.#queue.length === 0) this.#read = read;
    return recordsOf(read, prefix).map(({ key, value }) => ({ key, value }));
  }

  write(changes: readonly StoreChange[], onDurable: (error?: Error) => void): void {
    const encoded = changes.map(change => {
      assert(change.key !== '' && !change.key.startsWith('\0'), 'a key is a text that does not begin with a zero');
      return { key: change.key, json: 'remove' in change ? undefined : Buffer.from(JSON.stringify(change.value)) };
    });
    this.#enqueue({ type: 'WRITE', changes: encoded, done: onDurable });
  }

  claim(atLeast: number, onClaimed: (error: ProfferError | undefined, epoch: number) => void): void {
    this.#enqueue({ type: 'CLAIM', atLeast, done: onClaimed });
  }

  close(onClosed: () => void): void {
    this.#onIdle = () => {
      this.#dead ??= new ProfferError('STORE_FAILED', 'the store is closed');
      this.#thread.ask({ type: 'CLOSE' }, onClosed);
    };
    this.#schedule();
  }

  #enqueue(entry: Write | Claim): void {
    this.#queue.push(entry);
    this.#read = undefined;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#underway.length > 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#queue.length === 0) {
      const onIdle = this.#onIdle;
      this.#onIdle = undefined;
      return onIdle?.();
    }
    if (this.#dead !== undefined) {
      this.#underway = this.#queue;
      this.#queue = [];
      return this.#settle(deadStore(this.#dead));
    }
    const count = groupLength(this.#queue);
    this.#underway = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    const [first] = this.#underway;
    assert(first !== undefined, 'there is something to write');
    const onAnswer = (answer: LmdbAnswer): void => this.#answered(answer);
    if (first.type === 'CLAIM') this.#thread.ask({ type: 'CLAIM', atLeast: first.atLeast }, onAnswer);
    else this.#thread.ask({ type: 'COMMIT', epoch: this.#epoch, batch: this.#batchOf(this.#underway) }, onAnswer);
  }

  // Of several changes to a record only the last one is seen by anyone.
  #batchOf(group: readonly (Write | Claim)[]): ArrayBuffer {
    const newest = new Map<string, Buffer | undefined>();
    for (const entry of group) {
      if (entry.type === 'WRITE') for (const { key, json } of entry.changes) newest.set(key, json);
    }
    const sealed = [...newest].map(([text, json]) => {
      const key = Buffer.from(text);
      return { key, record: json === undefined ? undefined : seal(key, this.#epoch, json) };
    });
    return encodeBatch(sealed);
  }

  #answered(answer: LmdbAnswer): void {
    switch (answer.type) {
      case 'DONE':
        this.#epoch = answer.epoch;
        return this.#settle(undefined);
      case 'FENCED':
        this.#dead = fenced(this.#epoch, answer.epoch);
        break;
      case 'FAILED':
        this.#dead = new ProfferError('STORE_FAILED', `${this.file} could not be written: ${answer.message}`, {
          hint: answer.message.startsWith('no space')
            ? 'make room on its disk and start the process again; what was acknowledged is in it'
            : 'see to its disk and start the process again; what was acknowledged is in it',
        });
    }
    return this.#settle(this.#dead);
  }

  #settle(error: ProfferError | undefined): void {
    const group = this.#underway;
    this.#underway = [];
    for (const entry of group) {
      if (entry.type === 'WRITE') entry.done(error);
      else entry.done(error, error === undefined ? this.#epoch : 0);
    }
    if (this.#queue.length > 0 || this.#onIdle !== undefined) this.#schedule();
  }
}

// A claim is a commit of its own.
function groupLength(queue: readonly (Write | Claim)[]): number {
  let changes = 0;
  for (const [i, entry] of queue.entries()) {
    if (entry.type === 'CLAIM') return Math.max(1, i);
    changes += entry.changes.length;
    if (changes > groupMax) return i + 1;
  }
  return queue.length;
}
