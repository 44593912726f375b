// `/v2/queue`: what waits to be launched, and why; delays after failures forgotten.
import { runSpecAt } from '../../model/group.js';
import type { Api } from '../api.js';
import { notFound } from '../errors.js';
import { queueEntryText } from '../replies/queue.js';
import { listText, objectText } from '../replies/text.js';
import { empty, jsonText } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function queueRoutes(api: Api): readonly Route[] {
  return [
    { path: '/v2/queue', on: { GET: request => listQueue(api, request) } },
    { path: '/v2/queue/{id}/delay', on: { DELETE: request => resetDelay(api, request) } },
  ];
}

function listQueue({ marathon }: Api, request: ApiRequest): Reply {
  const withOffers = request.all('embed').has('lastUnusedOffers');
  const texts = marathon.queue().flatMap(entry => {
    const spec = runSpecAt(marathon.root, entry.runSpecId);
    return spec === undefined ? [] : [queueEntryText(entry, spec, withOffers)];
  });
  return jsonText(objectText({ queue: listText(texts) }));
}

function resetDelay({ marathon }: Api, { id }: ApiRequest): Reply {
  if (!marathon.resetDelay(id)) throw notFound(`Application ${id} not found in tasks queue.`);
  return empty(204);
}
