// Amounts are amounts: whatever the master and the agents say of resources is positive, in whole thousandths, and no larger than integers are exact.
// In: messages with resources, the master's books. Out: reports for R15.
import type { Bag, Resources } from '../../resources/index.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class QuantitiesChecker implements Checker {
  readonly name = 'quantities';

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    if (event.type === 'SCHEDULER_EVENT' && event.event.type === 'OFFERS') {
      for (const offer of event.event.offers) check(offer.resources, `offer ${offer.id}`, report);
    } else if (event.type === 'AGENT_EVENT' && event.event.type === 'LAUNCH') {
      for (const task of event.event.tasks) check(task.resources, `task ${task.taskId}`, report);
    } else if (event.type === 'AGENT_EVENT' && event.event.type === 'APPLY_OPERATION') {
      const { uuid, consumed, produced } = event.event;
      check(consumed, `operation ${uuid}`, report);
      check(produced, `operation ${uuid}`, report);
    } else if (event.type === 'AGENT_CALL' && event.call.type === 'UPDATE_RESOURCES' && world.knows(event.node)) {
      // An amount of 0 is valid, and means nothing; our agents leave it out.
      check(event.call.resources, `the total of ${event.node}`, report);
    }
  }

  audit(world: WorldView, report: Report): void {
    for (const agent of world.cluster?.agents.values() ?? []) {
      for (const bag of [agent.total, agent.free]) checkBag(bag, `the books of ${agent.id}`, report);
    }
  }
}

function check(resources: Resources, what: string, report: Report): void {
  for (const [key, value] of Object.entries(resources)) {
    if (typeof value !== 'number') continue;
    const milli = value * 1000;
    const exact = Math.abs(milli - Math.round(milli)) < 1e-6 * Math.max(1, milli);
    if (!(value > 0) || !Number.isSafeInteger(Math.round(milli)) || !exact) report(`${what} has ${key}:${value} (R15)`);
  }
}

function checkBag(bag: Bag, what: string, report: Report): void {
  for (const r of bag) {
    if (r.kind === 'scalar' && !(r.milli > 0 && Number.isSafeInteger(r.milli)))
      report(`${what} have ${r.key}:${r.milli} thousandths (R15)`);
  }
}
