// Who is connected stays so while nothing is wrong: agents do not give up a master that answers them, nor it them.
// In: sessions, faults, processes. Out: reports for L2.
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';
import { Disturbances } from './calm.js';

export class SteadyChecker implements Checker {
  readonly name = 'steady';
  readonly #disturbances = new Disturbances();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    this.#disturbances.on(event, world.nowMs);
    if (event.type === 'AGENT_EVENT' && (event.event.type === 'REFUSED' || event.event.type === 'SHUTDOWN'))
      this.#disturbances.note(world.nowMs);
    if (event.type !== 'SESSION' || event.open || event.kind !== 'AGENT' || !world.knows(event.node)) return;
    const sinceMs = this.#disturbances.since;
    if (sinceMs !== undefined && world.nowMs - sinceMs > afterMs)
      report(`the session of ${event.node} ends, and nothing was wrong for ${world.nowMs - sinceMs} ms (L2)`);
  }
}

/** What a fault leaves behind shows by then: messages under way, five missed pings or heartbeats, a master's time to wait for agents. */
const afterMs = 150_000;
