// A Link over one WebSocket: messages of a turn leave as few frames, what cannot be sent or understood ends it. In: a socket. Out: a Link.
import { ProfferError, messageOf } from '../base/errors.js';
import type { Timer } from '../env/clock.js';
import type { Logger } from '../env/log.js';
import { systemClock } from '../env/system-clock.js';
import { BadFrame } from '../protocol/codec.js';
import type { Codec, Frame, FrameDecoder, FrameEncoder, FrameFault } from '../protocol/codec.js';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { closeCodes } from './transport.js';
import type { CloseCode, Link, LinkEnd, LinkHandler } from './transport.js';

/** Bounds of what waits in a link. */
export interface SendLimits {
  /** Unsent bytes beyond which the link ends with 1013 and the queue is dropped. Default 8 MiB. */
  readonly sendQueueMaxBytes?: number;
  /** With unsent data and no progress for this long, the link ends with 1013. Default 30,000. */
  readonly sendStallMs?: number;
}

export interface WsLinkOptions extends SendLimits {
  readonly remote: string;
  readonly log: Logger;
}

const sendQueueMaxDefaultBytes = 8 * 1024 * 1024;
const sendStallDefaultMs = 30_000;
const stallChecks = 6;
const reasonMaxBytes = 123;
let lastLinkId = 0;

/** An id for a link of this transport. */
export function newLinkId(): number {
  lastLinkId += 1;
  return lastLinkId;
}

/** Both ends are this; the dialing one is given its codec when the handshake is done. */
export class WsLink implements Link {
  readonly id = newLinkId();
  readonly remote: string;
  readonly #socket: WebSocket;
  readonly #log: Logger;
  readonly #queueMaxBytes: number;
  readonly #stallMs: number;
  #handler: LinkHandler | undefined;
  #encoder: FrameEncoder | undefined;
  #decoder: FrameDecoder | undefined;
  #binary = false;
  #queue: object[] = [];
  #flushing = false;
  #closing = false;
  #ended = false;
  /** Why it ends, when this side knows before the socket does. */
  #end: LinkEnd | undefined;
  #stallTimer: Timer | undefined;
  #progressMs = 0;

  constructor(socket: WebSocket, options: WsLinkOptions) {
    this.remote = options.remote;
    this.#socket = socket;
    this.#log = options.log;
    this.#queueMaxBytes = options.sendQueueMaxBytes ?? sendQueueMaxDefaultBytes;
    this.#stallMs = options.sendStallMs ?? sendStallDefaultMs;
    socket.on('message', (data, isBinary) => this.#onFrame(data, isBinary));
    socket.on('error', error => this.#onError(error));
    socket.on('close', (code, reason) => this.#onClose(code, reason.toString()));
  }

  /** From here on the handler hears of the link. */
  set handler(handler: LinkHandler) {
    this.#handler = handler;
  }

  /** The handshake is done and `codec` agreed on: what was queued leaves. The dialing side's owner is told. */
  opened(codec: Codec, side: 'dialing' | 'accepting'): void {
    this.#encoder = codec.encoder();
    this.#decoder = codec.decoder();
    this.#binary = codec.binary;
    if (this.#closing) return;
    if (side === 'dialing') this.#handler?.onOpen?.();
    this.#flush();
  }

  send(message: object): void {
    if (this.#closing) return;
    this.#queue.push(message);
    if (this.#flushing || this.#encoder === undefined) return;
    this.#flushing = true;
    flushSoon(this);
  }

  close(code: CloseCode, reason: string): void {
    if (this.#closing) return;
    this.#flush();
    this.#finish({ code, reason });
  }

  /** Ends the link before or during the handshake. */
  fail(end: LinkEnd): void {
    this.#closing = true;
    this.#end ??= end;
    this.#socket.terminate();
  }

  /** @internal Called once, after the turn in which messages were queued. */
  flush(): void {
    this.#flushing = false;
    if (!this.#closing) this.#flush();
  }

  #flush(): void {
    const encoder = this.#encoder;
    if (this.#queue.length === 0 || encoder === undefined || this.#socket.readyState !== WebSocket.OPEN) return;
    const messages = this.#queue;
    this.#queue = [];
    try {
      encoder.encode(messages, frame => this.#sendFrame(frame));
    } catch (error) {
      // A message too big for a frame is our own mistake; it may cost this link, whose encoder is spoilt now, but not the process.
      this.#log.error('a message could not be sent', { remote: this.remote, error: messageOf(error) });
      return this.#finish({ code: closeCodes.internal, reason: messageOf(error) });
    }
    const unsentBytes = this.#socket.bufferedAmount;
    if (unsentBytes > this.#queueMaxBytes) this.#cutOff(`${unsentBytes} bytes unsent`);
    else if (unsentBytes > 0 && this.#stallTimer === undefined) this.#watch();
  }

  #sendFrame(frame: Frame): void {
    this.#socket.send(frame, this.#onWritten);
  }

  readonly #onWritten = (): void => {
    if (this.#stallTimer !== undefined) this.#progressMs = systemClock.now();
  };

  #watch(): void {
    this.#progressMs = systemClock.now();
    const check = (): void => {
      this.#stallTimer = undefined;
      if (this.#ended || this.#socket.bufferedAmount === 0) return;
      const stalledMs = systemClock.now() - this.#progressMs;
      if (stalledMs >= this.#stallMs) this.#cutOff(`nothing could be sent for ${Math.round(stalledMs)} ms`);
      else this.#stallTimer = systemClock.after(this.#stallMs / stallChecks, check);
    };
    this.#stallTimer = systemClock.after(this.#stallMs / stallChecks, check);
  }

  /** The peer does not read: no close frame would pass the queue, so the socket goes at once. */
  #cutOff(reason: string): void {
    this.#log.warn('slow peer cut off', { remote: this.remote, reason });
    this.#closing = true;
    this.#end ??= { code: closeCodes.tryLater, reason };
    this.#socket.terminate();
  }

  #finish(end: LinkEnd): void {
    this.#closing = true;
    this.#queue = [];
    this.#end ??= end;
    // 1006 is what one sees when a path broke; it cannot be sent, and nobody may be there to read it.
    if (end.code === closeCodes.lost) this.#socket.terminate();
    else this.#socket.close(end.code, cut(end.reason));
  }

  #onFrame(data: RawData, isBinary: boolean): void {
    const decoder = this.#decoder;
    if (this.#closing || decoder === undefined) return;
    let messages: unknown[];
    try {
      if (isBinary !== this.#binary) throw new BadFrame('protocol', 0, `a ${isBinary ? 'binary' : 'text'} frame`);
      messages = decoder.decode(asBytes(data));
    } catch (error) {
      const code = error instanceof BadFrame ? faultCodes[error.fault] : closeCodes.badData;
      this.#log.warn('bad frame', { remote: this.remote, error: messageOf(error) });
      return this.#finish({
        code,
        reason: error instanceof ProfferError ? `${error.code}: ${error.message}` : messageOf(error),
      });
    }
    for (const message of messages) {
      // The handler may have closed the link over an earlier message of the frame.
      if (this.#closing) return;
      this.#handler?.onMessage(message);
    }
  }

  /** ws closes by itself after an error; here it only gets a name. */
  #onError(error: Error & { code?: unknown; errors?: unknown }): void {
    const kind = typeof error.code === 'string' ? error.code : '';
    const [first] = Array.isArray(error.errors) ? (error.errors as unknown[]) : [];
    const reason = error.message || (first === undefined ? kind : messageOf(first));
    const code = kind.startsWith('WS_ERR') ? (wsErrorCodes[kind] ?? closeCodes.protocolError) : closeCodes.lost;
    this.#end ??= { code, reason };
    this.#closing = true;
  }

  #onClose(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closing = true;
    this.#queue = [];
    this.#stallTimer?.cancel();
    const end = this.#end ?? { code: toCloseCode(code), reason: reason === '' ? `closed with ${code}` : reason };
    this.#handler?.onEnd(end);
  }
}

const faultCodes: Readonly<Record<FrameFault, CloseCode>> = {
  protocol: closeCodes.protocolError,
  malformed: closeCodes.badData,
  tooBig: closeCodes.tooBig,
};

const wsErrorCodes: Readonly<Record<string, CloseCode>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: closeCodes.tooBig,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: closeCodes.tooBig,
  WS_ERR_INVALID_UTF8: closeCodes.badData,
};

// One immediate for all links that have something to send: it runs after the input that is already waiting, so that the answers to it share frames.
// A microtask per link was measured too: no faster for one message at a time, and it gathers less.
let dirty: WsLink[] = [];

function flushSoon(link: WsLink): void {
  if (dirty.push(link) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const links = dirty;
  dirty = [];
  for (const link of links) link.flush();
}

const knownCodes: ReadonlySet<number> = new Set(Object.values(closeCodes));
const noStatus = 1005;

function toCloseCode(code: number): CloseCode {
  if (code === noStatus) return closeCodes.normal;
  return knownCodes.has(code) ? (code as CloseCode) : closeCodes.lost;
}

/** A close reason holds 123 bytes of UTF-8: cut before a character that does not fit. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= reasonMaxBytes) return reason;
  let end = reasonMaxBytes - 3;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}…`;
}

function asBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
