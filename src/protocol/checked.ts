// What validation of an inbound message gives: the typed value, or every problem at once. In: nothing. Out: types for sessions and components.
import type { Problem } from '../base/errors.js';
import type { SchedulerCall } from './scheduler-api.js';

/** A message that may be used, or all that is wrong with it. `callId` is there when an invalid call carried a readable one. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly callId?: number };

/** Tasks of one ACCEPT that are not valid by themselves, in the order they came. */
export type TaskProblems = readonly {
  /** Index into `operations`. */
  readonly operation: number;
  /** Index into that operation's `tasks`. */
  readonly task: number;
  /** At least one; paths begin with `accept.operations[i].tasks[j]`. */
  readonly problems: readonly Problem[];
}[];

/** Operations on resources of one ACCEPT that are not valid by themselves, in the order they came. */
export type OperationProblems = readonly {
  /** Index into `operations`. */
  readonly operation: number;
  /** At least one; paths begin with `accept.operations[i]`. */
  readonly problems: readonly Problem[];
}[];

/** What validation adds to an ACCEPT; never on the wire, where a field of this name is refused as unknown. */
export interface AcceptFindings {
  /**
   * Present when at least one task is not valid. Such a task stands in `operations` as its `taskId`, its `name` and empty resources only, so that
   * indices hold and nobody meets a field of the wrong type. The master answers it with TASK_ERROR and carries out the rest.
   */
  readonly taskProblems?: TaskProblems;
  /**
   * Present when at least one operation on resources is not valid. Such a one stands in `operations` with its type, its `id` if that is one, and
   * otherwise empty. The master drops it, with OPERATION_ERROR if it has an id, and carries out the rest.
   */
  readonly operationProblems?: OperationProblems;
}

/** An ACCEPT after validation. */
export type ValidatedAccept = Extract<SchedulerCall, { type: 'ACCEPT' }> & AcceptFindings;

/** A scheduler call after validation; any SchedulerCall is one, with no findings. */
export type ValidatedSchedulerCall = Exclude<SchedulerCall, { type: 'ACCEPT' }> | ValidatedAccept;
