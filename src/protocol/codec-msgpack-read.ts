// Reads msgpack frames: in one pass bounds, truncation, only the types we speak, and what is in it. In: bytes. Out: values, or BadFrame.
import { shown } from '../base/errors.js';
import { badFrame, frameBounds, outOfStep, tooDeep, tooManyBytes, tooManyItems } from './codec-frame.js';
import type { BadFrame } from './codec-frame.js';
import { firstNode, shapeBounds, shapeOf } from './codec-msgpack-shapes.js';
import type { Shape } from './codec-msgpack-shapes.js';
import { textIn } from './codec-msgpack-text.js';

/**
 * Follows one direction of a connection, because a record is defined once and then named by one byte (0x40 to 0x7f). Accepted are nil, booleans,
 * integers of at most 32 bits, floats, strings, arrays, records, and of the extensions two: `d4 72 <id>`, a record's definition followed by the
 * array of its keys and the first record's values, and `d4 00 00`, undefined. Refused are 0xc1, 64-bit integers (they would become bigints), plain maps
 * (they would become Maps), byte strings and all other extensions, dates among them.
 */
export class MsgpackReader {
  readonly #shapes: (Shape | undefined)[] = [];
  #received = 0;

  /** @throws BadFrame naming the byte where the frame breaks a rule; the state of the connection is gone then. */
  read(frame: Uint8Array): unknown[] {
    const bytes = Buffer.isBuffer(frame) ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    if (bytes.length > frameBounds.bytesMax) throw tooManyBytes(bytes.length);
    source = bytes;
    end = bytes.length;
    shapes = this.#shapes;
    at = 0;
    items = 0;
    depth = 0;
    try {
      const messages = readFrame(this.#received);
      if (at !== end) throw badFrame('malformed', at, `${end - at} bytes after the end of the frame`);
      this.#received += messages.length;
      return messages;
    } finally {
      source = nothing;
    }
  }
}

// The frame being read: reading calls nobody else, so there is one at a time.
const nothing = Buffer.alloc(0);
let source: Buffer = nothing;
let end = 0;
let at = 0;
let items = 0;
let depth = 0;
let shapes: (Shape | undefined)[] = [];

const recordMask = 0x3f;
const recordType = 0x72;

function readFrame(received: number): unknown[] {
  const token = source[at] ?? 0xc0;
  const isShort = (token & 0xf0) === 0x90;
  if (!isShort && token !== 0xdc && token !== 0xdd)
    throw badFrame('malformed', 0, end === 0 ? 'an empty frame' : 'a frame is an array of messages');
  at += 1;
  items = 1;
  const count = isShort ? token & 0x0f : readUint(token === 0xdc ? 2 : 4);
  open(count, 0);
  const numberAt = at;
  const before = count === 0 ? undefined : readValue();
  if (typeof before !== 'number')
    throw badFrame('malformed', numberAt, 'a frame begins with the number of messages that came before it');
  const wrong = outOfStep(before, received);
  if (wrong !== undefined) throw badFrame('protocol', numberAt, wrong);
  return readItems(count - 1);
}

function readValue(): unknown {
  if (at >= end) throw truncated();
  items += 1;
  if (items > frameBounds.itemsMax) throw tooManyItems(at);
  const start = at;
  const token = source[at] as number;
  at += 1;
  if (token < 0x40) return token;
  if (token < 0x80) return readRecord(shapes[token & recordMask], start);
  if (token >= 0xe0) return token - 0x100;
  if (token >= 0xa0 && token < 0xc0) return readText(token & 0x1f);
  if (token >= 0x90 && token < 0xa0) return readArray(token & 0x0f, start);
  switch (token) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xca:
      return readFloat(4);
    case 0xcb:
      return readFloat(8);
    case 0xcc:
      return readUint(1);
    case 0xcd:
      return readUint(2);
    case 0xce:
      return readUint(4);
    case 0xd0:
      return (readUint(1) << 24) >> 24;
    case 0xd1:
      return (readUint(2) << 16) >> 16;
    case 0xd2:
      return readUint(4) | 0;
    case 0xd9:
      return readText(readUint(1));
    case 0xda:
      return readText(readUint(2));
    case 0xdb:
      return readText(readUint(4));
    case 0xdc:
      return readArray(readUint(2), start);
    case 0xdd:
      return readArray(readUint(4), start);
    case 0xd4:
      if (source[at] === 0 && source[at + 1] === 0 && at + 2 <= end) {
        at += 2;
        return undefined;
      }
      if (source[at] === recordType) return readRecord(readDefinition(), start);
      break;
    default:
  }
  throw refused(start, token);
}

function readRecord(shape: Shape | undefined, start: number): object {
  if (shape === undefined) {
    const name = hex(source[start] as number);
    throw badFrame('malformed', start, `the record shape ${name} was never defined on this connection`);
  }
  open(shape.keys.length, start);
  const object = shape.make(readValue);
  depth -= 1;
  return object;
}

function readArray(count: number, start: number): unknown[] {
  open(count, start);
  const list = readItems(count);
  depth -= 1;
  return list;
}

function readItems(count: number): unknown[] {
  return count <= 4 ? readFew(count) : readMany(count);
}

// Literals have no room to spare and no holes.
function readFew(count: number): unknown[] {
  switch (count) {
    case 0:
      return [];
    case 1:
      return [readValue()];
    case 2:
      return [readValue(), readValue()];
    case 3:
      return [readValue(), readValue(), readValue()];
    default:
      return [readValue(), readValue(), readValue(), readValue()];
  }
}

function readMany(count: number): unknown[] {
  // A frame can claim many long arrays inside each other, but not fill them.
  const list: unknown[] = [];
  for (let i = 0; i < count; i += 1) list.push(readValue());
  return list;
}

/** A container of `count` values begins. */
function open(count: number, start: number): void {
  if (at > end) throw truncated();
  if (count > end - at) throw claims(start, count);
  if (depth === frameBounds.depthMax) throw tooDeep(start);
  depth += 1;
}

function readText(length: number): string {
  const from = at;
  at += length;
  if (at > end) throw truncated();
  return textIn(source, from, at);
}

/** A big-endian number. */
function readUint(size: 1 | 2 | 4): number {
  const from = at;
  at += size;
  if (at > end) throw truncated();
  let value = source[from] as number;
  for (let i = from + 1; i < at; i += 1) value = value * 256 + (source[i] as number);
  return value;
}

function readFloat(size: 4 | 8): number {
  const from = at;
  at += size;
  if (at > end) throw truncated();
  return size === 8 ? source.readDoubleBE(from) : source.readFloatBE(from);
}

/** Reads `72 <id> [keys]`. */
function readDefinition(): Shape {
  const idAt = at + 1;
  at += 2;
  if (at > end) throw truncated();
  const id = source[idAt] as number;
  if (id < 0x40 || id > 0x7f) throw badFrame('malformed', idAt, `a record cannot be called ${hex(id)}`);
  const arrayAt = at;
  if (at >= end) throw truncated();
  const token = source[at] as number;
  at += 1;
  let count: number;
  if ((token & 0xf0) === 0x90) count = token & 0x0f;
  else if (token === 0xdc) count = readUint(2);
  else if (token === 0xdd) count = readUint(4);
  else throw badFrame('malformed', arrayAt, 'a record needs an array of keys');
  if (count > end - at) throw claims(idAt, count);
  const keysAt = at;
  const shape = knownShape(count) ?? newShape(count, keysAt);
  shapes[id & recordMask] = shape;
  return shape;
}

function knownShape(count: number): Shape | undefined {
  if (count > shapeBounds.keysMax) return undefined;
  let node = firstNode();
  for (let i = 0; i < count; i += 1) {
    const next = node.after(readKey());
    if (next === undefined) return undefined;
    node = next;
  }
  return node.shape;
}

function newShape(count: number, keysAt: number): Shape {
  at = keysAt;
  const keys = new Set<string>();
  for (let i = 0; i < count; i += 1) {
    const start = at;
    const key = readKey();
    if (keys.has(key)) throw badFrame('malformed', start, `the key ${shown(key)} is given twice in one record`);
    keys.add(key);
  }
  return shapeOf([...keys]);
}

function readKey(): string {
  const start = at;
  if (at >= end) throw truncated();
  const token = source[at] as number;
  at += 1;
  if (token >= 0xa0 && token < 0xc0) return readText(token & 0x1f);
  switch (token) {
    case 0xd9:
      return readText(readUint(1));
    case 0xda:
      return readText(readUint(2));
    case 0xdb:
      return readText(readUint(4));
    default:
      throw badFrame('malformed', start, 'the key of a record is not text');
  }
}

function truncated(): BadFrame {
  return badFrame('malformed', end, 'the frame is truncated');
}

function claims(start: number, count: number): BadFrame {
  return badFrame('malformed', start, `${count} values are claimed, but only ${end - at} bytes follow`);
}

function refused(start: number, token: number): BadFrame {
  const name = refusedNames.find(([from, to]) => token >= from && token <= to)?.[2] ?? 'an unknown type';
  return badFrame('malformed', start, `${name} (type ${hex(token)}) is not part of the protocol`);
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
