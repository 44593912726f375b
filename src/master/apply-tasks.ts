// Steps of tasks that several changes share: noting statuses, completing, releasing. In: the state and a task. Out: both changed.
import { must } from '../base/assert.js';
import type { Allocator } from '../allocator/allocator.js';
import type { TaskStatus } from '../protocol/entities.js';
import { freeHold } from './books.js';
import { withoutData } from './payload.js';
import type { AgentRecord, ClusterState, FrameworkRecord, TaskRecord } from './state.js';
import { heldKey } from './state.js';

export function note(state: ClusterState, task: TaskRecord, status: TaskStatus): void {
  task.last = withoutData(status);
  const { history } = task;
  const previous = history.at(-1);
  // A resent status is no news.
  if (previous?.uuid !== undefined && previous.uuid === status.uuid) return;
  task.history = [...(history.length < state.options.statusHistoryMax ? history : history.slice(1)), task.last];
}

export function complete(state: ClusterState, framework: FrameworkRecord, task: TaskRecord): void {
  framework.tasks.delete(task.id);
  task.kill = undefined;
  const agent = state.agents.get(task.agentId);
  if (task.holds) must(agent, 'the agent of a held task').held.set(heldKey(framework.id, task.id), task);
  else agent?.tasks.delete(task);
  remember(framework.completed, task.id, task, state.options.completedTasksMax);
}

export function forgetHeld(state: ClusterState, allocator: Allocator, agent: AgentRecord, task: TaskRecord): void {
  agent.held.delete(heldKey(task.frameworkId, task.id));
  agent.tasks.delete(task);
  task.holds = false;
  freeHold(state, allocator, task);
}

export function release(state: ClusterState, allocator: Allocator, task: TaskRecord): void {
  task.holds = false;
  freeHold(state, allocator, task);
}

export function remember<K, V>(cache: Map<K, V>, key: K, value: V, max: number): void {
  cache.delete(key);
  cache.set(key, value);
  if (cache.size <= max) return;
  for (const oldest of cache.keys()) {
    cache.delete(oldest);
    return;
  }
}
