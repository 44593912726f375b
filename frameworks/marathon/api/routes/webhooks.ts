// `/v2/webhooks/registry`: what image registries tell of pushes; apps and pods that ask for it by label are deployed with what was pushed. Ours.
import { createHash, timingSafeEqual } from 'node:crypto';
import { appJson } from '../../model/json/app.js';
import type { Deployed } from '../../service/marathon.js';
import { withPushes } from '../../webhook/deploy.js';
import type { ImageChange } from '../../webhook/deploy.js';
import { pushesIn } from '../../webhook/push.js';
import type { Api } from '../api.js';
import { change, deploymentHeader } from '../changes.js';
import type { Edit } from '../changes.js';
import { ApiError, refusalError } from '../errors.js';
import { json } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

/** None without a token: whoever reaches the API could deploy. */
export function webhookRoutes(api: Api): readonly Route[] {
  const { webhookToken } = api;
  if (webhookToken === undefined) return [];
  return [{ path: '/v2/webhooks/registry', on: { POST: request => notice(api, webhookToken, request) } }];
}

// So long a registry should wait before it tells again; Distribution does so by itself.
const retrySeconds = 30;

/** Who is not answered with success tells it again: a deployment in the way is 409, unless by force. */
async function notice(api: Api, webhookToken: string, request: ApiRequest): Promise<Reply> {
  checkToken(webhookToken, request);
  const pushes = pushesIn(request.json(), api.clock.wallMs());
  if (!pushes.ok) throw refusalError(pushes.refusal);
  // Most of what a registry tells is nobody's concern here.
  if (withPushes(api.marathon.root, pushes.value).changes.length === 0) return json({ changes: [] });
  const made: { changes: readonly ImageChange[] } = { changes: [] };
  const edit: Edit = root => {
    const after = withPushes(root, pushes.value);
    made.changes = after.changes;
    return { ok: true, value: after.root };
  };
  const deployed = await change(api.marathon, edit, { force: request.flag('force') }).catch((error: unknown) => {
    throw error instanceof ApiError && error.status === 409 ? retryLater(error) : error;
  });
  tellOf(api, request, deployed);
  return json({ changes: made.changes, deploymentId: deployed.deploymentId }, 200, deploymentHeader(deployed));
}

function retryLater({ status, message, body }: ApiError): ApiError {
  return new ApiError(status, message, body, { 'Retry-After': String(retrySeconds) });
}

// As a change of the same app by hand is told.
function tellOf({ marathon }: Api, { clientIp, uri }: ApiRequest, { plan }: Deployed): void {
  for (const { after } of plan.runSpecs.values()) {
    if (after?.kind === 'pod') marathon.events.publish({ type: 'pod_updated_event', clientIp, uri });
    else if (after !== undefined)
      marathon.events.publish({ type: 'api_post_event', clientIp, uri, appDefinition: appJson(after) });
  }
}

// Some registries send headers, others know a URL only.
function checkToken(webhookToken: string, { authorization, query }: ApiRequest): void {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? query.get('token') ?? '';
  // Of equal length, whatever was given: the time tells nothing.
  if (timingSafeEqual(hashOf(given), hashOf(webhookToken))) return;
  throw new ApiError(401, 'the token of the webhook is missing or wrong', {
    details: 'send it as "authorization: Bearer …", or as the query parameter token',
  });
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
