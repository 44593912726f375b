// What an agent holds to be in use is what its tasks and executors were given: nothing of what has ended, or never began, stays taken.
// In: the agents that run. Out: reports for R2.
import { isTerminal } from '../../protocol/task-state.js';
import { bagOf, scalarMilli } from '../../resources/index.js';
import type { Resources } from '../../resources/index.js';
import type { Checker, Report, WorldView } from './checker.js';

export class AgentBooksChecker implements Checker {
  readonly name = 'agent books';

  audit(world: WorldView, report: Report): void {
    for (const [node, agent] of world.agentViews()) {
      const running = [...agent.tasks.filter(({ state }) => !isTerminal(state)), ...agent.executors];
      for (const name of names) {
        const used = milliOf(name, agent.used);
        const given = running.reduce((total, { resources }) => total + milliOf(name, resources), 0);
        if (used !== given)
          report(`${node} has ${used / 1000} ${name} in use, and what runs there was given ${given / 1000} (R2)`);
      }
    }
  }
}

/** Disks and ports are counted otherwise, and go with these. */
const names = ['cpus', 'mem'];

function milliOf(name: string, resources: Resources): number {
  return scalarMilli(bagOf(resources), name);
}
