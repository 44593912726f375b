// The msgpack codec: sequential records as msgpackr has them, in frames below the bounds. In: messages or bytes. Out: bytes or messages.
import { MsgpackReader } from './codec-msgpack-read.js';
import { MsgpackWriter } from './codec-msgpack-write.js';

/** Encodes for one direction of one connection. */
export function msgpackEncoder(): {
  encode(messages: readonly object[], emit: (frame: Uint8Array) => void, before?: number): void;
} {
  return new MsgpackWriter();
}

/** Decodes for one direction of one connection. */
export function msgpackDecoder(): { decode(frame: Uint8Array): unknown[] } {
  const reader = new MsgpackReader();
  return { decode: frame => reader.read(frame) };
}
