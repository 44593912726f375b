// What a task to be launched must be beyond the types of its fields; all that needs no knowledge of the cluster. In: a TaskInfo. Out: violations.
import { scalarMilli, showRanges, toBag } from '../resources/index.js';
import type { Range } from '../resources/index.js';
import type { TaskInfo } from './entities.js';
import type { Say } from './schemas/findings.js';
import { hasImage, isRunnable } from './validate-container.js';

/** Exactly one of `command`, `container` and `executor` says what runs. A container may go with a command: then the command runs in it. */
export function oneWayToRunRule(task: TaskInfo, path: string, say: Say): void {
  const { command, container, executor } = task;
  if (executor !== undefined) {
    if (command !== undefined) {
      say(path, 'both command and executor are given; only one is allowed', 'leave out one of them');
    }
    if (container !== undefined) {
      say(`${path}.container`, 'does not go with an executor', 'give the executor its container: executor.container');
    }
    return;
  }
  if (isRunnable(command) || hasImage(container)) return;
  // A container of type DOCKER without its image has been complained about already.
  if (container?.type === 'DOCKER') return;
  const hint = 'give command.value (a shell line), command.argv, container.docker.image or an executor';
  say(path, 'says nothing to run', hint);
}

/** A task has some resources. */
export function someResourcesRule(task: TaskInfo, path: string, say: Say): void {
  if (isNothing(task.resources)) {
    say(`${path}.resources`, 'is empty; a task needs some resources', 'write for example { cpus: 0.1, mem: 32 }');
  }
}

/** Host ports that are mapped are among the task's ports. */
export function mappedPortsRule(task: TaskInfo, path: string, say: Say): void {
  const mappings = task.container?.docker?.portMappings;
  if (mappings === undefined || mappings.length === 0) return;
  const ports = toBag(task.resources).bag.flatMap<Range>(r =>
    r.kind === 'ranges' && r.name === 'ports' ? r.ranges : [],
  );
  for (const [i, { hostPort }] of mappings.entries()) {
    if (ports.some(range => range[0] <= hostPort && hostPort <= range[1])) continue;
    say(
      `${path}.container.docker.portMappings[${i}].hostPort`,
      `${hostPort} is not among the task’s ports (${ports.length === 0 ? 'none' : showRanges(ports, 4)})`,
      `add it to resources: ports: [[${hostPort}, ${hostPort}]]`,
    );
  }
}

/** Limits are not below what is requested. */
export function limitsRule(task: TaskInfo, path: string, say: Say): void {
  const { limits } = task;
  if (limits === undefined) return;
  const { bag } = toBag(task.resources);
  for (const name of ['cpus', 'mem'] as const) {
    const limit = limits[name];
    const least = scalarMilli(bag, name);
    if (limit === undefined || limit * 1000 >= least) continue;
    say(`${path}.limits.${name}`, `${limit} is below the ${least / 1000} requested; a limit is at least the request`);
  }
}

function isNothing(resources: TaskInfo['resources']): boolean {
  for (const key in resources) {
    const amount = resources[key];
    if (typeof amount === 'number' ? amount !== 0 : amount !== undefined && amount.length > 0) return false;
  }
  return true;
}
