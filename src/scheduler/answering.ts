// What an answer to offers needs: lists and ids of them, filters that are right, and what is told of tasks whose offer is gone.
import { problemsError } from '../base/errors.js';
import type { AgentId, OfferId, TaskId } from '../base/ids.js';
import { carriageProblem } from '../protocol/carried.js';
import type { Filters, FrameworkInfo, InverseOffer, Offer, TaskStatus } from '../protocol/entities.js';
import type { SchedulerCall } from '../protocol/scheduler-api.js';
import { withoutPartitionAwareness } from '../protocol/task-state.js';
import { filtersProblems } from '../protocol/validate.js';

/** What can be accepted together: one offer, or several of one agent and role. */
export type Offers = Offer | readonly Offer[];

/** What can be answered together: one inverse offer or several. */
export type InverseOffers = InverseOffer | readonly InverseOffer[];

export function asList<T>(offers: T | readonly T[]): readonly T[] {
  return Array.isArray(offers) ? (offers as readonly T[]) : [offers as T];
}

export function ids(offers: readonly { readonly id: OfferId }[]): OfferId[] {
  return offers.map(offer => offer.id);
}

/**
 * The master would refuse the call, and the offers be nobody's until they expire.
 * @throws ProfferError INVALID_CALL.
 */
export function checkFilters(filters: Filters | undefined): void {
  const problems = filters === undefined ? [] : filtersProblems(filters);
  if (problems.length > 0) throw problemsError(problems);
}

/**
 * The call, which a message can carry: one that none can ends the connection.
 * @throws ProfferError INVALID_CALL.
 */
export function carried<Call extends SchedulerCall>(call: Call): Call {
  const found = carriageProblem(call);
  if (found !== undefined) throw problemsError([found]);
  return call;
}

/** The status of a task whose offer was no longer in hand. */
export function droppedStatus(
  taskId: TaskId,
  agentId: AgentId | undefined,
  info: FrameworkInfo,
  timestampMs: number,
): TaskStatus {
  const aware = info.capabilities?.includes('PARTITION_AWARE') === true;
  return {
    taskId,
    state: aware ? 'TASK_DROPPED' : withoutPartitionAwareness('TASK_DROPPED'),
    source: 'MASTER',
    reason: 'INVALID_OFFERS',
    message: 'the offer was no longer in hand; nothing was sent',
    timestampMs,
    ...(agentId === undefined ? {} : { agentId }),
  };
}
