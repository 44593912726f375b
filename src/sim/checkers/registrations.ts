// Whoever is in touch says who it is: an agent describes itself soon after it has connected, however busy and slow its disk is.
// In: sessions, registrations, faults. Out: reports for L1.
import type { HistoryEvent, SessionId } from '../history.js';
import { Disturbances } from './calm.js';
import type { Checker, Report, WorldView } from './checker.js';

export class RegistrationsChecker implements Checker {
  readonly name = 'registrations';
  readonly #disturbances = new Disturbances();
  /** By node, the newest session of an agent that has not described itself over it yet, since when. Older ones may be of a machine that lost its power. */
  readonly #waiting = new Map<string, { readonly session: SessionId; readonly sinceMs: number }>();
  #nextMs = 0;

  on(event: HistoryEvent, world: WorldView): void {
    // What is slow is no excuse here.
    if (event.type !== 'FAULT' || event.fault !== 'slow-disk') this.#disturbances.on(event, world.nowMs);
    switch (event.type) {
      case 'SESSION':
        if (event.kind !== 'AGENT' || !world.knows(event.node)) return;
        if (event.open) this.#waiting.set(event.node, { session: event.session, sinceMs: world.nowMs });
        else if (this.#waiting.get(event.node)?.session === event.session) this.#waiting.delete(event.node);
        return;
      case 'AGENT_CALL':
        if (event.call.type === 'REGISTER') this.#waiting.delete(event.node);
        return;
      case 'PROCESS':
        this.#waiting.delete(event.node);
        return;
      default:
        return;
    }
  }

  afterStep({ nowMs }: WorldView, report: Report): void {
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + lookEveryMs;
    const calmMs = this.#disturbances.since;
    if (calmMs === undefined) return;
    for (const [node, { sinceMs }] of this.#waiting) {
      // What a partition held back opens sessions that the agent has given up.
      if (sinceMs < calmMs + heldMs) continue;
      const waitedMs = nowMs - sinceMs;
      if (waitedMs > registeredMs) report(`${node} is connected and does not register for ${waitedMs} ms (L1)`);
    }
  }
}

const lookEveryMs = 1000;
const heldMs = 500;
/** What is under way when it connects, and what it then tells, each the longest that a slow disk takes; and as much again for an operation. */
const registeredMs = 15_000;
