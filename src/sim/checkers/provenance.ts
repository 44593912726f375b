// Who may say it: a framework hears a status of a task from the agent that was told to run it, or from the master, and from nobody else.
// In: launches, statuses at the master, what frameworks are told. Out: reports for T3.
import type { StatusUuid } from '../../base/ids.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class ProvenanceChecker implements Checker {
  readonly name = 'provenance';
  /** Nodes that were told to run each task, of each framework. */
  readonly #placed = new Map<string, Set<string>>();
  /** Whose status each is. */
  readonly #saidBy = new Map<StatusUuid, string>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'AGENT_EVENT': {
        if (event.event.type !== 'LAUNCH') return;
        const { framework, tasks } = event.event;
        for (const { taskId } of tasks) {
          const key = keyOf(framework.id, taskId);
          const nodes = this.#placed.get(key);
          if (nodes === undefined) this.#placed.set(key, new Set([event.node]));
          else nodes.add(event.node);
        }
        return;
      }
      case 'AGENT_CALL':
        if (event.call.type === 'STATUS_UPDATE' && event.call.status.uuid !== undefined)
          this.#saidBy.set(event.call.status.uuid, event.node);
        return;
      case 'SCHEDULER_EVENT': {
        if (event.event.type !== 'UPDATE') return;
        const { uuid, taskId, state } = event.event.status;
        const node = uuid === undefined ? undefined : this.#saidBy.get(uuid);
        const frameworkId = world.sessions.schedulers.get(event.session)?.frameworkId;
        if (node === undefined) return;
        const nodes = this.#placed.get(keyOf(frameworkId, taskId));
        if (nodes !== undefined && !nodes.has(node))
          report(`${event.node} is told that ${taskId} is ${state} by ${node}, which never had it (T3)`);
        return;
      }
      default:
        return;
    }
  }
}

function keyOf(frameworkId: string | undefined, taskId: string): string {
  return `${frameworkId ?? ''}\n${taskId}`;
}
