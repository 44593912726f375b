// A kill that the master did not note, as a new one knows no task before its agent is back, is asked for again once the scheduler hears that the task is
// alive: else nobody would ever end it. In: what schedulers that use the SDK say and hear, the master's tasks. Out: reports for T8.
import type { FrameworkId, TaskId } from '../../base/ids.js';
import type { TaskStatus } from '../../protocol/entities.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';
import { taskAt } from './kills.js';

export class RepeatsChecker implements Checker {
  readonly name = 'repeats';
  readonly #frameworkOf = new Map<string, FrameworkId>();
  /** By node, tasks whose end its process asked for and has not heard of, and whether the master has heard what was said last. */
  readonly #asked = new Map<string, Map<TaskId, boolean>>();
  /** What is to be asked for again before the step is over. */
  readonly #due = new Map<string, { readonly node: string; readonly status: TaskStatus }>();

  on(event: HistoryEvent, world: WorldView): void {
    switch (event.type) {
      case 'SAID': {
        if (event.call.type !== 'KILL') return;
        const asked = this.#asked.get(event.node) ?? new Map<TaskId, boolean>();
        this.#asked.set(event.node, asked.set(event.call.taskId, false));
        this.#due.delete(keyOf(event.node, event.call.taskId));
        return;
      }
      case 'SCHEDULER_CALL': {
        const asked = this.#asked.get(event.node);
        if (event.call.type === 'KILL' && asked?.has(event.call.taskId) === true) asked.set(event.call.taskId, true);
        return;
      }
      case 'HEARD':
        if (event.event.type === 'SUBSCRIBED') this.#frameworkOf.set(event.node, event.event.frameworkId);
        else if (event.event.type === 'UPDATE') this.#heard(event.node, event.event.status, world);
        return;
      case 'PROCESS':
        // What it had asked for is forgotten with it.
        this.#asked.delete(event.node);
        return;
      default:
        return;
    }
  }

  afterStep(_world: WorldView, report: Report): void {
    if (this.#due.size === 0) return;
    for (const { node, status } of this.#due.values()) {
      const { taskId, state, reason } = status;
      report(
        `${node} hears that ${taskId} is ${state} (${reason}), whose kill no master remembers, and does not ask again (T8)`,
      );
    }
    this.#due.clear();
  }

  #heard(node: string, status: TaskStatus, world: WorldView): void {
    const { taskId, state, reason } = status;
    const asked = this.#asked.get(node);
    if (asked?.has(taskId) !== true) return;
    if (isTerminal(state) || state === 'TASK_UNKNOWN') {
      asked.delete(taskId);
      this.#due.delete(keyOf(node, taskId));
      return;
    }
    // What an agent tells is no answer to anything; of one that is away the task may still be unknown.
    if (state === 'TASK_UNREACHABLE' || (reason !== 'RECONCILIATION' && reason !== 'AGENT_REREGISTERED')) return;
    const task = taskAt(world, this.#frameworkOf.get(node) ?? '', taskId);
    if (asked.get(taskId) !== true || task === undefined || isTerminal(task.state) || task.kill !== undefined) return;
    this.#due.set(keyOf(node, taskId), { node, status });
  }
}

function keyOf(node: string, taskId: TaskId): string {
  return `${node}\n${taskId}`;
}
