// One linear pass over the type bytes of a msgpack frame, before anything is decoded: bounds, truncation, and only the types we speak. In: bytes. Out: BadFrame or nothing.
import { shown } from '../base/errors.js';
import { badFrame, frameBounds, tooDeep, tooManyBytes, tooManyItems } from './codec-frame.js';
import type { BadFrame } from './codec-frame.js';

/**
 * Follows one direction of a connection, because a record is defined once and then named by one byte (0x40 to 0x7f). Accepted are nil, booleans,
 * integers of at most 32 bits, floats, strings, arrays, records, and of the extensions two: `d4 72 <id>`, a record's definition followed by the
 * array of its keys and the first record's values, and `d4 00 00`, undefined. Refused are 0xc1, 64-bit integers (they would become bigints), plain maps
 * (they would become Maps), byte strings and all other extensions, dates among them.
 */
export class MsgpackScan {
  /** Number of keys of each record shape; -1 where none is defined. */
  readonly #keys = new Int32Array(recordIds).fill(-1);
  /** Values still to come in each open container. */
  readonly #left = new Int32Array(frameBounds.depthMax + 1);

  /** @throws BadFrame naming the byte where the frame breaks a rule. */
  check(bytes: Uint8Array): void {
    const end = bytes.length;
    if (end > frameBounds.bytesMax) throw tooManyBytes(end);
    const left = this.#left;
    const first = bytes[0] ?? 0xc0;
    if ((first & 0xf0) !== 0x90 && first !== 0xdc && first !== 0xdd)
      throw badFrame('malformed', 0, end === 0 ? 'an empty frame' : 'a frame is an array of messages');
    let depth = 0;
    let items = 0;
    let at = 0;
    left[0] = 1;
    for (;;) {
      while (left[depth] === 0) {
        if (depth === 0) {
          if (at !== end) throw badFrame('malformed', at, `${end - at} bytes after the end of the frame`);
          return;
        }
        depth -= 1;
      }
      left[depth] = (left[depth] as number) - 1;
      if (at >= end) throw truncated(end);
      if (++items > frameBounds.itemsMax) throw tooManyItems(at);
      const start = at;
      const token = bytes[at++] as number;
      let count = -1;
      if (token < 0x40 || token >= 0xe0) continue;
      if (token < 0x80) {
        count = this.#keys[token & recordMask] as number;
        if (count < 0)
          throw badFrame('malformed', start, `the record shape ${hex(token)} was never defined on this connection`);
      } else if (token >= 0xa0 && token < 0xc0) {
        at += token & 0x1f;
      } else if (token >= 0x90 && token < 0xa0) {
        count = token & 0x0f;
      } else {
        switch (token) {
          case 0xc0:
          case 0xc2:
          case 0xc3:
            continue;
          case 0xcc:
          case 0xd0:
            at += 1;
            break;
          case 0xcd:
          case 0xd1:
            at += 2;
            break;
          case 0xca:
          case 0xce:
          case 0xd2:
            at += 4;
            break;
          case 0xcb:
            at += 8;
            break;
          case 0xd9:
          case 0xda:
          case 0xdb: {
            const size = 1 << (token - 0xd9);
            at += size + readUint(bytes, at, size);
            break;
          }
          case 0xdc:
          case 0xdd: {
            const size = token === 0xdc ? 2 : 4;
            count = readUint(bytes, at, size);
            at += size;
            break;
          }
          case 0xd4:
            if (bytes[at] === 0 && bytes[at + 1] === 0) {
              at += 2;
              break;
            }
            if (bytes[at] !== recordType) throw refused(start, token);
            at = this.#define(bytes, at + 1);
            count = this.#keys[(bytes[start + 2] as number) & recordMask] as number;
            break;
          default:
            throw refused(start, token);
        }
      }
      if (at > end) throw truncated(end);
      if (count < 0) continue;
      if (count > end - at) throw claims(start, count, end - at);
      if (depth === frameBounds.depthMax) throw tooDeep(start);
      depth += 1;
      left[depth] = count;
    }
  }

  /** Reads `<id> [keys]` at `at`; returns where the first record's values begin. */
  #define(bytes: Uint8Array, at: number): number {
    const end = bytes.length;
    const id = bytes[at];
    if (id === undefined) throw truncated(end);
    if (id < 0x40 || id > 0x7f) throw badFrame('malformed', at, `a record cannot be called ${hex(id)}`);
    let position = at + 1;
    const token = bytes[position];
    if (token === undefined) throw truncated(end);
    let count: number;
    if ((token & 0xf0) === 0x90) {
      count = token & 0x0f;
      position += 1;
    } else if (token === 0xdc || token === 0xdd) {
      const size = token === 0xdc ? 2 : 4;
      count = readUint(bytes, position + 1, size);
      position += 1 + size;
    } else throw badFrame('malformed', position, 'a record needs an array of keys');
    if (count > end - position) throw claims(at, count, Math.max(0, end - position));
    const keys = new Set<string>();
    for (let i = 0; i < count; i++) {
      const start = position;
      const key = bytes[position];
      if (key === undefined) throw truncated(end);
      let textAt = position + 1;
      if (key >= 0xa0 && key < 0xc0) position = textAt + (key & 0x1f);
      else if (key >= 0xd9 && key <= 0xdb) {
        const size = 1 << (key - 0xd9);
        textAt += size;
        position = textAt + readUint(bytes, position + 1, size);
      } else throw badFrame('malformed', position, 'the key of a record is not text');
      const name = decoder.decode(bytes.subarray(textAt, position));
      if (keys.has(name)) throw badFrame('malformed', start, `the key ${shown(name)} is given twice in one record`);
      keys.add(name);
    }
    if (position > end) throw truncated(end);
    this.#keys[id & recordMask] = count;
    return position;
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const recordIds = 64;
const recordMask = 0x3f;
const recordType = 0x72;

/** A big-endian number; bytes beyond the end read as 0, and the caller then finds the frame truncated. */
function readUint(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function truncated(end: number): BadFrame {
  return badFrame('malformed', end, 'the frame is truncated');
}

function claims(at: number, count: number, bytesLeft: number): BadFrame {
  return badFrame('malformed', at, `${count} values are claimed, but only ${bytesLeft} bytes follow`);
}

function refused(at: number, token: number): BadFrame {
  const name = refusedNames.find(([from, to]) => token >= from && token <= to)?.[2] ?? 'an unknown type';
  return badFrame('malformed', at, `${name} (type ${hex(token)}) is not part of the protocol`);
}

const refusedNames: readonly (readonly [number, number, string])[] = [
  [0x80, 0x8f, 'a plain map'],
  [0xc1, 0xc1, 'the never-used type'],
  [0xc4, 0xc6, 'a byte string'],
  [0xc7, 0xc9, 'an extension'],
  [0xcf, 0xcf, 'a 64-bit integer'],
  [0xd3, 0xd3, 'a 64-bit integer'],
  [0xd4, 0xd8, 'an extension'],
  [0xde, 0xdf, 'a plain map'],
];

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
