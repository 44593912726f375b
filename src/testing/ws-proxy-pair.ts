// The two sockets of one proxied connection and the frames between them. In: an upgrade request. Out: a dialed target, messages through two lanes, and one end for both.
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { systemClock } from '../env/system-clock.js';
import type { Random } from '../env/random.js';
import { BadFrame, codecs, frameBounds, isSubprotocol } from '../protocol/codec.js';
import type { Frame, FrameDecoder, FrameEncoder } from '../protocol/codec.js';
import type { LiveFault, ProxyDirection } from './ws-proxy-faults.js';
import { Lane, typeOf } from './ws-proxy-lane.js';

/** What a pair tells the proxy it belongs to. */
export interface PairHost {
  readonly target: URL;
  readonly faults: readonly LiveFault[];
  readonly hideFromHeartbeats: boolean;
  readonly onMessage: (direction: ProxyDirection, type: string, message: unknown) => void;
  /** Completes the client's side of the handshake. */
  readonly accept: (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    protocol: string,
    done: (client: WebSocket) => void,
  ) => void;
  readonly onEnd: (pair: Pair) => void;
}

/** A frame that does not decode: sent on as it is, so that the far side says what is wrong with it. */
class RawFrame {
  readonly data: RawData;
  readonly isBinary: boolean;

  constructor(data: RawData, isBinary: boolean) {
    this.data = data;
    this.isBinary = isBinary;
  }
}

interface Way {
  readonly direction: ProxyDirection;
  readonly lane: Lane;
  from: WebSocket | undefined;
  to: WebSocket | undefined;
  decoder: FrameDecoder | undefined;
  encoder: FrameEncoder | undefined;
  /** Frames read since the lane was last empty. */
  waitingBytes: number;
  /** Given to `to` and not yet taken by its socket. */
  unsentBytes: number;
}

/** Beyond these the sender is no longer read, so that what cannot pass stays with it. */
const unsentMaxBytes = 256 * 1024;
const waitingMaxBytes = 1024 * 1024;
const noStatus = 1005;
const lost = 1006;

/** One client and the target it believes to talk to. */
export class Pair {
  readonly path: string;
  readonly #host: PairHost;
  readonly #request: IncomingMessage;
  readonly #socket: Duplex;
  readonly #head: Buffer;
  readonly #ways: Readonly<Record<ProxyDirection, Way>>;
  #upstream: WebSocket | undefined;
  #client: WebSocket | undefined;
  #upstreamSocket: Socket | undefined;
  #greeting = false;
  #ended = false;

  constructor(host: PairHost, request: IncomingMessage, socket: Duplex, head: Buffer, random: Random) {
    this.#host = host;
    this.#request = request;
    this.#socket = socket;
    this.#head = head;
    this.path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const way = (direction: ProxyDirection): Way => {
      const state: Way = {
        direction,
        lane: new Lane({
          clock: systemClock,
          random: random.fork(direction),
          direction,
          path: this.path,
          faults: host.faults,
          hideFromHeartbeats: host.hideFromHeartbeats,
          emit: (messages, before) => this.#emit(state, messages, before),
        }),
        from: undefined,
        to: undefined,
        decoder: undefined,
        encoder: undefined,
        waitingBytes: 0,
        unsentBytes: 0,
      };
      return state;
    };
    this.#ways = { toTarget: way('toTarget'), toClient: way('toClient') };
    socket.on('error', ignored);
    socket.once('close', () => {
      if (this.#client === undefined) this.#drop();
    });
  }

  /** Takes the next step that the faults allow; called at the start and whenever they change. */
  proceed(): void {
    if (this.#ended) return;
    const { toTarget, toClient } = this.#ways;
    if (this.#upstream === undefined) {
      if (!toTarget.lane.stopped) this.#dial();
      return;
    }
    if (this.#client === undefined) {
      if (this.#upstream.readyState === WebSocket.OPEN && !toClient.lane.stopped) this.#greet(this.#upstream);
      return;
    }
    for (const way of [toTarget, toClient]) {
      this.#pace(way);
      way.lane.flush();
    }
  }

  /** Ends both sides at once with a TCP reset. */
  reset(): void {
    if (this.#ended) return;
    for (const socket of [this.#socket, this.#upstreamSocket]) if (socket instanceof Socket) socket.resetAndDestroy();
    this.#drop();
  }

  /** Ends both sides without a close frame. */
  destroy(): void {
    this.#drop();
  }

  #dial(): void {
    const { target } = this.#host;
    const offered = (this.#request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim());
    const url = `${target.protocol}//${target.host}${this.#request.url ?? '/'}`;
    const upstream = new WebSocket(
      url,
      offered.filter(name => name !== ''),
      { maxPayload: frameBounds.bytesMax, perMessageDeflate: false, followRedirects: false },
    );
    this.#upstream = upstream;
    this.#wire(this.#ways.toClient, upstream);
    this.#ways.toTarget.to = upstream;
    upstream.on('upgrade', response => {
      this.#upstreamSocket = response.socket;
    });
    upstream.on('open', () => {
      const { protocol } = upstream;
      if (!isSubprotocol(protocol)) return this.#drop();
      for (const way of Object.values(this.#ways)) {
        way.decoder = codecs[protocol].decoder();
        way.encoder = codecs[protocol].encoder();
      }
      this.proceed();
    });
    upstream.on('unexpected-response', (_request, response) => this.#passRefusal(response));
    // Nobody listens behind us: the client finds the same here.
    upstream.on('error', () => {
      if (!this.#ended && this.#client === undefined && this.#socket instanceof Socket) this.#socket.resetAndDestroy();
    });
  }

  #greet(upstream: WebSocket): void {
    if (this.#greeting) return;
    this.#greeting = true;
    this.#host.accept(this.#request, this.#socket, this.#head, upstream.protocol, client => {
      this.#client = client;
      this.#ways.toClient.to = client;
      this.#wire(this.#ways.toTarget, client);
      client.on('error', ignored);
      for (const way of Object.values(this.#ways)) way.lane.open();
      // A fault may have come during the handshake.
      this.proceed();
    });
  }

  #wire(way: Way, from: WebSocket): void {
    way.from = from;
    from.on('message', (data, isBinary) => this.#onFrame(way, data, isBinary));
    from.on('close', (code, reason) => {
      if (this.#ended) return;
      // A peer that was never told of the connection has nothing to read any more.
      if (this.#client === undefined) return this.#drop();
      way.lane.end(() => this.#finish(way, code, reason));
    });
  }

  #onFrame(way: Way, data: RawData, isBinary: boolean): void {
    if (this.#ended || way.decoder === undefined) return;
    let messages: readonly unknown[];
    try {
      messages = way.decoder.decode(asFrame(data, isBinary));
    } catch (error) {
      if (!(error instanceof BadFrame)) throw error;
      messages = [new RawFrame(data, isBinary)];
    }
    way.waitingBytes += lengthOf(data);
    for (const message of messages) {
      this.#host.onMessage(way.direction, typeOf(message), message);
      way.lane.push(message);
    }
    way.lane.flush();
    this.#pace(way);
  }

  #emit(way: Way, messages: readonly unknown[], before: number | undefined): number {
    const { to, encoder } = way;
    if (to === undefined || encoder === undefined || to.readyState !== WebSocket.OPEN) return 0;
    let bytes = 0;
    const send = (frame: Frame | RawData, binary?: boolean): void => {
      const size = typeof frame === 'string' ? Buffer.byteLength(frame) : lengthOf(frame);
      bytes += size;
      way.unsentBytes += size;
      const written = (): void => {
        way.unsentBytes -= size;
        this.#pace(way);
      };
      if (binary === undefined) to.send(frame, written);
      else to.send(frame, { binary }, written);
    };
    const objects = messages.filter(message => !(message instanceof RawFrame));
    if (objects.length > 0) encoder.encode(objects as object[], frame => send(frame), before);
    for (const message of messages) if (message instanceof RawFrame) send(message.data, message.isBinary);
    return bytes;
  }

  /** Reads from the sender only while what it sends can go on. */
  #pace(way: Way): void {
    const { from, lane } = way;
    if (from === undefined || this.#ended) return;
    if (lane.waiting === 0) way.waitingBytes = 0;
    const full = lane.stopped || way.waitingBytes > waitingMaxBytes || way.unsentBytes > unsentMaxBytes;
    if (full) from.pause();
    else from.resume();
  }

  /** The side that `way` comes from has ended, and all it said has passed: the other side ends alike. */
  #finish(way: Way, code: number, reason: Buffer): void {
    if (way.to !== undefined && way.to.readyState === WebSocket.OPEN) {
      // A paused socket would never see the answer to our close frame.
      way.to.resume();
      if (code === lost) way.to.terminate();
      else if (code === noStatus) way.to.close();
      else way.to.close(code, reason);
    }
    this.#end();
  }

  /** The target refuses the upgrade: the client gets its very answer. */
  #passRefusal(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const body = Buffer.concat(chunks);
      const status = response.statusCode ?? 502;
      const type = response.headers['content-type'] ?? 'text/plain';
      this.#socket.write(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: ${type}\r\n` +
          `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
      );
      this.#socket.once('finish', () => this.#socket.destroy());
      this.#socket.end(body);
      this.#end();
      this.#upstream?.terminate();
    });
  }

  #drop(): void {
    if (this.#ended) return;
    this.#end();
    this.#upstream?.on('error', ignored);
    this.#upstream?.terminate();
    this.#client?.terminate();
    this.#socket.destroy();
  }

  #end(): void {
    this.#ended = true;
    for (const way of Object.values(this.#ways)) way.lane.destroy();
    this.#host.onEnd(this);
  }
}

function asFrame(data: RawData, isBinary: boolean): Frame {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
  return isBinary ? bytes : bytes.toString('utf8');
}

function lengthOf(data: RawData | Uint8Array): number {
  return Array.isArray(data) ? data.reduce((sum, one) => sum + one.length, 0) : data.byteLength;
}

function ignored(): void {
  // The close that follows says the same.
}
