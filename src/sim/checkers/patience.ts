// Frameworks are waited for: one that is away is ended only once its own time is over, and a new master gives all of them theirs anew.
// In: sessions, teardowns, the master's frameworks. Out: reports for D11.
import type { FrameworkId } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Waited {
  readonly failoverTimeoutMs: number;
  /** When it was last connected to this master, or since when this master leads. */
  readonly sinceMs: number;
  /** It has not been connected to this master yet. */
  readonly isExpected: boolean;
}

export class PatienceChecker implements Checker {
  readonly name = 'patience';
  #cluster: ClusterView | undefined;
  readonly #waited = new Map<FrameworkId, Waited>();
  readonly #torndown = new Set<FrameworkId>();

  on(event: HistoryEvent, world: WorldView): void {
    if (event.type === 'SCHEDULER_EVENT' && event.event.type === 'SUBSCRIBED') {
      // It may be gone again before the step is over.
      const { failoverTimeoutMs = 0 } = world.sessions.schedulers.get(event.session)?.info ?? {};
      this.#waited.set(event.event.frameworkId, { failoverTimeoutMs, sinceMs: world.nowMs, isExpected: false });
    } else if (event.type === 'SCHEDULER_CALL' && event.call.type === 'TEARDOWN')
      this.#torndown.add(world.sessions.schedulers.get(event.session)?.frameworkId ?? '');
    else if (event.type === 'OPERATOR_CALL' && event.call.type === 'TEARDOWN')
      this.#torndown.add(event.call.frameworkId);
  }

  afterStep(world: WorldView, report: Report): void {
    const { cluster, nowMs } = world;
    if (cluster === undefined) return;
    const isNew = cluster !== this.#cluster;
    this.#cluster = cluster;
    if (isNew) this.#waited.clear();
    for (const [id, { failoverTimeoutMs, sinceMs, isExpected }] of this.#waited) {
      if (cluster.frameworks.has(id)) continue;
      this.#waited.delete(id);
      const leastMs = isExpected
        ? Math.max(failoverTimeoutMs, cluster.options.frameworkReregisterTimeoutMs)
        : failoverTimeoutMs;
      if (!this.#torndown.has(id) && nowMs - sinceMs < leastMs - world.driftOf(leastMs))
        report(`framework ${id} is ended after ${nowMs - sinceMs} ms without it (D11: at least ${leastMs})`);
    }
    for (const { id, info, state } of cluster.frameworks.values()) {
      const { failoverTimeoutMs = 0 } = info;
      const isHere = state === 'ACTIVE';
      const before = this.#waited.get(id);
      if (isHere || before === undefined)
        this.#waited.set(id, { failoverTimeoutMs, sinceMs: nowMs, isExpected: isNew && !isHere });
    }
  }
}
