// Task groups: their tasks start all or none, and a member that does not finish well ends the others. Pure. Source: Mesos's default executor.
import type { FrameworkId, TaskId } from '../base/ids.js';
import type { TaskState } from '../protocol/task-state.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Ending } from './task-machine.js';

/** Why a task that could be started is not, because `spoiler` of its group cannot. */
export function groupRefusal(spoiler: TaskId, why: string): Ending {
  return {
    state: 'TASK_KILLED',
    reason: 'TASK_GROUP_MEMBER_ENDED',
    message: `not started: ${spoiler} of its group: ${why}`,
  };
}

/** How the other members end when one ended so; undefined when they go on: it finished, or has not ended. */
export function groupEnding(ended: TaskId, state: TaskState): Ending | undefined {
  if (!isTerminal(state) || state === 'TASK_FINISHED') return undefined;
  return {
    state: 'TASK_KILLED',
    reason: 'TASK_GROUP_MEMBER_ENDED',
    message: `${ended} of its group ended as ${state}`,
  };
}

/** The live members of each group. */
export class Groups {
  readonly #members = new Map<string, Set<TaskId>>();

  add(frameworkId: FrameworkId, groupId: string, taskId: TaskId): void {
    const key = keyOf(frameworkId, groupId);
    const members = this.#members.get(key);
    if (members === undefined) this.#members.set(key, new Set([taskId]));
    else members.add(taskId);
  }

  /** Takes out an ended member; the others, in the order of their launch. */
  remove(frameworkId: FrameworkId, groupId: string, taskId: TaskId): readonly TaskId[] {
    const key = keyOf(frameworkId, groupId);
    const members = this.#members.get(key);
    if (members === undefined) return [];
    members.delete(taskId);
    if (members.size === 0) this.#members.delete(key);
    return [...members];
  }
}

// No id holds a slash.
function keyOf(frameworkId: FrameworkId, groupId: string): string {
  return `${frameworkId}/${groupId}`;
}
