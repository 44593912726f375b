// Shapes of tasks and statuses. In: shapes of what runs. Out: `taskInfo` is what any peer may send; what may be launched is narrower: validate-task.
import type { CheckStatus, ContainerStatus, HealthStatus, TaskInfo, TaskStatus } from '../entities.js';
import { statusReasons, statusSources } from '../entities.js';
import { taskStates } from '../task-state.js';
import * as leaves from './leaves.js';
import * as run from './run.js';
import { boolean, leaf, list, object, oneOf, optional, union } from './shape.js';

const limit = leaf<number>('a number above 0, or Infinity', value => typeof value === 'number' && value > 0);

export const taskInfo = object<TaskInfo>('a task', {
  taskId: leaves.id(),
  unlessRunning: optional(boolean),
  name: leaves.printable,
  agentId: optional(leaves.id()),
  role: optional(leaves.role),
  resources: leaves.resources,
  exactResources: optional(boolean),
  command: optional(run.commandInfo),
  container: optional(run.containerInfo),
  executor: optional(run.executorInfo),
  check: optional(run.checkInfo),
  healthCheck: optional(run.healthCheckInfo),
  checks: optional(list(run.checkInfo, 'a list of checks')),
  healthChecks: optional(list(run.healthCheckInfo, 'a list of health checks')),
  killPolicy: optional(run.killPolicy),
  maxCompletionTimeMs: optional(leaves.positiveMs),
  limits: optional(object<NonNullable<TaskInfo['limits']>>('limits', { cpus: optional(limit), mem: optional(limit) })),
  data: optional(leaves.data),
  labels: optional(leaves.labels),
  discovery: optional(run.discoveryInfo),
});

const checkStatus = union<CheckStatus>('a check status', {
  COMMAND: { exitCode: optional(leaves.integer) },
  HTTP: { statusCode: optional(leaves.integer) },
  TCP: { succeeded: optional(boolean) },
});

const healthStatus = object<HealthStatus>('a health status', {
  consecutiveFailures: leaves.count,
  firstSuccessMs: optional(leaves.wallMs),
  lastSuccessMs: optional(leaves.wallMs),
  lastFailureMs: optional(leaves.wallMs),
  lastFailureCause: optional(leaves.anyText),
});

const containerStatus = object<ContainerStatus>('a container status', {
  containerId: leaves.id(),
  pid: optional(leaves.count),
  ip: optional(leaves.hostname),
});

export const taskState = oneOf(taskStates, 'a task state');

export const taskStatus = object<TaskStatus>('a task status', {
  taskId: leaves.reportedTaskId,
  state: taskState,
  source: oneOf(statusSources, 'a source of statuses'),
  reason: optional(oneOf(statusReasons, 'a reason')),
  message: optional(leaves.anyText),
  data: optional(leaves.data),
  agentId: optional(leaves.id()),
  executorId: optional(leaves.id()),
  timestampMs: leaves.wallMs,
  uuid: optional(leaves.token),
  healthy: optional(boolean),
  check: optional(checkStatus),
  checks: optional(list(checkStatus, 'a list of check statuses')),
  health: optional(list(healthStatus, 'a list of health statuses')),
  container: optional(containerStatus),
  exitCode: optional(leaves.integer),
  signal: optional(leaves.printable),
  labels: optional(leaves.labels),
  unreachableTimeMs: optional(leaves.wallMs),
});
