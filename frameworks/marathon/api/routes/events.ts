// Events to whoever listens: `/v2/events` as a stream, `/v2/eventSubscriptions` to addresses.
import { callbackProblem } from '../../events/callbacks.js';
import { typesIn } from '../../events/streams.js';
import type { Api } from '../api.js';
import { ApiError, badRequest, invalid } from '../errors.js';
import { json } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function eventRoutes(api: Api): readonly Route[] {
  return [
    { path: '/v2/events', on: { GET: request => stream(api, request) } },
    {
      path: '/v2/eventSubscriptions',
      on: {
        GET: () => json({ callbackUrls: [...api.marathon.callbacks] }),
        POST: request => subscribe(api, request),
        DELETE: request => unsubscribe(api, request),
      },
    },
  ];
}

function stream({ streams, streamsMax }: Api, { clientIp, query }: ApiRequest): Reply {
  if (streams.size >= streamsMax) throw new ApiError(503, `Too many streams of events! Allowed: ${streamsMax}.`);
  const types = typesIn(query);
  return { type: 'STREAM', serve: response => streams.serve(response, { remoteAddress: clientIp, types }) };
}

async function subscribe({ marathon, callbacks }: Api, request: ApiRequest): Promise<Reply> {
  const callbackUrl = callbackIn(request);
  const problem = callbackProblem(callbackUrl);
  if (problem !== undefined) throw invalid('/callbackUrl', problem);
  await marathon.addCallback(callbackUrl);
  callbacks.add(callbackUrl);
  return told(marathon, { type: 'subscribe_event', clientIp: request.clientIp, callbackUrl });
}

async function unsubscribe({ marathon, callbacks }: Api, request: ApiRequest): Promise<Reply> {
  const callbackUrl = callbackIn(request);
  await marathon.removeCallback(callbackUrl);
  callbacks.remove(callbackUrl);
  return told(marathon, { type: 'unsubscribe_event', clientIp: request.clientIp, callbackUrl });
}

interface Subscription {
  readonly type: 'subscribe_event' | 'unsubscribe_event';
  readonly clientIp: string;
  readonly callbackUrl: string;
}

function told({ events }: Api['marathon'], { type, clientIp, callbackUrl }: Subscription): Reply {
  events.publish({ type, clientIp, callbackUrl });
  return json({ eventType: type, clientIp, callbackUrl });
}

function callbackIn({ query }: ApiRequest): string {
  const url = query.get('callbackUrl');
  if (url === null || url === '') throw badRequest('the query parameter callbackUrl is missing');
  return url;
}
