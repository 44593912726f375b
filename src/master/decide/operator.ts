// Calls of an operator: kill a task, tear a framework down. In: state, call, moment. Out: changes and effects.
import { assertNever } from '../../base/assert.js';
import { problem, shown } from '../../base/errors.js';
import type { OperatorCall } from '../../protocol/operator-api.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { Decision } from '../decision.js';
import { answered } from '../decision.js';
import type { Registry } from '../registry.js';
import type { ClusterView, Moment, TaskRecord } from '../state.js';
import { decideAgentActivity } from './drain.js';
import { decideEndFramework } from './framework-end.js';
import { decideMaintenance } from './maintenance.js';
import { decideUpdateQuota } from './quota.js';
import { decideConversion } from './reservations.js';
import { decideUpdateWeights } from './weights.js';

/** Decides one call; `ticket` names it in the answer. */
export function decideOperator(
  view: ClusterView,
  registry: Registry,
  call: OperatorCall,
  ticket: number,
  at: Moment,
): Decision {
  switch (call.type) {
    case 'KILL':
      return decideOperatorKill(view, call, ticket);
    case 'TEARDOWN': {
      const framework = view.frameworks.get(call.frameworkId);
      if (framework !== undefined) return decideEndFramework(registry, framework, { by: 'OPERATOR', ticket });
      const ended = view.completedFrameworks.has(call.frameworkId);
      const why = ended ? 'ended already' : 'is not the id of a framework';
      return answered(ticket, [
        problem('teardown.frameworkId', 'UNKNOWN_FRAMEWORK', `${shown(call.frameworkId)} ${why}`),
      ]);
    }
    case 'UPDATE_QUOTA':
      return decideUpdateQuota(view, registry, call, ticket);
    case 'UPDATE_WEIGHTS':
      return decideUpdateWeights(registry, call, ticket);
    case 'RESERVE':
    case 'UNRESERVE':
    case 'CREATE_VOLUMES':
    case 'DESTROY_VOLUMES':
    case 'GROW_VOLUME':
    case 'SHRINK_VOLUME':
      return decideConversion(view, registry, call, ticket, at);
    case 'UPDATE_MAINTENANCE':
    case 'START_MAINTENANCE':
    case 'STOP_MAINTENANCE':
      return decideMaintenance(view, registry, call, ticket, at);
    case 'DRAIN_AGENT':
    case 'DEACTIVATE_AGENT':
    case 'REACTIVATE_AGENT':
    case 'MARK_AGENT_GONE':
      return decideAgentActivity(view, registry, call, ticket, at);
    default:
      return assertNever(call, 'operator call');
  }
}

function decideOperatorKill(
  view: ClusterView,
  call: Extract<OperatorCall, { type: 'KILL' }>,
  ticket: number,
): Decision {
  const { taskId, frameworkId } = call;
  if (frameworkId !== undefined && !view.frameworks.has(frameworkId)) {
    return answered(ticket, [
      problem('kill.frameworkId', 'UNKNOWN_FRAMEWORK', `${shown(frameworkId)} is not the id of a framework`),
    ]);
  }
  const found: TaskRecord[] = [];
  for (const framework of view.frameworks.values()) {
    if (frameworkId !== undefined && framework.id !== frameworkId) continue;
    const task = framework.tasks.get(taskId) ?? framework.unreachable.get(taskId);
    if (task !== undefined && !isTerminal(task.state)) found.push(task);
  }
  const [task] = found;
  if (task === undefined) {
    return answered(ticket, [
      problem('kill.taskId', 'UNKNOWN_TASK', `${shown(taskId)} is not the id of a task that runs`),
    ]);
  }
  if (found.length > 1) {
    const owners = found.map(each => each.frameworkId).join(', ');
    return answered(ticket, [
      problem(
        'kill.taskId',
        'AMBIGUOUS_TASK',
        `${shown(taskId)} is a task of ${found.length} frameworks: ${owners}`,
        'name the framework as well',
      ),
    ]);
  }
  const policy = call.gracePeriodMs === undefined ? {} : { gracePeriodMs: call.gracePeriodMs };
  const asked = call.gracePeriodMs === undefined ? {} : { policy };
  const draft = answered(ticket, []).change({ type: 'KILL_ASKED', frameworkId: task.frameworkId, taskId, ...asked });
  if (view.agents.get(task.agentId)?.state === 'REGISTERED') {
    draft.toAgent(task.agentId, {
      type: 'KILL',
      frameworkId: task.frameworkId,
      taskId,
      ...(call.gracePeriodMs === undefined ? {} : { killPolicy: policy }),
    });
  }
  return draft;
}
