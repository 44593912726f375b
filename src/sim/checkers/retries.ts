// What is not acknowledged is told again: an agent repeats the oldest status of a task, later each time, for as long as its session lasts.
// In: statuses and acknowledgements at the master. Out: reports for T5.
import { backoffMs } from '../../base/backoff.js';
import type { FrameworkId, StatusUuid } from '../../base/ids.js';
import { statusRetry } from '../../agent/status-queue.js';
import type { HistoryEvent, SessionId } from '../history.js';
import { Calm } from './calm.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Waiting {
  readonly session: SessionId;
  readonly node: string;
  readonly frameworkId: FrameworkId;
  readonly taskId: string;
  readonly firstMs: number;
  lastMs: number;
  /** How often it came over this session. */
  times: number;
}

export class RetriesChecker implements Checker {
  readonly name = 'retries';
  readonly #calm = new Calm();
  readonly #waiting = new Map<StatusUuid, Waiting>();
  #nextMs = 0;

  on(event: HistoryEvent, world: WorldView): void {
    this.#calm.on(event, world.nowMs);
    switch (event.type) {
      case 'AGENT_CALL': {
        if (event.call.type !== 'STATUS_UPDATE' || !world.knows(event.node)) return;
        const { status, frameworkId } = event.call;
        const { uuid, taskId } = status;
        if (uuid === undefined) return;
        const { session, node } = event;
        const before = this.#waiting.get(uuid);
        const firstMs = before?.session === session ? before.firstMs : world.nowMs;
        const times = before?.session === session ? before.times + 1 : 1;
        this.#waiting.set(uuid, { session, node, frameworkId, taskId, firstMs, lastMs: world.nowMs, times });
        return;
      }
      case 'AGENT_EVENT':
        if (event.event.type === 'ACKNOWLEDGE') this.#waiting.delete(event.event.uuid);
        // Nobody is left to acknowledge.
        else if (event.event.type === 'SHUTDOWN_FRAMEWORK') {
          const { frameworkId } = event.event;
          this.#forget(each => each.frameworkId === frameworkId && each.session === event.session);
        } else if (event.event.type === 'SHUTDOWN') this.#forget(({ node }) => node === event.node);
        return;
      case 'SESSION':
        if (!event.open) this.#forget(({ session }) => session === event.session);
        return;
      case 'PROCESS':
        this.#forget(({ node }) => event.kind === 'MASTER' || node === event.node);
        return;
      default:
        return;
    }
  }

  afterStep({ nowMs }: WorldView, report: Report): void {
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + lookEveryMs;
    const calmMs = this.#calm.since;
    if (calmMs === undefined) return;
    for (const [uuid, { node, taskId, firstMs, lastMs, times }] of this.#waiting) {
      // How often it was sent before is not known otherwise.
      if (firstMs < calmMs) continue;
      const withinMs = backoffMs(statusRetry, times - 1) + slackMs;
      if (nowMs - lastMs <= withinMs) continue;
      report(
        `${node} has told ${times} times that ${taskId} moved (${uuid}), and not again for ${nowMs - lastMs} ms (T5)`,
      );
    }
  }

  #forget(is: (waiting: Waiting) => boolean): void {
    for (const [uuid, waiting] of this.#waiting) if (is(waiting)) this.#waiting.delete(uuid);
  }
}

const lookEveryMs = 1000;
/** What an answer takes on its way, and a write. */
const slackMs = 5000;
