// Arbitraries for operations on resources, their outcomes, and operators' calls, all valid. In: pools of ids. Out: fast-check arbitraries.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { InverseOffer, OperationStatus, Unavailability } from '../../src/protocol/entities.js';
import { operationStates } from '../../src/protocol/entities.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { ReservationSpec, ResourceOperation, VolumeSpec } from '../../src/protocol/scheduler-api.js';
import type { Resources } from '../../src/resources/index.js';
import type { IdPools } from './arbitrary-entities.js';
import { arbitraryResources, durationMs, from, record, smallPools, uuid } from './arbitrary-entities.js';

const operationId = fc.constantFrom('op-1', 'op-2', 'op.3');
const volumeId = fc.constantFrom('db-0', 'db-1', 'logs', 'a b', '%:@');
const containerPath = fc.constantFrom('/data', 'data', '/var/lib/db', 'a/b', '/ä,b');
const diskMiB = fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.constantFrom(0.001, 0.5, 1e10));
const labels = fc.dictionary(
  fc.constantFrom('team', 'a=b', 'x,y', '(z)', 'ß'),
  fc.constantFrom('', 'blue', 'a:b;c', '%'),
  {
    maxKeys: 2,
    noNullPrototype: true,
  },
);

function namedRoles(pools: IdPools): readonly string[] {
  return pools.roles.filter(role => role !== '*');
}

export function arbitraryReservation(pools: IdPools = smallPools): Arbitrary<ReservationSpec> {
  return record(
    { role: from(namedRoles(pools)), principal: fc.constantFrom('ops', 'o@p,s'), labels },
    { requiredKeys: ['role'] },
  );
}

const volume: Arbitrary<VolumeSpec> = record(
  {
    id: volumeId,
    disk: diskMiB,
    containerPath,
    mode: fc.constantFrom('RW' as const, 'RO' as const),
    shared: fc.boolean(),
    from: fc.constantFrom('disk(web)', 'disk(web,dynamic,@ops,team=blue)', 'disk(web)(web/shop,dynamic)'),
  },
  { requiredKeys: ['id', 'disk', 'containerPath'] },
);

const unreserved: Arbitrary<Resources> = record(
  { cpus: diskMiB, mem: diskMiB, disk: diskMiB },
  { requiredKeys: ['cpus'] },
);

function dynamic(pools: IdPools): Arbitrary<Resources> {
  return fc
    .tuple(from(namedRoles(pools)), fc.constantFrom('', ',@ops', ',@ops,team=blue', ',a%3Db=%25'), diskMiB)
    .map(([role, more, amount]) => ({
      [`cpus(${role},dynamic${more})`]: amount,
      [`disk(${role},dynamic${more})`]: amount,
    }));
}

const volumes = fc.uniqueArray(volume, { selector: each => each.id, minLength: 1, maxLength: 2 });
const volumeIds = fc.uniqueArray(volumeId, { minLength: 1, maxLength: 2 });

/** Any valid operation on resources. */
export function arbitraryResourceOperation(pools: IdPools = smallPools): Arbitrary<ResourceOperation> {
  const refined = from(namedRoles(pools)).map(role => ({
    resources: { [`cpus(${role})`]: 1, ports: [[31_000, 31_001]] as const },
    reservation: { role: `${role}/below` },
  }));
  const body: Arbitrary<ResourceOperation> = fc.oneof(
    record({ type: fc.constant('RESERVE' as const), resources: unreserved, reservation: arbitraryReservation(pools) }),
    refined.map(more => ({ type: 'RESERVE' as const, ...more })),
    record({ type: fc.constant('UNRESERVE' as const), resources: dynamic(pools) }),
    record({ type: fc.constant('CREATE' as const), volumes }),
    record({ type: fc.constant('DESTROY' as const), volumeIds }),
    record({ type: fc.constant('GROW_VOLUME' as const), volumeId, disk: diskMiB }),
    record({ type: fc.constant('SHRINK_VOLUME' as const), volumeId, disk: diskMiB }),
  );
  return fc
    .tuple(body, fc.option(operationId, { nil: undefined }))
    .map(([operation, id]) => (id === undefined ? operation : { ...operation, id }));
}

/** A reference to an operation, as RECONCILE_OPERATIONS holds it. */
export function arbitraryOperationReference(
  pools: IdPools = smallPools,
): Arbitrary<{ operationId: string; agentId?: string }> {
  return record({ operationId, agentId: from(pools.agents) }, { requiredKeys: ['operationId'] });
}

/** A report on an operation. */
export function arbitraryOperationStatus(pools: IdPools = smallPools): Arbitrary<OperationStatus> {
  return record(
    {
      operationId,
      frameworkId: from(pools.frameworks),
      agentId: from(pools.agents),
      state: fc.constantFrom(...operationStates),
      message: fc.string({ maxLength: 8 }),
      uuid,
      converted: arbitraryResources(pools),
    },
    { requiredKeys: ['state'] },
  );
}

export const arbitraryUnavailability: Arbitrary<Unavailability> = record(
  { startMs: fc.nat(), durationMs },
  { requiredKeys: ['startMs'] },
);

export function arbitraryInverseOffer(pools: IdPools = smallPools): Arbitrary<InverseOffer> {
  return record({
    id: from(pools.offers),
    frameworkId: from(pools.frameworks),
    agentId: from(pools.agents),
    hostname: fc.constantFrom('h1', 'h2'),
    unavailability: arbitraryUnavailability,
  });
}

/** Any valid call of an operator. */
export function arbitraryOperatorCall(pools: IdPools = smallPools): Arbitrary<OperatorCall> {
  const frameworkId = from(pools.frameworks);
  const agentId = from(pools.agents);
  const role = from(namedRoles(pools));
  const hostname = fc.constantFrom('h1', 'h2', 'h3', '10.0.0.1');
  const hostnames = fc.uniqueArray(hostname, { minLength: 1 });
  const amounts = fc.constantFrom({}, { cpus: 0 }, { cpus: 2, mem: 1024 }, { licences: 0.5 });
  const quota = fc.tuple(role, amounts, fc.boolean()).map(([name, limits, guaranteed]) => ({
    role: name,
    limits,
    ...(guaranteed ? { guarantees: limits } : {}),
  }));
  const windows = fc
    .uniqueArray(hostname, { maxLength: 3 })
    .chain(hosts =>
      fc.tuple(
        ...hosts.map(host => arbitraryUnavailability.map(unavailability => ({ hostnames: [host], unavailability }))),
      ),
    );
  const resize = { agentId, role, volumeId, disk: diskMiB };
  return fc.oneof(
    record(
      { type: fc.constant('KILL' as const), taskId: from(pools.tasks), frameworkId, gracePeriodMs: durationMs },
      { requiredKeys: ['type', 'taskId'] },
    ),
    record({ type: fc.constant('TEARDOWN' as const), frameworkId }),
    record(
      {
        type: fc.constant('UPDATE_QUOTA' as const),
        quotas: fc.uniqueArray(quota, { selector: each => each.role, minLength: 1 }),
        force: fc.boolean(),
      },
      { requiredKeys: ['type', 'quotas'] },
    ),
    record({
      type: fc.constant('UPDATE_WEIGHTS' as const),
      weights: fc.uniqueArray(record({ role: from(pools.roles), weight: fc.constantFrom(0.001, 1, 2.5, 1e6) }), {
        selector: each => each.role,
        minLength: 1,
      }),
    }),
    record({
      type: fc.constant('RESERVE' as const),
      agentId,
      resources: unreserved,
      reservation: arbitraryReservation(pools),
    }),
    record({ type: fc.constant('UNRESERVE' as const), agentId, resources: dynamic(pools) }),
    record({ type: fc.constant('CREATE_VOLUMES' as const), agentId, role, volumes }),
    record({ type: fc.constant('DESTROY_VOLUMES' as const), agentId, role, volumeIds }),
    record({ type: fc.constant('GROW_VOLUME' as const), ...resize }),
    record({ type: fc.constant('SHRINK_VOLUME' as const), ...resize }),
    record({ type: fc.constant('UPDATE_MAINTENANCE' as const), windows }),
    record({ type: fc.constant('START_MAINTENANCE' as const), hostnames }),
    record({ type: fc.constant('STOP_MAINTENANCE' as const), hostnames }),
    record(
      { type: fc.constant('DRAIN_AGENT' as const), agentId, gracePeriodMs: durationMs, markGone: fc.boolean() },
      { requiredKeys: ['type', 'agentId'] },
    ),
    record({
      type: fc.constantFrom('DEACTIVATE_AGENT' as const, 'REACTIVATE_AGENT' as const, 'MARK_AGENT_GONE' as const),
      agentId,
    }),
  );
}
