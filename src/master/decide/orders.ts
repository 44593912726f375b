// What agents are told of operations on their resources, and the record kept of each until its outcome is acknowledged. In: conversions. Out: changes, orders.
import type { FrameworkId, OperationId, OperationUuid } from '../../base/ids.js';
import type { ResourceOperationType } from '../../protocol/scheduler-api.js';
import type { Conversion } from '../../resources/index.js';
import { fromBag } from '../../resources/index.js';
import type { Draft } from '../decision.js';
import type { AgentRecord, ClusterView, Moment } from '../state.js';

/** Numbers the operations of one decision. */
export class Orders {
  #next: number;
  readonly #prefix: string;
  readonly #draft: Draft;

  constructor(view: ClusterView, draft: Draft, at: Moment) {
    // A master that starts again under its id counts from 0, at another time.
    this.#prefix = `${view.master.id}-${at.wallMs.toString(36)}-P`;
    this.#next = view.nextOperation;
    this.#draft = draft;
  }

  /** The conversion itself is a change of its own. `by`: the framework; an operator without it. */
  send(
    agent: Readonly<AgentRecord>,
    kind: ResourceOperationType,
    conversion: Conversion,
    by?: { readonly frameworkId: FrameworkId; readonly id: OperationId | undefined },
  ): void {
    this.sendAs(this.next(), agent, kind, conversion, by);
  }

  /** The uuid of an operation that is sent later. */
  next(): OperationUuid {
    const uuid = `${this.#prefix}${this.#next}`;
    this.#next += 1;
    return uuid;
  }

  /** An operation that has its uuid already. */
  sendAs(
    uuid: OperationUuid,
    agent: Readonly<AgentRecord>,
    kind: ResourceOperationType,
    conversion: Conversion,
    by?: { readonly frameworkId: FrameworkId; readonly id: OperationId | undefined },
  ): void {
    this.#draft.change({
      type: 'OPERATION_ADDED',
      operation: {
        uuid,
        id: by?.id,
        frameworkId: by?.frameworkId,
        agentId: agent.id,
        kind,
        conversion,
        status: undefined,
      },
    });
    this.#draft.toAgent(agent.id, {
      type: 'APPLY_OPERATION',
      uuid,
      ...(by?.id === undefined ? {} : { operationId: by.id }),
      ...(by === undefined ? {} : { frameworkId: by.frameworkId }),
      kind,
      consumed: fromBag(conversion.consumed),
      produced: fromBag(conversion.produced),
    });
  }
}
