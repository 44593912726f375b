// The master's books: of each agent, free, offered and used add up to the total, and the allocator has the same books.
// In: the master's state, the allocator's. Out: reports for R2.
import type { AgentId } from '../../base/ids.js';
import type { AgentRecord } from '../../master/state.js';
import { add, describeResources, emptyBag, equals, exclusive, nonRevocable, sum } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { Checker, Report, WorldView } from './checker.js';

/** Looks at the agents whose books a step touched; `audit` at all. */
export class LedgersChecker implements Checker {
  readonly name = 'ledgers';

  afterStep(world: WorldView, report: Report): void {
    const { books } = world;
    if (books === undefined || books.touched.size === 0) return;
    for (const agentId of books.touched) check(world, agentId, report);
  }

  audit(world: WorldView, report: Report): void {
    for (const agentId of world.cluster?.agents.keys() ?? []) check(world, agentId, report);
  }
}

function check(world: WorldView, agentId: AgentId, report: Report): void {
  const agent = world.cluster?.agents.get(agentId);
  if (agent === undefined || agent.state === 'RECOVERED' || agent.state === 'UNREACHABLE') return;
  // Optimistic offers have nothing yet; shared volumes stay free; of what is lent more may be held than there is.
  const offered = sum(
    [...agent.offers].map(each => (each.sequence === undefined ? exclusive(each.resources) : emptyBag)),
  );
  const used = usedOf(agent);
  const accounted = add(add(agent.free, offered), used);
  const same = agent.overbooked
    ? equals(nonRevocable(accounted), nonRevocable(agent.total))
    : equals(accounted, agent.total);
  if (!same) {
    report(
      `${agentId}: free ${describeResources(agent.free)} + offered ${describeResources(offered)} + used ${describeResources(used)} is not the total ${describeResources(agent.total)} (R2)`,
    );
  }
  const free = world.books?.free(agentId);
  if (free === undefined) report(`${agentId} is unknown to the allocator (R2)`);
  else if (!equals(free, agent.free)) {
    report(
      `${agentId}: the master has ${describeResources(agent.free)} free, the allocator ${describeResources(free)} (R2)`,
    );
  }
}

function usedOf(agent: Readonly<AgentRecord>): Bag {
  let used: Bag = emptyBag;
  for (const task of agent.tasks) if (task.holds) used = add(used, exclusive(task.resources));
  for (const executor of agent.executors.values()) used = add(used, exclusive(executor.resources));
  return used;
}
