// The validators of every inbound message. In: anything a codec may produce. Out: the typed value, or every problem at once; they never throw.
import { assertNever } from '../base/assert.js';
import type { ErrorCode, Problem } from '../base/errors.js';
import type { OperationId } from '../base/ids.js';
import { merged } from '../base/merged.js';
import type { AgentCall, AgentEvent } from './agent-api.js';
import type { Checked, OperationProblems, TaskProblems, ValidatedAccept, ValidatedSchedulerCall } from './checked.js';
import type { TaskInfo } from './entities.js';
import type { ExecutorCall, ExecutorEvent } from './executor-api.js';
import type { OperatorCall } from './operator-api.js';
import { isResourceOperation, tasksOf } from './operations.js';
import * as agentShapes from './schemas/agent.js';
import * as cluster from './schemas/cluster.js';
import { Findings, isPlain, problemsMax } from './schemas/findings.js';
import { durationMaxMs, reportedTaskId } from './schemas/leaves.js';
import { resourceOperation, resourceOperationTypes } from './schemas/operation.js';
import { operatorCall } from './schemas/operator.js';
import { launchableTask, schedulerCall, schedulerEvent } from './schemas/scheduler.js';
import type { Shape } from './schemas/shape.js';
import type { Operation, ResourceOperation, SchedulerCall, SchedulerEvent } from './scheduler-api.js';
import type { RoleChoice } from './validate-framework.js';
import { roleChoiceRule } from './validate-framework.js';

export type {
  AcceptFindings,
  Checked,
  OperationProblems,
  TaskProblems,
  ValidatedAccept,
  ValidatedSchedulerCall,
} from './checked.js';
export { regexProblem } from './regex.js';
export { firstProblems } from './schemas/findings.js';
import { idProblem } from './validate-ids.js';

export { idProblem };
export { durationMaxMs };

/** Most problems told of one task; of the tasks after the first hundred only one each is. */
const problemsPerTaskMax = 20;

/**
 * From a scheduler, at the master. Checks all that can be known without the master's state: shape, ids, roles, resources, commands. A task of an
 * ACCEPT that is not valid does not void the call: see `ValidatedAccept.taskProblems`; nor does an operation on resources: see `operationProblems`.
 * A task without a usable task id does.
 */
export function validateSchedulerCall(raw: unknown): Checked<ValidatedSchedulerCall> {
  if (!schedulerCall.ok(raw)) return refused(raw, schedulerCall, 'INVALID_CALL');
  const call = raw as SchedulerCall;
  return call.type === 'ACCEPT' && !call.operations.every(isRight) ? judged(call) : { ok: true, value: call };
}

/** From the master, at a scheduler. */
export function validateSchedulerEvent(raw: unknown): Checked<SchedulerEvent> {
  return check(raw, schedulerEvent, 'BAD_MESSAGE');
}

/** From an agent, at the master. Tasks are checked for their shape only: they are running already. */
export function validateAgentCall(raw: unknown): Checked<AgentCall> {
  return check(raw, agentShapes.agentCall, typeOf(raw) === 'REGISTER' ? 'INVALID_AGENT' : 'BAD_MESSAGE');
}

/** From the master, at an agent. */
export function validateAgentEvent(raw: unknown): Checked<AgentEvent> {
  return check(raw, agentShapes.agentEvent, 'BAD_MESSAGE');
}

/** From an executor, at its agent. */
export function validateExecutorCall(raw: unknown): Checked<ExecutorCall> {
  return check(raw, agentShapes.executorCall, 'BAD_MESSAGE');
}

/** From the agent, at an executor. */
export function validateExecutorEvent(raw: unknown): Checked<ExecutorEvent> {
  return check(raw, agentShapes.executorEvent, 'BAD_MESSAGE');
}

/** From an operator, at the master's HTTP server. */
export function validateOperatorCall(raw: unknown): Checked<OperatorCall> {
  return check(raw, operatorCall, 'INVALID_CALL');
}

/** Everything wrong with a task to be launched, as far as it can be told without the cluster; empty when nothing is. */
export function taskInfoProblems(task: unknown, path = 'task'): readonly Problem[] {
  return problemsOf(task, launchableTask, path, 'INVALID_TASK');
}

/** Everything wrong with an operation on resources, as far as it can be told without an offer; empty when nothing is. */
export function resourceOperationProblems(operation: unknown, path = 'operation'): readonly Problem[] {
  return problemsOf(operation, resourceOperation, path, 'INVALID_OPERATION');
}

/** Everything wrong with a framework by itself. */
export function frameworkInfoProblems(framework: unknown, path = 'framework'): readonly Problem[] {
  return problemsOf(framework, cluster.frameworkInfo, path, 'INVALID_FRAMEWORK');
}

/** Everything wrong with an agent's description of itself. */
export function agentInfoProblems(agent: unknown, path = 'agent'): readonly Problem[] {
  return problemsOf(agent, cluster.agentInfo, path, 'INVALID_AGENT');
}

/** Everything wrong with the filters of an ACCEPT or DECLINE. */
export function filtersProblems(filters: unknown, path = 'filters'): readonly Problem[] {
  return problemsOf(filters, cluster.filters, path, 'INVALID_CALL');
}

/** Everything wrong with offer constraints by themselves. */
export function offerConstraintsProblems(constraints: unknown, path = 'offerConstraints'): readonly Problem[] {
  return problemsOf(constraints, cluster.offerConstraints, path, 'INVALID_FRAMEWORK');
}

/** Suppressed roles and roles with constraints that a framework, valid by itself, does not have. */
export function roleChoiceProblems(choice: RoleChoice, path = ''): readonly Problem[] {
  const found = new Findings();
  roleChoiceRule(choice, path, (at, message, hint) => found.add(at, 'INVALID_FRAMEWORK', message, hint));
  return found.problems();
}

function check<T>(raw: unknown, shape: Shape<T>, code: ErrorCode): Checked<T> {
  return shape.ok(raw) ? { ok: true, value: raw as T } : refused(raw, shape, code);
}

function problemsOf(value: unknown, shape: Shape<unknown>, path: string, code: ErrorCode): readonly Problem[] {
  if (shape.ok(value)) return [];
  const found = new Findings();
  shape.explain(value, path, code, found);
  return found.problems();
}

/** The answer to a message whose shape is wrong, the tasks in it included. */
function refused(raw: unknown, shape: Shape<unknown>, code: ErrorCode): Checked<never> {
  const found = new Findings();
  if (shape.variantOf?.(raw) === undefined) shape.explain(raw, '', 'BAD_MESSAGE', found);
  else {
    const path = messagePath(typeOf(raw));
    shape.explain(raw, path, code, found);
    if (shape === schedulerCall && isPlain(raw) && Array.isArray(raw['operations'])) {
      const bad = [...tasksFound(raw['operations']), ...operationsFound(raw['operations'])];
      for (const { problems } of bad) for (const wrong of problems) found.push(wrong);
    }
  }
  return invalid(raw, found);
}

/** An ACCEPT of the right shape with bad operations or tasks: valid when each task of them can be answered by name. */
function judged(call: Extract<SchedulerCall, { type: 'ACCEPT' }>): Checked<ValidatedSchedulerCall> {
  const taskProblems = tasksFound(call.operations);
  const operationProblems = operationsFound(call.operations);
  const taskAt = (o: number, t: number): unknown => tasksOf(call.operations[o] as Operation)[t];
  if (taskProblems.some(({ operation, task }) => !isAnswerable(taskAt(operation, task)))) {
    const found = new Findings();
    for (const { problems } of [...taskProblems, ...operationProblems]) for (const wrong of problems) found.push(wrong);
    return invalid(call, found);
  }
  const operations = [...call.operations];
  for (const { operation: index, task } of taskProblems) {
    const operation = operations[index];
    if (operation === undefined || isResourceOperation(operation)) continue;
    const tasks = operation === call.operations[index] ? [...operation.tasks] : (operation.tasks as TaskInfo[]);
    tasks[task] = stub(tasks[task] as TaskInfo);
    const { id: _, ...rest } = operation;
    operations[index] = { ...rest, tasks };
  }
  for (const { operation: index } of operationProblems) {
    operations[index] = operationStub(operations[index] as ResourceOperation);
  }
  const value: ValidatedAccept = merged(call, {
    operations,
    ...(taskProblems.length === 0 ? {} : { taskProblems }),
    ...(operationProblems.length === 0 ? {} : { operationProblems }),
  });
  return { ok: true, value };
}

function isRight(operation: Operation): boolean {
  if (isResourceOperation(operation)) return resourceOperation.ok(operation);
  return operation.id === undefined && operation.tasks.every(task => launchableTask.ok(task));
}

/** Problems per task of what should be operations. */
function tasksFound(operations: readonly unknown[]): TaskProblems {
  const all: TaskProblems[number][] = [];
  const hints = { left: problemsMax };
  for (const [o, operation] of operations.entries()) {
    if (!isPlain(operation) || resourceTypes.has(operation['type']) || !Array.isArray(operation['tasks'])) continue;
    const hasId = operation['id'] !== undefined;
    for (const [t, task] of (operation['tasks'] as readonly unknown[]).entries()) {
      if (!hasId && launchableTask.ok(task)) continue;
      const found = new Findings(all.length < problemsMax ? problemsPerTaskMax : 0, hints);
      if (hasId) found.add(`accept.operations[${o}].id`, 'INVALID_OPERATION', noLaunchId, 'leave id out');
      if (!launchableTask.ok(task)) {
        launchableTask.explain(task, `accept.operations[${o}].tasks[${t}]`, 'INVALID_TASK', found);
      }
      all.push({ operation: o, task: t, problems: found.problems() });
    }
  }
  return all;
}

const noLaunchId = 'an operation that launches has no id: its tasks have statuses of their own';
const resourceTypes = new Set<unknown>(resourceOperationTypes);

/** Problems per operation on resources, of what should be operations. */
function operationsFound(operations: readonly unknown[]): OperationProblems {
  const all: OperationProblems[number][] = [];
  const hints = { left: problemsMax };
  for (const [o, operation] of operations.entries()) {
    if (!isPlain(operation) || !resourceTypes.has(operation['type']) || resourceOperation.ok(operation)) continue;
    const found = new Findings(all.length < problemsMax ? problemsPerTaskMax : 0, hints);
    resourceOperation.explain(operation, `accept.operations[${o}]`, 'INVALID_OPERATION', found);
    all.push({ operation: o, problems: found.problems() });
  }
  return all;
}

/** What stands for an operation that is not valid: its type and id, nothing that could be carried out. */
function operationStub(operation: ResourceOperation): ResourceOperation {
  const { type } = operation;
  const id: unknown = operation.id;
  const named = typeof id === 'string' && idProblem(id) === undefined ? { id: id as OperationId } : {};
  switch (type) {
    case 'RESERVE':
      return { type, ...named, resources: {}, reservation: { role: '' } };
    case 'UNRESERVE':
      return { type, ...named, resources: {} };
    case 'CREATE':
      return { type, ...named, volumes: [] };
    case 'DESTROY':
      return { type, ...named, volumeIds: [] };
    case 'GROW_VOLUME':
      return { type, ...named, volumeId: '', disk: 0 };
    case 'SHRINK_VOLUME':
      return { type, ...named, volumeId: '', disk: 0 };
    default:
      return assertNever(type, 'operation');
  }
}

function isAnswerable(task: unknown): boolean {
  return isPlain(task) && reportedTaskId.ok(task['taskId']);
}

/** What stands for a task that is not valid: enough to answer it, nothing that could be run. */
function stub(task: TaskInfo): TaskInfo {
  return { taskId: task.taskId, name: typeof task.name === 'string' ? task.name : '', resources: {} };
}

function invalid(raw: unknown, found: Findings): Checked<never> {
  const callId: unknown = isPlain(raw) ? raw['callId'] : undefined;
  const readable = typeof callId === 'number' && Number.isSafeInteger(callId) && callId >= 0;
  return readable ? { ok: false, problems: found.problems(), callId } : { ok: false, problems: found.problems() };
}

function typeOf(raw: unknown): string {
  return isPlain(raw) && typeof raw['type'] === 'string' ? raw['type'] : '';
}

/** `UPDATE_FRAMEWORK` is written `updateFramework` in paths. */
function messagePath(type: string): string {
  return type.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
