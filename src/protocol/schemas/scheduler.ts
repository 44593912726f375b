// Shapes of what a scheduler and the master say to each other. In: shapes of entities. Out: one union each way; tasks of an ACCEPT stay unlooked at,
// because each of them is judged by itself.
import type { TaskInfo } from '../entities.js';
import type {
  DemandHint,
  Operation,
  OperationReference,
  RescindReason,
  SchedulerCall,
  SchedulerEvent,
  TaskReference,
} from '../scheduler-api.js';
import { demandConstraintsRule, roleChoiceRule } from '../validate-framework.js';
import { taskResourcesRule } from '../validate-operation.js';
import { limitsRule, mappedPortsRule, oneWayToRunRule, someResourcesRule } from '../validate-task.js';
import * as cluster from './cluster.js';
import * as leaves from './leaves.js';
import { isPlain } from './findings.js';
import { operationStatus, resourceOperationTypes } from './operation.js';
import * as run from './run.js';
import { across, boolean, leaf, list, object, oneOf, optional, refine, under, union } from './shape.js';
import type { Rule, Shape } from './shape.js';
import { taskInfo, taskStatus } from './task.js';

/** A task that may be launched, as far as that can be told without the cluster. */
export const launchableTask: Shape<TaskInfo> = under(
  'INVALID_TASK',
  refine(
    taskInfo,
    across(['command', 'container', 'executor'], oneWayToRunRule),
    across(['resources'], someResourcesRule),
    across(['resources', 'container'], mappedPortsRule),
    across(['resources', 'limits'], limitsRule),
    across(['resources', 'executor'], taskResourcesRule),
  ),
);

const unjudged: Shape<readonly TaskInfo[]> = leaf('a list of tasks', value => Array.isArray(value));

// An id makes the tasks invalid, not the call: see `launchIdProblem` of validate.ts.
const noId = optional(leaf<never>('nothing', () => true));
const launching = union<Extract<Operation, { readonly type: 'LAUNCH' | 'LAUNCH_GROUP' }>>('an operation', {
  LAUNCH: { id: noId, tasks: unjudged },
  LAUNCH_GROUP: { id: noId, groupId: optional(leaves.id()), tasks: unjudged },
});
const types = new Set<unknown>(resourceOperationTypes);
const isAboutResources = (value: unknown): boolean => isPlain(value) && types.has(value['type']);
const anyOperation = oneOf([...resourceOperationTypes, 'LAUNCH', 'LAUNCH_GROUP'], 'the type of an operation');

/** An operation, by its type: its tasks, or its other fields when it is about resources, are judged by themselves. */
const operation: Shape<Operation> = {
  what: launching.what,
  ok: value => isAboutResources(value) || launching.ok(value),
  explain(value, path, code, found) {
    if (isAboutResources(value)) return;
    if (isPlain(value) && value['type'] !== undefined && !anyOperation.ok(value['type'])) {
      anyOperation.explain(value['type'], `${path}.type`, code, found);
    } else launching.explain(value, path, code, found);
  },
};

const call = { callId: optional(leaves.count) };
const offerIds = list(leaves.id(), 'a list of offer ids');
const someRoles = { roles: optional(cluster.roles) };
const demand = object<DemandHint>('a demand', {
  role: leaves.role,
  resources: leaves.resources,
  count: leaves.count,
  id: optional(leaves.reportedTaskId),
  constraints: optional(cluster.constraintGroups),
  ports: optional(leaves.count),
  exactResources: optional(boolean),
  taskIds: optional(list(leaves.reportedTaskId, 'a list of task ids')),
  absenceWithinMs: optional(leaves.refuseMs),
});
const inverseOfferIds = list(leaves.id(), 'a list of inverse offer ids');
const operationReference = object<OperationReference>('an operation', {
  operationId: leaves.id(),
  agentId: optional(leaves.id()),
});
const reference = object<TaskReference>('a task', { taskId: leaves.reportedTaskId, agentId: optional(leaves.id()) });

const rolesRule: Rule<SchedulerCall> = (call, path, say) => {
  if (call.type === 'SUBSCRIBE' || call.type === 'UPDATE_FRAMEWORK') roleChoiceRule(call, path, say);
};

const anySchedulerCall = union<SchedulerCall>('a scheduler call', {
  SUBSCRIBE: { ...call, ...cluster.roleChoiceFields },
  TEARDOWN: call,
  ACCEPT: {
    ...call,
    offerIds,
    operations: list(under('INVALID_OPERATION', operation), 'a list of operations'),
    filters: optional(cluster.filters),
  },
  DECLINE: { ...call, offerIds, filters: optional(cluster.filters) },
  REVIVE: { ...call, ...someRoles },
  SUPPRESS: { ...call, ...someRoles },
  KILL: {
    ...call,
    taskId: leaves.reportedTaskId,
    agentId: optional(leaves.id()),
    killPolicy: optional(run.killPolicy),
  },
  SHUTDOWN: { ...call, executorId: leaves.id(), agentId: leaves.id() },
  ACKNOWLEDGE: { ...call, agentId: leaves.id(), taskId: leaves.id(), uuid: leaves.token },
  RECONCILE: { ...call, tasks: list(reference, 'a list of tasks') },
  MESSAGE: { ...call, agentId: leaves.id(), executorId: leaves.id(), data: leaves.data },
  ACCEPT_INVERSE_OFFERS: { ...call, inverseOfferIds, filters: optional(cluster.filters) },
  DECLINE_INVERSE_OFFERS: { ...call, inverseOfferIds, filters: optional(cluster.filters) },
  ACKNOWLEDGE_OPERATION: { ...call, operationId: leaves.id(), agentId: leaves.id(), uuid: leaves.token },
  RECONCILE_OPERATIONS: { ...call, operations: list(operationReference, 'a list of operations') },
  REQUEST: { ...call, requests: refine(list(demand, 'a list of demands'), demandConstraintsRule) },
  UPDATE_FRAMEWORK: { ...call, ...cluster.roleChoiceFields },
});

export const schedulerCall = refine(
  anySchedulerCall,
  across(['framework', 'suppressedRoles', 'offerConstraints'], rolesRule, 'INVALID_FRAMEWORK'),
);

// An object, so that the compiler misses a reason that is new.
const rescindReasons: Readonly<Record<RescindReason, true>> = {
  EXPIRED: true,
  AGENT_LOST: true,
  AGENT_DEACTIVATED: true,
  ROLE_REMOVED: true,
  WEIGHTS_CHANGED: true,
  RESOURCES_CHANGED: true,
  FRAMEWORK_REMOVED: true,
  OPERATOR: true,
  QUOTA_CHANGED: true,
  AGENT_DRAINING: true,
  STARVATION: true,
  MAINTENANCE: true,
};

const problems = list(leaves.peerProblem, 'a list of problems');

export const schedulerEvent = union<SchedulerEvent>('a scheduler event', {
  SUBSCRIBED: { frameworkId: leaves.id(), heartbeatIntervalMs: leaves.positiveMs, master: cluster.masterInfo },
  OFFERS: { offers: list(cluster.offer, 'a list of offers') },
  RESCIND: { offerIds, why: oneOf(Object.keys(rescindReasons) as RescindReason[], 'a reason to rescind') },
  INVERSE_OFFERS: { inverseOffers: list(cluster.inverseOffer, 'a list of inverse offers') },
  RESCIND_INVERSE_OFFERS: { inverseOfferIds },
  UPDATE: { status: taskStatus },
  UPDATE_OPERATION: { status: operationStatus },
  MESSAGE: { agentId: leaves.id(), executorId: leaves.id(), data: leaves.data },
  FAILURE: { agentId: leaves.id(), executorId: optional(leaves.id()), status: optional(leaves.integer) },
  ERROR: { problems, fatal: boolean },
  ANSWERED: { callId: leaves.count, problems },
  HEARTBEAT: { agentsExpected: optional(leaves.count) },
});
