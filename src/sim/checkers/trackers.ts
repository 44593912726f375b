// What the SDK believes of tasks: one that has ended stays as it ended, whatever comes late or again. Only ends that are said to be uncertain may turn out to be wrong.
// In: updates that schedulers hear, their trackers. Out: reports for T3.
import type { TaskId } from '../../base/ids.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { TrackedTask } from '../../scheduler/tracker.js';
import { mayBeWrong } from '../../scheduler/tracker.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Heard {
  readonly node: string;
  readonly taskId: TaskId;
  readonly before: TrackedTask;
}

export class TrackersChecker implements Checker {
  readonly name = 'trackers';
  /** In this step, of tasks that had ended. */
  readonly #heard: Heard[] = [];

  on(event: HistoryEvent, world: WorldView): void {
    if (event.type !== 'HEARD' || event.event.type !== 'UPDATE') return;
    const { node } = event;
    const { taskId } = event.event.status;
    const before = world.tracked(node, taskId);
    if (before !== undefined && isTerminal(before.state) && !mayBeWrong(before))
      this.#heard.push({ node, taskId, before });
  }

  afterStep(world: WorldView, report: Report): void {
    for (const { node, taskId, before } of this.#heard.splice(0)) {
      const after = world.tracked(node, taskId);
      // Another task of that id may have been launched since.
      if (after === undefined || after.state === before.state || after.launchedAt !== before.launchedAt) continue;
      report(`${node} believes that ${taskId} is ${after.state}, which it knew to be ${before.state} (T3)`);
    }
  }
}
