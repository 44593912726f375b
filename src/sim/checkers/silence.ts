// Nobody is given up who answers: an agent is declared unreachable only when it has left pings unanswered for as long as its master said it would wait.
// In: answers of agents, their states. Out: reports for T11.
import type { AgentId } from '../../base/ids.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class SilenceChecker implements Checker {
  readonly name = 'silence';
  /** When each agent last answered the master that runs. */
  readonly #answeredMs = new Map<AgentId, number>();
  /** For how long those that are to be given up had been silent when that was decided: it has to be written down first. */
  readonly #silentMs = new Map<AgentId, number>();
  readonly #unreachable = new Set<AgentId>();

  on(event: HistoryEvent, world: WorldView): void {
    if (event.type === 'PROCESS' && event.kind === 'MASTER') {
      this.#answeredMs.clear();
      this.#silentMs.clear();
      this.#unreachable.clear();
    } else if (event.type === 'AGENT_CALL' && (event.call.type === 'PONG' || event.call.type === 'REGISTER')) {
      const agentId = world.sessions.agents.get(event.session)?.agentId;
      if (agentId !== undefined && world.sessions.ofAgent.get(agentId)?.session === event.session)
        this.#answeredMs.set(agentId, world.nowMs);
    }
  }

  afterStep(world: WorldView, report: Report): void {
    const { cluster, nowMs } = world;
    if (cluster === undefined) return;
    const { agentPingTimeoutMs, agentPingMissesMax } = cluster.options;
    // The first of the pings that were missed may have been sent just after the last answer.
    const limitMs = agentPingTimeoutMs * (agentPingMissesMax - 1);
    const leastMs = limitMs - world.driftOf(limitMs);
    for (const { id, leaving, state } of cluster.agents.values()) {
      const answeredMs = this.#answeredMs.get(id);
      if (!leaving && state !== 'UNREACHABLE') this.#silentMs.delete(id);
      else if (leaving && !this.#silentMs.has(id) && answeredMs !== undefined)
        this.#silentMs.set(id, nowMs - answeredMs);
      if (state !== 'UNREACHABLE') {
        this.#unreachable.delete(id);
        continue;
      }
      if (this.#unreachable.has(id)) continue;
      this.#unreachable.add(id);
      const silentMs = this.#silentMs.get(id);
      if (silentMs !== undefined && silentMs < leastMs)
        report(`agent ${id} is given up ${silentMs} ms after it answered (T11: at least ${leastMs})`);
    }
  }
}
