// The JSON codec, for people and browsers: scanned before parsing, and errors that name the byte. In: messages or text. Out: text or messages.
import { isUtf8 } from 'node:buffer';
import { must } from '../base/assert.js';
import { shown } from '../base/errors.js';
import { badFrame, FrameFiller, frameBounds, outOfStep, tooDeep, tooManyBytes, tooManyItems } from './codec-frame.js';
import type { BadFrame } from './codec-frame.js';
import { firstInvalidJson, firstRepeatedKey } from './codec-json-error.js';

/** Encodes for one direction of one connection; knows how many messages went before. */
export function jsonEncoder(): {
  encode(messages: readonly object[], emit: (frame: string) => void, before?: number): void;
} {
  let sent = 0;
  return {
    encode: (messages, emit, before = sent) => {
      sent = before;
      const filler = new FrameFiller<string>({ frame: 2 + numberMax, message: 1 }, chunks => {
        const frame = `[${sent},${chunks.join(',')}]`;
        sent += chunks.length;
        emit(frame);
      });
      for (const message of messages) {
        const chunk = JSON.stringify(message);
        filler.add(message, chunk, Buffer.byteLength(chunk));
      }
      filler.flush();
    },
  };
}

/** Decodes for one direction of one connection; counts messages. People need not: a frame of theirs may leave its number out. */
export function jsonDecoder(): { decode(frame: Uint8Array | string): unknown[] } {
  let received = 0;
  return {
    decode: frame => {
      const messages = decode(typeof frame === 'string' ? Buffer.from(frame) : asBuffer(frame));
      const [before] = messages;
      if (typeof before === 'number') {
        const wrong = outOfStep(before, received);
        if (wrong !== undefined) throw badFrame('protocol', 1, wrong);
        messages.shift();
      }
      received += messages.length;
      return messages;
    },
  };
}

/** Letters of the largest number of messages. */
const numberMax = 16;

function decode(bytes: Buffer): unknown[] {
  if (bytes.length > frameBounds.bytesMax) throw tooManyBytes(bytes.length);
  if (!isUtf8(bytes)) throw badFrame('malformed', firstInvalidUtf8(bytes), 'the text is not UTF-8');
  const members = checkBounds(bytes);
  const text = bytes.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badFrame('malformed', Buffer.byteLength(text.slice(0, firstInvalidJson(text))), 'the text is not JSON');
  }
  if (!Array.isArray(value)) throw badFrame('malformed', 0, 'a frame is an array of messages');
  if (countMembers(value) !== members) throw repeatedKey(text);
  // JSON.parse keeps a field of this name, and whoever copies the object later would activate it. It may be spelt with escapes.
  if (text.includes('__proto__') || text.includes('\\u00')) renameProto(value);
  return value as unknown[];
}

/** Depth and items, from the brackets and commas outside strings. Returns how many members objects have, by their colons. */
function checkBounds(bytes: Buffer): number {
  let depth = 0;
  let items = 0;
  let members = 0;
  const end = bytes.length;
  for (let at = 0; at < end; at++) {
    switch (bytes[at]) {
      case quote:
        at = endOfString(bytes, at);
        break;
      case openBracket:
      case openBrace:
        if (++depth > frameBounds.depthMax) throw tooDeep(at);
        if (++items > frameBounds.itemsMax) throw tooManyItems(at);
        break;
      case comma:
        if (++items > frameBounds.itemsMax) throw tooManyItems(at);
        break;
      case closeBracket:
      case closeBrace:
        depth -= 1;
        break;
      case colon:
        members += 1;
        break;
      default:
    }
  }
  return members;
}

/** Members of all objects in `value`; fewer than in its text where a key was given twice, as the last one wins. */
function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) for (const item of value) members += countMembers(item);
  else {
    const keys = Object.keys(value);
    members = keys.length;
    for (const key of keys) members += countMembers((value as Record<string, unknown>)[key]);
  }
  return members;
}

function repeatedKey(text: string): BadFrame {
  const found = must(firstRepeatedKey(text), 'the repeated key');
  const offset = Buffer.byteLength(text.slice(0, found.at));
  return badFrame('malformed', offset, `the key ${shown(found.key)} is given twice in one object`);
}

/** Index of the closing quote of the string that opens at `at`, or the last index when there is none. */
function endOfString(bytes: Buffer, at: number): number {
  for (let close = bytes.indexOf(quote, at + 1); close !== -1; close = bytes.indexOf(quote, close + 1)) {
    let slashes = 0;
    while (bytes[close - 1 - slashes] === backslash) slashes += 1;
    if (slashes % 2 === 0) return close;
  }
  return bytes.length - 1;
}

function renameProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) renameProto(item);
    return;
  }
  const object = value as Record<string, unknown>;
  if (Object.hasOwn(object, '__proto__')) {
    const { ['__proto__']: field } = object;
    delete object['__proto__'];
    object['__proto_'] = field;
  }
  for (const key of Object.keys(object)) renameProto(object[key]);
}

/** Byte offset of the first sequence that is not UTF-8: the longest prefix that could still go on well, by halving. */
function firstInvalidUtf8(bytes: Buffer): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      low = middle;
    } catch {
      high = middle - 1;
    }
  }
  return low;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
