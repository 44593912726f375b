// What the end of an agent is for those who had something there: tasks end in the master's name, frameworks are told. In: state, agent. Out: changes and effects.
import type { AgentId } from '../../base/ids.js';
import type { StatusReason } from '../../protocol/entities.js';
import type { TaskState } from '../../protocol/task-state.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { Draft } from '../decision.js';
import { masterStatus } from '../decision.js';
import type { AgentRecord, ClusterView, Moment } from '../state.js';

/** Ends the live tasks of an agent in the master's own name; ended ones whose end was not acknowledged will not be asked for again. */
export function endTasks(
  view: ClusterView,
  draft: Draft,
  agent: Readonly<AgentRecord>,
  state: TaskState,
  reason: StatusReason,
  why: string,
  at: Moment,
  withoutCheckpointsOnly: boolean,
): void {
  for (const task of agent.tasks) {
    const framework = view.frameworks.get(task.frameworkId);
    if (framework?.tasks.get(task.id) !== task) continue;
    if (withoutCheckpointsOnly && framework.info.checkpoint !== false) continue;
    if (!isTerminal(task.state)) {
      const status = masterStatus({ taskId: task.id, agentId: agent.id }, state, reason, why, at);
      if (withoutCheckpointsOnly) {
        // The agent may still run it: its resources stay booked until the agent is back and says.
        draft.change({ type: 'TASK_ENDED_UNCONFIRMED', frameworkId: framework.id, taskId: task.id, status });
      } else {
        draft.change({
          type: 'TASK_UPDATED',
          frameworkId: framework.id,
          taskId: task.id,
          state,
          status,
          forwarded: false,
        });
      }
      draft.sendStatus(framework, status);
    }
    draft.change({ type: 'TASK_COMPLETED', frameworkId: framework.id, taskId: task.id });
  }
}

/** Ends the tasks that became unreachable with these agents. */
export function endUnreachable(
  view: ClusterView,
  draft: Draft,
  agentIds: ReadonlySet<AgentId>,
  state: TaskState,
  reason: StatusReason,
  why: string,
  at: Moment,
): void {
  for (const framework of view.frameworks.values()) {
    for (const { id: taskId, agentId } of framework.unreachable.values()) {
      if (!agentIds.has(agentId)) continue;
      const status = masterStatus({ taskId, agentId }, state, reason, why, at);
      draft.change({ type: 'TASK_RETURNED', frameworkId: framework.id, taskId, state, status });
      draft.change({ type: 'TASK_COMPLETED', frameworkId: framework.id, taskId });
      draft.sendStatus(framework, status);
    }
  }
}

// Nothing is written after that of an agent which is to be removed, or gone.
export function isLeaving(view: ClusterView, agent: Readonly<AgentRecord>): boolean {
  return agent.leaving || view.goingAgents.has(agent.id);
}

/** Whether it may be given up now: one whose admission is being written is there. */
export function mayGiveUp(view: ClusterView, agent: Readonly<AgentRecord>): boolean {
  return !isLeaving(view, agent) && !view.registeringAgents.has(agent.id);
}

export function tellFailure(view: ClusterView, draft: Draft, agent: Readonly<AgentRecord>): void {
  for (const framework of view.frameworks.values()) {
    if (framework.state === 'ACTIVE') draft.toFramework(framework.id, { type: 'FAILURE', agentId: agent.id });
  }
}
