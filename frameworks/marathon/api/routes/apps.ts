// `/v2/apps`: apps listed, created, changed, removed, restarted, and their versions.
import type { AppDefinition } from '../../model/app.js';
import { readApp, readAppUpdate, readAppUpdates } from '../../model/change/app.js';
import type { AppChange } from '../../model/change/app.js';
import { appAt, groupAt, podAt, putRunSpec, removeRunSpec, runSpecsOf } from '../../model/group.js';
import type { Group } from '../../model/group.js';
import { appJson } from '../../model/json/app.js';
import { timeOf } from '../../model/json/parts.js';
import { parentOf } from '../../model/path.js';
import type { PathId } from '../../model/path.js';
import type { Checked } from '../../model/refusal.js';
import type { RunSpec } from '../../model/run-spec.js';
import { parseSelector, selects } from '../../model/selector.js';
import { stepsJson } from '../../plan/action-json.js';
import type { Deployed } from '../../service/marathon.js';
import { newEnforce, readingOf } from '../api.js';
import type { Api } from '../api.js';
import { change, deploymentHeader, deploymentReply, dryRunReply, groupAround, plan } from '../changes.js';
import type { Edit } from '../changes.js';
import { conflict, refusalError, unknown } from '../errors.js';
import { appEmbedsIn, AppInfos, appText } from '../replies/app.js';
import type { AppEmbed } from '../replies/app.js';
import { listText, objectText } from '../replies/text.js';
import { json, jsonText } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

export function appRoutes(api: Api): readonly Route[] {
  return [
    {
      path: '/v2/apps',
      on: {
        GET: request => listApps(api, request),
        POST: request => createApp(api, request),
        PUT: request => updateApps(api, request, true),
        PATCH: request => updateApps(api, request, false),
      },
    },
    { path: '/v2/apps/*', on: { GET: request => listGroup(api, request) } },
    { path: '/v2/apps/{id}/*', on: { GET: request => listGroup(api, request) } },
    {
      path: '/v2/apps/{id}',
      on: {
        GET: request => showApp(api, request),
        PUT: request => updateApp(api, request, true),
        PATCH: request => updateApp(api, request, false),
        DELETE: request => removeApp(api, request),
      },
    },
    { path: '/v2/apps/{id}/restart', on: { POST: request => restartApp(api, request) } },
    { path: '/v2/apps/{id}/versions', on: { GET: request => listVersions(api, request) } },
    { path: '/v2/apps/{id}/versions/{version}', on: { GET: request => showVersion(api, request) } },
  ];
}

const alwaysListed: readonly AppEmbed[] = ['counts', 'deployments'];
const alwaysShown: readonly AppEmbed[] = ['counts', 'tasks', 'lastTaskFailure', 'deployments'];

function infosFor({ marathon, clock }: Api, request: ApiRequest, always: readonly AppEmbed[]): AppInfos {
  return new AppInfos(marathon, appEmbedsIn(request.all('embed'), always), clock.wallMs());
}

function listApps(api: Api, request: ApiRequest): Reply {
  const wanted = wantedApps(request);
  const infos = infosFor(api, request, alwaysListed);
  const texts: string[] = [];
  for (const app of appsIn(api.marathon.root)) if (wanted(app)) texts.push(infos.text(app));
  return jsonText(objectText({ apps: listText(texts) }));
}

function listGroup(api: Api, request: ApiRequest): Reply {
  const group = groupAt(api.marathon.root, request.id);
  if (group === undefined) throw unknown('Group', request.id);
  const infos = infosFor(api, request, alwaysShown);
  return jsonText(objectText({ '*': listText(Array.from(appsIn(group), app => infos.text(app))) }));
}

function showApp(api: Api, request: ApiRequest): Reply {
  const app = appAt(api.marathon.root, request.id);
  if (app === undefined) throw unknown('App', request.id);
  return jsonText(objectText({ app: infosFor(api, request, alwaysShown).text(app) }));
}

async function createApp(api: Api, request: ApiRequest): Promise<Reply> {
  const body = request.json();
  const force = request.flag('force');
  const made: { id?: PathId } = {};
  const edit: Edit = (root, version) => {
    const read = readApp(body, readingOf(api, root, version));
    if (!read.ok) return read;
    const { id } = read.value;
    made.id = id;
    if (appAt(root, id) !== undefined) throw conflict(`An app with id [${id}] already exists.`);
    if (podAt(root, id) !== undefined) throw conflict(`A pod with id [${id}] already exists.`);
    return { ok: true, value: putRunSpec(root, read.value, version, newEnforce(api)) };
  };
  if (request.flag('dryRun')) {
    const planned = plan(api.marathon, edit, { force });
    return json({ steps: stepsJson(planned.plan), app: appJson(appIn(planned, made.id)) });
  }
  const deployed = await change(api.marathon, edit, { force, groupId: groupAround(body) });
  const app = appIn(deployed, made.id);
  tellOf(api, request, app);
  const counts = { tasksStaged: 0, tasksRunning: 0, tasksHealthy: 0, tasksUnhealthy: 0 };
  return json({ ...appJson(app), ...counts, deployments: [{ id: deployed.deploymentId }] }, 201, {
    ...deploymentHeader(deployed),
    location: `/v2/apps${app.id}`,
  });
}

/** The app that a deployment makes. */
function appIn({ plan: made }: Deployed, id: PathId | undefined): AppDefinition {
  const spec = id === undefined ? undefined : made.runSpecs.get(id)?.after;
  if (spec?.kind !== 'app') throw new Error(`the deployment ${made.id} does not start ${String(id)}`);
  return spec;
}

async function updateApp(api: Api, request: ApiRequest, creates: boolean): Promise<Reply> {
  const { id } = request;
  const body = request.json();
  const force = request.flag('force');
  const partial = !creates || request.flag('partialUpdate', true);
  const found = { isNew: false };
  const edit: Edit = (root, version) => {
    found.isNew = appAt(root, id) === undefined;
    if (found.isNew && !creates) throw unknown('App', id);
    const read = readAppUpdate(body, id, readingOf(api, root, version, force), partial);
    return read.ok ? withChanges(api, root, [read.value], version) : read;
  };
  const options = { force, groupId: parentOf(id) };
  if (request.flag('dryRun')) return dryRunReply(api, edit, options);
  const deployed = await change(api.marathon, edit, options);
  const after = appAt(api.marathon.root, id);
  if (after !== undefined) tellOf(api, request, after);
  return found.isNew ? deploymentReply(deployed, 201, { location: `/v2/apps${id}` }) : deploymentReply(deployed);
}

async function updateApps(api: Api, request: ApiRequest, creates: boolean): Promise<Reply> {
  const body = request.json();
  const force = request.flag('force');
  const partial = !creates || request.flag('partialUpdate', true);
  const edit: Edit = (root, version) => {
    const read = readAppUpdates(body, readingOf(api, root, version, force), partial);
    if (!read.ok) return read;
    const missing = read.value.map(idOf).find(id => appAt(root, id) === undefined);
    if (missing !== undefined && !creates) throw unknown('App', missing);
    return withChanges(api, root, read.value, version);
  };
  if (request.flag('dryRun')) return dryRunReply(api, edit, { force });
  return deploymentReply(await change(api.marathon, edit, { force }));
}

function withChanges(api: Api, root: Group, changes: readonly AppChange[], version: number): Checked<Group> {
  let tree = root;
  for (const each of changes) {
    const app = each.kind === 'definition' ? each.app : formerApp(api, root, each);
    tree = putRunSpec(tree, app, version, newEnforce(api));
  }
  return { ok: true, value: tree };
}

function formerApp({ marathon }: Api, root: Group, { id, version }: AppChange & { kind: 'rollback' }): RunSpec {
  if (appAt(root, id) === undefined) throw unknown('App', id);
  const former = marathon.versionsOf(id).includes(version) ? marathon.specAt(id, version) : undefined;
  if (former?.kind !== 'app') throw unknown('App', id, version);
  return former;
}

function idOf(update: AppChange): PathId {
  return update.kind === 'definition' ? update.app.id : update.id;
}

async function removeApp(api: Api, request: ApiRequest): Promise<Reply> {
  const { id } = request;
  const edit: Edit = (root, version) => {
    if (appAt(root, id) === undefined) throw unknown('App', id);
    return { ok: true, value: removeRunSpec(root, id, version) };
  };
  const options = { force: request.flag('force', true), groupId: parentOf(id) };
  return deploymentReply(await change(api.marathon, edit, options));
}

async function restartApp(api: Api, request: ApiRequest): Promise<Reply> {
  const { id } = request;
  const edit: Edit = root => {
    if (appAt(root, id) === undefined) throw unknown('App', id);
    return { ok: true, value: root };
  };
  const options = { force: request.flag('force'), restart: [id], groupId: parentOf(id) };
  return deploymentReply(await change(api.marathon, edit, options));
}

function listVersions({ marathon }: Api, { id }: ApiRequest): Reply {
  if (appAt(marathon.root, id) === undefined) throw unknown('App', id);
  return json({ versions: marathon.versionsOf(id).map(timeOf) });
}

function showVersion({ marathon }: Api, request: ApiRequest): Reply {
  const { id } = request;
  const version = request.version();
  if (appAt(marathon.root, id) === undefined) throw unknown('App', id, version);
  const spec = marathon.versionsOf(id).includes(version) ? marathon.specAt(id, version) : undefined;
  if (spec?.kind !== 'app') throw unknown('App', id, version);
  return jsonText(appText(spec));
}

/** Which apps a list is about: parts of their command and id in letters of any case, and their labels. */
function wantedApps({ query }: ApiRequest): (app: AppDefinition) => boolean {
  const cmd = query.get('cmd')?.toLowerCase();
  const id = query.get('id')?.toLowerCase();
  const label = query.get('label');
  const selector = label === null ? undefined : parseSelector(label);
  if (selector?.ok === false) throw refusalError(selector.refusal);
  const conditions = selector?.value ?? [];
  return app =>
    (cmd === undefined || (app.cmd?.toLowerCase().includes(cmd) ?? false)) &&
    (id === undefined || app.id.toLowerCase().includes(id)) &&
    selects(conditions, app.labels);
}

/** Every app at or below a group. */
export function* appsIn(group: Group): Generator<AppDefinition, void> {
  for (const spec of runSpecsOf(group)) if (spec.kind === 'app') yield spec;
}

function tellOf({ marathon }: Api, { clientIp, uri }: ApiRequest, app: AppDefinition): void {
  marathon.events.publish({ type: 'api_post_event', clientIp, uri, appDefinition: appJson(app) });
}
