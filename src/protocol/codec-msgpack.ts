// The msgpack codec: msgpackr's sequential records, with every frame scanned before msgpackr sees it. In: messages or bytes. Out: bytes or messages.
import { Packr } from 'msgpackr';
import { messageOf } from '../base/errors.js';
import { badFrame, FrameFiller } from './codec-frame.js';
import { MsgpackScan } from './codec-msgpack-scan.js';

/**
 * A fresh Packr per direction and connection, each with options of its own: msgpackr writes into them. With `sequential`, the shape of an object is
 * sent once and named by one byte from then on. 64 shapes are kept instead of 32, as each
 * combination of optional fields is one. No `toJSON`: a label may be named so.
 */
function packr(): Packr {
  return new Packr({ useRecords: true, sequential: true, maxOwnStructures: 64, useToJSON: false });
}

/** Encodes for one direction of one connection. */
export function msgpackEncoder(): { encode(messages: readonly object[], emit: (frame: Uint8Array) => void): void } {
  const packer = packr();
  return {
    encode: (messages, emit) => {
      if (messages.length === 0) return;
      const filler = new FrameFiller<Uint8Array>({ frame: headerMax, message: 0 }, (chunks, bytes) =>
        emit(joined(chunks, bytes)),
      );
      for (const message of messages) {
        const chunk = packer.pack(message);
        filler.add(message, chunk, chunk.length);
      }
      filler.flush();
    },
  };
}

/** Decodes for one direction of one connection. */
export function msgpackDecoder(): { decode(frame: Uint8Array): unknown[] } {
  const unpacker = packr();
  const scan = new MsgpackScan();
  return {
    decode: frame => {
      scan.check(frame);
      try {
        return unpacker.unpack(frame) as unknown[];
      } catch (error) {
        throw badFrame('malformed', 0, `msgpack does not decode: ${messageOf(error)}`);
      }
    },
  };
}

const headerMax = 5;

/** An array header for the chunks, and the chunks. Each was packed after the ones before it, so their records follow on. */
function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const count = chunks.length;
  const header = count < 16 ? 1 : count < 0x1_0000 ? 3 : headerMax;
  const frame = Buffer.allocUnsafe(header + bytes);
  if (header === 1) frame[0] = 0x90 | count;
  else if (header === 3) {
    frame[0] = 0xdc;
    frame.writeUInt16BE(count, 1);
  } else {
    frame[0] = 0xdd;
    frame.writeUInt32BE(count, 1);
  }
  let at = header;
  for (const chunk of chunks) {
    frame.set(chunk, at);
    at += chunk.length;
  }
  return frame;
}
