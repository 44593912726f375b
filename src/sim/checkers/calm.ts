// Since when nothing disturbs the cluster: no fault is open, no process started or ended, no session came or went. Only then may a checker ask why
// something has not happened yet. In: history events. Out: a moment.
import type { HistoryEvent } from '../history.js';

/** Follows disturbances. */
export class Calm {
  readonly #open = new Set<string>();
  #sinceMs = 0;

  /** Since when it is calm; undefined while something is broken. */
  get since(): number | undefined {
    return this.#open.size === 0 ? this.#sinceMs : undefined;
  }

  on(event: HistoryEvent, nowMs: number): void {
    switch (event.type) {
      case 'FAULT': {
        const key = `${event.fault}\n${event.node}`;
        if (event.healed) this.#open.delete(key);
        else if (lasting.has(event.fault)) this.#open.add(key);
        // A message may have been delayed for so long.
        this.#sinceMs = Math.max(this.#sinceMs, nowMs + (event.fault === 'delay' ? delayMaxMs : 0));
        return;
      }
      case 'PROCESS':
      case 'SESSION':
        this.#sinceMs = Math.max(this.#sinceMs, nowMs);
        return;
      default:
        return;
    }
  }
}

/** Faults that go on until they are healed; the others are over at once. */
const lasting: ReadonlySet<string> = new Set([
  'pause',
  'partition',
  'one-way-partition',
  'executor-partition',
  'swizzle',
  'delay',
  'drop',
  'duplicate',
  'slow-disk',
  'disk-failure',
]);

const delayMaxMs = 40_000;
