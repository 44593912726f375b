// Whoever launches hears of it: of each task of an ACCEPT something is told within a minute in which nothing is wrong.
// In: accepts, statuses told, faults. Out: reports for T6.
import { tasksOf } from '../../protocol/operations.js';
import type { HistoryEvent, SessionId } from '../history.js';
import { Calm } from './calm.js';
import type { Checker, Report, WorldView } from './checker.js';

export class AnswersChecker implements Checker {
  readonly name = 'answers';
  readonly #calm = new Calm();
  /** Since when each session waits to hear of which task. */
  readonly #waiting = new Map<SessionId, Map<string, number>>();
  #nextMs = 0;

  on(event: HistoryEvent, world: WorldView): void {
    this.#calm.on(event, world.nowMs);
    switch (event.type) {
      case 'SCHEDULER_CALL': {
        if (event.call.type !== 'ACCEPT' || world.sessions.schedulers.get(event.session)?.frameworkId === undefined)
          return;
        const waiting = this.#waiting.get(event.session) ?? new Map<string, number>();
        this.#waiting.set(event.session, waiting);
        for (const operation of event.call.operations)
          for (const { taskId } of tasksOf(operation)) waiting.set(taskId, world.nowMs);
        return;
      }
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'UPDATE') this.#waiting.get(event.session)?.delete(event.event.status.taskId);
        return;
      case 'SESSION':
        // Over another session it has to ask.
        if (!event.open) this.#waiting.delete(event.session);
        return;
      default:
        return;
    }
  }

  afterStep(world: WorldView, report: Report): void {
    const { nowMs, sessions } = world;
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + lookEveryMs;
    const calmMs = this.#calm.since;
    if (calmMs === undefined) return;
    for (const [session, tasks] of this.#waiting) {
      const frameworkId = sessions.schedulers.get(session)?.frameworkId;
      // One that another has replaced, or that has ended, is told no more.
      if (frameworkId === undefined || sessions.ofFramework.get(frameworkId)?.session !== session) continue;
      if (world.cluster?.frameworks.has(frameworkId) !== true) continue;
      for (const [taskId, sinceMs] of tasks) {
        const waitedMs = nowMs - Math.max(sinceMs, calmMs);
        if (waitedMs > answeredMs) report(`${frameworkId} hears nothing of ${taskId} for ${waitedMs} ms (T6)`);
      }
    }
  }
}

const lookEveryMs = 1000;
const answeredMs = 60_000;
