// The last step of every change: service ports, versions, rules of the whole tree. In: the root group before, and as asked for. Out: as it is to
// be, or why not.
import type { Group } from '../group.js';
import { Violations } from '../refusal.js';
import type { Checked } from '../refusal.js';
import { treeProblems } from '../rules/tree.js';
import type { ModelSettings } from '../settings.js';
import { assignServicePorts } from './service-ports.js';
import { stampVersions } from './versions.js';

/** `version` must be later than every version in `from`. */
export function settle(from: Group, to: Group, version: number, settings: ModelSettings): Checked<Group> {
  const assigned = assignServicePorts(from, to, settings);
  if (!assigned.ok) return assigned;
  const settled = stampVersions(from, assigned.value, version);
  const violations = new Violations();
  treeProblems(settled, violations.report);
  return violations.checked({ ...settled, version });
}
