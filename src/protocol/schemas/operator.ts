// Shape of what an operator asks of the master. In: leaf shapes. Out: one union.
import type { OperatorCall } from '../operator-api.js';
import * as leaves from './leaves.js';
import { optional, union } from './shape.js';

export const operatorCall = union<OperatorCall>('an operator call', {
  KILL: {
    taskId: leaves.reportedTaskId,
    frameworkId: optional(leaves.id()),
    gracePeriodMs: optional(leaves.durationMs),
  },
  TEARDOWN: { frameworkId: leaves.id() },
});
