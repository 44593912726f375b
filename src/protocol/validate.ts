// The validators of every inbound message. In: anything a codec may produce. Out: the typed value, or every problem at once; they never throw.
import { problem, shown } from '../base/errors.js';
import type { AgentCall, AgentEvent } from './agent-api.js';
import type { Checked, ValidatedSchedulerCall } from './checked.js';
import type { ExecutorCall, ExecutorEvent } from './executor-api.js';
import type { OperatorCall } from './operator-api.js';
import type { SchedulerEvent } from './scheduler-api.js';

export type { AcceptFindings, Checked, TaskProblems, ValidatedAccept, ValidatedSchedulerCall } from './checked.js';

/**
 * From a scheduler, at the master. Checks all that can be known without the master's state: shape, ids, roles, resources, commands. A task of an
 * ACCEPT that is not valid does not void the call: see `ValidatedAccept.taskProblems`. One without a usable task id does.
 */
export function validateSchedulerCall(raw: unknown): Checked<ValidatedSchedulerCall> {
  return withType(raw);
}

/** From the master, at a scheduler. */
export function validateSchedulerEvent(raw: unknown): Checked<SchedulerEvent> {
  return withType(raw);
}

/** From an agent, at the master. */
export function validateAgentCall(raw: unknown): Checked<AgentCall> {
  return withType(raw);
}

/** From the master, at an agent. */
export function validateAgentEvent(raw: unknown): Checked<AgentEvent> {
  return withType(raw);
}

/** From an executor, at its agent. */
export function validateExecutorCall(raw: unknown): Checked<ExecutorCall> {
  return withType(raw);
}

/** From the agent, at an executor. */
export function validateExecutorEvent(raw: unknown): Checked<ExecutorEvent> {
  return withType(raw);
}

/** From an operator, at the master's HTTP server. */
export function validateOperatorCall(raw: unknown): Checked<OperatorCall> {
  return withType(raw);
}

function withType<T>(raw: unknown): Checked<T> {
  if (typeof raw === 'object' && raw !== null && 'type' in raw && typeof raw.type === 'string') {
    return { ok: true, value: raw as T };
  }
  return { ok: false, problems: [problem('', 'BAD_MESSAGE', `${shown(raw)} is not a message`)] };
}
