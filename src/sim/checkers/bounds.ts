// What a master remembers of the past is bounded: ended tasks and frameworks, and what is unreachable. In: the master's state. Out: reports for L3.
import type { ClusterView } from '../../master/state.js';
import type { Checker, Report, WorldView } from './checker.js';

export class BoundsChecker implements Checker {
  readonly name = 'bounds';

  audit({ cluster }: WorldView, report: Report): void {
    if (cluster === undefined) return;
    const { options } = cluster;
    const look = (what: string, size: number, max: number): void => {
      if (size > max) report(`${what}: ${size} are remembered, at most ${max} should be (L3)`);
    };
    // Of which something may run cannot be forgotten.
    const idle = [...cluster.completedFrameworks.values()].filter(({ holds }) => holds === 0).length;
    if (idle > 0) look('ended frameworks', cluster.completedFrameworks.size, options.completedFrameworksMax);
    look('gone agents', cluster.goneAgents.size, options.goneAgentsMax);
    look('unreachable agents', unreachableIn(cluster), options.unreachableAgentsMax);
    for (const { id, completed, unreachable } of cluster.frameworks.values()) {
      look(`ended tasks of ${id}`, completed.size, options.completedTasksMax);
      look(`unreachable tasks of ${id}`, unreachable.size, options.unreachableTasksMax);
    }
  }
}

function unreachableIn({ agents }: ClusterView): number {
  let count = 0;
  for (const { state } of agents.values()) if (state === 'UNREACHABLE') count += 1;
  return count;
}
