// The master's own list of offers: whenever somebody came, went or was taken out of use, none is left of an agent or a framework that is not there for
// it. In: the master's state. Out: reports for R6.
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class StandingOffersChecker implements Checker {
  readonly name = 'standing offers';
  #changed = false;

  on(event: HistoryEvent): void {
    if (event.type === 'SESSION' || event.type === 'OPERATOR_ANSWER') this.#changed = true;
  }

  afterStep({ cluster }: WorldView, report: Report): void {
    if (!this.#changed || cluster === undefined) return;
    this.#changed = false;
    for (const { id, agentId, frameworkId } of cluster.offers.values()) {
      const agent = cluster.agents.get(agentId);
      if (agent?.state !== 'REGISTERED')
        report(`offer ${id} stands of ${agentId}, which is ${agent?.state ?? 'not there'} (R6)`);
      else if (agent.admin.activity !== 'ACTIVE')
        report(`offer ${id} stands of ${agentId}, which is ${agent.admin.activity} (R6)`);
      const framework = cluster.frameworks.get(frameworkId);
      if (framework?.state !== 'ACTIVE')
        report(`offer ${id} stands to ${frameworkId}, which is ${framework?.state ?? 'not there'} (R6)`);
    }
  }
}
