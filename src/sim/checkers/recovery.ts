// What the next process of an agent makes of the tasks of the former one: nothing of before a reboot is taken for its own, and what was being ended is
// told to have been ended. In: reboots, containers, statuses of agents. Out: reports for A2, A3, T8.
import { keys } from '../../agent/records.js';
import type { KeptTask } from '../../agent/records.js';
import type { ContainerId, FrameworkId, TaskId } from '../../base/ids.js';
import type { TaskStatus } from '../../protocol/entities.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Launched {
  readonly frameworkId: FrameworkId;
  readonly taskId: TaskId;
}

export class RecoveryChecker implements Checker {
  readonly name = 'recovery';
  /** Containers that ended with the power of their machine. */
  readonly #unplugged = new Set<ContainerId>();
  /** By node, tasks whose agent has said that it ends them, or had noted so when its process died. */
  readonly #killing = new Set<string>();
  /** By node, all that were launched there and have not been told to have ended. */
  readonly #launched = new Map<string, Map<string, Launched>>();
  readonly #dark = new Set<string>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'REBOOT':
        this.#dark.add(event.node);
        return;
      case 'PROCESS':
        if (event.up) this.#dark.delete(event.node);
        if (event.up && event.kind === 'AGENT') this.#recovers(event.node, world);
        return;
      case 'CONTAINER_ENDED':
        if (this.#dark.has(event.node)) this.#unplugged.add(event.container.spec.containerId);
        return;
      case 'AGENT_EVENT':
        // An id may be used again once its task has ended.
        if (event.event.type === 'LAUNCH')
          for (const { taskId } of event.event.tasks)
            this.#launches(event.event.framework.id ?? '', taskId, event.node);
        return;
      case 'AGENT_CALL':
        if (event.call.type === 'STATUS_UPDATE' && world.knows(event.node))
          this.#told(event.call.frameworkId, event.call.status, event.node, report);
        return;
      default:
        return;
    }
  }

  #launches(frameworkId: FrameworkId, taskId: TaskId, node: string): void {
    const key = keyOf(frameworkId, taskId);
    this.#killing.delete(killingKey(node, key));
    const launched = this.#launched.get(node) ?? new Map<string, Launched>();
    this.#launched.set(node, launched.set(key, { frameworkId, taskId }));
  }

  #recovers(node: string, world: WorldView): void {
    for (const [key, { frameworkId, taskId }] of this.#launched.get(node) ?? []) {
      const isToEnd = world.disk(node)?.some(keys.task(frameworkId, taskId), value => {
        const { task, ending } = value as KeptTask;
        return task.taskId === taskId && ending !== undefined;
      });
      if (isToEnd === true) this.#killing.add(killingKey(node, key));
    }
  }

  #told(frameworkId: FrameworkId, status: TaskStatus, node: string, report: Report): void {
    const { state, reason, message, taskId, executorId, container } = status;
    if (status.source !== 'AGENT' || executorId !== undefined) return;
    const key = keyOf(frameworkId, taskId);
    const killing = killingKey(node, key);
    if (state === 'TASK_KILLING') this.#killing.add(killing);
    if (!isTerminal(state)) return;
    this.#launched.get(node)?.delete(key);
    const what = `${taskId} on ${node} is told to be ${state} for ${reason ?? 'no reason'} (${message ?? ''})`;
    const endedItself = state === 'TASK_FINISHED' || reason === 'COMMAND_EXECUTOR_FAILED';
    if (this.#killing.has(killing) && endedItself) report(`${what}, and was being ended (A3, T8)`);
    if (this.#unplugged.has(container?.containerId ?? '') && endedItself)
      report(`${what}, and ended with the power of its machine (A2)`);
  }
}

// An earlier task of the id may be ended on an agent that comes back late.
function killingKey(node: string, key: string): string {
  return `${node}\n${key}`;
}

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}
