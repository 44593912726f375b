// `/v2/deployments`: what goes on, and what it waits for; taken back, or given up.
import type { Api } from '../api.js';
import { deploymentReply } from '../changes.js';
import { deniedError, notFound } from '../errors.js';
import { deploymentJson } from '../replies/deployment.js';
import { empty, json } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function deploymentRoutes(api: Api): readonly Route[] {
  return [
    {
      path: '/v2/deployments',
      on: { GET: () => json(api.marathon.deployments().map(each => deploymentJson(api.marathon, each))) },
    },
    { path: '/v2/deployments/{deploymentId}', on: { DELETE: request => endDeployment(api, request) } },
  ];
}

async function endDeployment({ marathon }: Api, request: ApiRequest): Promise<Reply> {
  const id = request.params['deploymentId'] ?? '';
  if (request.flag('force')) {
    if (!(await marathon.cancel(id))) throw unknownDeployment(id);
    return empty(202);
  }
  const answer = await marathon.revert(id);
  if (answer === undefined) throw unknownDeployment(id);
  if (answer.type !== 'DONE') throw deniedError(answer);
  return deploymentReply(answer);
}

function unknownDeployment(id: string): Error {
  return notFound(`DeploymentPlan ${id} does not exist`);
}
