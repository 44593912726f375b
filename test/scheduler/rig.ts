// A Framework under virtual time over a fake connection: what it sends is validated as on the wire and recorded, what it hears is validated too.
import { tasksOf } from '../../src/protocol/operations.js';
import { assert, must } from '../../src/base/assert.js';
import type { Problem } from '../../src/base/errors.js';
import type { TaskId } from '../../src/base/ids.js';
import type { VirtualClock } from '../../src/env/virtual-clock.js';
import type { MasterInfo, Offer, TaskInfo, TaskStatus } from '../../src/protocol/entities.js';
import type { SchedulerCall, SchedulerCallType, SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { validateSchedulerCall, validateSchedulerEvent } from '../../src/protocol/validate.js';
import type {
  FrameworkConnection,
  FrameworkConnectionHandler,
  OpenFrameworkConnection,
} from '../../src/scheduler/connection.js';
import { Framework } from '../../src/scheduler/framework.js';
import type { FrameworkOptions } from '../../src/scheduler/framework.js';
import { virtualEnv } from '../transport/fixtures.js';

export const master: MasterInfo = { id: 'M', hostname: 'master', port: 5050, version: '0.1.0' };

type CallOf<T extends SchedulerCallType> = Extract<SchedulerCall, { type: T }>;

export interface RigOptions extends Omit<FrameworkOptions, 'info'> {
  readonly info?: Partial<FrameworkOptions['info']>;
  /** What lies between the framework and the rig's connection. */
  readonly through?: (open: OpenFrameworkConnection) => OpenFrameworkConnection;
}

export class FrameworkRig implements FrameworkConnection {
  readonly env = virtualEnv();
  readonly framework: Framework;
  /** Every call since asked last. */
  readonly calls: SchedulerCall[] = [];
  closed = false;
  #handler: FrameworkConnectionHandler | undefined;
  #numbers = 0;

  constructor({ info, through = open => open, ...options }: RigOptions = {}) {
    this.framework = new Framework(
      this.env,
      through(handler => {
        this.#handler = handler;
        return this;
      }),
      {
        reconcile: false,
        ...options,
        info: { name: 'test', roles: ['*'], capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE'], ...info },
      },
    );
  }

  get clock(): VirtualClock {
    return this.env.clock;
  }

  send(call: SchedulerCall): void {
    const checked = validateSchedulerCall(structuredClone(call));
    assert(checked.ok, () => `sent what is not valid: ${JSON.stringify(call)} ${JSON.stringify(checked)}`);
    this.calls.push(call);
  }

  close(): void {
    this.closed = true;
  }

  /** The session is up, with a master of this epoch; it has not answered the subscription. */
  connect(epoch?: number): void {
    must(this.#handler, 'handler').onConnected(epoch);
  }

  /** The session is up, and the master accepts the framework. Forgets the calls of that. */
  subscribe(frameworkId = 'F1'): this {
    this.connect();
    this.hear({ type: 'SUBSCRIBED', frameworkId, heartbeatIntervalMs: 15_000, master });
    this.clock.advance(0);
    return this;
  }

  lose(reason = 'broken', nextAttemptInMs = 1000): void {
    must(this.#handler, 'handler').onDisconnected(reason, nextAttemptInMs);
    this.clock.advance(0);
  }

  refuse(problems: readonly Problem[]): void {
    must(this.#handler, 'handler').onRefused(problems);
  }

  invalid(problems: readonly Problem[]): void {
    must(this.#handler, 'handler').onInvalid(problems);
  }

  hear(event: SchedulerEvent): void {
    const checked = validateSchedulerEvent(structuredClone(event));
    assert(checked.ok, () => `not valid: ${JSON.stringify(event)} ${JSON.stringify(checked)}`);
    must(this.#handler, 'handler').onMessage(event);
  }

  /** Sends offers and lets what follows happen. */
  offer(...offers: readonly Offer[]): void {
    this.hear({ type: 'OFFERS', offers });
    this.clock.advance(0);
  }

  /** What the master says of its own accord, e.g. an answer to RECONCILE: without a uuid. */
  answer(taskId: TaskId, state: TaskState): void {
    const timestampMs = this.clock.wallMs();
    this.hear({ type: 'UPDATE', status: { taskId, state, source: 'MASTER', reason: 'RECONCILIATION', timestampMs } });
  }

  /** An update to be acknowledged; the last digits of its uuid count up. */
  status(task: Pick<TaskInfo, 'taskId'>, state: TaskState, more: Partial<TaskStatus> = {}): TaskStatus {
    this.#numbers += 1;
    const uuid = `00000000-0000-4000-8000-${String(this.#numbers).padStart(12, '0')}`;
    const status: TaskStatus = {
      taskId: task.taskId,
      state,
      source: 'EXECUTOR',
      agentId: 'a1',
      timestampMs: this.clock.wallMs(),
      uuid,
      ...more,
    };
    this.hear({ type: 'UPDATE', status });
    return status;
  }

  /** The calls of one type since asked last; forgets all. */
  take<T extends SchedulerCallType>(type: T): CallOf<T>[] {
    return this.calls.splice(0).filter((call): call is CallOf<T> => call.type === type);
  }

  /** Calls since asked last, in short; forgets them. */
  said(): string[] {
    return this.calls.splice(0).map(inShort);
  }
}

export function offer(id: string, more: Partial<Offer> = {}): Offer {
  return {
    id,
    frameworkId: 'F1',
    agentId: `a${id.replace(/\D/g, '') || '1'}`,
    hostname: 'localhost',
    port: 5051,
    role: '*',
    resources: { cpus: 2, mem: 1024, ports: [[31_000, 31_009]] },
    attributes: {},
    containerizers: ['PROCESS'],
    executorIds: [],
    expiresInMs: 30_000,
    ...more,
  };
}

function inShort(call: SchedulerCall): string {
  switch (call.type) {
    case 'SUBSCRIBE':
    case 'UPDATE_FRAMEWORK':
      return `${call.type} ${call.framework.id ?? 'new'} suppressed=${(call.suppressedRoles ?? []).join()}`;
    case 'ACCEPT':
      return `ACCEPT ${call.offerIds.join()} ${call.operations.map(operation => `${operation.type}:${tasksOf(operation).length}`).join()}`;
    case 'DECLINE':
      return `DECLINE ${call.offerIds.join()}${call.filters === undefined ? '' : ` ${call.filters.refuseMs}`}`;
    case 'REVIVE':
    case 'SUPPRESS':
      return `${call.type} ${(call.roles ?? []).join()}`;
    case 'KILL':
      return `KILL ${call.taskId} on ${call.agentId ?? '?'}`;
    case 'ACKNOWLEDGE':
      return `ACKNOWLEDGE ${call.taskId} ${Number(call.uuid.slice(-12))}`;
    case 'RECONCILE':
      return `RECONCILE ${call.tasks.map(task => task.taskId).join()}`.trimEnd();
    default:
      return call.type;
  }
}
