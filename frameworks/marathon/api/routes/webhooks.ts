// `/v2/webhooks/registry`: what image registries tell of pushes; apps and pods that ask for it by label are deployed with what was pushed. Ours.
import { timingSafeEqual } from 'node:crypto';
import { withPushes } from '../../webhook/deploy.js';
import type { ImageChange } from '../../webhook/deploy.js';
import { pushesIn } from '../../webhook/push.js';
import type { Api } from '../api.js';
import { change, deploymentHeader } from '../changes.js';
import type { Edit } from '../changes.js';
import { ApiError, refusalError } from '../errors.js';
import { json } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function webhookRoutes(api: Api): readonly Route[] {
  return [{ path: '/v2/webhooks/registry', on: { POST: request => notice(api, request) } }];
}

/** Who is not answered with success tells it again: a deployment in the way is 409, unless by force. */
async function notice(api: Api, request: ApiRequest): Promise<Reply> {
  checkToken(api, request);
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
  const deployed = await change(api.marathon, edit, { force: request.flag('force') });
  return json({ changes: made.changes, deploymentId: deployed.deploymentId }, 200, deploymentHeader(deployed));
}

// Some registries send headers, others know a URL only.
function checkToken({ webhookToken }: Api, { authorization, query }: ApiRequest): void {
  if (webhookToken === undefined) return;
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? query.get('token') ?? '';
  const [a, b] = [Buffer.from(given), Buffer.from(webhookToken)];
  if (a.length === b.length && timingSafeEqual(a, b)) return;
  throw new ApiError(401, 'the token of the webhook is missing or wrong', {
    details: 'send it as "authorization: Bearer …", or as the query parameter token',
  });
}
