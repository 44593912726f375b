// Implicit reconciliation: whoever asks for all is told of each of its tasks that the master knows, and of nobody else's.
// In: RECONCILE without tasks, the answers of the same step, the master's tasks. Out: reports for T10.
import type { TaskId } from '../../base/ids.js';
import type { HistoryEvent, SessionId } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Asked {
  readonly known: ReadonlySet<TaskId>;
  readonly told: Set<TaskId>;
  /** Another call of the session followed in the same step. */
  isOver: boolean;
}

export class ReconciliationChecker implements Checker {
  readonly name = 'reconciliation';
  #asked = new Map<SessionId, Asked>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    if (event.type === 'SCHEDULER_CALL') {
      // What is told from here on may answer the next question.
      const before = this.#asked.get(event.session);
      if (before !== undefined) before.isOver = true;
      if (event.call.type !== 'RECONCILE' || event.call.tasks.length > 0 || before !== undefined) return;
      const id = world.sessions.schedulers.get(event.session)?.frameworkId;
      const framework = id === undefined ? undefined : world.cluster?.frameworks.get(id);
      // One that was taken over, or is not subscribed, is not answered.
      if (framework === undefined || world.sessions.ofFramework.get(framework.id)?.session !== event.session) return;
      const known = new Set([...framework.tasks.keys(), ...framework.unreachable.keys()]);
      this.#asked.set(event.session, { known, told: new Set(), isOver: false });
    } else if (event.type === 'SCHEDULER_EVENT' && event.event.type === 'UPDATE') {
      const asked = this.#asked.get(event.session);
      const { reason, taskId } = event.event.status;
      if (asked === undefined || reason !== 'RECONCILIATION') return;
      if (!asked.isOver && !asked.known.has(taskId))
        report(`who asked for all tasks is told of ${taskId}, of which it has none (T10)`);
      asked.told.add(taskId);
    } else if (event.type === 'SESSION' && !event.open) this.#asked.delete(event.session);
  }

  afterStep(_world: WorldView, report: Report): void {
    if (this.#asked.size === 0) return;
    for (const { known, told } of this.#asked.values()) {
      for (const taskId of known)
        if (!told.has(taskId)) report(`who asked for all tasks is not told of ${taskId} (T10)`);
    }
    this.#asked = new Map();
  }
}
