// Offers are taken back only for who comes first: never from a client that is certain to come, by the policy's order, before the one who waits.
// In: offers that the allocator wants back, the master's state. Out: reports for R14.
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';
import { precedenceOf } from './precedence.js';

export class TakenBackChecker implements Checker {
  readonly name = 'taken back';

  on(event: HistoryEvent, { cluster, order, optimistic }: WorldView, report: Report): void {
    if (event.type !== 'TAKES_BACK' || cluster === undefined) return;
    // Copies book nothing: there the oldest goes, whosever it is. What a run has granted of a demand cannot be told from what is asked for now.
    if (optimistic || order.startsWith('demand')) return;
    const precedes = precedenceOf(order, cluster);
    for (const { frameworkId, role, agentId, waiting } of event.offers) {
      const framework = cluster.frameworks.get(frameworkId);
      if (framework === undefined || !precedes({ framework, role }, waiting)) continue;
      report(
        `an offer of ${agentId} is taken back from ${frameworkId} in role ${role} for ${waiting.frameworkId} in role ${waiting.role}, who comes after it by ${order} (R14)`,
      );
    }
  }
}
