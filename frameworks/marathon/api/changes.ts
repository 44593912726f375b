// Changes of the tree on behalf of a request. In: how the tree is to be. Out: the deployment that does it, or the answer that says why not.
import type { Group } from '../model/group.js';
import { parentOf, resolvePath, rootPath } from '../model/path.js';
import type { PathId } from '../model/path.js';
import { timeOf } from '../model/json/parts.js';
import { refused } from '../model/refusal.js';
import type { Checked } from '../model/refusal.js';
import { stepsJson } from '../plan/action-json.js';
import type { ChangeOptions, Deployed, MarathonCommands } from '../service/marathon.js';
import type { Api } from './api.js';
import { ApiError, deniedError } from './errors.js';
import type { Headers } from './errors.js';
import { json } from './route.js';
import type { Reply } from './route.js';

/** @throws ApiError when something does not exist, or is in the way. */
export type Edit = (root: Group, version: number) => Checked<Group>;

/**
 * Makes a change.
 * @throws ApiError when it is not made: `edit`'s own, 400 and 422 for what is refused, 409 for locks, 403 when too many deployments run.
 */
export async function change(marathon: MarathonCommands, edit: Edit, options: ChangeOptions): Promise<Deployed> {
  const caught: { error?: ApiError } = {};
  const answer = await marathon.change(catching(edit, caught), options);
  if (caught.error !== undefined) throw caught.error;
  if (answer.type !== 'DONE') throw deniedError(answer);
  return answer;
}

/** What `change` would do; throws as it does. */
export function plan(marathon: MarathonCommands, edit: Edit, options: ChangeOptions): Deployed {
  const caught: { error?: ApiError } = {};
  const answer = marathon.plan(catching(edit, caught), options);
  if (caught.error !== undefined) throw caught.error;
  if (answer.type !== 'DONE') throw deniedError(answer);
  return answer;
}

/** What a change would do, step by step; nothing is done. */
export function dryRunReply({ marathon }: Pick<Api, 'marathon'>, edit: Edit, options: ChangeOptions): Reply {
  return json({ steps: stepsJson(plan(marathon, edit, options).plan) });
}

/** The group that the app or pod of a body is in; the root while it is not known to have an id. */
export function groupAround(body: unknown): PathId {
  if (typeof body !== 'object' || body === null || !('id' in body) || typeof body.id !== 'string') return rootPath;
  return parentOf(resolvePath(body.id));
}

/** `{"version", "deploymentId"}`, with the header that says the same. */
export function deploymentReply(deployed: Deployed, status = 200, headers: Headers = {}): Reply {
  const { deploymentId, version } = deployed;
  return json({ version: timeOf(version), deploymentId }, status, { ...deploymentHeader(deployed), ...headers });
}

export function deploymentHeader({ deploymentId }: Deployed): Headers {
  return { 'Marathon-Deployment-Id': deploymentId };
}

// The service knows refusals; that something does not exist is the API's to say.
function catching(edit: Edit, caught: { error?: ApiError }): Edit {
  return (root, version) => {
    try {
      return edit(root, version);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      caught.error = error;
      return refused('invalid', '/', error.message);
    }
  };
}
