// Arbitraries for protocol messages: valid ones of every type, and junk. In: pools of ids, small so that messages meet. Out: fast-check arbitraries.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import type { MasterInfo, Offer, TaskStatus } from '../../src/protocol/entities.js';
import { containerTypes } from '../../src/protocol/entities.js';
import type { ExecutorCall, ExecutorEvent } from '../../src/protocol/executor-api.js';
import type { Operation, SchedulerCall, SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import { taskStates } from '../../src/protocol/task-state.js';
import type { IdPools } from './arbitrary-entities.js';
import {
  arbitraryAgentInfo,
  arbitraryExecutor,
  arbitraryFrameworkInfo,
  arbitraryResources,
  arbitraryRoleChoice,
  arbitraryTaskInfo,
  arbitraryTaskStatus,
  attributes,
  durationMs,
  from,
  line,
  maybe,
  port,
  positiveMs,
  record,
  smallPools,
  uuid,
  word,
} from './arbitrary-entities.js';

import {
  arbitraryInverseOffer,
  arbitraryOperationReference,
  arbitraryOperationStatus,
  arbitraryResourceOperation,
  arbitraryUnavailability,
} from './arbitrary-operations.js';

export type { IdPools } from './arbitrary-entities.js';
export {
  arbitraryAgentInfo,
  arbitraryCommand,
  arbitraryExecutor,
  arbitraryFrameworkInfo,
  arbitraryResources,
  arbitraryRoleChoice,
  arbitraryTaskInfo,
  arbitraryTaskStatus,
  smallPools,
} from './arbitrary-entities.js';
export { arbitraryOperatorCall, arbitraryResourceOperation } from './arbitrary-operations.js';
export { arbitraryJunk, arbitraryNearMiss } from './arbitrary-junk.js';

/** Any valid call of a scheduler. */
export function arbitrarySchedulerCall(pools: IdPools = smallPools): Arbitrary<SchedulerCall> {
  const offerIds = fc.array(from(pools.offers), { maxLength: 3 });
  const agentId = from(pools.agents);
  const taskId = from(pools.tasks);
  const executorId = from(pools.executors);
  const filters = record({ refuseMs: fc.oneof(durationMs, fc.constant(1e15)) }, maybe);
  const tasks = fc.array(arbitraryTaskInfo(pools), { maxLength: 3 });
  const operation: Arbitrary<Operation> = fc.oneof(
    record({ type: fc.constant('LAUNCH' as const), tasks }),
    record({ type: fc.constant('LAUNCH_GROUP' as const), groupId: word, tasks }, { requiredKeys: ['type', 'tasks'] }),
    arbitraryResourceOperation(pools),
  );
  const constraints = fc.constant([[{ attribute: 'rack', predicate: 'EXISTS' as const }]]);
  const inverseOfferIds = offerIds;
  const roles = record({ roles: fc.uniqueArray(from(pools.roles)) }, maybe);
  const demand = record(
    {
      role: from(pools.roles),
      resources: arbitraryResources(pools),
      count: fc.nat(),
      id: word,
      constraints,
      ports: fc.nat(),
      taskIds: fc.array(taskId, { maxLength: 3 }),
    },
    { requiredKeys: ['role', 'resources', 'count'] },
  );
  const body: Arbitrary<SchedulerCall> = fc.oneof(
    arbitraryRoleChoice(pools).map(choice => ({ type: 'SUBSCRIBE' as const, ...choice })),
    arbitraryRoleChoice(pools).map(choice => ({ type: 'UPDATE_FRAMEWORK' as const, ...choice })),
    fc.constant({ type: 'TEARDOWN' as const }),
    record(
      { type: fc.constant('ACCEPT' as const), offerIds, operations: fc.array(operation, { maxLength: 2 }), filters },
      { requiredKeys: ['type', 'offerIds', 'operations'] },
    ),
    record({ type: fc.constant('DECLINE' as const), offerIds, filters }, { requiredKeys: ['type', 'offerIds'] }),
    roles.map(some => ({ type: 'REVIVE' as const, ...some })),
    roles.map(some => ({ type: 'SUPPRESS' as const, ...some })),
    record(
      { type: fc.constant('KILL' as const), taskId, agentId, killPolicy: record({ gracePeriodMs: durationMs }) },
      { requiredKeys: ['type', 'taskId'] },
    ),
    record({ type: fc.constant('SHUTDOWN' as const), executorId, agentId }),
    record({ type: fc.constant('ACKNOWLEDGE' as const), agentId, taskId, uuid }),
    record({
      type: fc.constant('RECONCILE' as const),
      tasks: fc.array(record({ taskId, agentId }, { requiredKeys: ['taskId'] }), { maxLength: 3 }),
    }),
    record({ type: fc.constant('MESSAGE' as const), agentId, executorId, data: fc.string() }),
    record(
      {
        type: fc.constantFrom('ACCEPT_INVERSE_OFFERS' as const, 'DECLINE_INVERSE_OFFERS' as const),
        inverseOfferIds,
        filters,
      },
      { requiredKeys: ['type', 'inverseOfferIds'] },
    ),
    record({ type: fc.constant('ACKNOWLEDGE_OPERATION' as const), operationId: word, agentId, uuid }),
    record({
      type: fc.constant('RECONCILE_OPERATIONS' as const),
      operations: fc.array(arbitraryOperationReference(pools), { maxLength: 3 }),
    }),
    record({ type: fc.constant('REQUEST' as const), requests: fc.array(demand, { maxLength: 2 }) }),
  );
  return fc
    .tuple(body, fc.option(fc.nat(), { nil: undefined }))
    .map(([call, callId]) => (callId === undefined ? call : { ...call, callId }));
}

/** Any valid call of an agent. */
export function arbitraryAgentCall(pools: IdPools = smallPools): Arbitrary<AgentCall> {
  const frameworkId = from(pools.frameworks);
  const executorId = from(pools.executors);
  const agentTask = record(
    {
      frameworkId,
      task: arbitraryTaskInfo(pools),
      state: fc.constantFrom(...taskStates),
      groupId: word,
      status: arbitraryTaskStatus(pools),
    },
    { requiredKeys: ['frameworkId', 'task', 'state'] },
  );
  const outcome = fc.tuple(arbitraryOperationStatus(pools), uuid).map(([status, id]) => ({ ...status, uuid: id }));
  const framework = fc.tuple(arbitraryFrameworkInfo(pools), frameworkId).map(([info, id]) => ({ ...info, id }));
  return fc.oneof(
    record(
      {
        type: fc.constant('REGISTER' as const),
        agentId: from(pools.agents),
        agent: arbitraryAgentInfo(pools),
        frameworks: fc.uniqueArray(framework, { selector: info => info.id, maxLength: 2 }),
        tasks: fc.uniqueArray(agentTask, {
          selector: entry => `${entry.frameworkId} ${entry.task.taskId}`,
          maxLength: 3,
        }),
        executors: fc.uniqueArray(record({ frameworkId, executor: arbitraryExecutor(pools) }), {
          selector: entry => `${entry.frameworkId} ${entry.executor.executorId}`,
          maxLength: 2,
        }),
        operations: fc.uniqueArray(outcome, { selector: status => status.uuid, maxLength: 2 }),
        more: fc.boolean(),
      },
      { requiredKeys: ['type', 'agent', 'frameworks', 'tasks', 'executors', 'more'] },
    ),
    record({ type: fc.constant('OPERATION_STATUS' as const), status: outcome }),
    record({ type: fc.constant('UPDATE_RESOURCES' as const), resources: arbitraryResources(pools) }),
    fc.constant({ type: 'PONG' as const }),
    record({
      type: fc.constant('STATUS_UPDATE' as const),
      frameworkId,
      status: arbitraryTaskStatus(pools),
      latestState: fc.constantFrom(...taskStates),
    }),
    record({ type: fc.constant('EXECUTOR_EXITED' as const), frameworkId, executorId, status: fc.integer() }),
    record({ type: fc.constant('MESSAGE' as const), frameworkId, executorId, data: fc.string() }),
    record({ type: fc.constant('UNREGISTER' as const), message: fc.string() }),
  );
}

const master: Arbitrary<MasterInfo> = record(
  {
    id: word,
    hostname: fc.constant('m1'),
    port,
    version: fc.constant('0.1.0'),
    domain: record({ region: word, zone: word }),
  },
  { requiredKeys: ['id', 'hostname', 'port', 'version'] },
);
const problems = fc.array(
  record(
    { path: line, code: fc.constantFrom('INVALID_TASK' as const, 'INTERNAL' as const), message: line, hint: line },
    { requiredKeys: ['path', 'code', 'message'] },
  ),
  { maxLength: 2 },
);

/** Any valid event of the master for a scheduler. */
export function arbitrarySchedulerEvent(pools: IdPools = smallPools): Arbitrary<SchedulerEvent> {
  const agentId = from(pools.agents);
  const offer: Arbitrary<Offer> = record(
    {
      id: from(pools.offers),
      frameworkId: from(pools.frameworks),
      agentId,
      hostname: fc.constant('h1'),
      port,
      role: from(pools.roles),
      resources: arbitraryResources(pools),
      attributes,
      domain: record({ region: word, zone: word }),
      containerizers: fc.uniqueArray(fc.constantFrom(...containerTypes)),
      executorIds: fc.subarray([...pools.executors]),
      unavailability: arbitraryUnavailability,
      expiresInMs: durationMs,
    },
    {
      requiredKeys: [
        'id',
        'frameworkId',
        'agentId',
        'hostname',
        'port',
        'role',
        'resources',
        'attributes',
        'containerizers',
        'executorIds',
        'expiresInMs',
      ],
    },
  );
  return fc.oneof(
    record({
      type: fc.constant('SUBSCRIBED' as const),
      frameworkId: from(pools.frameworks),
      heartbeatIntervalMs: positiveMs,
      master,
    }),
    record({ type: fc.constant('OFFERS' as const), offers: fc.array(offer, { maxLength: 3 }) }),
    record({
      type: fc.constant('RESCIND' as const),
      offerIds: fc.array(from(pools.offers)),
      why: fc.constantFrom('EXPIRED' as const, 'OPERATOR' as const, 'QUOTA_CHANGED' as const, 'MAINTENANCE' as const),
    }),
    record({
      type: fc.constant('INVERSE_OFFERS' as const),
      inverseOffers: fc.array(arbitraryInverseOffer(pools), { maxLength: 2 }),
    }),
    record({ type: fc.constant('RESCIND_INVERSE_OFFERS' as const), inverseOfferIds: fc.array(from(pools.offers)) }),
    record({ type: fc.constant('UPDATE_OPERATION' as const), status: arbitraryOperationStatus(pools) }),
    record({ type: fc.constant('UPDATE' as const), status: arbitraryTaskStatus(pools) }),
    record({ type: fc.constant('MESSAGE' as const), agentId, executorId: from(pools.executors), data: fc.string() }),
    record(
      { type: fc.constant('FAILURE' as const), agentId, executorId: from(pools.executors), status: fc.integer() },
      { requiredKeys: ['type', 'agentId'] },
    ),
    record({ type: fc.constant('ERROR' as const), problems, fatal: fc.boolean() }),
    record({ type: fc.constant('ANSWERED' as const), callId: fc.nat(), problems }),
    fc.constant({ type: 'HEARTBEAT' as const }),
  );
}

/** Any valid event of the master for an agent. */
export function arbitraryAgentEvent(pools: IdPools = smallPools): Arbitrary<AgentEvent> {
  const frameworkId = from(pools.frameworks);
  const taskId = from(pools.tasks);
  const executorId = from(pools.executors);
  const framework = arbitraryFrameworkInfo(pools);
  return fc.oneof(
    record(
      {
        type: fc.constant('REGISTERED' as const),
        agentId: from(pools.agents),
        master,
        pingTimeoutMs: positiveMs,
        pingMissesMax: fc.integer({ min: 1, max: 10 }),
        reconcile: fc.array(record({ frameworkId, taskId }), { maxLength: 2 }),
      },
      { requiredKeys: ['type', 'agentId', 'master', 'pingTimeoutMs', 'reconcile'] },
    ),
    record(
      {
        type: fc.constant('APPLY_OPERATION' as const),
        uuid,
        operationId: word,
        frameworkId,
        kind: fc.constantFrom('RESERVE' as const, 'DESTROY' as const, 'GROW_VOLUME' as const),
        consumed: arbitraryResources(pools),
        produced: arbitraryResources(pools),
      },
      { requiredKeys: ['type', 'uuid', 'kind', 'consumed', 'produced'] },
    ),
    record({ type: fc.constant('ACKNOWLEDGE_OPERATION' as const), uuid }),
    record({ type: fc.constant('DRAIN' as const), gracePeriodMs: durationMs }, { requiredKeys: ['type'] }),
    record({ type: fc.constant('REFUSED' as const), problems }),
    fc.constant({ type: 'PING' as const }),
    record(
      {
        type: fc.constant('LAUNCH' as const),
        framework,
        tasks: fc.array(arbitraryTaskInfo(pools), { maxLength: 2 }),
        groupId: word,
      },
      { requiredKeys: ['type', 'framework', 'tasks'] },
    ),
    record(
      { type: fc.constant('KILL' as const), frameworkId, taskId, killPolicy: record({ gracePeriodMs: durationMs }) },
      { requiredKeys: ['type', 'frameworkId', 'taskId'] },
    ),
    record({ type: fc.constant('ACKNOWLEDGE' as const), frameworkId, taskId, uuid }),
    record({ type: fc.constant('MESSAGE' as const), frameworkId, executorId, data: fc.string() }),
    record({ type: fc.constant('SHUTDOWN_FRAMEWORK' as const), frameworkId }),
    record({ type: fc.constant('SHUTDOWN_EXECUTOR' as const), frameworkId, executorId }),
    record({ type: fc.constant('UPDATE_FRAMEWORK' as const), framework }),
    record({ type: fc.constant('SHUTDOWN' as const), message: line }),
  );
}

/** Any valid call of an executor. */
export function arbitraryExecutorCall(pools: IdPools = smallPools): Arbitrary<ExecutorCall> {
  const status = fc
    .tuple(arbitraryTaskStatus(pools), uuid)
    .filter(([{ state }]) => state !== 'TASK_STAGING')
    .map(([made, id]): TaskStatus => ({ ...made, source: 'EXECUTOR', uuid: id }));
  return fc.oneof(
    record({
      type: fc.constant('SUBSCRIBE' as const),
      frameworkId: from(pools.frameworks),
      executorId: from(pools.executors),
      unacknowledgedTasks: fc.array(arbitraryTaskInfo(pools), { maxLength: 2 }),
      unacknowledgedUpdates: fc.array(status, { maxLength: 2 }),
    }),
    record({ type: fc.constant('UPDATE' as const), status }),
    record({ type: fc.constant('MESSAGE' as const), data: fc.string() }),
    fc.constant({ type: 'HEARTBEAT' as const }),
  );
}

/** Any valid event of an agent for an executor. */
export function arbitraryExecutorEvent(pools: IdPools = smallPools): Arbitrary<ExecutorEvent> {
  const tasks = fc.array(arbitraryTaskInfo(pools), { maxLength: 2 });
  return fc.oneof(
    record({
      type: fc.constant('SUBSCRIBED' as const),
      executor: arbitraryExecutor(pools),
      framework: arbitraryFrameworkInfo(pools),
      agentId: from(pools.agents),
      agent: arbitraryAgentInfo(pools),
      containerId: uuid,
    }),
    record({ type: fc.constant('LAUNCH' as const), task: arbitraryTaskInfo(pools) }),
    record({ type: fc.constant('LAUNCH_GROUP' as const), groupId: word, tasks }),
    record(
      {
        type: fc.constant('KILL' as const),
        taskId: from(pools.tasks),
        killPolicy: record({ gracePeriodMs: durationMs }),
      },
      { requiredKeys: ['type', 'taskId'] },
    ),
    record({ type: fc.constant('ACKNOWLEDGED' as const), taskId: from(pools.tasks), uuid }),
    record({ type: fc.constant('MESSAGE' as const), data: fc.string() }),
    record({ type: fc.constant('ERROR' as const), problems }),
    fc.constantFrom({ type: 'SHUTDOWN' as const }, { type: 'HEARTBEAT' as const }),
  );
}
