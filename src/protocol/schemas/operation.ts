// Shapes of operations on resources, of schedulers and operators alike, and of their outcomes. In: leaf shapes, rules of validate-operation. Out: shapes.
import type { OperationStatus } from '../entities.js';
import { operationStates } from '../entities.js';
import type { ReservationSpec, ResourceOperation, VolumeSpec } from '../scheduler-api.js';
import {
  anyAmountProblem,
  convertibleRule,
  refinementRule,
  reservationRule,
  sourceRule,
  unreservableRule,
  volumesRule,
} from '../validate-operation.js';
import { uniqueRule } from '../validate-framework.js';
import { volumeIdProblem, volumePathProblem } from '../../resources/index.js';
import type { VolumeId } from '../../base/ids.js';
import { given } from './findings.js';
import * as leaves from './leaves.js';
import { across, boolean, list, object, oneOf, optional, refine, text, union } from './shape.js';
import type { Rule, Shape } from './shape.js';

const volumeId: Shape<VolumeId> = text('a volume id', volumeIdProblem, 'use letters, digits and any of _.:@+-');

/** An amount of a scalar: 0 or more, at most three decimals, bounded. */
export const amount: Shape<number> = {
  what: 'an amount, 0 or more with at most three decimals',
  ok: value => typeof value === 'number' && anyAmountProblem(value) === undefined,
  explain(value, path, code, found) {
    const wrong = typeof value === 'number' ? anyAmountProblem(value) : { why: 'is not a number' };
    if (wrong !== undefined) found.add(path, code, `${given(value)} ${wrong.why}`, wrong.hint);
  },
};

/** MiB, more than none. */
export const diskAmount: Shape<number> = refine(amount, (disk, path, say) => {
  if (disk === 0) say(path, '0 is not an amount of disk; it must be above 0, in MiB');
});

export const reservationSpec = refine(
  object<ReservationSpec>('a reservation', {
    role: text('a role'),
    principal: optional(text()),
    labels: optional(leaves.labels),
  }),
  reservationRule,
);

export const volumeSpec = refine(
  object<VolumeSpec>('a volume', {
    id: volumeId,
    disk: diskAmount,
    containerPath: text('a path', volumePathProblem, 'write /data, or data for a directory of the sandbox'),
    mode: optional(oneOf(['RW', 'RO'], 'a mode')),
    shared: optional(boolean),
    from: optional(text()),
  }),
  across(['from'], sourceRule),
);

const reservable = refine(leaves.resources, convertibleRule);
const unreservable = refine(leaves.resources, convertibleRule, unreservableRule);
const refining: Rule<ResourceOperation> = (operation, path, say) => {
  if (operation.type === 'RESERVE') refinementRule(operation, path, say);
};

/** The fields of each operation but its id: those of a scheduler's operations and an operator's calls. */
export const operationFields = {
  reserve: { resources: reservable, reservation: reservationSpec },
  unreserve: { resources: unreservable },
  create: { volumes: refine(list(volumeSpec, 'a list of at least one volume', 1), across([], volumesRule)) },
  destroy: { volumeIds: refine(list(volumeId, 'a list of at least one volume id', 1), across([], uniqueRule)) },
  resize: { volumeId, disk: diskAmount },
};

/** The types of them. */
export const resourceOperationTypes = [
  'RESERVE',
  'UNRESERVE',
  'CREATE',
  'DESTROY',
  'GROW_VOLUME',
  'SHRINK_VOLUME',
] as const satisfies readonly ResourceOperation['type'][];

const id = optional(leaves.id());

/** An operation of a scheduler. */
export const resourceOperation: Shape<ResourceOperation> = refine(
  union<ResourceOperation>('an operation', {
    RESERVE: { id, ...operationFields.reserve },
    UNRESERVE: { id, ...operationFields.unreserve },
    CREATE: { id, ...operationFields.create },
    DESTROY: { id, ...operationFields.destroy },
    GROW_VOLUME: { id, ...operationFields.resize },
    SHRINK_VOLUME: { id, ...operationFields.resize },
  }),
  across(['resources', 'reservation'], refining),
);

export const operationStatus = object<OperationStatus>('an operation status', {
  operationId: optional(leaves.id()),
  frameworkId: optional(leaves.id()),
  agentId: optional(leaves.id()),
  state: oneOf(operationStates, 'an operation state'),
  message: optional(leaves.anyText),
  uuid: optional(leaves.token),
  converted: optional(leaves.resources),
});
