// Marathon's HTTP API. In: a Marathon, where to listen. Out: a server that answers as Marathon does, with bounds on what one client may take.
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastify } from 'fastify';
import { checkBindAddress, systemEnv } from 'proffer';
import type { Clock, Env } from 'proffer';
import { Callbacks } from '../events/callbacks.js';
import type { CallbackOptions } from '../events/callbacks.js';
import { EventStreams } from '../events/streams.js';
import type { StreamOptions } from '../events/streams.js';
import type { Marathon } from '../service/marathon.js';
import type { Api } from './api.js';
import { Admission } from './admission.js';
import { ApiError, notFound } from './errors.js';
import type { Headers } from './errors.js';
import { errorFor, listenError } from './failures.js';
import { PathTable, queryIn, segmentsIn } from './ids-in-paths.js';
import { LogLevels } from './log-levels.js';
import { Origins } from './origins.js';
import type { ConfigSections } from './replies/info.js';
import { ApiRequest, methods } from './route.js';
import type { Handler, Method, Reply, Route } from './route.js';
import { appRoutes } from './routes/apps.js';
import { deploymentRoutes } from './routes/deployments.js';
import { eventRoutes } from './routes/events.js';
import { groupRoutes } from './routes/groups.js';
import { podRoutes } from './routes/pods.js';
import { queueRoutes } from './routes/queue.js';
import { systemRoutes } from './routes/system.js';
import { taskRoutes } from './routes/tasks.js';
import { uiRoutes } from './routes/ui.js';
import { webhookRoutes } from './routes/webhooks.js';

/** How to serve. */
export interface ApiOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Loopback only. Default 127.0.0.1. */
  readonly host?: string;
  readonly env?: Pick<Env, 'clock' | 'log'>;
  /** Names besides loopback's by which requests may ask. Default none. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may read, `*` for all. Default none but the server's own. */
  readonly allowedOrigins?: readonly string[];
  /** Requests at a time, streams of events aside; one more is answered 503. Default: no bound. */
  readonly requestsMax?: number;
  /** Default 16 MiB. */
  readonly bodyBytesMax?: number;
  /** What is not durable within so long is answered 503; it may still come to be. Default 60 s. */
  readonly answerMs?: number;
  /** `host:port` of the process that leads. Default: this one. */
  readonly leader?: () => string | undefined;
  /** What `/v2/info` tells of how the process was started, under Marathon's names. */
  readonly config?: Partial<ConfigSections>;
  /** Loggers that `/logging` shows. The server adds its own. */
  readonly levels?: LogLevels;
  /** What a registry must send with its notifications to `/v2/webhooks/registry`. Default: there is no such path. */
  readonly webhookToken?: string;
  /** The files of a web UI for Marathon, served under `/ui/`. Default: there is none. */
  readonly uiDir?: string;
  /** Streams of events at a time; one more is answered 503. Default 1,000. */
  readonly streamsMax?: number;
  readonly streams?: StreamOptions;
  readonly callbacks?: CallbackOptions;
}

/** A server that listens. */
export interface ApiServer {
  /** `http://host:port` */
  readonly url: string;
  readonly server: Server;
  /** Stops listening and cuts what is open. */
  close(): Promise<void>;
}

const headerBytesMax = 16 * 1024;

/**
 * Listens and serves until `close`.
 * @throws (rejects) ProfferError FORBIDDEN for an address that is not loopback, ADDRESS_IN_USE when the port is taken.
 */
export async function serveApi(marathon: Marathon, options: ApiOptions): Promise<ApiServer> {
  const { env = systemEnv(), host = '127.0.0.1', port, levels = new LogLevels(env.clock) } = options;
  checkBindAddress(host);
  const { clock } = env;
  const log = levels.named('marathon.api', env.log);
  const streams = new EventStreams(marathon.events, { clock, log }, options.streams);
  const callbacks = new Callbacks(marathon.events, { clock, log }, options.callbacks);
  for (const url of marathon.callbacks) callbacks.add(url);
  const admission = new Admission(options.requestsMax);
  const listening: { at?: string } = {};
  const self = (): string => listening.at ?? `${host}:${port}`;
  const api: Api = {
    marathon,
    clock,
    log,
    streams,
    callbacks,
    levels,
    config: { marathon: {}, zookeeper: {}, http: {}, ...options.config },
    streamsMax: options.streamsMax ?? 1000,
    leader: options.leader ?? self,
    self,
    ...(options.webhookToken === undefined ? {} : { webhookToken: options.webhookToken }),
    startedAt: clock.now(),
    counts: () => ({ ...admission.counts(), streams: streams.size }),
  };
  const app = apiApp(api, admission, options);
  try {
    await app.listen({ host, port, backlog: 1024 });
  } catch (error) {
    callbacks.close();
    await app.close();
    throw listenError(error, host, port);
  }
  const address = app.server.address() as AddressInfo;
  listening.at = `${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  return {
    url: `http://${self()}`,
    server: app.server,
    close: async () => {
      streams.close();
      callbacks.close();
      levels.close();
      await app.close();
    },
  };
}

/** All routes. */
export function routesOf(api: Api, uiDir?: string): readonly Route[] {
  return [
    ...appRoutes(api),
    ...taskRoutes(api),
    ...groupRoutes(api),
    ...podRoutes(api),
    ...deploymentRoutes(api),
    ...queueRoutes(api),
    ...eventRoutes(api),
    ...systemRoutes(api),
    ...webhookRoutes(api),
    ...uiRoutes(uiDir),
  ];
}

function apiApp(api: Api, admission: Admission, options: ApiOptions): FastifyInstance {
  const { bodyBytesMax = 16 * 1024 * 1024, answerMs = 60_000 } = options;
  const origins = new Origins(options.allowedHosts, options.allowedOrigins);
  const table = new PathTable(routesOf(api, options.uiDir).map(({ path, on }) => [path, on] as const));
  const headersFor = (request: FastifyRequest): Headers => {
    const leader = api.leader();
    return {
      'cache-control': 'no-cache, no-store, must-revalidate',
      pragma: 'no-cache',
      expires: '0',
      'x-content-type-options': 'nosniff',
      ...(leader === undefined ? {} : { 'x-marathon-leader': `http://${leader}` }),
      ...origins.headersFor(request.headers),
    };
  };
  const app = fastify({
    logger: false,
    http: { maxHeaderSize: headerBytesMax, headersTimeout: 10_000, connectionsCheckingInterval: 1000 },
    requestTimeout: 30_000,
    // Who neither reads nor writes for so long is gone.
    connectionTimeout: answerMs + 60_000,
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: headerBytesMax },
    // A path that cannot be decoded; it never reaches a route.
    frameworkErrors: (error, request, reply) => {
      void reply.headers(headersFor(request));
      void sendError(reply, errorFor(error, api.log, bodyBytesMax));
    },
  });
  app.removeAllContentTypeParsers();
  // What clients call their JSON differs, and some do not say.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', (request, reply, done) => {
    void reply.headers(headersFor(request));
    const refusal = origins.refusalOf(request.headers, request.method);
    if (refusal !== undefined) done(refusal);
    else if (admission.enter(reply.raw)) done();
    else done(new ApiError(503, `Too many concurrent requests! Allowed: ${String(options.requestsMax)}.`));
  });
  app.setErrorHandler((error, _request, reply) => sendError(reply, errorFor(error, api.log, bodyBytesMax)));
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const found = table.find(segmentsIn(request.url));
    if (found === undefined) throw notFound('URI not found');
    const handler = handlerFor(found.value, request.method);
    if (handler === undefined) return refuseMethod(found.value, request.method, reply);
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
    const asked = new ApiRequest({
      params: found.params,
      query: queryIn(request.url),
      clientIp: request.ip,
      uri: request.url.split('?', 1)[0] ?? '/',
      accept: request.headers.accept,
      authorization: request.headers.authorization,
      body,
    });
    const given = await inTime(handler(asked), api.clock, answerMs);
    if (given.type === 'STREAM' && request.method === 'HEAD')
      return reply.type('text/event-stream;charset=utf-8').send();
    return sendReply(reply, given, admission);
  };
  app.all('/*', answer);
  app.setNotFoundHandler(answer);
  return app;
}

function handlerFor(on: Route['on'], method: string): Handler | undefined {
  const asked = method === 'HEAD' ? 'GET' : method;
  return methods.includes(asked as Method) ? on[asked as Method] : undefined;
}

function refuseMethod(on: Route['on'], method: string, reply: FastifyReply): FastifyReply {
  const known = methods.filter(each => on[each] !== undefined);
  const allow = [...known, ...(on.GET === undefined ? [] : ['HEAD']), 'OPTIONS'].join(', ');
  void reply.header('allow', allow);
  if (method === 'OPTIONS') return reply.code(204).send();
  return sendError(reply, new ApiError(405, 'Method Not Allowed', { details: `${method} is not one of ${allow}` }));
}

async function inTime(reply: Reply | Promise<Reply>, clock: Clock, answerMs: number): Promise<Reply> {
  if (!(reply instanceof Promise)) return reply;
  return new Promise((resolve, reject) => {
    const timer = clock.after(answerMs, () => {
      reject(
        new ApiError(503, `Not durable within ${answerMs / 1000} s; /v2/deployments tells whether it came to be.`),
      );
    });
    reply.then(resolve, reject).finally(() => timer.cancel());
  });
}

function sendReply(reply: FastifyReply, answer: Reply, admission: Admission): FastifyReply {
  switch (answer.type) {
    case 'BODY': {
      const bytes = typeof answer.content === 'string' ? Buffer.from(answer.content) : answer.content;
      admission.sent(bytes.length);
      return reply
        .code(answer.status)
        .headers(answer.headers ?? {})
        .type(answer.contentType)
        .send(bytes);
    }
    case 'EMPTY':
      return reply
        .code(answer.status)
        .headers(answer.headers ?? {})
        .send();
    case 'STREAM': {
      const raw = takeOver(reply);
      admission.leave(raw);
      answer.serve(raw);
      return reply;
    }
  }
}

function takeOver(reply: FastifyReply): ServerResponse {
  const { raw } = reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  return raw;
}

function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  return reply
    .code(error.status)
    .headers(error.headers)
    .type('application/json')
    .send(Buffer.from(JSON.stringify(error.body)));
}
