// Nobody goes back to a master of the past: who has spoken to a master of one epoch never takes one of an earlier epoch for the one that leads.
// In: whom agents and schedulers follow, processes. Out: reports for D5.
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class EpochsChecker implements Checker {
  readonly name = 'epochs';
  /** The latest that the process of each node has followed: it is kept in memory only. */
  readonly #followed = new Map<string, number>();

  on(event: HistoryEvent, _world: WorldView, report: Report): void {
    if (event.type === 'PROCESS') this.#followed.delete(event.node);
    if (event.type !== 'FOLLOWS') return;
    const latest = this.#followed.get(event.node) ?? 0;
    if (event.epoch < latest)
      report(`${event.node} follows the master of epoch ${event.epoch}, and has followed that of ${latest} (D5)`);
    else this.#followed.set(event.node, event.epoch);
  }
}
