// What calls of agents and executors must be beyond the types of their fields. In: calls of the right shape. Out: violations, through `say`.
import { shown } from '../base/errors.js';
import type { AgentCall } from './agent-api.js';
import type { ExecutorCall } from './executor-api.js';
import type { TaskStatus } from './entities.js';
import type { Say } from './schemas/findings.js';

/** One registration names each framework, task and executor once. */
export function registerRule(call: AgentCall, path: string, say: Say): void {
  if (call.type !== 'REGISTER') return;
  once(call.frameworks, framework => framework.id, `${path}.frameworks`, say);
  for (const [i, framework] of call.frameworks.entries()) {
    if (framework.id === undefined)
      say(`${path}.frameworks[${i}].id`, 'is missing; an agent knows its frameworks by id');
  }
  // Seldom have two frameworks tasks of one name, and then these are looked at together with their frameworks.
  if (new Set(call.tasks.map(({ task }) => task.taskId)).size < call.tasks.length)
    once(call.tasks, entry => `${entry.task.taskId} of ${entry.frameworkId}`, `${path}.tasks`, say);
  once(call.executors, entry => `${entry.executor.executorId} of ${entry.frameworkId}`, `${path}.executors`, say);
}

/** Executors speak for themselves, ask for an answer, and cannot take a task back to staging. */
export function executorUpdateRule(call: ExecutorCall, path: string, say: Say): void {
  if (call.type === 'UPDATE') statusRule(call.status, `${path}.status`, say);
  if (call.type === 'SUBSCRIBE') {
    for (const [i, status] of call.unacknowledgedUpdates.entries()) {
      statusRule(status, `${path}.unacknowledgedUpdates[${i}]`, say);
    }
  }
}

function statusRule(status: TaskStatus, path: string, say: Say): void {
  if (status.source !== 'EXECUTOR')
    say(`${path}.source`, `${shown(status.source)} is not allowed here; it must be EXECUTOR`);
  if (status.uuid === undefined) say(`${path}.uuid`, 'is missing; an executor’s update is acknowledged by it');
  if (status.state === 'TASK_STAGING') {
    say(`${path}.state`, '"TASK_STAGING" is not allowed here; the agent alone stages tasks');
  }
}

function once<T>(items: readonly T[], key: (item: T) => string | undefined, path: string, say: Say): void {
  if (items.length < 2) return;
  const first = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const id = key(item);
    if (id === undefined) continue;
    const before = first.get(id);
    if (before === undefined) first.set(id, i);
    else say(`${path}[${i}]`, `${shown(id)} is given twice: it is at [${before}] already`);
  }
}
