// Since when nothing disturbs the cluster: no fault is open, no process started or ended, no session came or went. Only then may a checker ask why
// something has not happened yet. In: history events. Out: a moment.
import type { HistoryEvent } from '../history.js';

/** Faults, and processes that come and go. */
export class Disturbances {
  readonly #open = new Set<string>();
  #sinceMs = Number.NEGATIVE_INFINITY;

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
        this.note(nowMs + (event.fault === 'delay' ? delayMaxMs : 0));
        return;
      }
      case 'PROCESS':
        // Those of the beginning disturb nobody.
        if (nowMs > 0) this.note(nowMs);
        return;
      default:
        return;
    }
  }

  /** Something else was wrong until then. */
  note(untilMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, untilMs);
  }
}

/** Sessions that come and go disturb as well. */
export class Calm extends Disturbances {
  override on(event: HistoryEvent, nowMs: number): void {
    super.on(event, nowMs);
    if (event.type === 'SESSION') this.note(nowMs);
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
  'disk-full',
  'stale-master',
  'flaky-link',
  'stuck-link',
  'past-master',
]);

const delayMaxMs = 40_000;
