// Pods from JSON. In: JSON, and the tree it is for. Out: the definition or every reason against it.
import { podAt } from '../group.js';
import { resolvePath, rootPath } from '../path.js';
import type { PathId } from '../path.js';
import type { PodDefinition } from '../pod.js';
import { podOf } from '../read/pod.js';
import type { Checked } from '../refusal.js';
import { refused, Violations } from '../refusal.js';
import { podProblems, podShapeProblems } from '../rules/pod.js';
import { roleRuleFor } from '../rules/roles.js';
import { parse } from '../schema/parse.js';
import { podSchema } from '../schema/pod.js';
import type { Reading } from './app.js';
import { newVersions } from './versions.js';

/** A new pod, or with `id` one that replaces the pod of that id: the body must then name the same. */
export function readPod(json: unknown, reading: Reading, id?: PathId): Checked<PodDefinition> {
  const raw = parse(podSchema, json);
  if (!raw.ok) return raw;
  const own = resolvePath(raw.value.id, rootPath);
  if (id !== undefined && own !== id)
    return refused('malformed', '/id', `must be ${id} as in the path, ${own} is given`);
  const { root, settings, force } = reading;
  const previous = podAt(root, own);
  const roles = roleRuleFor(root, own, settings, force);
  const versionInfo = previous?.versionInfo ?? newVersions(reading.version);
  const violations = new Violations();
  podShapeProblems(raw.value, violations.report);
  const pod = podOf(raw.value, { id: own, role: roles.byDefault, versionInfo, settings });
  podProblems(pod, previous === undefined ? { settings, roles } : { settings, roles, previous }, violations.report);
  return violations.checked(pod);
}
