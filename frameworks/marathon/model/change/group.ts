// Groups from JSON: a subtree created or updated, everything below scaled, a way back to a version, role enforcement. In: JSON, and the tree it
// is for. Out: the tree as asked for (`settle` follows), or every reason against it.
import type { AppDefinition } from '../app.js';
import { emptyGroup, groupAt, mapRunSpecs, putGroup } from '../group.js';
import type { Group } from '../group.js';
import { nameOf, parentOf, resolvePath, rootPath, topLevelOf } from '../path.js';
import type { PathId } from '../path.js';
import type { Checked, Report } from '../refusal.js';
import { refused, Violations, within } from '../refusal.js';
import { appProblems } from '../rules/app.js';
import { idProblems } from '../rules/ids.js';
import { roleRuleFor } from '../rules/roles.js';
import { groupPatchSchema, groupSchema } from '../schema/group.js';
import type { RawGroup } from '../schema/group.js';
import { parse } from '../schema/parse.js';
import { unique } from '../read/parts.js';
import { judged } from './app.js';
import type { Reading } from './app.js';

/** What an update of a group comes to. `id` is the group meant: the path's, or what the body's id says relative to it. */
export type GroupChange =
  | { readonly kind: 'tree'; readonly id: PathId; readonly root: Group }
  /** Back to the group as of that version, wall milliseconds. */
  | { readonly kind: 'rollback'; readonly id: PathId; readonly version: number };

/**
 * An update of the group at `path`, which is created when it is not there. A missing `apps`, `groups` or `dependencies` keeps what is there, a
 * present one replaces it; pods stay where their group stays.
 */
export function readGroupUpdate(json: unknown, path: PathId, reading: Reading): Checked<GroupChange> {
  const parsed = parse(groupSchema, json);
  if (!parsed.ok) return parsed;
  const raw = parsed.value;
  const id = raw.id === undefined ? path : resolvePath(raw.id, path);
  const violations = new Violations();
  const { report } = violations;
  if (id !== rootPath) idProblems(id, report);
  if (raw.version !== undefined) {
    aloneProblem(raw, 'version', report);
    return violations.checked({ kind: 'rollback', id, version: Date.parse(raw.version) });
  }
  if (raw.scaleBy !== undefined) {
    aloneProblem(raw, 'scaleBy', report);
    return violations.checked({ kind: 'tree', id, root: scaled(raw.scaleBy, id, reading, report) });
  }
  const root = withEnforcedRoles(raw, id, reading, report);
  const group = updated(raw, id, { ...reading, root }, report);
  const newEnforce = reading.settings.newGroupEnforceRole === 'top';
  return violations.checked({ kind: 'tree', id, root: putGroup(root, group, reading.version, newEnforce) });
}

/** `{"enforceRole": …}` for the group at `id`, which must be there. */
export function readGroupPatch(json: unknown, id: PathId, reading: Reading): Checked<Group> {
  const parsed = parse(groupPatchSchema, json);
  if (!parsed.ok) return parsed;
  if (topLevelOf(id) !== id) return refused('invalid', '/enforceRole', notTopLevel(id));
  const { root, settings, version } = reading;
  const group = groupAt(root, id) ?? emptyGroup(id);
  const enforceRole = parsed.value.enforceRole ?? settings.newGroupEnforceRole === 'top';
  return { ok: true, value: putGroup(root, { ...group, enforceRole, version }, version) };
}

function aloneProblem(raw: RawGroup, field: 'version' | 'scaleBy', report: Report): void {
  const others = Object.keys(raw).filter(key => key !== field && key !== 'id');
  if (others.length > 0)
    report(`/${field}`, `not allowed in conjunction with other properties, here ${others.join(', ')}`);
}

function notTopLevel(id: PathId): string {
  return `enforceRole can only be set for top-level groups, and ${id} is not top-level`;
}

/** All apps below `id` with `factor` times their instances, rounded up. */
function scaled(factor: number, id: PathId, reading: Reading, report: Report): Group {
  const { root, settings, version } = reading;
  const group = groupAt(root, id);
  if (group === undefined) return root;
  const after = mapRunSpecs(group, spec => {
    if (spec.kind !== 'app' || spec.instances === '*') return spec;
    const app: AppDefinition = { ...spec, instances: Math.ceil(spec.instances * factor) };
    const roles = roleRuleFor(root, app.id, settings);
    appProblems(app, { settings, roles, previous: spec }, within(report, `/apps${app.id}`));
    return app;
  });
  return putGroup(root, after, version);
}

/** The tree in which top-level groups enforce their role as the update asks, so that the roles of its services can be judged. */
function withEnforcedRoles(raw: RawGroup, id: PathId, { root, settings, version }: Reading, report: Report): Group {
  const set = (tree: Group, top: PathId, asked: RawGroup | undefined, at: Report): Group => {
    const known = groupAt(root, top);
    const enforceRole = asked?.enforceRole ?? known?.enforceRole ?? settings.newGroupEnforceRole === 'top';
    if (known !== undefined && known.enforceRole !== enforceRole && asked !== undefined && changesServices(asked)) {
      at(
        '/enforceRole',
        'enforceRole cannot be modified in a request that adds, removes or modifies services; please make these changes in separate requests.',
      );
    }
    const group = known ?? emptyGroup(top, version);
    return group.enforceRole === enforceRole && known !== undefined
      ? tree
      : putGroup(tree, { ...group, enforceRole }, version);
  };
  if (id !== rootPath) {
    const top = topLevelOf(id) ?? id;
    return set(root, top, top === id ? raw : undefined, report);
  }
  let tree = root;
  (raw.groups ?? []).forEach((child, index) => {
    if (child.id === undefined) return;
    const top = resolvePath(child.id, rootPath);
    if (topLevelOf(top) === top) tree = set(tree, top, child, within(report, `/groups(${index})`));
  });
  return tree;
}

function changesServices(raw: RawGroup): boolean {
  return raw.apps !== undefined || (raw.groups ?? []).some(changesServices);
}

function updated(raw: RawGroup, id: PathId, reading: Reading, report: Report): Group {
  const { version } = reading;
  const current = groupAt(reading.root, id) ?? emptyGroup(id, version);
  if (raw.enforceRole === true && topLevelOf(id) !== id) report('/enforceRole', notTopLevel(id));
  const dependencies = raw.dependencies && unique(raw.dependencies.map(each => resolvePath(each, id)));
  for (const dependency of dependencies ?? []) idProblems(dependency, report, '/dependencies');
  return {
    ...current,
    version,
    apps: raw.apps === undefined ? current.apps : appsOf(raw.apps, id, reading, report),
    groups: raw.groups === undefined ? current.groups : groupsOf(raw.groups, id, reading, report),
    dependencies: dependencies ?? current.dependencies,
  };
}

function appsOf(raw: NonNullable<RawGroup['apps']>, base: PathId, reading: Reading, report: Report): Group['apps'] {
  const apps = new Map<PathId, AppDefinition>();
  raw.forEach((each, index) => {
    const here = within(report, `/apps(${index})`);
    const id = childId(each.id, base, apps, here);
    if (id !== undefined) apps.set(id, judged(each, id, base, reading, here));
  });
  return apps;
}

function groupsOf(raw: readonly RawGroup[], base: PathId, reading: Reading, report: Report): Group['groups'] {
  const groups = new Map<PathId, Group>();
  raw.forEach((each, index) => {
    const here = within(report, `/groups(${index})`);
    for (const field of ['version', 'scaleBy'] as const)
      if (each[field] !== undefined) here(`/${field}`, 'is for the group itself, not for groups in it');
    const id = childId(each.id, base, groups, here);
    if (id === undefined) return;
    idProblems(id, here);
    groups.set(id, updated(each, id, reading, here));
  });
  return groups;
}

/** The id of an app or group in `base`; undefined, and reported, when it is none or taken. */
function childId(
  id: string | undefined,
  base: PathId,
  taken: ReadonlyMap<PathId, unknown>,
  report: Report,
): PathId | undefined {
  if (id === undefined) {
    report('/id', 'is missing');
    return undefined;
  }
  const path = resolvePath(id, base);
  if (parentOf(path) !== base || nameOf(path) === '') {
    report('/id', `Identifier is not child of '${base}'`);
    return undefined;
  }
  if (taken.has(path)) {
    report('/id', `${path} is there twice`);
    return undefined;
  }
  return path;
}
