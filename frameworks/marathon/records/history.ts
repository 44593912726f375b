// Every version of the tree that can still be asked for, kept as what changed and when. In: trees, names of versions in use. Out: changes of records,
// former trees and definitions. Nothing is larger than one definition, however large the tree.
import { emptyGroup } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { AppDefinition } from '../model/app.js';
import { parentOf, rootPath } from '../model/path.js';
import type { PathId } from '../model/path.js';
import type { PodDefinition } from '../model/pod.js';
import type { RunSpec } from '../model/run-spec.js';
import { assert } from '../machine/assert.js';
import { keys, pathCharactersMax } from './keys.js';
import { entryAt, isDead, retained } from './log.js';
import type { Entry, Log } from './log.js';
import { removal } from './record.js';
import type { Changes, GroupNode } from './record.js';
import { appended, relinked, specIn } from './spec-log.js';
import type { SpecLog } from './spec-log.js';

/** Logs by id. */
export interface Logs {
  readonly specs: ReadonlyMap<PathId, SpecLog>;
  readonly groups: ReadonlyMap<PathId, Log<GroupNode>>;
}

export class History {
  readonly #specs: Map<PathId, SpecLog>;
  readonly #groups: Map<PathId, Log<GroupNode>>;
  readonly #newest: number;
  /** How many name each version, by id and version. */
  readonly #names = new Map<string, number>();
  /** Ids whose logs hold something that is kept for a while only. */
  readonly #slackSpecs = new Set<PathId>();
  readonly #slackGroups = new Set<PathId>();
  readonly #touchedSpecs = new Set<PathId>();
  readonly #touchedGroups = new Set<PathId>();
  #treeChanged = false;

  /** `newest`: how many versions of each are kept. */
  constructor({ specs, groups }: Logs, newest: number) {
    this.#specs = new Map(specs);
    this.#groups = new Map(groups);
    this.#newest = newest;
    for (const [id, log] of specs) if (this.#isSlack(log)) this.#slackSpecs.add(id);
    for (const [id, log] of groups) if (this.#isSlack(log)) this.#slackGroups.add(id);
  }

  /** Versions of an app or pod, newest first; none for one that is gone. */
  versionsOf(id: PathId): number[] {
    return versionsIn(this.#specs.get(id), ({ version }) => version);
  }

  /** When a group changed, newest first: the versions it can be seen at. */
  groupVersionsOf(id: PathId): number[] {
    return versionsIn(this.#groups.get(id), ({ at }) => at);
  }

  /** A definition by its version, also of what is gone, as long as somebody names it. */
  specAt(id: PathId, version: number): RunSpec | undefined {
    const log = this.#specs.get(id) ?? [];
    const index = log.findLastIndex(entry => entry.version === version && entry.value !== undefined);
    return index < 0 ? undefined : specIn(log, index);
  }

  /** The tree as it was at one of its versions. */
  treeAt(version: number): Group {
    const made = new Map<PathId, MutableGroup>();
    const live = [...this.#groups].flatMap(([id, log]) => {
      const node = entryAt(log, version)?.value;
      return node === undefined ? [] : [[id, node] as const];
    });
    const groupOf = (id: PathId): MutableGroup => {
      const known = made.get(id);
      if (known !== undefined) return known;
      const group: MutableGroup = { ...emptyGroup(id), apps: new Map(), pods: new Map(), groups: new Map() };
      made.set(id, group);
      if (id !== rootPath) groupOf(parentOf(id)).groups.set(id, group);
      return group;
    };
    for (const [id, node] of live) Object.assign(groupOf(id), node);
    for (const [id, log] of this.#specs) {
      const entry = entryAt(log, version);
      if (entry?.value === undefined) continue;
      const spec = 'spec' in entry.value ? entry.value.spec : specIn(log, log.indexOf(entry));
      if (spec?.kind === 'app') groupOf(parentOf(id)).apps.set(id, spec);
      else if (spec !== undefined) groupOf(parentOf(id)).pods.set(id, spec);
    }
    return groupOf(rootPath);
  }

  /** Somebody needs this version until `unname` is called as often. */
  name(id: PathId, version: number): void {
    const key = nameKey(id, version);
    this.#names.set(key, (this.#names.get(key) ?? 0) + 1);
  }

  unname(id: PathId, version: number): void {
    const key = nameKey(id, version);
    const left = (this.#names.get(key) ?? 0) - 1;
    assert(left >= 0, `version ${version} of ${id} is given up more often than it was named`);
    if (left > 0) {
      this.#names.set(key, left);
      return;
    }
    this.#names.delete(key);
    if (this.#slackSpecs.has(id)) this.#touchedSpecs.add(id);
  }

  /** The tree changes from `before`, the newest known here, to `after`, of a later version. What keeps its version is taken to be the same. */
  change(before: Group, after: Group, changes: Changes): void {
    if (before === after) return;
    assert(after.version > before.version, `the tree goes from version ${before.version} to ${after.version}`);
    this.#treeChanged = true;
    this.#changeGroup(before, after, { at: after.version, changes });
  }

  /** Removes what nobody can ask for any more; once for each write. */
  settle(changes: Changes): void {
    if (this.#treeChanged) {
      for (const id of this.#slackGroups) this.#touchedGroups.add(id);
      for (const id of this.#slackSpecs) this.#touchedSpecs.add(id);
    }
    // What is around first: with it go what was in it.
    for (const id of [...this.#touchedGroups].toSorted((a, b) => a.length - b.length)) this.#settleGroup(id, changes);
    for (const id of this.#touchedSpecs) this.#settleSpec(id, changes);
    this.#touchedGroups.clear();
    this.#touchedSpecs.clear();
    this.#treeChanged = false;
  }

  #changeGroup(before: Group | undefined, after: Group, span: Span): void {
    if (before === after) return;
    const { id, version, dependencies, enforceRole } = after;
    if (before === undefined || before.version !== version || !sameTraits(before, after)) {
      this.#addGroup(id, span, { version, dependencies, enforceRole });
    }
    for (const spec of [...after.apps.values(), ...after.pods.values()]) {
      const old = before?.apps.get(spec.id) ?? before?.pods.get(spec.id);
      if (old === undefined || old.versionInfo.version !== spec.versionInfo.version) this.#addSpec(spec.id, span, spec);
    }
    for (const group of after.groups.values()) this.#changeGroup(before?.groups.get(group.id), group, span);
    if (before === undefined) return;
    for (const old of [...before.apps.keys(), ...before.pods.keys()]) {
      if (!after.apps.has(old) && !after.pods.has(old)) this.#addSpec(old, span, undefined);
    }
    for (const old of before.groups.values()) if (!after.groups.has(old.id)) this.#removeGroup(old, span);
  }

  #removeGroup(group: Group, span: Span): void {
    this.#addGroup(group.id, span, undefined);
    for (const id of [...group.apps.keys(), ...group.pods.keys()]) this.#addSpec(id, span, undefined);
    for (const below of group.groups.values()) this.#removeGroup(below, span);
  }

  #addGroup(id: PathId, { at, changes }: Span, node: GroupNode | undefined): void {
    const log = this.#groups.get(id) ?? [];
    checkNext(id, log, at);
    if (node === undefined && log.length === 0) return;
    const entry = node === undefined ? { at, version: at } : { at, version: node.version, value: node };
    this.#groups.set(id, [...log, entry]);
    changes.put(keys.group(id, at), node === undefined ? removal : { group: node });
    this.#touchedGroups.add(id);
  }

  #addSpec(id: PathId, { at, changes }: Span, spec: RunSpec | undefined): void {
    const log = this.#specs.get(id) ?? [];
    checkNext(id, log, at);
    if (spec === undefined && log.length === 0) return;
    const longer = appended(log, at, spec);
    this.#specs.set(id, longer);
    for (const entry of longer.slice(-2)) changes.put(keys.spec(id, entry.at), entry.value ?? removal);
    this.#touchedSpecs.add(id);
  }

  #settleGroup(id: PathId, changes: Changes): void {
    const log = this.#groups.get(id);
    if (log === undefined) return;
    const kept = retained(log, { newest: this.#newest, around: this.#around(id), isNamed: () => false }) ?? log;
    for (const entry of log) if (!kept.includes(entry)) changes.remove(keys.group(id, entry.at));
    keepOrDrop(this.#groups, id, kept);
    mark(this.#slackGroups, id, this.#isSlack(kept));
  }

  #settleSpec(id: PathId, changes: Changes): void {
    const log = this.#specs.get(id);
    if (log === undefined) return;
    const isNamed = (version: number): boolean => this.#names.has(nameKey(id, version));
    const kept = retained(log, { newest: this.#newest, around: this.#around(id), isNamed });
    if (kept === undefined) return mark(this.#slackSpecs, id, this.#isSlack(log));
    for (const entry of log) if (!kept.includes(entry)) changes.remove(keys.spec(id, entry.at));
    const linked = relinked(log, kept);
    for (const [i, entry] of linked.entries()) {
      if (entry !== kept[i] && entry.value !== undefined) changes.put(keys.spec(id, entry.at), entry.value);
    }
    keepOrDrop(this.#specs, id, linked);
    mark(this.#slackSpecs, id, this.#isSlack(linked));
  }

  #around(id: PathId): readonly number[] {
    return id === rootPath ? [] : (this.#groups.get(parentOf(id)) ?? []).map(({ at }) => at);
  }

  #isSlack(log: Log<unknown>): boolean {
    return log.length > 0 && (isDead(log) || log.length > this.#newest);
  }
}

type MutableGroup = Omit<Group, 'apps' | 'pods' | 'groups'> & {
  readonly apps: Map<PathId, AppDefinition>;
  readonly pods: Map<PathId, PodDefinition>;
  readonly groups: Map<PathId, Group>;
};

/** One change of the tree: which version it makes, and where it is written down. */
interface Span {
  readonly at: number;
  readonly changes: Changes;
}

function versionsIn(log: Log<unknown> | undefined, numberOf: (entry: Entry<unknown>) => number): number[] {
  if (log === undefined || isDead(log)) return [];
  const versions = log.filter(({ value }) => value !== undefined).map(numberOf);
  return [...new Set(versions)].toSorted((a, b) => b - a);
}

function checkNext(id: PathId, log: Log<unknown>, at: number): void {
  assert((log.at(-1)?.at ?? -1) < at, `version ${at} has two definitions of ${id}`);
  assert(id.length <= pathCharactersMax, `the id ${id.slice(0, 64)}… is too long to be kept`);
}

function sameTraits(a: Group, b: Group): boolean {
  return (
    a.enforceRole === b.enforceRole &&
    a.dependencies.length === b.dependencies.length &&
    a.dependencies.every((id, i) => id === b.dependencies[i])
  );
}

function keepOrDrop<T>(logs: Map<PathId, Log<T>>, id: PathId, log: Log<T>): void {
  if (log.length === 0) logs.delete(id);
  else logs.set(id, log);
}

function mark(set: Set<PathId>, id: PathId, on: boolean): void {
  if (on) set.add(id);
  else set.delete(id);
}

function nameKey(id: PathId, version: number): string {
  return `${id}@${version}`;
}
