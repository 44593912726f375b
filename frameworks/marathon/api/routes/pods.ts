// `/v2/pods`: pods listed, created, changed, removed; how they stand, their versions, their instances.
import * as v from 'valibot';
import { readPod } from '../../model/change/pod.js';
import { appAt, podAt, putRunSpec, removeRunSpec, runSpecsOf } from '../../model/group.js';
import { timeOf } from '../../model/json/parts.js';
import { podJson } from '../../model/json/pod.js';
import { parentOf } from '../../model/path.js';
import type { PathId } from '../../model/path.js';
import type { PodDefinition } from '../../model/pod.js';
import { parse } from '../../model/schema/parse.js';
import type { EventType } from '../../events/event.js';
import { newEnforce, readingOf } from '../api.js';
import type { Api } from '../api.js';
import { change, deploymentHeader, dryRunReply, groupAround } from '../changes.js';
import type { Edit } from '../changes.js';
import { conflict, refusalError, unknown } from '../errors.js';
import { instanceJson, podStatusJson, podText } from '../replies/pod-status.js';
import { listText } from '../replies/text.js';
import { empty, json, jsonText } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function podRoutes(api: Api): readonly Route[] {
  return [
    { path: '/v2/pods', on: { GET: () => listPods(api), POST: request => createPod(api, request) } },
    {
      path: '/v2/pods/{id}',
      on: {
        GET: request => jsonText(podText(podFor(api, request.id))),
        PUT: request => updatePod(api, request),
        DELETE: request => removePod(api, request),
      },
    },
    { path: '/v2/pods::status', on: { GET: () => listStatus(api) } },
    { path: '/v2/pods/{id}::status', on: { GET: request => showStatus(api, request) } },
    { path: '/v2/pods/{id}::versions', on: { GET: request => listVersions(api, request) } },
    { path: '/v2/pods/{id}::versions/{version}', on: { GET: request => showVersion(api, request) } },
    { path: '/v2/pods/{id}::instances', on: { DELETE: request => killInstances(api, request) } },
    { path: '/v2/pods/{id}::instances/{instanceId}', on: { DELETE: request => killInstance(api, request) } },
  ];
}

function podsIn({ marathon }: Api): PodDefinition[] {
  return [...runSpecsOf(marathon.root)].filter(spec => spec.kind === 'pod');
}

function podFor({ marathon }: Api, id: PathId): PodDefinition {
  const pod = podAt(marathon.root, id);
  if (pod === undefined) throw unknown('Pod', id);
  return pod;
}

function listPods(api: Api): Reply {
  return jsonText(listText(podsIn(api).map(podText)));
}

function listStatus(api: Api): Reply {
  const now = api.clock.wallMs();
  return json(podsIn(api).map(pod => podStatusJson(api.marathon, pod, now)));
}

function showStatus(api: Api, { id }: ApiRequest): Reply {
  return json(podStatusJson(api.marathon, podFor(api, id), api.clock.wallMs()));
}

async function createPod(api: Api, request: ApiRequest): Promise<Reply> {
  const body = request.json();
  const made: { id?: PathId } = {};
  const edit: Edit = (root, version) => {
    const read = readPod(body, readingOf(api, root, version));
    if (!read.ok) return read;
    const { id } = read.value;
    made.id = id;
    if (podAt(root, id) !== undefined) throw conflict(`A pod with id [${id}] already exists.`);
    if (appAt(root, id) !== undefined) throw conflict(`An app with id [${id}] already exists.`);
    return { ok: true, value: putRunSpec(root, read.value, version, newEnforce(api)) };
  };
  const options = { force: request.flag('force'), groupId: groupAround(body) };
  if (request.flag('dryRun')) return dryRunReply(api, edit, options);
  const deployed = await change(api.marathon, edit, options);
  tellOf(api, request, 'pod_created_event');
  const pod = deployed.plan.runSpecs.get(made.id ?? '')?.after;
  if (pod?.kind !== 'pod') throw new Error(`the deployment ${deployed.deploymentId} does not start ${made.id ?? ''}`);
  return json(podJson(pod), 201, { ...deploymentHeader(deployed), location: `/v2/pods${pod.id}` });
}

async function updatePod(api: Api, request: ApiRequest): Promise<Reply> {
  const { id } = request;
  const body = request.json();
  const force = request.flag('force');
  const edit: Edit = (root, version) => {
    const read = readPod(body, readingOf(api, root, version, force), id);
    if (!read.ok) return read;
    return { ok: true, value: putRunSpec(root, read.value, version, newEnforce(api)) };
  };
  const options = { force, groupId: parentOf(id) };
  if (request.flag('dryRun')) return dryRunReply(api, edit, options);
  const deployed = await change(api.marathon, edit, options);
  tellOf(api, request, 'pod_updated_event');
  const after = deployed.plan.runSpecs.get(id)?.after;
  // Without a difference there is nothing to deploy.
  const pod = after?.kind === 'pod' ? after : podFor(api, id);
  return json(podJson(pod), 200, deploymentHeader(deployed));
}

async function removePod(api: Api, request: ApiRequest): Promise<Reply> {
  const { id } = request;
  const edit: Edit = (root, version) => {
    if (podAt(root, id) === undefined) throw unknown('Pod', id);
    return { ok: true, value: removeRunSpec(root, id, version) };
  };
  const deployed = await change(api.marathon, edit, { force: request.flag('force'), groupId: parentOf(id) });
  tellOf(api, request, 'pod_deleted_event');
  return empty(202, deploymentHeader(deployed));
}

function listVersions(api: Api, { id }: ApiRequest): Reply {
  podFor(api, id);
  return json(api.marathon.versionsOf(id).map(timeOf));
}

function showVersion(api: Api, request: ApiRequest): Reply {
  const { id } = request;
  const version = request.version();
  podFor(api, id);
  const spec = api.marathon.versionsOf(id).includes(version) ? api.marathon.specAt(id, version) : undefined;
  if (spec?.kind !== 'pod') throw unknown('Pod', id, version);
  return jsonText(podText(spec));
}

async function killInstance(api: Api, request: ApiRequest): Promise<Reply> {
  const instanceId = request.params['instanceId'] ?? '';
  const [killed] = await killOf(api, request, new Set([instanceId]));
  if (killed === undefined) throw unknown('Task', instanceId);
  return json(killed);
}

async function killInstances(api: Api, request: ApiRequest): Promise<Reply> {
  const ids = parse(v.array(v.string()), request.json());
  if (!ids.ok) throw refusalError(ids.refusal);
  return json(await killOf(api, request, new Set(ids.value)));
}

async function killOf(api: Api, request: ApiRequest, ids: ReadonlySet<string>): Promise<object[]> {
  podFor(api, request.id);
  const own = api.marathon.instancesOf(request.id).filter(({ id }) => ids.has(id));
  const killed = await api.marathon.kill(
    own.map(({ id }) => id),
    { wipe: request.flag('wipe') },
  );
  return killed.map(instanceJson);
}

function tellOf(
  { marathon }: Api,
  { clientIp, uri }: ApiRequest,
  type: Extract<EventType, 'pod_created_event' | 'pod_updated_event' | 'pod_deleted_event'>,
): void {
  marathon.events.publish({ type, clientIp, uri });
}
