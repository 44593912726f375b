// Changes of the tree as requests make them, without HTTP around. In: JSON. Out: edits for `MarathonCommands.change`. Pure.
import { readApp, readAppUpdate } from '../model/change/app.js';
import { readGroupUpdate } from '../model/change/group.js';
import { readPod } from '../model/change/pod.js';
import { putRunSpec } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { Checked } from '../model/refusal.js';
import type { RunSpec } from '../model/run-spec.js';
import { defaultSettings } from '../model/settings.js';
import type { ModelSettings } from '../model/settings.js';

/** As a Marathon that runs has them. */
export const settings: ModelSettings = { ...defaultSettings, mesosRole: 'marathon' };

/** An app as users write it. */
export type AppJson = { readonly id: string; readonly [field: string]: unknown };

export type Edit = (root: Group, version: number) => Checked<Group>;

/** `PUT /v2/apps/{id}`: what is not mentioned stays as it is. */
export function putting({ id, ...rest }: AppJson): Edit {
  return (root, version) => {
    const read = readAppUpdate(rest, id, { root, settings, version }, true);
    if (!read.ok) return read;
    return read.value.kind === 'definition' ? putted(root, read.value.app, version) : { ok: true, value: root };
  };
}

export function puttingPod(json: object): Edit {
  return (root, version) => {
    const read = readPod(json, { root, settings, version });
    return read.ok ? putted(root, read.value, version) : read;
  };
}

export function puttingGroup(json: object, id = '/'): Edit {
  return (root, version) => {
    const read = readGroupUpdate(json, id, { root, settings, version });
    if (!read.ok) return read;
    return { ok: true, value: read.value.kind === 'tree' ? read.value.root : root };
  };
}

/** A new app: one that is there already is refused by who asks. */
export function posting(json: object): Edit {
  return (root, version) => {
    const read = readApp(json, { root, settings, version });
    return read.ok ? putted(root, read.value, version) : read;
  };
}

function putted(root: Group, spec: RunSpec, version: number): Checked<Group> {
  return { ok: true, value: putRunSpec(root, spec, version) };
}
