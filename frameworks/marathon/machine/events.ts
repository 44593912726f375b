// What happens to an instance, and what is to be done about it. Types only.
import type { TaskId, TaskStatus } from 'proffer';
import type { RunSpec } from '../model/run-spec.js';
import type { Condition, Goal } from './condition.js';
import type { Instance, InstanceReservation, InstanceTask, Place } from './instance.js';

/** What happens to one instance. */
export type InstanceEvent =
  /** A place was chosen for an instance that waits; to be stored before the ACCEPT is sent. */
  | {
      readonly type: 'PROVISION';
      readonly spec: RunSpec;
      readonly place: Place;
      readonly tasks: readonly Pick<InstanceTask, 'id' | 'container' | 'hostPorts'>[];
      readonly reservation?: InstanceReservation;
    }
  /** The start just decided was not sent. */
  | { readonly type: 'WITHDRAW' }
  | { readonly type: 'STATUS'; readonly status: TaskStatus }
  | { readonly type: 'GOAL'; readonly goal: Goal }
  /** Its tasks are to end; what becomes of it then is the goal's to say. */
  | { readonly type: 'KILL' }
  /** Nothing of it runs, and it is to go on as what `spec` says. */
  | { readonly type: 'RENEW'; readonly spec: RunSpec }
  /** A time that `dueAt` named has come. */
  | { readonly type: 'DUE' }
  /** What was reserved for it is free again: its volumes are destroyed. */
  | { readonly type: 'RELEASED' }
  /** What was to be reserved for it is not. */
  | { readonly type: 'UNRESERVED' };

/** What is to be done after a step, in this order. */
export type InstanceEffect =
  | { readonly type: 'CHANGED'; readonly from: Condition; readonly to: Condition }
  | { readonly type: 'HEALTH_CHANGED'; readonly healthy: boolean | undefined }
  /** All its tasks run: its queue's delay starts anew, its token comes back. */
  | { readonly type: 'RUNS' }
  /** All its tasks have ended. `counts`: the next start is delayed. */
  | { readonly type: 'ENDED'; readonly status: TaskStatus; readonly condition: Condition; readonly counts: boolean }
  | { readonly type: 'KILL_TASKS'; readonly taskIds: readonly TaskId[] }
  /** Its volumes are to be destroyed and its resources unreserved; RELEASED says that they are. */
  | { readonly type: 'RELEASE'; readonly reservation: InstanceReservation }
  /** It is forgotten. */
  | { readonly type: 'EXPUNGED' };

/** An instance after a step; undefined when it is forgotten. Without effects and with the same instance nothing happened. */
export interface Outcome {
  readonly instance: Instance | undefined;
  readonly effects: readonly InstanceEffect[];
}

/** How long some things may take, in milliseconds. */
export interface InstanceTimes {
  /** A kill that is not acknowledged is repeated. Default 30 s. */
  readonly killRetryMs: number;
  /** A start of which nothing is heard is given up. Default 300 s. */
  readonly launchConfirmMs: number;
  /** A start that does not come to run is given up. Default 300 s. */
  readonly launchMs: number;
}

export const defaultInstanceTimes: InstanceTimes = {
  killRetryMs: 30_000,
  launchConfirmMs: 300_000,
  launchMs: 300_000,
};
