// Reading definitions in tests: a tree that changes as an API would change it, and refusals as paths with their errors.
import assert from 'node:assert/strict';
import type { AppDefinition } from '../../../../frameworks/marathon/model/app.js';
import { readApp, readAppUpdate } from '../../../../frameworks/marathon/model/change/app.js';
import type { AppChange } from '../../../../frameworks/marathon/model/change/app.js';
import { readGroupUpdate } from '../../../../frameworks/marathon/model/change/group.js';
import { readPod } from '../../../../frameworks/marathon/model/change/pod.js';
import { settle } from '../../../../frameworks/marathon/model/change/settle.js';
import { appAt, emptyGroup, putRunSpec } from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import { rootPath } from '../../../../frameworks/marathon/model/path.js';
import type { PodDefinition } from '../../../../frameworks/marathon/model/pod.js';
import type { Checked } from '../../../../frameworks/marathon/model/refusal.js';
import { defaultSettings } from '../../../../frameworks/marathon/model/settings.js';
import type { ModelSettings } from '../../../../frameworks/marathon/model/settings.js';

/** What everything is allowed under. */
export const liberal: ModelSettings = {
  ...defaultSettings,
  mesosRole: 'web',
  features: new Set(['gpu_resources', 'secrets', 'external_volumes'] as const),
  defaultNetworkName: 'overlay',
};

/** The value, or the refusal as an assertion error. */
export function valueOf<T>(checked: Checked<T>): T {
  assert.ok(checked.ok, checked.ok ? '' : JSON.stringify(checked.refusal, null, 2));
  return checked.value;
}

/** The kind of a refusal and its errors by path; fails when nothing was refused. */
export function refusalOf(checked: Checked<unknown>): { kind: string; errors: Record<string, string> } {
  assert.ok(!checked.ok, checked.ok ? `not refused: ${JSON.stringify(checked.value)}` : '');
  const { kind, details } = checked.refusal;
  return { kind, errors: Object.fromEntries(details.map(({ path, errors }) => [path, errors.join(' | ')])) };
}

/** A definition read into an empty tree. */
export function app(json: unknown, settings: ModelSettings = liberal): AppDefinition {
  return valueOf(readApp(json, { root: emptyGroup(), settings, version: 1 }));
}

export function appRefusal(json: unknown, settings: ModelSettings = liberal): ReturnType<typeof refusalOf> {
  return refusalOf(readApp(json, { root: emptyGroup(), settings, version: 1 }));
}

export function pod(json: unknown, settings: ModelSettings = liberal): PodDefinition {
  return valueOf(readPod(json, { root: emptyGroup(), settings, version: 1 }));
}

export function podRefusal(json: unknown, settings: ModelSettings = liberal): ReturnType<typeof refusalOf> {
  return refusalOf(readPod(json, { root: emptyGroup(), settings, version: 1 }));
}

/** A tree of groups and the clock of its versions; each change is settled. */
export class Tree {
  root: Group = emptyGroup();
  version = 0;
  readonly settings: ModelSettings;

  constructor(settings: ModelSettings = liberal) {
    this.settings = settings;
  }

  get reading(): { root: Group; settings: ModelSettings; version: number } {
    return { root: this.root, settings: this.settings, version: this.version };
  }

  /** POST of an app. */
  post(json: unknown): AppDefinition {
    const read = valueOf(readApp(json, this.#next()));
    this.settle(putRunSpec(this.root, read, this.version));
    return this.app(read.id);
  }

  /** PUT of an app; `partial` false replaces it as a whole. */
  put(id: string, json: unknown, partial = true): AppDefinition {
    const change = this.update(id, json, partial);
    assert.equal(change.kind, 'definition');
    if (change.kind === 'definition') this.settle(putRunSpec(this.root, change.app, this.version));
    return this.app(id);
  }

  update(id: string, json: unknown, partial = true): AppChange {
    return valueOf(readAppUpdate(json, id, this.#next(), partial));
  }

  updateRefusal(id: string, json: unknown, partial = true): ReturnType<typeof refusalOf> {
    return refusalOf(readAppUpdate(json, id, this.#next(), partial));
  }

  putPod(json: unknown, id?: string): PodDefinition {
    const read = valueOf(readPod(json, this.#next(), id));
    this.settle(putRunSpec(this.root, read, this.version));
    return read;
  }

  /** PUT of a group. */
  group(json: unknown, path = rootPath): Group {
    const change = valueOf(readGroupUpdate(json, path, this.#next()));
    assert.equal(change.kind, 'tree');
    if (change.kind === 'tree') this.settle(change.root);
    return this.root;
  }

  groupRefusal(json: unknown, path = rootPath): ReturnType<typeof refusalOf> {
    const change = readGroupUpdate(json, path, this.#next());
    if (!change.ok) return refusalOf(change);
    assert.equal(change.value.kind, 'tree');
    return refusalOf(
      settle(this.root, change.value.kind === 'tree' ? change.value.root : this.root, this.version, this.settings),
    );
  }

  settle(to: Group): void {
    this.root = valueOf(settle(this.root, to, this.version, this.settings));
  }

  app(id: string): AppDefinition {
    const found = appAt(this.root, id);
    assert.ok(found, `no app ${id}`);
    return found;
  }

  #next(): { root: Group; settings: ModelSettings; version: number } {
    this.version += 1000;
    return this.reading;
  }
}
