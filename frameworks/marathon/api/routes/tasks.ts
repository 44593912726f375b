// Tasks: of all apps, of one, of a group; ended with or without scaling down.
import * as v from 'valibot';
import { parseTaskId } from '../../machine/ids.js';
import type { InstanceId } from '../../machine/ids.js';
import { isActive } from '../../machine/condition.js';
import type { Condition } from '../../machine/condition.js';
import type { Instance } from '../../machine/instance.js';
import type { AppDefinition } from '../../model/app.js';
import { appAt, groupAt, putRunSpec } from '../../model/group.js';
import type { PathId } from '../../model/path.js';
import { parse } from '../../model/schema/parse.js';
import { object } from '../../model/schema/objects.js';
import { shown } from '../../model/refusal.js';
import type { Api } from '../api.js';
import { change, deploymentReply } from '../changes.js';
import type { Edit } from '../changes.js';
import { badRequest, refusalError, unknown } from '../errors.js';
import { firstTasksJson, tasksText } from '../replies/task.js';
import { objectText } from '../replies/text.js';
import { json, jsonText } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';
import { appsIn } from './apps.js';

export function taskRoutes(api: Api): readonly Route[] {
  return [
    { path: '/v2/tasks', on: { GET: request => listTasks(api, request) } },
    { path: '/v2/tasks/delete', on: { POST: request => killTasks(api, request) } },
    {
      path: '/v2/apps/{id}/tasks',
      on: { GET: request => listAppTasks(api, request), DELETE: request => killAppTasks(api, request) },
    },
    { path: '/v2/apps/{id}/tasks/{taskId}', on: { DELETE: request => killTask(api, request) } },
    { path: '/v2/apps/*/tasks', on: { GET: request => listGroupTasks(api, request) } },
    { path: '/v2/apps/{id}/*/tasks', on: { GET: request => listGroupTasks(api, request) } },
  ];
}

const statuses: { readonly [status: string]: Condition } = { running: 'Running', staging: 'Staging' };

function listTasks({ marathon }: Api, { query }: ApiRequest): Reply {
  const asked = [...query.getAll('status'), ...query.getAll('status[]')].map(each => each.toLowerCase());
  const wanted = new Set(asked.flatMap(each => (Object.hasOwn(statuses, each) ? [statuses[each]] : [])));
  const instances: Instance[] = [];
  for (const instance of marathon.instances()) {
    if (appAt(marathon.root, instance.runSpecId) === undefined) continue;
    if (wanted.size === 0 || wanted.has(instance.condition)) instances.push(instance);
  }
  return jsonText(objectText({ tasks: tasksText(marathon, instances) }));
}

function listAppTasks({ marathon }: Api, { id }: ApiRequest): Reply {
  appFor(marathon, id);
  return jsonText(objectText({ tasks: tasksText(marathon, marathon.instancesOf(id)) }));
}

function listGroupTasks({ marathon }: Api, { id }: ApiRequest): Reply {
  const group = groupAt(marathon.root, id);
  if (group === undefined) throw unknown('Group', id);
  const instances = [...appsIn(group)].flatMap(app => marathon.instancesOf(app.id));
  return jsonText(objectText({ tasks: tasksText(marathon, instances) }));
}

function appFor({ root }: Api['marathon'], id: PathId): AppDefinition {
  const app = appAt(root, id);
  if (app === undefined) throw unknown('App', id);
  return app;
}

async function killAppTasks(api: Api, request: ApiRequest): Promise<Reply> {
  const { marathon } = api;
  const how = howToKill(request);
  appFor(marathon, request.id);
  const host = request.query.get('host');
  const found = marathon
    .instancesOf(request.id)
    .filter(({ place }) => host === null || host === '*' || place?.hostname === host);
  if (how.scale) return killAndScale(api, found, how.force);
  return json({ tasks: firstTasksJson(marathon, await kill(api, found, how.wipe)) });
}

async function killTask(api: Api, request: ApiRequest): Promise<Reply> {
  const { marathon } = api;
  const how = howToKill(request);
  const { id } = request;
  const taskId = request.params['taskId'] ?? '';
  appFor(marathon, id);
  const instanceId = parseTaskId(taskId)?.instanceId;
  const found = marathon.instancesOf(id).filter(each => each.id === instanceId);
  if (found.length === 0) throw unknown('Task', taskId);
  if (how.scale) return killAndScale(api, found, how.force);
  // What it was before it is asked to end: a wiped one is gone after.
  const [task] = firstTasksJson(marathon, found);
  await kill(api, found, how.wipe);
  if (task === undefined) throw unknown('Task', taskId);
  return json({ task });
}

const idsSchema = object({ ids: v.array(v.string()) });

async function killTasks(api: Api, request: ApiRequest): Promise<Reply> {
  const { marathon } = api;
  const how = howToKill(request);
  const body = parse(idsSchema, request.json());
  if (!body.ok) throw refusalError(body.refusal);
  const instances = new Map<InstanceId, Instance>();
  for (const id of body.value.ids) {
    const parsed = parseTaskId(id);
    if (parsed === undefined) throw badRequest(`Invalid task id ${shown(id)}.`);
    const instance = marathon.instance(parsed.instanceId);
    if (instance !== undefined && appAt(marathon.root, instance.runSpecId) !== undefined)
      instances.set(instance.id, instance);
  }
  const found = [...instances.values()];
  if (how.scale) return killAndScale(api, found, how.force);
  return json({ tasks: firstTasksJson(marathon, await kill(api, found, how.wipe)) });
}

interface HowToKill {
  readonly scale: boolean;
  readonly wipe: boolean;
  readonly force: boolean;
}

function howToKill(request: ApiRequest): HowToKill {
  const how = { scale: request.flag('scale'), wipe: request.flag('wipe'), force: request.flag('force') };
  if (how.scale && how.wipe) throw badRequest('You cannot use scale and wipe at the same time.');
  return how;
}

/** The instances as they were when they were asked to end. */
async function kill({ marathon }: Api, instances: readonly Instance[], wipe: boolean): Promise<readonly Instance[]> {
  const killed = await marathon.kill(
    instances.map(({ id }) => id),
    { wipe },
  );
  const ids = new Set(killed.map(({ id }) => id));
  return instances.filter(({ id }) => ids.has(id));
}

/** Takes instances away for good: each app has as many less as of it are there. */
async function killAndScale({ marathon }: Api, instances: readonly Instance[], force: boolean): Promise<Reply> {
  const toKill = new Map<PathId, InstanceId[]>();
  for (const { id, runSpecId, condition, goal } of instances) {
    if (!isActive(condition) || condition === 'Killing' || goal !== 'Running') continue;
    const known = toKill.get(runSpecId);
    if (known === undefined) toKill.set(runSpecId, [id]);
    else known.push(id);
  }
  const edit: Edit = (root, version) => {
    let tree = root;
    for (const [id, ids] of toKill) {
      const app = appAt(root, id);
      if (app === undefined) throw unknown('App', id);
      if (app.instances === '*') throw badRequest(`${id} has an instance on every agent: it cannot be scaled down.`);
      tree = putRunSpec(tree, { ...app, instances: Math.max(0, app.instances - ids.length) }, version);
    }
    return { ok: true, value: tree };
  };
  return deploymentReply(await change(marathon, edit, { force, toKill }));
}
