// How a record lies on the disk: version, checksum, the writer's epoch, then the value as JSON; and the head record, which says what all of them
// together must be, so that none is lost silently. In: keys and values. Out: bytes, and back, or what is wrong with them.
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.js';

/** The head's key; no other begins with a zero byte. */
export const headKey = Buffer.of(0);

/** What all records together are. */
export interface Head {
  /** Of the newest claim; 0 before the first. */
  readonly epoch: number;
  /** Commits so far. */
  readonly generation: number;
  /** Number of records, this one aside. */
  readonly count: number;
  /** Sum of their checksums. */
  readonly digest: number;
}

const version = 1;
const crcAt = 1;
const epochAt = 5;
const valueAt = 13;
const digestLimit = 2 ** 48;

/** The head of a store that nothing was written to. */
export const emptyHead: Head = { epoch: 0, generation: 0, count: 0, digest: 0 };

/** A record as it is stored. `json` is its value. */
export function seal(key: Uint8Array, epoch: number, json: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(valueAt + json.length);
  record[0] = version;
  record.writeDoubleLE(epoch, epochAt);
  record.set(json, valueAt);
  record.writeUInt32LE(checksum(key, record), crcAt);
  return record;
}

/** What is wrong with a stored record, or undefined. */
export function sealProblem(key: Uint8Array, record: Buffer): string | undefined {
  if (record.length <= valueAt) return `it has ${record.length} bytes only`;
  if (record[0] !== version) return `it is of version ${record[0]}, and this release reads version ${version}`;
  return record.readUInt32LE(crcAt) === checksum(key, record) ? undefined : 'its checksum does not match';
}

/** What a record that has no problem holds. */
export function unseal(record: Buffer): { readonly epoch: number; readonly value: unknown } {
  return { epoch: record.readDoubleLE(epochAt), value: JSON.parse(record.toString('utf8', valueAt)) };
}

/** The head as a record. */
export function sealHead(head: Head): Buffer {
  return seal(headKey, head.epoch, Buffer.from(JSON.stringify(head)));
}

/** The head out of its record, or what is wrong with it. */
export function unsealHead(record: Buffer): Head | string {
  const problem = sealProblem(headKey, record);
  return problem ?? (unseal(record).value as Head);
}

/** The head after one more commit has added and removed these records. */
export function headAfter(head: Head, added: Iterable<Buffer>, removed: Iterable<Buffer>): Head {
  let { count, digest } = head;
  for (const record of added) {
    count += 1;
    digest += record.readUInt32LE(crcAt);
  }
  for (const record of removed) {
    count -= 1;
    digest -= record.readUInt32LE(crcAt);
  }
  assert(count >= 0, 'more records were removed than there were');
  return { epoch: head.epoch, generation: head.generation + 1, count, digest: modulo(digest, digestLimit) };
}

function checksum(key: Uint8Array, record: Buffer): number {
  return crc32(record.subarray(epochAt), crc32(key));
}

function modulo(value: number, limit: number): number {
  const rest = value % limit;
  return rest < 0 ? rest + limit : rest;
}
