// The HTTP server: routes to sockets. In: routes, where to listen. Out: answers, errors in the one shape, and the node server for WebSockets.
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastify } from 'fastify';
import { AssertionError } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import { errorCodes, messageOf, problem, problemsError, ProfferError, shown } from '../base/errors.js';
import { parseJsonText } from '../base/json-text.js';
import type { Logger } from '../env/log.js';
import { checkHostAndOrigin } from '../transport/host-check.js';
import { checkBindAddress } from './bind.js';
import type { FeedSink, HttpAnswer, Route } from './route.js';
import { checkQuery, Query } from './route.js';

/** How to serve. */
export interface HttpOptions {
  readonly routes: readonly Route[];
  /** Loopback only. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Names besides loopback's by which requests may ask. Default none. */
  readonly allowedHosts?: readonly string[];
  readonly log: Logger;
}

/** A server that listens. */
export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** `http://host:port` */
  readonly url: string;
  /** For WebSocket upgrades. */
  readonly server: Server;
  /** Stops listening and cuts what is open. */
  close(): Promise<void>;
}

export const headerBytesMax = 16 * 1024;
export const bodyBytesMax = 1024 * 1024;
export const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
const urlCharactersMax = 8 * 1024;

/**
 * Listens and serves.
 * @throws (rejects) ProfferError FORBIDDEN for an address that is not loopback, ADDRESS_IN_USE, or USAGE when the address is not ours.
 */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { host = '127.0.0.1', port } = options;
  checkBindAddress(host);
  const app = httpApp(options);
  try {
    await app.listen({ host, port, backlog: 1024 });
  } catch (error) {
    await app.close();
    throw listenError(error, host, port);
  }
  const address = app.server.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    server: app.server,
    close: () => app.close(),
  };
}

// Routes check what they are sent themselves. With compilers of its own, which are never asked for, fastify does not load its own, some 3 MB.
const noSchemas = {
  compilersFactory: {
    buildValidator: noSchema,
    buildSerializer: noSchema,
  },
};

function noSchema(): never {
  throw new AssertionError('no route has a schema');
}

/** The application without a socket; `inject` asks it directly. */
export function httpApp(options: Pick<HttpOptions, 'routes' | 'allowedHosts' | 'log'>): FastifyInstance {
  const { routes, allowedHosts = [], log } = options;
  const app = fastify({
    logger: false,
    schemaController: noSchemas,
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: 1000,
    },
    requestTimeout: requestTimeoutMs,
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: urlCharactersMax },
    clientErrorHandler: refuseSocket,
    // A path that cannot be decoded; it never reaches a route.
    frameworkErrors: (error, _request, reply) => {
      sendError(reply, answerable(error, log));
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(/^application\/(?:[\w.-]+\+)?json\b/i, { parseAs: 'string' }, (_request, body, done) => {
    try {
      const text = body.toString();
      done(null, text.trim() === '' ? undefined : parseJsonText(text, 'body').value);
    } catch (error) {
      done(error as Error);
    }
  });
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    const refusal = twoHosts(request.raw.rawHeaders) ?? checkHostAndOrigin(request.headers, allowedHosts);
    done(refusal === undefined ? undefined : problemsError([refusal]));
  });
  app.setErrorHandler((error, _request, reply) => sendError(reply, answerable(error, log)));
  app.setNotFoundHandler((request, reply) => notFound(routes, request, reply));
  for (const route of routes) addRoute(app, route);
  return app;
}

// node takes the first of several, whatever is in front of it may take the last.
function twoHosts(rawHeaders: readonly string[]): Problem | undefined {
  const names = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host');
  return names.length > 1
    ? problem('Host', 'INVALID_CALL', `is given ${names.length} times`, 'give it once')
    : undefined;
}

function addRoute(app: FastifyInstance, route: Route): void {
  app.route({
    method: route.method,
    url: route.path,
    handler: async (request, reply) => {
      const url = new URL(request.url, 'http://any');
      const query =
        route.query === undefined ? checkQuery(url.searchParams, {}) : checkQuery(url.searchParams, route.query);
      const params = request.params as { [name: string]: string };
      const answer = await route.handle({ params, query: query ?? new Query(new Map()), body: request.body });
      return sendAnswer(request, reply, answer);
    },
  });
}

async function sendAnswer(request: FastifyRequest, reply: FastifyReply, answer: HttpAnswer): Promise<unknown> {
  switch (answer.type) {
    case 'JSON':
      if (answer.headers !== undefined) void reply.headers(answer.headers);
      return reply
        .code(answer.status ?? 200)
        .type('application/json; charset=utf-8')
        .send(`${JSON.stringify(answer.body)}\n`);
    case 'TEXT':
      return reply.type(answer.contentType).send(answer.text);
    case 'BYTES': {
      const raw = takeOver(reply, answer.contentType, answer.headers);
      if (request.method === 'HEAD') {
        raw.end();
        await answer.chunks[Symbol.asyncIterator]().return?.();
        return reply;
      }
      // The reader left, or the file went: there is nobody to tell, the connection is cut.
      await pipeline(Readable.from(answer.chunks), raw).catch(() => raw.destroy());
      return reply;
    }
    case 'FEED': {
      const raw = takeOver(reply, answer.contentType, {});
      if (request.method === 'HEAD') raw.end();
      else feed(raw, answer.open);
      return reply;
    }
  }
}

// The headers so far, then the raw response is ours.
function takeOver(
  reply: FastifyReply,
  contentType: string,
  headers: { readonly [name: string]: string } = {},
): ServerResponse {
  const { raw } = reply.hijack();
  const sent = { ...reply.getHeaders(), ...headers, 'content-type': contentType };
  for (const [name, value] of Object.entries(sent)) if (value !== undefined) raw.setHeader(name, value);
  raw.flushHeaders();
  return raw;
}

function feed(raw: ServerResponse, open: (sink: FeedSink) => () => void): void {
  // Told before or after `open` has returned.
  const connection: { gone: boolean; onGone?: () => void } = { gone: false };
  raw.on('error', () => raw.destroy());
  raw.on('close', () => {
    connection.gone = true;
    connection.onGone?.();
  });
  connection.onGone = open({
    write: text => {
      if (!connection.gone) raw.write(text);
    },
    get bufferedBytes() {
      return raw.writableLength;
    },
    end: () => raw.end(),
    destroy: () => raw.destroy(),
  });
  if (connection.gone) connection.onGone();
}

/** Any error as one that may be shown; what is a bug is logged in full. */
function answerable(error: unknown, log: Logger): ProfferError {
  if (error instanceof ProfferError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = frameworkErrors[code];
  if (known !== undefined) return known(messageOf(error));
  if (code.startsWith('FST_ERR_CTP') || code.startsWith('FST_ERR_BAD'))
    return new ProfferError('INVALID_CALL', messageOf(error));
  log.error('request failed', { error: error instanceof Error ? (error.stack ?? error.message) : shown(error) });
  return new ProfferError('INTERNAL', messageOf(error));
}

/** What fastify itself refuses. */
const frameworkErrors: Readonly<Record<string, (message: string) => ProfferError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new ProfferError('BODY_TOO_LARGE', `the body exceeds ${bodyBytesMax} bytes`, { path: 'body' }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new ProfferError('UNSUPPORTED_MEDIA_TYPE', 'the content type is not JSON', {
      path: 'headers.content-type',
      hint: 'send content-type: application/json',
    }),
  FST_ERR_BAD_URL: () => new ProfferError('INVALID_CALL', 'the path holds a bad percent escape', { path: 'url' }),
  FST_ERR_MAX_PARAM_LENGTH: () => new ProfferError('INVALID_CALL', 'a part of the path is too long', { path: 'url' }),
};

function sendError(reply: FastifyReply, error: ProfferError): void {
  void reply
    .code(errorCodes[error.code].http)
    .type('application/json; charset=utf-8')
    .send(`${JSON.stringify(error)}\n`);
}

/** No route took it: a known path with another method, or nothing at all. */
function notFound(routes: readonly Route[], request: FastifyRequest, reply: FastifyReply): void {
  const path = request.url.split('?', 1)[0] ?? '/';
  const methods = routes.filter(route => pathPattern(route.path).test(path)).map(route => route.method);
  if (methods.length === 0) {
    const known = [...new Set(routes.map(route => route.path))].join(' ');
    sendError(
      reply,
      new ProfferError('NOT_FOUND', `nothing is at ${shown(path)}`, { path: 'url', hint: `known paths: ${known}` }),
    );
    return;
  }
  const allow = [
    ...new Set([...methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS']),
  ].join(', ');
  void reply.header('allow', allow);
  if (request.method === 'OPTIONS') void reply.code(204).send();
  else
    sendError(
      reply,
      new ProfferError('METHOD_NOT_ALLOWED', `${request.method} is not possible here`, {
        path: 'method',
        hint: `allowed: ${allow}`,
      }),
    );
}

function pathPattern(path: string): RegExp {
  const parts = path.split('/').map(part => (part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : part));
  return new RegExp(`^${parts.join('/')}$`);
}

// Bytes that are no HTTP request, or came too slowly: there is no request to answer, so the answer is written by hand.
function refuseSocket(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = socketRefusals[error.code ?? ''] ?? [
    '400 Bad Request',
    'INVALID_CALL',
    'this is not an HTTP request',
  ];
  const body = `${JSON.stringify({ code, message, path: '' })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    // Whatever else was on its way is not waited for.
    () => socket.destroy(),
  );
}

const socketRefusals: Readonly<Record<string, readonly [string, string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'INVALID_CALL',
    `the headers exceed ${headerBytesMax} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    'TIMED_OUT',
    `the headers did not come within ${headersTimeoutMs / 1000} s, or all of the request within ${requestTimeoutMs / 1000} s`,
  ],
};

function listenError(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new ProfferError('ADDRESS_IN_USE', `port ${port} on ${host} is taken by another process`, {
        path: 'port',
        hint: 'choose another with --port, or stop what uses it',
      });
    case 'EACCES':
      return new ProfferError('FORBIDDEN', `port ${port} may not be used by this user`, {
        path: 'port',
        hint: 'choose one above 1023 with --port',
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new ProfferError('USAGE', `${shown(host)} is not an address of this machine`, { path: 'host' });
    default:
      return error;
  }
}
