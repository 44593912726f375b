// Writes messages as msgpack with sequential records: the shape of an object is sent once, and named by one byte from then on.
// In: messages of one direction of a connection. Out: frames.
import { assert } from '../base/assert.js';
import { assertFits, FrameFiller, frameItems } from './codec-frame.js';
import { firstNode, shapeOf } from './codec-msgpack-shapes.js';
import type { Shape } from './codec-msgpack-shapes.js';

let lastWriter = 0;

/** Knows which shapes of one direction of one connection were sent. */
export class MsgpackWriter {
  readonly #number = ++lastWriter;
  /** By record id; the oldest gives its place to a newcomer. */
  readonly #shapes: Shape[] = [];
  #next = 0;
  /** Messages that went before. */
  #sent = 0;

  /** `before` is what the first frame says came before it. @throws AssertionError for what no codec carries: functions, bigints, symbols, dates, maps, other class instances. */
  encode(messages: readonly object[], emit: (frame: Uint8Array) => void, before = this.#sent): void {
    if (messages.length === 0) return;
    this.#sent = before;
    // Sending may call somebody who sends: it goes on behind what is there.
    const free = at;
    at += headMax;
    try {
      if (messages.length === 1) this.#encodeOne(messages[0] as object, emit);
      else this.#encodeAll(messages, emit);
    } finally {
      at = free;
      if (at === 0 && bytes.length > keptBytesMax) grow(firstBytes);
    }
  }

  // Most frames hold one message. Written again it would be smaller: its shapes are named now, and were sent to nobody.
  #encodeOne(message: object, emit: (frame: Uint8Array) => void): void {
    const start = at;
    items = frameItems;
    this.#write(message);
    const size = at - start;
    assertFits(message, size + headMax, items);
    emit(this.#framed(start, size, 1));
  }

  #encodeAll(messages: readonly object[], emit: (frame: Uint8Array) => void): void {
    // Messages stand one after another, so where the first of a frame begins says it all.
    const filler = new FrameFiller<number>({ frame: headMax, message: 0 }, (starts, size) => {
      emit(this.#framed(starts[0] as number, size, starts.length));
    });
    for (const message of messages) {
      const start = at;
      items = 0;
      this.#write(message);
      filler.add(message, start, at - start, items);
    }
    filler.flush();
  }

  /** A frame's head, written over what has left already or was kept free, and the messages: a copy, as it is written on here. */
  #framed(first: number, size: number, count: number): Uint8Array {
    const after = at;
    const start = first - arrayHead(count + 1) - numberSize(this.#sent);
    at = start;
    writeArrayHead(count + 1);
    writeNumber(this.#sent);
    at = after;
    this.#sent += count;
    const frame = Buffer.allocUnsafe(first + size - start);
    bytes.copy(frame, 0, start, first + size);
    return frame;
  }

  #write(value: unknown): void {
    items += 1;
    if (at + spareBytes > bytes.length) grow(bytes.length * 2);
    switch (typeof value) {
      case 'string':
        writeText(value);
        return;
      case 'number':
        writeNumber(value);
        return;
      case 'boolean':
        bytes[at++] = value ? 0xc3 : 0xc2;
        return;
      case 'undefined':
        bytes[at++] = 0xd4;
        bytes[at++] = 0;
        bytes[at++] = 0;
        return;
      case 'object':
        if (value === null) bytes[at++] = 0xc0;
        else if (Array.isArray(value)) {
          writeArrayHead(value.length);
          for (let i = 0; i < value.length; i += 1) this.#write(value[i]);
        } else this.#writeRecord(value as { readonly [key: string]: unknown });
        return;
      default:
        assert(false, () => `a message holds a ${typeof value}, which no codec carries`);
    }
  }

  #writeRecord(object: { readonly [key: string]: unknown }): void {
    const prototype: unknown = Object.getPrototypeOf(object);
    assert(
      prototype === Object.prototype || prototype === null,
      () => `a message holds a ${object.constructor?.name}, which no codec carries`,
    );
    let node: ReturnType<typeof firstNode> | undefined = firstNode();
    for (const key in object) node = node?.after(key);
    const shape = node?.shape ?? shapeOf(Object.keys(object));
    if (shape.writer === this.#number) bytes[at++] = shape.recordId;
    else this.#name(shape);
    for (const key in object) this.#write(object[key]);
  }

  #name(shape: Shape): void {
    let index = this.#shapes.indexOf(shape);
    if (index >= 0) bytes[at++] = recordBase + index;
    else {
      index = this.#next;
      this.#next = (index + 1) % recordIds;
      const before = this.#shapes[index];
      if (before?.writer === this.#number) before.writer = 0;
      this.#shapes[index] = shape;
      bytes[at++] = 0xd4;
      bytes[at++] = recordType;
      bytes[at++] = recordBase + index;
      writeDefinition(shape);
    }
    shape.writer = this.#number;
    shape.recordId = recordBase + index;
  }
}

const firstBytes = 65_536;
/** A larger one is not kept. */
const keptBytesMax = 4 * 1_048_576;
/** Where all writers write, one after another. */
let bytes = Buffer.allocUnsafeSlow(firstBytes);
let at = 0;
/** Values written, as `countItems` counts them. */
let items = 0;

/** An array header, and how many messages came before. */
const headMax = 5 + 9;
const recordIds = 64;
const recordBase = 0x40;
const recordType = 0x72;
/** What any value but a text takes at most. */
const spareBytes = 16;

function grow(size: number): void {
  const larger = Buffer.allocUnsafeSlow(size);
  bytes.copy(larger, 0, 0, at);
  bytes = larger;
}

/** The array of its keys. */
function writeDefinition(shape: Shape): void {
  const { definition } = shape;
  if (definition !== undefined) {
    if (at + definition.length + spareBytes > bytes.length) grow(bytes.length * 2 + definition.length);
    bytes.set(definition, at);
    at += definition.length;
    return;
  }
  const start = at;
  writeArrayHead(shape.keys.length);
  for (const key of shape.keys) writeText(key);
  shape.definition = Uint8Array.from(bytes.subarray(start, at));
}

function arrayHead(length: number): 1 | 3 | 5 {
  return length < 0x10 ? 1 : length < 0x1_0000 ? 3 : 5;
}

/** Of a whole number, 0 or more. */
function numberSize(value: number): 1 | 2 | 3 | 5 | 9 {
  return value < 0x40 ? 1 : value < 0x100 ? 2 : value < 0x1_0000 ? 3 : value < 0x1_0000_0000 ? 5 : 9;
}

function writeArrayHead(length: number): void {
  if (length < 0x10) bytes[at++] = 0x90 | length;
  else if (length < 0x1_0000) {
    bytes[at++] = 0xdc;
    bytes[at++] = length >> 8;
    bytes[at++] = length & 0xff;
  } else {
    bytes[at++] = 0xdd;
    at = bytes.writeUInt32BE(length, at);
  }
}

function writeText(text: string): void {
  const { length } = text;
  const most = length * 3 + 2 * spareBytes;
  if (at + most > bytes.length) grow(bytes.length * 2 + most);
  // A call into the engine costs as much as some thirty letters.
  if (length < 0x20) {
    const target = bytes;
    let to = at + 1;
    let seen = 0;
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      seen |= code;
      target[to++] = code;
    }
    if (seen < 0x80) {
      target[at] = 0xa0 | length;
      at = to;
      return;
    }
  }
  // The head depends on the bytes, which are seldom more than the letters.
  const head = textHead(length);
  const size = bytes.write(text, at + head);
  const due = textHead(size);
  if (due !== head) bytes.copyWithin(at + due, at + head, at + head + size);
  if (due === 1) bytes[at] = 0xa0 | size;
  else if (due === 2) {
    bytes[at] = 0xd9;
    bytes[at + 1] = size;
  } else if (due === 3) {
    bytes[at] = 0xda;
    bytes.writeUInt16BE(size, at + 1);
  } else {
    bytes[at] = 0xdb;
    bytes.writeUInt32BE(size, at + 1);
  }
  at += due + size;
}

function textHead(size: number): 1 | 2 | 3 | 5 {
  return size < 0x20 ? 1 : size < 0x100 ? 2 : size < 0x1_0000 ? 3 : 5;
}

function writeNumber(value: number): void {
  if (value >>> 0 === value) {
    if (value < 0x40) bytes[at++] = value;
    else if (value < 0x100) {
      bytes[at++] = 0xcc;
      bytes[at++] = value;
    } else if (value < 0x1_0000) {
      bytes[at++] = 0xcd;
      bytes[at++] = value >> 8;
      bytes[at++] = value & 0xff;
    } else {
      bytes[at++] = 0xce;
      at = bytes.writeUInt32BE(value, at);
    }
  } else if (value >> 0 === value) {
    if (value >= -0x20) bytes[at++] = 0x100 + value;
    else if (value >= -0x80) {
      bytes[at++] = 0xd0;
      bytes[at++] = 0x100 + value;
    } else if (value >= -0x8000) {
      bytes[at++] = 0xd1;
      at = bytes.writeInt16BE(value, at);
    } else {
      bytes[at++] = 0xd2;
      at = bytes.writeInt32BE(value, at);
    }
  } else {
    bytes[at++] = 0xcb;
    at = bytes.writeDoubleBE(value, at);
  }
}
