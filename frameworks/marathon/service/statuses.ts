// What agents tell of tasks. In: statuses. Out: events of instances, health, ends of tasks nobody asked for; each is acknowledged once what it changed is durable.
import type { Framework, TaskId, TaskStatus } from 'proffer';
import { conditionOf, isTerminal } from '../machine/condition.js';
import { parseTaskId } from '../machine/ids.js';
import { ownershipOf } from '../machine/strangers.js';
import { statusTelling } from './core.js';
import type { Core } from './core.js';

export interface StatusParts {
  readonly core: Core;
  readonly framework: Pick<Framework, 'acknowledge'>;
  /** Ends tasks, now. */
  readonly kill: (taskIds: readonly TaskId[]) => void;
}

/** One status. */
export function takeStatus({ core, framework, kill }: StatusParts, status: TaskStatus): void {
  const owner = ownershipOf(status, id => core.ledger.instances.has(id));
  switch (owner.type) {
    case 'KNOWN': {
      const instance = core.ledger.instances.get(owner.instanceId);
      if (instance === undefined) break;
      const isIts = instance.tasks.some(({ id }) => id === status.taskId);
      const tellings = isIts ? core.health.take(status, instance, core.specOf(instance)) : [];
      core.tell(statusTelling(status, instance), ...tellings);
      core.happen(instance.id, { type: 'STATUS', status });
      // What a check says may let a deployment go on.
      core.markDirty(instance.runSpecId);
      break;
    }
    case 'KILL':
      core.env.log.warn('a task nobody asked for is ended', { task: status.taskId, state: status.state });
      core.writer.after(() => kill([status.taskId]));
      break;
    case 'IGNORE':
      tellStranger(core, status);
  }
  core.writer.after(() => framework.acknowledge(status));
}

function tellStranger(core: Core, status: TaskStatus): void {
  const parts = parseTaskId(status.taskId);
  const condition = conditionOf(status);
  if (parts === undefined || !isTerminal(condition)) return;
  const [name = ''] = parts.instanceId.split('.instance-');
  const { instanceId } = parts;
  core.tell({
    type: 'unknown_instance_terminated_event',
    instanceId,
    runSpecId: `/${name.replaceAll('_', '/')}`,
    condition,
  });
}
