// Agents are not given up faster than operators allow: of those that fell silent, no more in any time than the master's limit says.
// In: the master's agents. Out: reports for D8.
import type { AgentId } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import type { Checker, Report, WorldView } from './checker.js';

export class RemovalsChecker implements Checker {
  readonly name = 'removals';
  #cluster: ClusterView | undefined;
  /** When it was decided for each that is being given up: it is written down first. */
  readonly #decidedMs = new Map<AgentId, number>();
  readonly #unreachable = new Set<AgentId>();
  /** When those that were given up were, in order. */
  #removedMs: number[] = [];

  // By the clock that the limit goes by.
  afterStep({ cluster, masterNowMs: nowMs }: WorldView, report: Report): void {
    const rate = cluster?.options.agentRemovalRateLimit;
    if (cluster === undefined || rate === undefined) return;
    const isNew = cluster !== this.#cluster;
    if (isNew) {
      this.#cluster = cluster;
      this.#decidedMs.clear();
      this.#unreachable.clear();
      this.#removedMs = [];
    }
    for (const { id, leaving, state } of cluster.agents.values()) {
      if (leaving && !this.#decidedMs.has(id)) this.#decidedMs.set(id, nowMs);
      if (state === 'UNREACHABLE') {
        // What its predecessor did is not this master's doing.
        if (!this.#unreachable.has(id) && !isNew) this.#removed(id, rate, nowMs, report);
        this.#unreachable.add(id);
      } else this.#unreachable.delete(id);
      if (!leaving) this.#decidedMs.delete(id);
    }
  }

  #removed(
    id: AgentId,
    { count, perMs }: { readonly count: number; readonly perMs: number },
    nowMs: number,
    report: Report,
  ): void {
    const atMs = this.#decidedMs.get(id) ?? nowMs;
    this.#removedMs = [...this.#removedMs, atMs].toSorted((a, b) => a - b);
    for (const [i, beganMs] of this.#removedMs.entries()) {
      const nextMs = this.#removedMs[i + count];
      if (nextMs !== undefined && nextMs - beganMs < perMs)
        report(
          `${count + 1} agents are given up within ${nextMs - beganMs} ms, ${id} too (D8: ${count} in ${perMs} ms)`,
        );
    }
  }
}
