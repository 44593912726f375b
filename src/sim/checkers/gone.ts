// Gone is for ever: an agent that an operator declared gone is never registered again, and what it runs ends once it is in touch.
// In: operators' calls that were done, registrations, containers. Out: reports for T12.
import type { AgentId } from '../../base/ids.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent } from '../history.js';
import { Calm } from './calm.js';
import type { Checker, Report, WorldView } from './checker.js';

export class GoneChecker implements Checker {
  readonly name = 'gone';
  readonly #calm = new Calm();
  /** Since when each is gone. */
  readonly #gone = new Map<AgentId, number>();
  /** When the newest copy of the registry was made, which may come back. */
  #copied: readonly AgentId[] = [];
  readonly #live = new Set<LiveContainer>();
  #nextMs = 0;

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    this.#calm.on(event, world.nowMs);
    switch (event.type) {
      case 'OPERATOR_ANSWER':
        if (event.call.type === 'MARK_AGENT_GONE' && event.problems.length === 0)
          this.#learn(event.call.agentId, world.nowMs);
        return;
      case 'REGISTRY':
        if (event.what === 'COPIED') this.#copied = [...this.#gone.keys()];
        // Declared gone since, it has to be declared so again.
        else for (const id of this.#gone.keys()) if (!this.#copied.includes(id)) this.#gone.delete(id);
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'REGISTERED' && this.#gone.has(event.event.agentId))
          report(`agent ${event.event.agentId} is registered, and was declared gone (T12)`);
        return;
      case 'CONTAINER_STARTED':
        this.#live.add(event.container);
        return;
      case 'CONTAINER_ENDED':
        this.#live.delete(event.container);
        return;
      default:
        return;
    }
  }

  afterStep(world: WorldView, report: Report): void {
    if (world.nowMs < this.#nextMs) return;
    this.#nextMs = world.nowMs + lookEveryMs;
    for (const id of world.cluster?.goneAgents.keys() ?? []) this.#learn(id, world.nowMs);
    const calmMs = this.#calm.since;
    if (calmMs === undefined || this.#gone.size === 0) return;
    const inTouch = new Set([...world.sessions.agents.values()].map(({ node }) => node));
    for (const { host, spec } of this.#live) {
      const sinceMs = this.#gone.get(spec.env['PROFFER_AGENT_ID'] ?? '');
      if (sinceMs === undefined || !inTouch.has(host)) continue;
      const waitedMs = world.nowMs - Math.max(sinceMs, calmMs);
      if (waitedMs > endedWithinMs)
        report(`${spec.name} is alive on ${host} ${waitedMs} ms after its agent was declared gone (T12)`);
    }
  }

  #learn(id: AgentId, nowMs: number): void {
    if (!this.#gone.has(id)) this.#gone.set(id, nowMs);
  }
}

const lookEveryMs = 1000;
/** The agent's grace period, and what T8 allows beyond it. */
const endedWithinMs = 15_000;
