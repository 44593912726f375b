// Kills until the tasks have ended. In: KILL calls, statuses. Out: those to be sent again.
import type { TaskId } from '../base/ids.js';
import type { TaskStatus } from '../protocol/entities.js';
import type { SchedulerCall } from '../protocol/scheduler-api.js';
import { isTerminal } from '../protocol/task-state.js';

export type Kill = Extract<SchedulerCall, { type: 'KILL' }>;

export class PendingKills {
  readonly #kills = new Map<TaskId, Kill>();

  asked(kill: Kill): void {
    this.#kills.set(kill.taskId, kill);
  }

  all(): Iterable<Kill> {
    return this.#kills.values();
  }

  /** The kill to repeat, if the status asks for it. */
  heard({ taskId, state, reason }: TaskStatus): Kill | undefined {
    if (isTerminal(state) || state === 'TASK_UNKNOWN') {
      this.#kills.delete(taskId);
      return undefined;
    }
    // A master that did not know the task yet when it was told to end it has forgotten that by now. Of an agent that is away it still does not, and
    // would answer the same again.
    return state !== 'TASK_UNREACHABLE' && returns.has(reason) ? this.#kills.get(taskId) : undefined;
  }
}

/** Why a master tells of a task that it may have come to know just now. */
const returns: ReadonlySet<TaskStatus['reason']> = new Set(['RECONCILIATION', 'AGENT_REREGISTERED']);
