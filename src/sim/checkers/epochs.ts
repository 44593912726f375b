// Nobody goes back to a master of the past: who has spoken to a master of one epoch never takes one of an earlier epoch for the one that leads, also not
// when it is started again. In: whom agents and schedulers follow, processes, what is on disks. Out: reports for D5.
import { keys } from '../../agent/records.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class EpochsChecker implements Checker {
  readonly name = 'epochs';
  /** The latest that each node has followed. */
  readonly #followed = new Map<string, number>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    if (event.type === 'PROCESS' && event.up && !isKnown(event.node, world)) this.#followed.delete(event.node);
    if (event.type !== 'FOLLOWS') return;
    const latest = this.#followed.get(event.node) ?? 0;
    if (event.epoch < latest)
      report(`${event.node} follows the master of epoch ${event.epoch}, and has followed that of ${latest} (D5)`);
    else this.#followed.set(event.node, event.epoch);
  }
}

// One that has no id, as after a goodbye, begins anew with any master.
function isKnown(node: string, world: WorldView): boolean {
  const disk = world.disk(node);
  return disk !== undefined && (disk.has(keys.id) || disk.has('framework-id'));
}
