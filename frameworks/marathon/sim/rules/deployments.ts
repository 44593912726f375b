// G4 and G5 (records): one deployment per app, each with one end that is told; steps are not taken back, nor anything that was durable. In: turns. Out: reports.
import { runSpecAt } from '../../model/group.js';
import type { MarathonEvent } from '../../events/event.js';
import type { MarathonService } from '../../service/service.js';
import type { Known } from '../marathon-node.js';
import type { Request } from '../users.js';
import type { Call, Report, Rule, Turn } from './rule.js';

/** From the end of one in the records to its being told: a write, on a disk that may be slow. */
const toldWithinMs = 60_000;
/** Without progress for so long it has stalled, and a little for being looked at. */
const stalledMs = 300_000 + 5000;

export class DeploymentsRule implements Rule {
  readonly name = 'G4 deployments';
  /** Those that are over, and nobody was told; since when. */
  readonly #untold = new Map<string, number>();
  readonly #ended = new Set<string>();
  readonly counts = { succeeded: 0, failed: 0, stalled: 0 };

  began(): void {
    // What was to be told went with the process.
    this.#untold.clear();
  }

  turned({ before, after, service, now }: Turn, report: Report): void {
    const touched = new Map<string, string>();
    for (const [id, { plan, standing }] of after.deployments) {
      for (const runSpecId of plan.runSpecs.keys()) {
        const other = touched.get(runSpecId);
        if (other !== undefined) report(`deployments ${other} and ${id} both touch ${runSpecId}`);
        touched.set(runSpecId, id);
      }
      const earlier = before.deployments.get(id);
      if (earlier === undefined && this.#ended.has(id)) report(`deployment ${id} is over, and is there again`);
      if (earlier !== undefined && standing.step < earlier.standing.step)
        report(`deployment ${id} goes back from step ${earlier.standing.step} to ${standing.step}`);
      for (const [runSpecId, change] of plan.runSpecs) {
        if (change.after !== undefined && runSpecAt(service.root, runSpecId) === undefined)
          report(`deployment ${id} leads to ${runSpecId}, which is not there`);
      }
    }
    for (const id of before.deployments.keys()) {
      if (after.deployments.has(id)) continue;
      if (!this.#ended.has(id)) this.#untold.set(id, now);
    }
  }

  told(event: MarathonEvent, report: Report): void {
    if (event.type === 'deployment_stalled') {
      this.counts.stalled += 1;
      if (event.waitingFor.length === 0) report(`deployment ${event.plan.id} has stalled, and says nothing of why`);
    }
    if (event.type !== 'deployment_success' && event.type !== 'deployment_failed') return;
    const { id } = event.plan;
    if (event.plan.steps.length === 0) return;
    if (this.#ended.has(id)) report(`the end of deployment ${id} is told twice`);
    this.#ended.add(id);
    this.#untold.delete(id);
    this.counts[event.type === 'deployment_success' ? 'succeeded' : 'failed'] += 1;
    if (event.type === 'deployment_failed' && (event.reason ?? '') === '')
      report(`deployment ${id} failed without a reason`);
  }

  looked(service: MarathonService, now: number, sinceMs: number, report: Report): void {
    // What it has found it first has to look at; and while the master is not heard, or it is stopped, nobody knows.
    if (sinceMs < toldWithinMs || !service.connected) return;
    for (const [id, at] of this.#untold)
      if (now - at > toldWithinMs) report(`nobody is told of the end of deployment ${id}`);
    for (const { plan, standing } of service.deployments()) {
      const doubtful = now - standing.progressAt < stalledMs + 60_000;
      if (!standing.stalled && now - standing.progressAt > stalledMs && !doubtful)
        report(
          `deployment ${plan.id} has not moved for ${now - standing.progressAt} ms, and is not said to have stalled`,
        );
    }
  }
}

/** What was durable is there in the next process, and nothing is done before it is. */
export class InheritanceRule implements Rule {
  readonly name = 'G5 inheritance';
  #answered = 0;

  asked(request: Request): void {
    if (request.type === 'ANSWERED') this.#answered = Math.max(this.#answered, request.version);
  }

  began(_service: MarathonService, found: Known, durable: Known | undefined, report: Report): void {
    if (found.version < this.#answered) report(`version ${this.#answered} was answered, and is forgotten`);
    if (durable === undefined) return;
    for (const [id, { standing }] of durable.deployments) {
      const step = found.deployments.get(id)?.standing.step;
      if (step !== undefined && step < standing.step)
        report(`step ${standing.step} of ${id} was done, now it is at ${step}`);
    }
    for (const [id, { goal, incarnation }] of durable.instances) {
      const now = found.instances.get(id);
      if (now === undefined) continue;
      if (goal === 'Decommissioned' && now.goal !== goal) report(`${id} was to go, and is wanted again`);
      if (now.incarnation < incarnation) report(`start ${incarnation} of ${id} is forgotten`);
    }
  }

  said(call: Call, _service: MarathonService, durable: Known, report: Report): void {
    if (call.type === 'KILL') {
      const kept = [...durable.instances.values()].find(({ tasks }) => tasks.some(({ id }) => id === call.taskId));
      if (kept !== undefined && kept.goal === 'Running' && kept.killedAt === undefined)
        report(`${call.taskId} is to end, and nothing of that is durable`);
    }
    if (call.type !== 'ACCEPT') return;
    for (const operation of call.operations ?? []) {
      if (operation.type !== 'LAUNCH' && operation.type !== 'LAUNCH_GROUP') continue;
      for (const { taskId } of operation.tasks) {
        const kept = [...durable.instances.values()].some(({ tasks }) => tasks.some(({ id }) => id === taskId));
        if (!kept) report(`${taskId} is launched, and nothing of that is durable`);
      }
    }
  }
}
