// Telling operations of an ACCEPT apart. In: an operation. Out: its tasks, or whether it turns resources into others.
import type { TaskInfo } from './entities.js';
import type { Operation, ResourceOperation } from './scheduler-api.js';

/** Whether it turns resources into others, rather than launches tasks. */
export function isResourceOperation(operation: Operation): operation is ResourceOperation {
  return operation.type !== 'LAUNCH' && operation.type !== 'LAUNCH_GROUP';
}

/** The tasks an operation launches; none when it is about resources. */
export function tasksOf(operation: Operation): readonly TaskInfo[] {
  return isResourceOperation(operation) ? [] : operation.tasks;
}
