// RECONCILE: what the master knows of tasks, as statuses nobody acknowledges. Silence where the truth may still come back.
import { assertNever } from '../../base/assert.js';
import type { AgentId } from '../../base/ids.js';
import type { TaskStatus } from '../../protocol/entities.js';
import type { SchedulerCall, TaskReference } from '../../protocol/scheduler-api.js';
import type { TaskState } from '../../protocol/task-state.js';
import type { Decision } from '../decision.js';
import { Draft, masterStatus } from '../decision.js';
import type { ClusterView, FrameworkRecord, Moment, TaskRecord } from '../state.js';
import { agentsExpected } from './heartbeat.js';

/** Explicit for the tasks named; implicit, for all that are known, when none is. */
export function decideReconcile(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Extract<SchedulerCall, { type: 'RECONCILE' }>,
  at: Moment,
): Decision {
  const draft = new Draft();
  if (call.tasks.length === 0) {
    for (const task of framework.tasks.values()) draft.sendStatus(framework, statusOf(task, at));
    for (const task of framework.unreachable.values()) draft.sendStatus(framework, statusOf(task, at));
  } else {
    for (const reference of call.tasks) reconcileOne(view, draft, framework, reference, at);
  }
  return draft.answer(peerId, call.callId, []);
}

/** Answers for one task, or keeps silent while its agent may still come back and tell. */
export function reconcileOne(
  view: ClusterView,
  draft: Draft,
  framework: Readonly<FrameworkRecord>,
  reference: TaskReference,
  at: Moment,
): void {
  const { taskId } = reference;
  const known = framework.tasks.get(taskId) ?? framework.unreachable.get(taskId);
  const done = framework.completed.get(taskId);
  if (known !== undefined) {
    draft.sendStatus(framework, statusOf(known, at));
    return;
  }
  if (done !== undefined) {
    // No stream will bring its end any more, also where the framework was away when it was told.
    draft.sendStatus(framework, { ...statusOf(done, at), state: done.state });
    return;
  }
  const { agentId } = reference;
  const agent = agentId === undefined ? undefined : view.agents.get(agentId);
  const say = (state: TaskState, message: string, more: Partial<TaskStatus> = {}): void => {
    draft.sendStatus(framework, {
      ...masterStatus(
        { taskId, ...(agentId === undefined ? {} : { agentId }) },
        state,
        'RECONCILIATION',
        `Reconciliation: ${message}`,
        at,
      ),
      ...more,
    });
  };
  if (agentId !== undefined && view.goneAgents.has(agentId)) {
    say('TASK_GONE_BY_OPERATOR', 'the agent is gone for ever');
    return;
  }
  if (agent === undefined) {
    // Any agent that is still expected may have it.
    const mayCome =
      agentId === undefined
        ? view.agentsOfUnknownTasks > 0 || agentsExpected(view, framework.id) > 0
        : mayStillCome(view, agentId, at);
    if (!mayCome) say('TASK_UNKNOWN', 'nobody knows this task');
    return;
  }
  switch (agent.state) {
    case 'RECOVERED':
      return;
    case 'REGISTERED':
    case 'DISCONNECTED':
      say('TASK_GONE', 'the agent does not have this task');
      return;
    case 'UNREACHABLE':
      say(
        'TASK_UNREACHABLE',
        'the agent is unreachable',
        agent.unreachableAtMs === undefined ? {} : { unreachableTimeMs: agent.unreachableAtMs },
      );
      return;
    default:
      assertNever(agent.state, 'agent state');
  }
}

// The agent was admitted by an earlier master, and the registry is older than that, or new.
function mayStillCome(view: ClusterView, agentId: AgentId, at: Moment): boolean {
  return at.nowMs < view.strangersUntilMs && !agentId.startsWith(`${view.master.id}-`);
}

/** The state the framework was told last, without what belonged to that status alone; the newest state when it was told none. */
export function statusOf(task: TaskRecord, at: Moment): TaskStatus {
  const { last } = task;
  // What an agent reported while the framework was away has not reached it: its stream will bring it.
  const told = task.state === 'TASK_UNREACHABLE' || last?.source === 'MASTER' ? task.state : task.streamState;
  const state = told === 'TASK_STAGING' ? task.state : told;
  return {
    ...masterStatus(
      { taskId: task.id, agentId: task.agentId },
      state,
      'RECONCILIATION',
      `Reconciliation: ${last?.message ?? 'latest known state'}`,
      at,
    ),
    ...(last?.healthy === undefined ? {} : { healthy: last.healthy }),
    ...(last?.check === undefined ? {} : { check: last.check }),
    ...(last?.checks === undefined ? {} : { checks: last.checks }),
    ...(last?.health === undefined ? {} : { health: last.health }),
    ...(last?.container === undefined ? {} : { container: last.container }),
    ...(last?.exitCode === undefined ? {} : { exitCode: last.exitCode }),
    ...(last?.signal === undefined ? {} : { signal: last.signal }),
    ...(last?.executorId === undefined ? {} : { executorId: last.executorId }),
    ...(task.unreachableAtMs === undefined ? {} : { unreachableTimeMs: task.unreachableAtMs }),
  };
}
