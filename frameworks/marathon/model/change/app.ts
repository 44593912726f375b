// Apps from JSON: new ones, whole replacements, partial updates, ways back to a version. In: JSON, and the tree it is for. Out: the definition
// or every reason against it.
import assert from 'node:assert/strict';
import type { AppDefinition } from '../app.js';
import { appAt } from '../group.js';
import type { Group } from '../group.js';
import { appJson } from '../json/app.js';
import { parentOf, resolvePath, rootPath } from '../path.js';
import type { PathId } from '../path.js';
import { appOf } from '../read/app.js';
import { withoutLegacy } from '../read/legacy.js';
import type { CanonicalApp } from '../read/legacy.js';
import type { Checked, Report } from '../refusal.js';
import { refused, Violations, within } from '../refusal.js';
import { appProblems } from '../rules/app.js';
import { appShapeProblems } from '../rules/app-shape.js';
import { roleRuleFor } from '../rules/roles.js';
import { appListSchema, appSchema } from '../schema/app.js';
import type { RawApp } from '../schema/app.js';
import { parse } from '../schema/parse.js';
import type { ModelSettings } from '../settings.js';
import { keepServicePorts } from './service-ports.js';
import { newVersions } from './versions.js';

/** What a definition is read against. */
export interface Reading {
  readonly root: Group;
  readonly settings: ModelSettings;
  /** The version a new definition gets, wall milliseconds; `settle` sets it for good. */
  readonly version: number;
  /** Whether a resident service may change its role. */
  readonly force?: boolean;
}

/** What an update of an app comes to. */
export type AppChange =
  | { readonly kind: 'definition'; readonly app: AppDefinition }
  /** Back to the definition of that version, wall milliseconds. */
  | { readonly kind: 'rollback'; readonly id: PathId; readonly version: number };

/** A new app; a relative id is relative to `base`. */
export function readApp(json: unknown, reading: Reading, base: PathId = rootPath): Checked<AppDefinition> {
  const raw = parse(appSchema, json);
  if (!raw.ok) return raw;
  if (raw.value.id === undefined) return refused('invalid', '/id', 'is missing');
  const violations = new Violations();
  const app = judged(raw.value, resolvePath(raw.value.id, base), base, reading, violations.report);
  return violations.checked(app);
}

/**
 * An update of the app `id`, which may not exist yet: with `partial` what it does not mention stays as it is, else it gets its default. An id in
 * the body is not looked at.
 */
export function readAppUpdate(json: unknown, id: PathId, reading: Reading, partial: boolean): Checked<AppChange> {
  const raw = parse(appSchema, json);
  if (!raw.ok) return raw;
  const violations = new Violations();
  return violations.checked(changeOf(raw.value, id, reading, partial, violations.report));
}

/** Updates of several apps at once; each names its app. */
export function readAppUpdates(json: unknown, reading: Reading, partial: boolean): Checked<readonly AppChange[]> {
  const raw = parse(appListSchema, json);
  if (!raw.ok) return raw;
  const violations = new Violations();
  const seen = new Set<PathId>();
  const changes = raw.value.flatMap((update, index): AppChange[] => {
    const report = within(violations.report, `(${index})`);
    if (update.id === undefined) {
      report('/id', 'is missing');
      return [];
    }
    const id = resolvePath(update.id);
    if (seen.size === seen.add(id).size) report('/id', `${id} is there twice`);
    return [changeOf(update, id, reading, partial, report)];
  });
  return violations.checked(changes);
}

/** The definition that a parsed app comes to; what is wrong with it goes to `report`. */
export function judged(raw: RawApp, id: PathId, base: PathId, reading: Reading, report: Report): AppDefinition {
  appShapeProblems(raw, report);
  return defined(withoutLegacy(raw, reading.settings), id, base, reading, report);
}

function changeOf(raw: RawApp, id: PathId, reading: Reading, partial: boolean, report: Report): AppChange {
  const current = appAt(reading.root, id);
  if (!partial) return { kind: 'definition', app: judged(raw, id, parentOf(id), reading, report) };
  if (raw.version !== undefined) {
    const others = Object.keys(raw).filter(key => key !== 'version' && key !== 'id');
    if (others.length > 0) report('/', "The 'version' field may only be combined with the 'id' field.");
    return { kind: 'rollback', id, version: Date.parse(raw.version) };
  }
  if (current === undefined) return { kind: 'definition', app: judged(raw, id, parentOf(id), reading, report) };
  appShapeProblems(raw, report);
  const update = withoutLegacy(raw, reading.settings);
  return { kind: 'definition', app: defined(mergedWith(current, update), id, parentOf(id), reading, report) };
}

function defined(raw: CanonicalApp, id: PathId, base: PathId, reading: Reading, report: Report): AppDefinition {
  const { root, settings, force } = reading;
  const previous = appAt(root, id);
  const roles = roleRuleFor(root, id, settings, force);
  const versionInfo = previous?.versionInfo ?? newVersions(reading.version);
  const read = appOf(withOwnCount(raw, previous), { id, base, role: roles.byDefault, versionInfo, settings });
  const app = previous === undefined ? read : keepServicePorts(read, previous, settings);
  appProblems(app, previous === undefined ? { settings, roles } : { settings, roles, previous }, report);
  return app;
}

// Who lets the number follow the load, and names none, does not ask for one instance.
function withOwnCount(raw: CanonicalApp, previous: AppDefinition | undefined): CanonicalApp {
  const { instances, autoscaling } = raw;
  if (instances !== undefined || autoscaling === undefined || autoscaling === 'disabled') return raw;
  return { ...raw, instances: previous?.instances ?? autoscaling.minInstances };
}

/** What is there, overlaid by what the update says. */
function mergedWith(current: AppDefinition, update: CanonicalApp): CanonicalApp {
  // What a reply shows is what a request may say.
  const known = parse(appSchema, appJson(current));
  assert.ok(known.ok, `the reply that shows ${current.id} cannot be read again`);
  const merged = { ...known.value, ...update };
  const moved = update.networks?.some(({ mode }) => mode !== 'host') ?? false;
  if (!moved || update.portDefinitions !== undefined) return merged;
  // Ports of the host's network would else become mappings beside those the update gives.
  const { portDefinitions: _ports, ...rest } = merged;
  return rest;
}
