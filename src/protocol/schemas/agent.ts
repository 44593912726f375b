// Shapes of what an agent, its master, and executors on it say to each other. In: shapes of entities. Out: one union each way.
import type { AgentCall, AgentEvent, AgentExecutor, AgentTask } from '../agent-api.js';
import type { ExecutorCall, ExecutorEvent } from '../executor-api.js';
import { executorUpdateRule, registerRule } from '../validate-agent.js';
import { outcomesRule } from '../validate-operation.js';
import * as cluster from './cluster.js';
import * as leaves from './leaves.js';
import * as run from './run.js';
import { operationStatus, resourceOperationTypes } from './operation.js';
import { boolean, list, object, oneOf, optional, refine, union, whole } from './shape.js';
import { taskInfo, taskState, taskStatus } from './task.js';

const tasks = list(taskInfo, 'a list of tasks');
const problems = list(leaves.peerProblem, 'a list of problems');
const executorMessage = { frameworkId: leaves.id(), executorId: leaves.id(), data: leaves.data };

const agentTask = object<AgentTask>('a task of an agent', {
  frameworkId: leaves.id(),
  task: taskInfo,
  state: taskState,
  groupId: optional(leaves.id()),
  launchedAtMs: optional(leaves.wallMs),
  status: optional(taskStatus),
});

const agentExecutor = object<AgentExecutor>('an executor of an agent', {
  frameworkId: leaves.id(),
  executor: run.executorInfo,
  role: optional(leaves.role),
});

export const agentCall = refine(
  union<AgentCall>('an agent call', {
    REGISTER: {
      agentId: optional(leaves.id()),
      agent: cluster.agentInfo,
      frameworks: list(cluster.frameworkInfo, 'a list of frameworks'),
      tasks: list(agentTask, 'a list of tasks'),
      executors: list(agentExecutor, 'a list of executors'),
      operations: optional(list(operationStatus, 'a list of operation statuses')),
      part: optional(leaves.count),
      more: boolean,
    },
    PONG: {},
    STATUS_UPDATE: { frameworkId: leaves.id(), status: taskStatus, latestState: taskState },
    EXECUTOR_EXITED: { frameworkId: leaves.id(), executorId: leaves.id(), status: leaves.integer },
    MESSAGE: executorMessage,
    OPERATION_STATUS: { status: operationStatus },
    UPDATE_RESOURCES: { resources: cluster.agentResources },
    UNREGISTER: { message: leaves.anyText },
  }),
  registerRule,
  outcomesRule,
);

type Registered = Extract<AgentEvent, { readonly type: 'REGISTERED' }>;

const reconciled = object<Registered['reconcile'][number]>('a task', {
  frameworkId: leaves.id(),
  taskId: leaves.id(),
});

export const agentEvent = union<AgentEvent>('an agent event', {
  REGISTERED: {
    agentId: leaves.id(),
    master: cluster.masterInfo,
    pingTimeoutMs: leaves.positiveMs,
    pingMissesMax: optional(whole('a whole number, 1 or more', 1)),
    reconcile: list(reconciled, 'a list of tasks'),
  },
  REFUSED: { problems },
  PING: {},
  LAUNCH: {
    framework: cluster.frameworkInfo,
    tasks,
    groupId: optional(leaves.id()),
    newExecutorIds: optional(list(leaves.id(), 'a list of executor ids')),
  },
  KILL: { frameworkId: leaves.id(), taskId: leaves.id(), killPolicy: optional(run.killPolicy) },
  ACKNOWLEDGE: { frameworkId: leaves.id(), taskId: leaves.id(), uuid: leaves.token },
  MESSAGE: executorMessage,
  APPLY_OPERATION: {
    uuid: leaves.token,
    operationId: optional(leaves.id()),
    frameworkId: optional(leaves.id()),
    kind: oneOf(resourceOperationTypes, 'a kind of operation'),
    consumed: leaves.resources,
    produced: leaves.resources,
  },
  ACKNOWLEDGE_OPERATION: { uuid: leaves.token },
  DRAIN: { gracePeriodMs: optional(leaves.durationMs) },
  SHUTDOWN_FRAMEWORK: { frameworkId: leaves.id() },
  SHUTDOWN_EXECUTOR: { frameworkId: leaves.id(), executorId: leaves.id() },
  UPDATE_FRAMEWORK: { framework: cluster.frameworkInfo },
  SHUTDOWN: { message: leaves.anyText },
});

export const executorCall = refine(
  union<ExecutorCall>('an executor call', {
    SUBSCRIBE: {
      frameworkId: leaves.id(),
      executorId: leaves.id(),
      unacknowledgedTasks: tasks,
      unacknowledgedUpdates: list(taskStatus, 'a list of task statuses'),
    },
    UPDATE: { status: taskStatus },
    MESSAGE: { data: leaves.data },
    HEARTBEAT: {},
  }),
  executorUpdateRule,
);

export const executorEvent = union<ExecutorEvent>('an executor event', {
  SUBSCRIBED: {
    executor: run.executorInfo,
    framework: cluster.frameworkInfo,
    agentId: leaves.id(),
    agent: cluster.agentInfo,
    containerId: leaves.id(),
  },
  LAUNCH: { task: taskInfo },
  LAUNCH_GROUP: { groupId: leaves.id(), tasks },
  KILL: { taskId: leaves.id(), killPolicy: optional(run.killPolicy) },
  ACKNOWLEDGED: { taskId: leaves.id(), uuid: leaves.token },
  MESSAGE: { data: leaves.data },
  SHUTDOWN: {},
  ERROR: { problems },
  HEARTBEAT: {},
});
