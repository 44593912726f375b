// `/v2/groups`: groups shown, created, changed as subtrees, scaled, rolled back, removed, and their versions.
import { appAt, groupAt, podAt, putGroup, removeGroup } from '../../model/group.js';
import type { Group } from '../../model/group.js';
import { readGroupPatch, readGroupUpdate } from '../../model/change/group.js';
import { timeOf } from '../../model/json/parts.js';
import { parentOf, rootPath } from '../../model/path.js';
import type { PathId } from '../../model/path.js';
import { newEnforce, readingOf } from '../api.js';
import type { Api } from '../api.js';
import { change, deploymentReply, dryRunReply } from '../changes.js';
import type { Edit } from '../changes.js';
import { ApiError, conflict, unknown } from '../errors.js';
import { AppInfos } from '../replies/app.js';
import { groupAppEmbeds, groupText } from '../replies/group.js';
import { listText } from '../replies/text.js';
import { empty, json, jsonText } from '../route.js';
import type { ApiRequest, Handler, Method, Reply, Route } from '../route.js';
import { appsIn } from './apps.js';

export function groupRoutes(api: Api): readonly Route[] {
  const one: { readonly [method in Method]?: Handler } = {
    GET: request => showGroup(api, request),
    POST: request => createGroup(api, request),
    PUT: request => updateGroup(api, request),
    DELETE: request => dropGroup(api, request),
  };
  const patch: Handler = request => patchGroup(api, request);
  const apps: Handler = request => listApps(api, request);
  const versions: Handler = request => listVersions(api, request);
  const version: Handler = request => showVersion(api, request);
  return [
    { path: '/v2/groups', on: one },
    { path: '/v2/groups/{id}', on: { ...one, PATCH: patch } },
    { path: '/v2/groups/apps', on: { GET: apps } },
    { path: '/v2/groups/{id}/apps', on: { GET: apps } },
    { path: '/v2/groups/versions', on: { GET: versions } },
    { path: '/v2/groups/{id}/versions', on: { GET: versions } },
    { path: '/v2/groups/versions/{version}', on: { GET: version } },
    { path: '/v2/groups/{id}/versions/{version}', on: { GET: version } },
  ];
}

function groupFor({ marathon }: Api, id: PathId): Group {
  const group = groupAt(marathon.root, id);
  if (group === undefined) throw unknown('Group', id);
  return group;
}

function showGroup(api: Api, request: ApiRequest): Reply {
  const group = groupFor(api, request.id);
  return jsonText(groupText(api.marathon, group, request.all('embed'), api.clock.wallMs()));
}

function listApps(api: Api, request: ApiRequest): Reply {
  const group = groupFor(api, request.id);
  const infos = new AppInfos(api.marathon, groupAppEmbeds(request.all('embed')), api.clock.wallMs());
  return jsonText(listText(Array.from(appsIn(group), app => infos.text(app))));
}

function listVersions(api: Api, { id }: ApiRequest): Reply {
  groupFor(api, id);
  return json(api.marathon.groupVersionsOf(id).map(timeOf));
}

function showVersion({ marathon, clock }: Api, request: ApiRequest): Reply {
  const version = request.version();
  const group = marathon.groupAt(request.id, version);
  if (group === undefined) throw unknown('Group', request.id, version);
  return jsonText(groupText(marathon, group, request.all('embed'), clock.wallMs()));
}

async function createGroup(api: Api, request: ApiRequest): Promise<Reply> {
  const body = request.json();
  const options = { force: request.flag('force'), groupId: parentOf(request.id) };
  const made: { id: PathId } = { id: request.id };
  const edit: Edit = (root, version) => {
    const read = readGroupUpdate(body, request.id, readingOf(api, root, version, options.force));
    if (!read.ok) return read;
    const { id } = read.value;
    made.id = id;
    if (groupAt(root, id) !== undefined)
      throw conflict(`Group ${id} is already created. Use PUT to change this group.`);
    if (appAt(root, id) !== undefined) throw conflict(`An app with the path ${id} already exists.`);
    if (podAt(root, id) !== undefined) throw conflict(`A pod with the path ${id} already exists.`);
    // Nothing was there to go back to.
    if (read.value.kind === 'rollback') throw notAvailable(id, read.value.version);
    return { ok: true, value: read.value.root };
  };
  if (request.flag('dryRun')) return dryRunReply(api, edit, options);
  const deployed = await change(api.marathon, edit, options);
  return deploymentReply(deployed, 201, { location: `/v2/groups${made.id}` });
}

async function updateGroup(api: Api, request: ApiRequest): Promise<Reply> {
  const body = request.json();
  const options = { force: request.flag('force'), groupId: parentOf(request.id) };
  const edit: Edit = (root, version) => {
    const read = readGroupUpdate(body, request.id, readingOf(api, root, version, options.force));
    if (!read.ok) return read;
    if (read.value.kind === 'tree') return { ok: true, value: read.value.root };
    const { id, version: former } = read.value;
    const group = api.marathon.groupAt(id, former);
    if (group === undefined) throw notAvailable(id, former);
    return { ok: true, value: putGroup(root, group, version, newEnforce(api)) };
  };
  if (request.flag('dryRun')) return dryRunReply(api, edit, options);
  return deploymentReply(await change(api.marathon, edit, options));
}

function notAvailable(id: PathId, version: number): Error {
  return new ApiError(422, `Group ${id} not available in version ${timeOf(version)}`);
}

async function patchGroup(api: Api, request: ApiRequest): Promise<Reply> {
  const body = request.json();
  const edit: Edit = (root, version) => {
    const read = readGroupPatch(body, request.id, readingOf(api, root, version));
    if (read.ok && groupAt(root, request.id) === undefined) throw unknown('Group', request.id);
    return read;
  };
  await change(api.marathon, edit, { groupId: request.id });
  return empty(200);
}

async function dropGroup(api: Api, request: ApiRequest): Promise<Reply> {
  const { id } = request;
  const edit: Edit = (root, version) => {
    if (id !== rootPath && groupAt(root, id) === undefined) throw unknown('Group', id);
    return { ok: true, value: removeGroup(root, id, version) };
  };
  return deploymentReply(await change(api.marathon, edit, { force: request.flag('force'), groupId: parentOf(id) }));
}
