// What both codecs share: the bounds of a frame, the error of a bad one, and the count of a message's items. In: values, offsets. Out: errors, counts.
import { assert } from '../base/assert.js';
import { ProfferError } from '../base/errors.js';

/**
 * Bounds of one frame, checked before decoding. Items are values of any kind, arrays and objects included, also the frame's own array and its number; depth
 * counts the frame's own array.
 */
export const frameBounds = { bytesMax: 1_048_576, itemsMax: 65_536, depthMax: 32 } as const;

/** Which WebSocket close code a bad frame deserves: 1002, 1007 or 1009. */
export type FrameFault = 'protocol' | 'malformed' | 'tooBig';

/** A frame that cannot be decoded, or breaks a bound. `path` names the byte: `byte 17`. */
export class BadFrame extends ProfferError {
  readonly fault: FrameFault;
  /** Index of the byte where it went wrong. */
  readonly offset: number;

  constructor(fault: FrameFault, offset: number, message: string) {
    super('BAD_FRAME', `${message} (at byte ${offset})`, { path: `byte ${offset}` });
    this.fault = fault;
    this.offset = offset;
  }
}

export function badFrame(fault: FrameFault, offset: number, message: string): BadFrame {
  return new BadFrame(fault, offset, message);
}

export function tooManyBytes(bytes: number): BadFrame {
  return badFrame(
    'tooBig',
    frameBounds.bytesMax,
    `a frame of ${bytes} bytes; at most ${frameBounds.bytesMax} are allowed`,
  );
}

export function tooManyItems(offset: number): BadFrame {
  return badFrame('tooBig', offset, `more than ${frameBounds.itemsMax} items in a frame`);
}

export function tooDeep(offset: number): BadFrame {
  return badFrame('tooBig', offset, `nested deeper than ${frameBounds.depthMax}`);
}

/** Items that are not messages: the array and its number. */
export const frameItems = 2;

/** What is wrong when the messages of a frame, or one alone, come behind `before` others, and `received` came so far; undefined: nothing. */
export function outOfStep(before: number, received: number): string | undefined {
  if (before === received) return undefined;
  return `messages ${before > received ? 'lost' : 'repeated'}: ${before} came before, ${received} received`;
}

/** Values in `value`, itself included. */
export function countItems(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  let items = 1;
  if (Array.isArray(value)) for (const item of value) items += countItems(item);
  else for (const key of Object.keys(value)) items += countItems((value as Record<string, unknown>)[key]);
  return items;
}

/** A message of `bytes` and `items`, those of its frame included, fits into one. @throws AssertionError. */
export function assertFits(message: object, bytes: number, items: number): void {
  assert(
    bytes <= frameBounds.bytesMax && items <= frameBounds.itemsMax,
    () =>
      `a message ${typeOf(message)} of ${bytes} bytes and ${items} items is too big for a frame; it must travel in parts`,
  );
}

/** How a message is named in an assertion: its `type`. */
export function typeOf(message: object): string {
  const { type } = message as { type?: unknown };
  return typeof type === 'string' ? type : 'without a type';
}

/**
 * Gathers encoded messages into frames below the bounds. `overhead` is what a frame adds to its messages, at most, and per message.
 * Of messages that nobody counted, small ones have as many items as bytes, an upper bound that costs nothing; only larger ones are counted.
 */
export class FrameFiller<Chunk> {
  #chunks: Chunk[] = [];
  #bytes = 0;
  #items = frameItems;
  readonly #overhead: { readonly frame: number; readonly message: number };
  readonly #emit: (chunks: readonly Chunk[], bytes: number) => void;

  constructor(
    overhead: { readonly frame: number; readonly message: number },
    emit: (chunks: readonly Chunk[], bytes: number) => void,
  ) {
    this.#overhead = overhead;
    this.#emit = emit;
  }

  add(message: object, chunk: Chunk, chunkBytes: number, counted?: number): void {
    const bytes = chunkBytes + this.#overhead.message;
    const items = counted ?? (chunkBytes <= countedFrom ? chunkBytes : countItems(message));
    assertFits(message, bytes + this.#overhead.frame, items + frameItems);
    if (this.#bytes + bytes + this.#overhead.frame > frameBounds.bytesMax || this.#items + items > frameBounds.itemsMax)
      this.flush();
    this.#chunks.push(chunk);
    this.#bytes += bytes;
    this.#items += items;
  }

  flush(): void {
    if (this.#chunks.length === 0) return;
    this.#emit(this.#chunks, this.#bytes);
    this.#chunks = [];
    this.#bytes = 0;
    this.#items = frameItems;
  }
}

const countedFrom = 4096;
