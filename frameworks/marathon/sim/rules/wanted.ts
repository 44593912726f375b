// G1 and G6: the number that is wanted is there or waited for, with a reason that anybody can read; who is out of reach for too long is replaced. In: a service. Out: reports.
import { instancesOn } from '../../model/run-spec.js';
import { runSpecsOf } from '../../model/group.js';
import type { PathId } from '../../model/path.js';
import type { MarathonService } from '../../service/service.js';
import type { Report, Rule } from './rule.js';

/** So long an app may have another number than the one wanted while no deployment touches it and the master is heard. */
const patienceMs = 45_000;

export class WantedRule implements Rule {
  readonly name = 'G1 wanted';
  readonly #wrongSince = new Map<PathId, number>();

  began(): void {
    this.#wrongSince.clear();
  }

  looked(service: MarathonService, now: number, sinceMs: number, report: Report): void {
    // It first has to hear how its tasks are.
    if (!service.connected || sinceMs < patienceMs) return this.#wrongSince.clear();
    for (const { id, instances } of runSpecsOf(service.root)) {
      const counted = service
        .instancesOf(id)
        .filter(({ goal, condition }) => goal === 'Running' && condition !== 'UnreachableInactive').length;
      if (instances === '*' || counted === instancesOn(instances, 0) || service.deploymentsOf(id).length > 0) {
        this.#wrongSince.delete(id);
        continue;
      }
      const since = this.#wrongSince.get(id) ?? now;
      this.#wrongSince.set(id, since);
      if (now - since > patienceMs)
        report(`${id} has ${counted} instances of ${instances}, and nothing is done about it`);
    }
    for (const entry of service.queue()) if (entry.why === '') report(`${entry.runSpecId} waits, and nobody says why`);
  }
}
