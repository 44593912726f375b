// WebSocket listeners and dialers: who may come in, which codec is spoken. In: an HTTP server, urls. Out: links.
import { STATUS_CODES, createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { ClientOptions, ServerOptions } from 'ws';
import { ProfferError, errorCodes, messageOf, problem, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import { silentLogger } from '../env/log.js';
import type { Logger } from '../env/log.js';
import { codecs, frameBounds, isSubprotocol, subprotocols } from '../protocol/codec.js';
import type { Subprotocol } from '../protocol/codec.js';
import { checkHostAndOrigin, isLoopback } from './host-check.js';
import { closeCodes } from './transport.js';
import type { AcceptLink, Dialer, Link, Listener } from './transport.js';
import { WsLink, newLinkId } from './ws-link.js';
import type { SendLimits } from './ws-link.js';

export interface WsListenerOptions extends SendLimits {
  /** Its `upgrade` requests are ours; the HTTP side goes on as before. */
  readonly server: Server;
  readonly accept: AcceptLink;
  /** Names, beside the loopback ones, by which clients may reach us: what Host may say. */
  readonly hostnames?: readonly string[];
  /** The paths served; others are answered 404. Default: all, and `accept` decides. */
  readonly paths?: readonly string[];
  readonly log?: Logger;
}

export interface OwnWsListenerOptions extends Omit<WsListenerOptions, 'server'> {
  /** A loopback address. Default 127.0.0.1. */
  readonly host?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
}

export interface WsDialerOptions extends SendLimits {
  /** Spoken with those we dial. Default `proffer.v1.msgpack`. */
  readonly subprotocol?: Subprotocol;
  /** Time for connecting and the HTTP upgrade. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
  readonly log?: Logger;
}

const handshakeTimeoutDefaultMs = 10_000;
/**
 * Who dials has one peer, and says again what was cut off: an agent its registration, however long. Only a peer that takes nothing for 30 s is given up.
 */
const dialedQueueMaxBytes = 256 * 1024 * 1024;
const closeTimeoutMs = 5_000;
const refusalMaxBytes = 4096;
const common = { maxPayload: frameBounds.bytesMax, perMessageDeflate: false, closeTimeout: closeTimeoutMs } as const;

/** Accepts links on the upgrade requests of an HTTP server, so that HTTP and WebSocket share a port. Closing it leaves the server as it is. */
export function wsListener(options: WsListenerOptions): Listener {
  const { server, accept } = options;
  const log = options.log ?? silentLogger;
  const links = new Set<WsLink>();
  const settings: ServerOptions & { closeTimeout: number } = {
    ...common,
    noServer: true,
    clientTracking: false,
    handleProtocols: offered => firstSpoken(offered) ?? false,
  };
  const sockets = new WebSocketServer(settings);
  sockets.on('wsClientError', (error, socket) => refuse(socket, 400, problem('', 'BAD_MESSAGE', error.message)));

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', onSocketError);
    const refusal = refusalOf(request, options);
    if (refusal !== undefined) {
      log.warn('upgrade refused', { remote: remoteOf(request), ...refusal });
      return refuse(socket, errorCodes[refusal.code].http, refusal);
    }
    sockets.handleUpgrade(request, socket, head, webSocket => {
      socket.off('error', onSocketError);
      const link = new WsLink(webSocket, { ...options, log, remote: remoteOf(request) });
      links.add(link);
      webSocket.on('close', () => links.delete(link));
      const path = pathOf(request);
      const handler = accept(link, path);
      if (handler !== undefined) link.handler = handler;
      const { protocol } = webSocket;
      if (isSubprotocol(protocol)) link.opened(codecs[protocol], 'accepting');
      if (handler === undefined) link.close(closeCodes.policy, `nothing is served at ${path}`);
    });
  }

  server.on('upgrade', onUpgrade);
  return {
    get address() {
      const address = server.address();
      return typeof address === 'object' && address !== null
        ? { host: address.address, port: address.port }
        : { host: address ?? '', port: 0 };
    },
    close: () => {
      server.off('upgrade', onUpgrade);
      for (const link of links) link.close(closeCodes.goingAway, 'the listener closed');
    },
  };
}

/**
 * Accepts links on an HTTP server of its own that serves nothing else.
 * @throws ProfferError FORBIDDEN for a host that is not loopback, ADDRESS_IN_USE, UNREACHABLE when the address cannot be bound.
 */
export async function ownWsListener(options: OwnWsListenerOptions): Promise<Listener> {
  const { host = '127.0.0.1', port = 0 } = options;
  if (!isLoopback(host)) {
    throw new ProfferError(
      'FORBIDDEN',
      `${shown(host)} is not a loopback address, and connections are not authenticated`,
      {
        path: 'host',
        hint: 'bind 127.0.0.1, ::1 or localhost',
      },
    );
  }
  const server = createServer({ headersTimeout: handshakeTimeoutDefaultMs, requestTimeout: handshakeTimeoutDefaultMs });
  server.on('request', (_request, response) => {
    const body = JSON.stringify(problem('', 'NOT_FOUND', 'only WebSocket connections are served here'));
    response.writeHead(404, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'UNREACHABLE';
      reject(
        new ProfferError(code, `cannot listen at ${host}:${port}: ${error.message}`, { path: 'port', cause: error }),
      );
    });
    server.listen(port, host, resolve);
  });
  const listener = wsListener({ ...options, server });
  const { address } = listener;
  return {
    address,
    close: () => {
      listener.close();
      server.close();
    },
  };
}

/** Opens links over WebSocket. What may be unsent is 256 MiB here by default. */
export function wsDialer(options: WsDialerOptions = {}): Dialer {
  const { subprotocol = subprotocols[0], handshakeTimeoutMs = handshakeTimeoutDefaultMs } = options;
  const log = options.log ?? silentLogger;
  return {
    dial: (url, handler) => {
      const settings: ClientOptions & { closeTimeout: number } = {
        ...common,
        handshakeTimeout: handshakeTimeoutMs,
        followRedirects: false,
      };
      let socket: WebSocket;
      try {
        socket = new WebSocket(url, [subprotocol], settings);
      } catch (error) {
        const reason = `${shown(url)} cannot be dialled: ${messageOf(error)}`;
        return stillborn(url, () => handler.onEnd({ code: closeCodes.lost, reason }));
      }
      const link = new WsLink(socket, { sendQueueMaxBytes: dialedQueueMaxBytes, ...options, log, remote: url });
      link.handler = handler;
      socket.on('open', () => link.opened(codecs[subprotocol], 'dialing'));
      socket.on('unexpected-response', (_request, response) => {
        readRefusal(response, reason => link.fail({ code: closeCodes.policy, reason }));
      });
      return link;
    },
  };
}

/** Why `request` may not become a link. */
function refusalOf(request: IncomingMessage, options: WsListenerOptions): Problem | undefined {
  const wrongSource = checkHostAndOrigin(request.headers, options.hostnames);
  if (wrongSource !== undefined) return wrongSource;
  const path = pathOf(request);
  if (options.paths !== undefined && !options.paths.includes(path)) {
    return problem('', 'NOT_FOUND', `${shown(path)} is not served; connect to ${options.paths.join(' or ')}`);
  }
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim());
  if (firstSpoken(offered) === undefined) {
    const message = `no subprotocol offered is spoken here: ${shown(offered.join(', '))}`;
    return problem('Sec-WebSocket-Protocol', 'BAD_VERSION', message, `offer ${subprotocols.join(' or ')}`);
  }
  return undefined;
}

function firstSpoken(offered: Iterable<string>): Subprotocol | undefined {
  for (const name of offered) if (isSubprotocol(name)) return name;
  return undefined;
}

/** Answers an upgrade request with an error in the one shape, and hangs up. */
function refuse(socket: Duplex, status: number, refusal: Problem): void {
  const { code, message, path, hint } = refusal;
  const body = JSON.stringify(hint === undefined ? { code, message, path } : { code, message, path, hint });
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function readRefusal(response: IncomingMessage, onReason: (reason: string) => void): void {
  let text = '';
  let told = false;
  const tell = (): void => {
    if (told) return;
    told = true;
    onReason(`${response.statusCode ?? 0} ${text.replace(/\s+/g, ' ').trim()}`.trim());
  };
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text = (text + chunk).slice(0, refusalMaxBytes);
  });
  for (const event of ['end', 'error', 'close']) response.on(event, tell);
}

/** A link for a url that cannot be dialled: told like any other failure, later. */
function stillborn(url: string, onEnd: () => void): Link {
  setImmediate(onEnd);
  return { id: newLinkId(), remote: url, send: () => {}, close: () => {} };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

function remoteOf(request: IncomingMessage): string {
  const { remoteAddress, remotePort } = request.socket;
  return `${remoteAddress ?? 'unknown'}:${remotePort ?? 0}`;
}

function onSocketError(): void {
  // The peer hung up during the handshake: nothing was established, so nobody has to hear of it.
}
