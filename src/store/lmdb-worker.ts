// The thread that writes a store's file: LMDB waits for the disk, and nobody else should. Only here is LMDB loaded. In: requests. Out: answers, in order.
import { statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type * as Lmdb from 'lmdb' with { 'resolution-mode': 'require' };
import type { RootDatabase } from 'lmdb' with { 'resolution-mode': 'require' };
import { assert, assertNever } from '../base/assert.js';
import { messageOf } from '../base/errors.js';
import { decodeBatch } from './batch.js';
import type { Head } from './envelope.js';
import { headAfter, headKey, sealHead, unsealHead } from './envelope.js';
import { epochAfter } from './fencing.js';
import { pageBytes } from './lmdb-file.js';
import type { LmdbAnswer, LmdbRequest } from './lmdb-messages.js';
import { readStoreFile } from './store-file.js';

// Its types for ESM do not compile; and this way it takes less memory.
const { open } = createRequire(import.meta.url)('lmdb') as typeof Lmdb;

/** What LMDB needs to rewrite besides the records: pages on the way to them, and its list of free ones. */
const spareBytes = 256 * 1024;

assert(parentPort !== null, 'runs as a worker thread');
const port = parentPort;
let file = '';
let database: RootDatabase<Buffer, Buffer> | undefined;

port.on('message', (request: LmdbRequest) => {
  void answerTo(request)
    .catch((error: unknown): LmdbAnswer => ({ type: 'FAILED', message: reasonOf(error) }))
    .then(answer => {
      port.postMessage(answer);
      if (request.type === 'CLOSE') port.close();
    });
});

async function answerTo(request: LmdbRequest): Promise<LmdbAnswer> {
  switch (request.type) {
    case 'OPEN':
      database = openForWriting(request.file);
      return done(0);
    case 'REOPEN': {
      const { unsound } = readStoreFile(request.file, '');
      if (unsound !== undefined) throw new Error(`its list of free pages is damaged: ${unsound}`);
      database = openForWriting(request.file);
      return done(0);
    }
    case 'BUILD': {
      const made = openForWriting(request.file);
      needRoom(request.batch.byteLength);
      made.transactionSync(() => {
        for (const { key, record } of decodeBatch(request.batch)) if (record !== undefined) made.putSync(key, record);
      });
      await made.close();
      return done(0);
    }
    case 'COPY': {
      const source = openFile(request.file, true);
      // A compact copy has one page of meta data only.
      await source.backup(request.to, false);
      await source.close();
      return done(0);
    }
    case 'COMMIT':
      return commit(opened(), request.epoch, request.batch);
    case 'CLAIM':
      return claim(opened(), request.atLeast);
    case 'CLOSE':
      await database?.close();
      return done(0);
    default:
      return assertNever(request);
  }
}

// LMDB maps pages and a lock file that the disk may have no room for: touching them then ends the process with SIGBUS.
function openForWriting(path: string): RootDatabase<Buffer, Buffer> {
  file = path;
  needRoom(0);
  return openFile(path);
}

function openFile(path: string, readOnly = false): RootDatabase<Buffer, Buffer> {
  return open<Buffer, Buffer>({
    path,
    noSubdir: true,
    readOnly,
    encoding: 'binary',
    keyEncoding: 'binary',
    pageSize: pageBytes,
    maxDbs: 1,
    // An answer is given when the data is on the disk; by default LMDB shows it earlier.
    overlappingSync: false,
  });
}

// Who else has the file open waits, or sees all of it; so that comparing epochs here is enough.
function commit(db: RootDatabase<Buffer, Buffer>, epoch: number, batch: ArrayBuffer): LmdbAnswer {
  needRoom(2 * batch.byteLength);
  let last = epoch;
  db.transactionSync(() => {
    const head = headOf(db);
    last = head.epoch;
    if (last !== epoch) return;
    const added: Buffer[] = [];
    const removed: Buffer[] = [];
    for (const { key, record } of decodeBatch(batch)) {
      const former = db.getBinary(key);
      if (former !== undefined) removed.push(former);
      if (record !== undefined) {
        added.push(record);
        db.putSync(key, record);
      } else if (former !== undefined) db.removeSync(key);
    }
    db.putSync(headKey, sealHead(headAfter(head, added, removed)));
  });
  return last === epoch ? done(epoch) : { type: 'FENCED', epoch: last };
}

function claim(db: RootDatabase<Buffer, Buffer>, atLeast: number): LmdbAnswer {
  needRoom(0);
  let epoch = 0;
  db.transactionSync(() => {
    const head = headOf(db);
    epoch = epochAfter(head.epoch, atLeast);
    db.putSync(headKey, sealHead({ ...headAfter(head, [], []), epoch }));
  });
  return done(epoch);
}

function headOf(db: RootDatabase<Buffer, Buffer>): Head {
  const record = db.getBinary(headKey);
  const head = record === undefined ? 'it is missing' : unsealHead(record);
  if (typeof head === 'string') throw new Error(`its head record cannot be read: ${head}`);
  return head;
}

// LMDB reports a full disk as an input/output error, and after the fact.
function needRoom(bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(file));
  const free = bavail * bsize;
  if (free < bytes + spareBytes) {
    throw new Error(
      `no space left: ${Math.floor(free / 1024)} KiB are free, ${Math.ceil((bytes + spareBytes) / 1024)} KiB are needed`,
    );
  }
}

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (file === '' || message.startsWith('no space')) return message;
  const { bavail, bsize } = statfsSync(dirname(file));
  return bavail * bsize < spareBytes ? `no space left (${message})` : message;
}

function opened(): RootDatabase<Buffer, Buffer> {
  assert(database !== undefined, 'the file is open');
  return database;
}

function done(epoch: number): LmdbAnswer {
  return { type: 'DONE', epoch };
}
