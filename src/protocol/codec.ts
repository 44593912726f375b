// Frames of the wire: one frame is an array of messages behind a number, how many came before them, in msgpack or JSON. In: a turn's messages, or bytes. Out: frames below the bounds, or messages.
import { badFrame } from './codec-frame.js';
import { jsonDecoder, jsonEncoder } from './codec-json.js';
import { msgpackDecoder, msgpackEncoder } from './codec-msgpack.js';

export { BadFrame, frameBounds, outOfStep } from './codec-frame.js';
export type { FrameFault } from './codec-frame.js';

/** The WebSocket subprotocols, best first. */
export const subprotocols = ['proffer.v1.msgpack', 'proffer.v1.json'] as const;
export type Subprotocol = (typeof subprotocols)[number];

/** Makes frames for one direction of one connection. Keeps state between frames: all of them must be sent, in order. */
export interface FrameEncoder {
  /**
   * Hands the frames that hold `messages`, in order, to `emit`; each is within the bounds. `before` is how many the receiver should have had; default: all that
   * were encoded.
   * @throws AssertionError naming the type when a single message is beyond the bounds: senders send in parts.
   */
  encode(messages: readonly object[], emit: (frame: Frame) => void, before?: number): void;
}

/** Reads the frames of one direction of one connection, in order. */
export interface FrameDecoder {
  /**
   * The messages of `frame`. The bounds are checked before anything is decoded.
   * @throws BadFrame (a ProfferError BAD_FRAME) naming the byte offset, also for a frame that was lost, repeated or overtaken: its number tells. The connection must
   * end, as its state is gone.
   */
  decode(frame: Frame): unknown[];
}

/** Binary frames are bytes; text frames are a string when sent, and may be the UTF-8 bytes of one when received. */
export type Frame = Uint8Array | string;

export interface Codec {
  readonly subprotocol: Subprotocol;
  /** Whether its frames are binary ones. */
  readonly binary: boolean;
  encoder(): FrameEncoder;
  decoder(): FrameDecoder;
}

/** The codecs by subprotocol. */
export const codecs: Readonly<Record<Subprotocol, Codec>> = {
  'proffer.v1.msgpack': {
    subprotocol: 'proffer.v1.msgpack',
    binary: true,
    encoder: msgpackEncoder,
    decoder: () => bytesOnly(msgpackDecoder()),
  },
  'proffer.v1.json': { subprotocol: 'proffer.v1.json', binary: false, encoder: jsonEncoder, decoder: jsonDecoder },
};

export function isSubprotocol(name: string): name is Subprotocol {
  return name in codecs;
}

function bytesOnly(decoder: { decode(frame: Uint8Array): unknown[] }): FrameDecoder {
  return {
    decode: frame => {
      if (typeof frame === 'string') throw badFrame('protocol', 0, 'a text frame where only binary frames are spoken');
      return decoder.decode(frame);
    },
  };
}
