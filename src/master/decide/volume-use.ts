// Who uses persistent volumes. In: an agent, volumes of it. Out: users, offers of them, problems that name them.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { Role, VolumeId } from '../../base/ids.js';
import type { Bag } from '../../resources/index.js';
import { isAncestorOrSelf, shared, volumesOf } from '../../resources/index.js';
import type { AgentRecord, OfferRecord } from '../state.js';

/** What tasks and executors hold of the volumes in `bag`, said as a problem; `placed` is what tasks of the decision at hand hold. */
export function inUseProblems(
  agent: Readonly<AgentRecord>,
  bag: Bag,
  placed: readonly Bag[],
  pathOf: (id: VolumeId) => string,
): Problem[] {
  return volumesOf(bag).flatMap(({ volume, resource }) => {
    const users = [...usersOf(agent, resource.key), ...usersAmong(placed, resource.key)];
    if (users.length === 0) return [];
    const who = users.length > 3 ? `${users.slice(0, 3).join(', ')} and ${users.length - 3} more` : users.join(', ');
    return [inUse(pathOf(volume.id), volume.id, who)];
  });
}

/** Where a call that names volumes names this one; `path` for one that does not. */
export function volumePath(call: object, path: string, id: VolumeId): string {
  if ('volumeIds' in call && Array.isArray(call.volumeIds)) return `${path}.volumeIds[${call.volumeIds.indexOf(id)}]`;
  return 'volumeId' in call ? `${path}.volumeId` : path;
}

/** What the decision at hand has done so far. */
export interface SoFar {
  /** The agent's total after its conversions. */
  readonly total: Bag;
  /** What its tasks hold. */
  readonly placed: readonly Bag[];
}

/** A volume that is on the agent but not in what can be converted: in use, or offered to somebody else. */
export function elsewhereProblem(
  agent: Readonly<AgentRecord>,
  id: VolumeId,
  role: Role,
  path: string,
  { total, placed }: SoFar = { total: agent.total, placed: [] },
): Problem | undefined {
  const found = volumesOf(total).find(
    ({ volume, resource }) =>
      volume.id === id && resource.label.role !== undefined && isAncestorOrSelf(resource.label.role, role),
  );
  if (found === undefined) return undefined;
  const { key } = found.resource;
  const users = [...usersOf(agent, key), ...usersAmong(placed, key)];
  if (users.length > 0) return inUse(path, id, users.slice(0, 3).join(', '));
  return problem(path, 'VOLUME_IN_USE', `volume ${shown(id)} is not in the offers of this call`, 'wait for its offer');
}

/** Offers of any of the shared volumes in `bag`: others may hold them beside the one who has them converted. */
export function offersOfShared(agent: Readonly<AgentRecord>, bag: Bag): OfferRecord[] {
  const keys = new Set(shared(bag).map(r => r.key));
  if (keys.size === 0) return [];
  return [...agent.offers].filter(offer => offer.resources.some(r => keys.has(r.key)));
}

function inUse(path: string, id: VolumeId, who: string): Problem {
  return problem(path, 'VOLUME_IN_USE', `volume ${shown(id)} is used by ${who}`, 'end them first');
}

function usersAmong(placed: readonly Bag[], key: string): string[] {
  return placed.some(bag => bag.some(r => r.key === key)) ? ['a task of this call'] : [];
}

function usersOf(agent: Readonly<AgentRecord>, key: string): string[] {
  const users: string[] = [];
  for (const task of agent.tasks)
    if (task.holds && task.resources.some(r => r.key === key)) users.push(`task ${task.id} of ${task.frameworkId}`);
  for (const executor of agent.executors.values())
    if (executor.resources.some(r => r.key === key)) users.push(`executor ${executor.id} of ${executor.frameworkId}`);
  return users;
}
