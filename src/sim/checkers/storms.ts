// Nobody talks in circles: a scheduler does not say the same of one task again and again within a second, as when an answer makes it ask anew.
// In: what schedulers that use the SDK say. Out: reports for L1.
import type { HistoryEvent } from '../history.js';
import { lineOf } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class StormsChecker implements Checker {
  readonly name = 'storms';
  /** How often each node has said what in the second that began then. */
  readonly #said = new Map<string, { beganMs: number; times: number }>();

  on(event: HistoryEvent, { nowMs }: WorldView, report: Report): void {
    if (event.type !== 'SAID' || event.call.type !== 'KILL') return;
    const key = `${event.node} ${lineOf(event)}`;
    const said = this.#said.get(key);
    if (said === undefined || nowMs - said.beganMs >= 1000) {
      this.#said.set(key, { beganMs: nowMs, times: 1 });
      return;
    }
    said.times += 1;
    if (said.times > timesMax) report(`${key}, ${said.times} times within ${nowMs - said.beganMs} ms (L1)`);
  }
}

const timesMax = 20;
