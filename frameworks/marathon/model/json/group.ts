// A group as replies show it. What of its content is shown, and how apps and pods look there, is the caller's choice (`embed`).
import type { AppDefinition } from '../app.js';
import type { Group } from '../group.js';
import { topLevelOf } from '../path.js';
import type { PodDefinition } from '../pod.js';
import { present } from '../present.js';
import { timeOf } from './parts.js';

/** What to show of a group's content; absent members are left away from the JSON. */
export interface GroupEmbed {
  readonly app?: (app: AppDefinition) => unknown;
  readonly pod?: (pod: PodDefinition) => unknown;
  /** Whether sub-groups are shown, in the same way. */
  readonly groups?: boolean;
}

export function groupJson(group: Group, embed: GroupEmbed): Record<string, unknown> {
  const { app, pod, groups } = embed;
  return present({
    id: group.id,
    version: timeOf(group.version),
    dependencies: group.dependencies,
    apps: app && Array.from(group.apps.values(), app),
    groups: groups === true ? Array.from(group.groups.values(), child => groupJson(child, embed)) : undefined,
    pods: pod && Array.from(group.pods.values(), pod),
    // Other groups have no say in roles.
    enforceRole: topLevelOf(group.id) === group.id ? group.enforceRole : undefined,
  });
}
