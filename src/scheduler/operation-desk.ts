// Operations with an id, from the ACCEPT to their outcome: asked about after a reconnect, told once each, acknowledged. In: operations sent, statuses heard.
// Out: statuses to the author, calls.
import type { Observable } from 'rxjs';
import type { AgentId, OperationId, OperationUuid } from '../base/ids.js';
import type { OperationState, OperationStatus } from '../protocol/entities.js';
import type { Operation, OperationReference, SchedulerCall } from '../protocol/scheduler-api.js';
import { UpdateInbox } from './update-inbox.js';

/** States after which nothing more is heard of an operation; OPERATION_UNKNOWN: nobody knows it. */
const lastStates: ReadonlySet<OperationState> = new Set([
  'OPERATION_FINISHED',
  'OPERATION_FAILED',
  'OPERATION_ERROR',
  'OPERATION_DROPPED',
  'OPERATION_GONE_BY_OPERATOR',
  'OPERATION_UNKNOWN',
]);

export class OperationDesk {
  readonly operations$: Observable<OperationStatus>;
  readonly #inbox: UpdateInbox<OperationStatus>;
  readonly #send: (call: SchedulerCall) => void;
  readonly #open = new Map<OperationId, AgentId>();
  /** What waits for the author: the agent repeats itself until it is acknowledged. */
  readonly #waiting = new Set<OperationUuid>();

  constructor(send: (call: SchedulerCall) => void, acknowledge: boolean) {
    this.#send = send;
    this.#inbox = new UpdateInbox(status => {
      if (status.uuid !== undefined) this.#waiting.delete(status.uuid);
      if (acknowledge) this.acknowledge(status);
    });
    this.operations$ = this.#inbox.updates$;
  }

  /** Operations leave for the master. */
  sent(operations: readonly Operation[], agentId: AgentId): void {
    for (const { id } of operations) if (id !== undefined) this.#open.set(id, agentId);
  }

  /** Operations that never left. */
  dropped(operations: readonly Operation[], agentId: AgentId | undefined): void {
    const message = 'the offer was no longer in hand; nothing was sent';
    for (const { id } of operations) {
      if (id === undefined) continue;
      const on = agentId === undefined ? {} : { agentId };
      this.#inbox.put({ operationId: id, ...on, state: 'OPERATION_DROPPED', message });
    }
  }

  heard(status: OperationStatus): void {
    const { operationId, state, uuid } = status;
    if (operationId !== undefined && lastStates.has(state)) this.#open.delete(operationId);
    if (uuid !== undefined) {
      if (this.#waiting.has(uuid)) return;
      this.#waiting.add(uuid);
    }
    this.#inbox.put(status);
  }

  acknowledge({ operationId, agentId, uuid }: OperationStatus): void {
    if (operationId === undefined || agentId === undefined || uuid === undefined) return;
    this.#send({ type: 'ACKNOWLEDGE_OPERATION', operationId, agentId, uuid });
  }

  reconcile(operations: readonly OperationReference[]): void {
    this.#send({ type: 'RECONCILE_OPERATIONS', operations });
  }

  /** After a reconnect: what became of operations while nobody listened. */
  reconnected(): void {
    if (this.#open.size === 0) return;
    this.reconcile(Array.from(this.#open, ([operationId, agentId]) => ({ operationId, agentId })));
  }

  close(): void {
    this.#inbox.close();
  }
}
