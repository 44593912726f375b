// Rules of the whole tree: no cycles, one thing per id, names of external volumes used once. In: the root group as it is to be. Out: reports.
import { dependencyCycle } from '../dependencies.js';
import { groupsOf } from '../group.js';
import type { Group } from '../group.js';
import type { Report } from '../refusal.js';
import { shown } from '../refusal.js';

export function treeProblems(root: Group, report: Report): void {
  const cycle = dependencyCycle(root);
  if (cycle !== undefined) {
    const shownIds = [...cycle, cycle[0]].join(' -> ');
    report('/', `Dependency graph has cyclic dependencies: ${shownIds}`);
  }
  const volumes = new Map<string, string>();
  for (const group of groupsOf(root)) {
    for (const id of group.apps.keys()) {
      if (group.pods.has(id)) report('/', `${id} is both an app and a pod; give one of them another id`);
      if (group.groups.has(id)) report('/', `${id} is both an app and a group; give one of them another id`);
    }
    for (const id of group.pods.keys()) {
      if (group.groups.has(id)) report('/', `${id} is both a pod and a group; give one of them another id`);
    }
    for (const app of group.apps.values()) {
      for (const volume of app.container?.volumes ?? []) {
        if (volume.kind !== 'external' || volume.external.provider !== 'dvdi' || volume.external.shared === true)
          continue;
        const name = volume.external.name ?? '';
        const owner = volumes.get(name);
        if (owner === undefined) volumes.set(name, app.id);
        else if (owner !== app.id)
          report(`/apps${app.id}`, `the external volume ${shown(name)} is used by ${owner} already`);
      }
    }
  }
}
