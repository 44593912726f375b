// What is asked of the process itself: who leads, how it is set, whether it is there, its counts and loggers.
import * as v from 'valibot';
import { object } from '../../model/schema/objects.js';
import { someText, whole } from '../../model/schema/fields.js';
import { parse } from '../../model/schema/parse.js';
import type { Api } from '../api.js';
import { invalid, notFound, refusalError } from '../errors.js';
import { logLevels } from '../log-levels.js';
import { configJson, infoJson } from '../replies/info.js';
import { metricsJson, metricsText } from '../replies/metrics.js';
import { empty, json } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function systemRoutes(api: Api): readonly Route[] {
  return [
    { path: '/', on: { GET: () => empty(302, { location: '/ui/' }) } },
    { path: '/ping', on: { GET: ping } },
    { path: '/v2/info', on: { GET: () => json(infoJson(api.marathon, api.config, api.leader(), api.self())) } },
    { path: '/v2/plugins', on: { GET: () => json({ plugins: [] }) } },
    { path: '/v2/leader', on: { GET: () => showLeader(api), DELETE: request => abdicate(api, request) } },
    { path: '/config', on: { GET: () => json(configJson(api.marathon, api.config)) } },
    { path: '/logging', on: { GET: () => json(api.levels.all()), POST: request => setLevel(api, request) } },
    { path: '/metrics', on: { GET: () => json(metricsJson(api.marathon, api.counts(), upMs(api))) } },
    { path: '/metrics/prometheus', on: { GET: () => prometheus(api) } },
  ];
}

/** In the type that is asked for first; old clients ask for JSON. */
function ping({ accept = '*/*' }: ApiRequest): Reply {
  const wanted = accept.split(',').map(each => each.split(';', 1)[0]?.trim().toLowerCase() ?? '');
  if (wanted.some(type => type === '*/*' || type === 'text/plain' || type === 'text/*')) return text('text/plain');
  if (wanted.includes('text/html')) return text('text/html');
  if (wanted.some(type => type === 'application/json' || type === 'application/*')) return json('pong');
  return empty(204);
}

function text(contentType: string, body = 'pong'): Reply {
  return { type: 'BODY', status: 200, contentType, content: body };
}

function showLeader({ leader }: Api): Reply {
  const at = leader();
  if (at === undefined) throw notFound('There is no leader');
  return json({ leader: at });
}

/** The answer is to arrive before the one who gives it goes. */
const abdicationDelayMs = 500;

function abdicate({ marathon, clock, leader }: Api, { query }: ApiRequest): Reply {
  if (leader() === undefined) throw notFound('There is no leader');
  for (const name of ['backup', 'restore']) {
    if (query.has(name))
      throw invalid(`/${name}`, 'is not done by the leader: copy its store while it runs, or start it on a copy');
  }
  clock.after(abdicationDelayMs, () => marathon.abdicate());
  return json({ message: 'Leadership abdicated' });
}

const loggerChange = object({
  level: v.picklist(logLevels),
  logger: someText,
  durationSeconds: v.exactOptional(whole(1)),
});

function setLevel({ levels }: Api, request: ApiRequest): Reply {
  const read = parse(loggerChange, request.json());
  if (!read.ok) throw refusalError(read.refusal);
  const { logger, level, durationSeconds } = read.value;
  const forMs = durationSeconds === undefined ? undefined : durationSeconds * 1000;
  if (!levels.set(logger, level, forMs)) {
    const known = Object.keys(levels.all()).join(', ');
    throw invalid('/logger', `there is no logger ${logger}; there is ${known}`);
  }
  return json(read.value);
}

function upMs({ clock, startedAt }: Api): number {
  return clock.now() - startedAt;
}

function prometheus(api: Api): Reply {
  return text('text/plain; version=0.0.4', metricsText(api.marathon, api.counts(), upMs(api)));
}
