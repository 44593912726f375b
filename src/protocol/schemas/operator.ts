// Shape of what an operator asks of the master. In: leaf shapes, shapes of operations. Out: one union.
import type { Amounts, MaintenanceWindow, OperatorCall, QuotaSpec, WeightView } from '../operator-api.js';
import {
  amountNameProblem,
  machinesRule,
  quotaRule,
  quotasRule,
  refinementRule,
  weightMax,
  weightMin,
  weightsRule,
  windowsRule,
} from '../validate-operation.js';
import { unavailability } from './cluster.js';
import * as leaves from './leaves.js';
import { amount, operationFields } from './operation.js';
import { across, boolean, list, number, object, optional, record, refine, under, union } from './shape.js';
import type { Rule } from './shape.js';

const amounts = record<number>(amount, 'an object of amounts', amountNameProblem);

const quota = refine(
  object<QuotaSpec>('a quota', {
    role: leaves.namedRole,
    limits: optional<Amounts>(amounts),
    guarantees: optional<Amounts>(amounts),
  }),
  across(['limits', 'guarantees'], quotaRule),
);

const weight = object<WeightView>('a weight', {
  role: leaves.role,
  weight: number('a number from 0.000001 to 1,000,000', weightMin, weightMax),
});

const hostnames = refine(list(leaves.hostname, 'a list of at least one host name', 1), across([], machinesRule));
const window = object<MaintenanceWindow>('a maintenance window', {
  hostnames: list(leaves.hostname, 'a list of at least one host name', 1),
  unavailability,
});

const agentId = leaves.id();
const { reserve, unreserve, create, destroy, resize } = operationFields;
const ofRole = { agentId, role: leaves.namedRole };

const refining: Rule<OperatorCall> = (call, path, say) => {
  if (call.type === 'RESERVE') refinementRule(call, path, say);
};

export const operatorCall = refine(
  union<OperatorCall>('an operator call', {
    KILL: {
      taskId: leaves.reportedTaskId,
      frameworkId: optional(leaves.id()),
      gracePeriodMs: optional(leaves.durationMs),
    },
    TEARDOWN: { frameworkId: leaves.id() },
    UPDATE_QUOTA: {
      quotas: under('INVALID_QUOTA', refine(list(quota, 'a list of at least one quota', 1), across([], quotasRule))),
      force: optional(boolean),
    },
    UPDATE_WEIGHTS: { weights: refine(list(weight, 'a list of at least one weight', 1), across([], weightsRule)) },
    RESERVE: { agentId, ...reserve },
    UNRESERVE: { agentId, ...unreserve },
    CREATE_VOLUMES: { ...ofRole, ...create },
    DESTROY_VOLUMES: { ...ofRole, ...destroy },
    GROW_VOLUME: { ...ofRole, ...resize },
    SHRINK_VOLUME: { ...ofRole, ...resize },
    UPDATE_MAINTENANCE: { windows: refine(list(window, 'a list of maintenance windows'), windowsRule) },
    START_MAINTENANCE: { hostnames },
    STOP_MAINTENANCE: { hostnames },
    DRAIN_AGENT: { agentId, gracePeriodMs: optional(leaves.durationMs), markGone: optional(boolean) },
    DEACTIVATE_AGENT: { agentId },
    REACTIVATE_AGENT: { agentId },
    MARK_AGENT_GONE: { agentId },
  }),
  across(['resources', 'reservation'], refining),
);
