// Tasks after launch: statuses from agents, acknowledgements, kills, executors, messages. In: state, call, moment. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { AgentCall } from '../../protocol/agent-api.js';
import type { TaskStatus } from '../../protocol/entities.js';
import type { SchedulerCall } from '../../protocol/scheduler-api.js';
import type { TaskState } from '../../protocol/task-state.js';
import { isTerminal, mayMove } from '../../protocol/task-state.js';
import type { Decision } from '../decision.js';
import { Draft } from '../decision.js';
import type { AgentRecord, ClusterView, FrameworkRecord, Moment } from '../state.js';
import { executorKey, heldKey } from '../state.js';
import { fittingStatus, wireBytes } from '../../protocol/wire-size.js';
import { reconcileOne } from './reconcile.js';

type Call<Type extends SchedulerCall['type']> = Extract<SchedulerCall, { type: Type }>;
type FromAgent<Type extends AgentCall['type']> = Extract<AgentCall, { type: Type }>;

/**
 * A status from a task's agent: forwarded in the order it comes; the newest state counts at once. What cannot be true (a step back, a step out
 * of an end, how a task ended that the agent did not list) is dropped and acknowledged to the agent, which would repeat it for ever.
 */
export function decideStatusUpdate(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  call: FromAgent<'STATUS_UPDATE'>,
): Decision {
  const draft = new Draft();
  const { frameworkId, latestState } = call;
  const placed = call.status.agentId === agent.id ? call.status : { ...call.status, agentId: agent.id };
  const { taskId } = placed;
  const framework = view.frameworks.get(frameworkId);
  const held = agent.held.get(heldKey(frameworkId, taskId));
  if (held !== undefined && isTerminal(latestState))
    draft.change({ type: 'HELD_RELEASED', agentId: agent.id, frameworkId, taskId });
  if (framework === undefined) {
    // Nobody is left to acknowledge.
    if (!isTerminal(latestState)) draft.toAgent(agent.id, { type: 'SHUTDOWN_FRAMEWORK', frameworkId });
    return acknowledge(draft, agent, call);
  }
  const task = framework.tasks.get(taskId);
  if (task === undefined) {
    const away = framework.unreachable.get(taskId);
    if (away !== undefined && away.agentId !== agent.id) return acknowledge(draft, agent, call);
    if (held !== undefined) return acknowledge(draft, agent, call);
    // How it ended is known, and who had it.
    const done = framework.completed.get(taskId);
    if (done !== undefined && done.agentId !== agent.id) return acknowledge(draft, agent, call);
    // It listed what it had when it registered: of anything else that is not known here it can only say that it does not have it.
    if (done === undefined && !deniesTask(placed)) return acknowledge(draft, agent, call);
    // An end that is told again, as its acknowledgement was lost, has the name it had.
    return draft.sendStatus(
      framework,
      fittingStatus(namedByDrain(agent, framework, placed, toldBefore(framework, placed)), view.options.itemBytesMax),
    );
  }
  if (task.agentId !== agent.id) return acknowledge(draft, agent, call);
  const repeated = placed.uuid !== undefined && placed.uuid === task.uuid;
  if (!repeated && !mayMove('AGENT', task.streamState, placed.state)) return acknowledge(draft, agent, call);
  const status = namedByDrain(agent, framework, placed, task.state);
  const latest = goneByDrain(agent, framework, placed, latestState, task.state);
  const state = mayMove('AGENT', task.state, latestState) ? latest : task.state;
  const forwarded = framework.state === 'ACTIVE';
  draft.change({ type: 'TASK_UPDATED', frameworkId, taskId, state, status, forwarded });
  if (forwarded) draft.sendStatus(framework, fittingStatus(status, view.options.itemBytesMax));
  // Nobody acknowledges a status without uuid, so its end is the end.
  if (forwarded && status.uuid === undefined && isTerminal(status.state))
    draft.change({ type: 'TASK_COMPLETED', frameworkId, taskId });
  return draft;
}

// What an agent reports of tasks that it leaves out of its registrations: it never had them, or cannot read what it kept of them.
function deniesTask({ state, reason }: TaskStatus): boolean {
  return state === 'TASK_DROPPED' || state === 'TASK_ERROR' || (state === 'TASK_LOST' && reason === 'AGENT_RESTARTED');
}

function toldBefore(framework: Readonly<FrameworkRecord>, { taskId, uuid }: TaskStatus): TaskState | undefined {
  const done = framework.completed.get(taskId);
  return uuid !== undefined && done?.uuid === uuid ? done.state : undefined;
}

function namedByDrain(
  agent: Readonly<AgentRecord>,
  framework: Readonly<FrameworkRecord>,
  status: TaskStatus,
  before: TaskState | undefined,
): TaskStatus {
  const state = goneByDrain(agent, framework, status, status.state, before);
  return state === status.state ? status : { ...status, state };
}

// What a drain that ends with the agent gone has killed is gone with it, for frameworks that know the word; unless it was killed before that was asked.
function goneByDrain(
  agent: Readonly<AgentRecord>,
  framework: Readonly<FrameworkRecord>,
  status: TaskStatus,
  state: TaskState,
  before: TaskState | undefined,
): TaskState {
  if (state === 'TASK_KILLED' && (before === 'TASK_KILLED' || before === 'TASK_GONE_BY_OPERATOR')) return before;
  if (state !== 'TASK_KILLED' || status.reason !== 'AGENT_DRAINING' || !framework.partitionAware) return state;
  return agent.admin.activity === 'DRAINING' && agent.admin.markGone ? 'TASK_GONE_BY_OPERATOR' : state;
}

/** ACKNOWLEDGE: goes on to the agent; that of the end removes the task. What comes for an agent that is away is dropped: it will ask again. */
export function decideAcknowledge(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Call<'ACKNOWLEDGE'>,
): Decision {
  const draft = new Draft();
  const { taskId, agentId, uuid } = call;
  const agent = view.agents.get(agentId);
  if (agent === undefined)
    return draft.answer(
      peerId,
      call.callId,
      call.callId === undefined ? [] : [unknownAgent('acknowledge.agentId', agentId)],
    );
  if (agent.state === 'REGISTERED') {
    const task = framework.tasks.get(taskId);
    const known = task !== undefined && task.agentId === agentId;
    if (!known || task.uuid === uuid) {
      if (known && isTerminal(task.streamState))
        draft.change({ type: 'TASK_COMPLETED', frameworkId: framework.id, taskId });
      draft.toAgent(agentId, { type: 'ACKNOWLEDGE', frameworkId: framework.id, taskId, uuid });
    }
  }
  return call.callId === undefined ? draft : draft.answer(peerId, call.callId, []);
}

/** KILL: goes to the task's agent, at once or when it returns. One of an unknown task is answered like a RECONCILE of it. */
export function decideKill(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Call<'KILL'>,
  at: Moment,
): Decision {
  const draft = new Draft();
  const { taskId, killPolicy } = call;
  const task = framework.tasks.get(taskId) ?? framework.unreachable.get(taskId);
  if (task === undefined) {
    reconcileOne(view, draft, framework, call, at);
    return draft.answer(peerId, call.callId, []);
  }
  if (call.agentId !== undefined && call.agentId !== task.agentId) {
    const wrong = problem(
      'kill.agentId',
      'UNKNOWN_TASK',
      `task ${shown(taskId)} runs on ${task.agentId}, not on ${shown(call.agentId)}`,
      'leave agentId out',
    );
    return draft.answer(peerId, call.callId, [wrong]);
  }
  if (!isTerminal(task.state)) {
    draft.change({
      type: 'KILL_ASKED',
      frameworkId: framework.id,
      taskId,
      ...(killPolicy === undefined ? {} : { policy: killPolicy }),
    });
    if (view.agents.get(task.agentId)?.state === 'REGISTERED') {
      draft.toAgent(task.agentId, {
        type: 'KILL',
        frameworkId: framework.id,
        taskId,
        ...(killPolicy === undefined ? {} : { killPolicy }),
      });
    }
  }
  return draft.answer(peerId, call.callId, []);
}

/** SHUTDOWN of an executor, and MESSAGE to one: best effort, to an agent that is there. */
export function decideToExecutor(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Call<'SHUTDOWN' | 'MESSAGE'>,
): Decision {
  const draft = new Draft();
  const { agentId, executorId } = call;
  const path = call.type.toLowerCase();
  const agent = view.agents.get(agentId);
  const problems: Problem[] = [];
  if (agent === undefined) problems.push(unknownAgent(`${path}.agentId`, agentId));
  if (call.type === 'MESSAGE' && wireBytes(call.data) > view.options.itemBytesMax)
    problems.push(tooLarge(`${path}.data`, view.options.itemBytesMax));
  if (problems.length === 0 && agent?.state === 'REGISTERED') {
    draft.toAgent(
      agentId,
      call.type === 'MESSAGE'
        ? { type: 'MESSAGE', frameworkId: framework.id, executorId, data: call.data }
        : { type: 'SHUTDOWN_EXECUTOR', frameworkId: framework.id, executorId },
    );
  }
  return draft.answer(peerId, call.callId, problems);
}

/** A message of an executor to its framework: best effort. */
export function decideExecutorMessage(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  call: FromAgent<'MESSAGE'>,
): Decision {
  const draft = new Draft();
  if (view.frameworks.get(call.frameworkId)?.state !== 'ACTIVE' || wireBytes(call.data) > view.options.itemBytesMax)
    return draft;
  const { frameworkId, executorId, data } = call;
  return draft.toFramework(frameworkId, { type: 'MESSAGE', agentId: agent.id, executorId, data });
}

/** An executor ended: its resources return, and its framework hears of it. Its tasks are the agent's to report. */
export function decideExecutorExited(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  call: FromAgent<'EXECUTOR_EXITED'>,
): Decision {
  const draft = new Draft();
  const { frameworkId, executorId, status } = call;
  if (!agent.executors.has(executorKey(frameworkId, executorId))) return draft;
  draft.change({ type: 'EXECUTOR_REMOVED', agentId: agent.id, frameworkId, executorId });
  if (view.frameworks.get(frameworkId)?.state !== 'ACTIVE') return draft;
  return draft.toFramework(frameworkId, { type: 'FAILURE', agentId: agent.id, executorId, status });
}

function acknowledge(draft: Draft, agent: Readonly<AgentRecord>, call: FromAgent<'STATUS_UPDATE'>): Draft {
  const { taskId, uuid } = call.status;
  return uuid === undefined
    ? draft
    : draft.toAgent(agent.id, { type: 'ACKNOWLEDGE', frameworkId: call.frameworkId, taskId, uuid });
}

function unknownAgent(path: string, id: string): Problem {
  return problem(path, 'UNKNOWN_AGENT', `${shown(id)} is not the id of an agent`);
}

function tooLarge(path: string, max: number): Problem {
  return problem(path, 'INVALID_CALL', `the message takes more than ${max} bytes`);
}
