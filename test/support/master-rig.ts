// A master under virtual time with fake schedulers and agents: what they send is validated as on the wire, what they get is recorded.
import { assert, must } from '../../src/base/assert.js';
import type { Problem, ProfferError } from '../../src/base/errors.js';
import type { AgentId, FrameworkId, OfferId, TaskId } from '../../src/base/ids.js';
import type { AllocatorOptions } from '../../src/allocator/allocator.js';
import type { HierarchicalAllocator } from '../../src/allocator/hierarchical-allocator.js';
import { createAllocator } from '../../src/allocator/hierarchical-allocator.js';
import type { Env } from '../../src/env/env.js';
import { randomIds } from '../../src/env/ids.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { Master } from '../../src/master/master.js';
import type { MasterOptions } from '../../src/master/options.js';
import type { AgentCall, AgentEvent, AgentTask } from '../../src/protocol/agent-api.js';
import type {
  AgentInfo,
  FaultDomain,
  FrameworkInfo,
  Offer,
  OperationState,
  OperationStatus,
  TaskInfo,
  TaskStatus,
} from '../../src/protocol/entities.js';
import type { ValidatedSchedulerCall } from '../../src/protocol/checked.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { Operation, SchedulerCall, SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import {
  validateAgentCall,
  validateAgentEvent,
  validateSchedulerCall,
  validateSchedulerEvent,
} from '../../src/protocol/validate.js';
import type { Resources } from '../../src/resources/index.js';
import { fromBag } from '../../src/resources/index.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { Store } from '../../src/store/store.js';
import type { Peer, PeerHandler } from '../../src/transport/peer.js';
import { closeCodes } from '../../src/transport/transport.js';

export interface RigOptions {
  readonly options?: Partial<MasterOptions>;
  readonly store?: Store;
  readonly clock?: VirtualClock;
  /** The master's own, when it is to be stopped. Default: `clock`. */
  readonly masterClock?: (clock: VirtualClock) => Env['clock'];
  readonly masterId?: string;
  readonly metrics?: Env['metrics'];
  readonly actUntilMs?: number;
  readonly onStoreFailure?: (error: Error) => void;
  readonly onDeposed?: (error: ProfferError) => void;
  readonly domain?: FaultDomain;
  readonly allocator?: AllocatorOptions;
}

export class MasterRig {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly master: Master;
  readonly allocator: HierarchicalAllocator;
  #peers = 0;

  constructor(options: RigOptions = {}) {
    this.clock = options.clock ?? new VirtualClock();
    this.store = options.store ?? new MemoryStore(run => this.clock.soon(run));
    const random = seededRandom(1);
    const env: Env = {
      clock: options.masterClock?.(this.clock) ?? this.clock,
      random,
      ids: randomIds(random),
      log: silentLogger,
      metrics: options.metrics ?? silentMetrics,
    };
    let allocator: HierarchicalAllocator | undefined;
    this.master = new Master(env, {
      allocator: (onGrants, onStarved) =>
        (allocator = createAllocator(env, options.allocator ?? {}, onGrants, onStarved)),
      store: this.store,
      info: {
        id: options.masterId ?? 'M',
        hostname: 'master',
        port: 5050,
        version: '0.1.0',
        ...(options.domain === undefined ? {} : { domain: options.domain }),
      },
      epoch: 1,
      ...(options.options === undefined ? {} : { options: options.options }),
      ...(options.actUntilMs === undefined ? {} : { actUntilMs: options.actUntilMs }),
      ...(options.onDeposed === undefined ? {} : { onDeposed: options.onDeposed }),
      ...(options.onStoreFailure === undefined ? {} : { onStoreFailure: options.onStoreFailure }),
    });
    this.allocator = must(allocator, 'the allocator');
  }

  /** Runs what is due now, then checks that the master's and the allocator's books agree. */
  settle(): void {
    this.advance(0);
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.checkBooks();
  }

  /** A connected scheduler that has said nothing. */
  connectScheduler(): FakeScheduler {
    return new FakeScheduler(this, (this.#peers += 1));
  }

  /** A subscribed scheduler. */
  scheduler(
    info: Partial<FrameworkInfo> = {},
    more: Partial<Extract<SchedulerCall, { type: 'SUBSCRIBE' }>> = {},
  ): FakeScheduler {
    const scheduler = this.connectScheduler();
    scheduler.subscribe(info, more);
    return scheduler;
  }

  connectAgent(): FakeAgent {
    return new FakeAgent(this, (this.#peers += 1));
  }

  /** A registered agent. */
  agent(resources: Resources = { cpus: 4, mem: 4096 }, more: RegisterOptions = {}): FakeAgent {
    const agent = this.connectAgent();
    agent.register(resources, more);
    return agent;
  }

  /** An operator's call and its problems. */
  operate(call: OperatorCall): readonly Problem[] {
    let answer: readonly Problem[] | undefined;
    this.master.operate(call, problems => {
      assert(answer === undefined, 'an operator is answered twice');
      answer = problems;
    });
    this.settle();
    return must(answer, 'the answer to the operator');
  }

  checkBooks(): void {
    for (const agent of this.master.views.agents()) {
      const free = this.allocator.free(agent.id);
      const inPool = free !== undefined;
      if (!inPool) continue;
      const both = [JSON.stringify(fromBag(free)), JSON.stringify(agent.free)];
      assert(both[0] === both[1], () => `books differ for ${agent.id}: allocator ${both[0]}, master ${both[1]}`);
    }
  }
}

let callIds = 0;

abstract class FakeSide<In, Out> implements Peer<Out> {
  readonly remote = 'test';
  readonly events: Out[] = [];
  closed: { code: number; reason: string } | undefined;
  protected abstract readonly handler: PeerHandler<In>;

  constructor(
    readonly rig: MasterRig,
    readonly id: number,
  ) {}

  send(message: Out): void {
    if (this.closed !== undefined) return;
    const checked = this.checkEvent(message);
    assert(
      checked.ok,
      () => `the master sent what is not valid: ${JSON.stringify(message)} ${JSON.stringify(checked)}`,
    );
    this.events.push(message);
    this.onEvent(message);
  }

  close(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    this.rig.clock.soon(() => this.handler.onEnd({ code: code as 1000, reason }));
  }

  /** The connection breaks. */
  disconnect(): void {
    if (this.closed !== undefined) return;
    this.closed = { code: closeCodes.lost, reason: 'lost' };
    this.handler.onEnd({ code: closeCodes.lost, reason: 'lost' });
    this.rig.settle();
  }

  /** Events of one type, in order. */
  got<Type extends (Out & { type: string })['type']>(type: Type): Extract<Out, { type: Type }>[] {
    return this.events.filter(
      (event): event is Extract<Out, { type: Type }> => (event as { type: string }).type === type,
    );
  }

  last<Type extends (Out & { type: string })['type']>(type: Type): Extract<Out, { type: Type }> {
    return must(this.got(type).at(-1), `a ${type}`);
  }

  /** Forgets what came so far. */
  clear(): void {
    this.events.length = 0;
  }

  protected abstract checkEvent(event: Out): { readonly ok: boolean };
  protected onEvent(_event: Out): void {}
}

export class FakeScheduler extends FakeSide<ValidatedSchedulerCall, SchedulerEvent> {
  protected readonly handler: PeerHandler<ValidatedSchedulerCall>;

  constructor(rig: MasterRig, id: number) {
    super(rig, id);
    this.handler = rig.master.acceptScheduler(this);
  }

  get frameworkId(): FrameworkId {
    return this.last('SUBSCRIBED').frameworkId;
  }

  /** Offers held now: sent and not rescinded. */
  get offers(): Offer[] {
    const gone = new Set<OfferId>(this.got('RESCIND').flatMap(event => event.offerIds));
    return this.got('OFFERS')
      .flatMap(event => event.offers)
      .filter(offer => !gone.has(offer.id));
  }

  get offer(): Offer {
    return must(this.offers.at(-1), 'an offer');
  }

  /** What was said of operations. */
  get operations(): OperationStatus[] {
    return this.got('UPDATE_OPERATION').map(event => event.status);
  }

  get updates(): TaskStatus[] {
    return this.got('UPDATE').map(event => event.status);
  }

  /** States of one task in the order they came. */
  states(taskId: TaskId): TaskState[] {
    return this.updates.filter(status => status.taskId === taskId).map(status => status.state);
  }

  /** Anything, as it would come off the wire. */
  raw(message: unknown): void {
    const checked = validateSchedulerCall(message);
    if (checked.ok) this.handler.onMessage(checked.value);
    else this.handler.onInvalid(checked.problems, checked.callId);
    this.rig.settle();
  }

  call(call: SchedulerCall): void {
    this.raw(call);
  }

  /** The problems a call is answered with. */
  ask(call: SchedulerCall): readonly Problem[] {
    callIds += 1;
    const callId = callIds;
    this.raw({ ...call, callId });
    return must(
      this.got('ANSWERED').find(event => event.callId === callId),
      `the answer to ${call.type}`,
    ).problems;
  }

  subscribe(
    info: Partial<FrameworkInfo> = {},
    more: Partial<Extract<SchedulerCall, { type: 'SUBSCRIBE' }>> = {},
  ): void {
    this.call({ type: 'SUBSCRIBE', framework: frameworkInfo(info), ...more });
  }

  accept(offerIds: readonly OfferId[], operations: readonly Operation[], refuseMs?: number): readonly Problem[] {
    return this.ask({
      type: 'ACCEPT',
      offerIds,
      operations,
      ...(refuseMs === undefined ? {} : { filters: { refuseMs } }),
    });
  }

  /** Accepts the newest offer for `tasks`. */
  launch(...tasks: TaskInfo[]): readonly Problem[] {
    return this.accept([this.offer.id], [{ type: 'LAUNCH', tasks }], 0);
  }

  /** Acknowledges the newest update of a task. */
  acknowledge(taskId: TaskId): void {
    const status = must(
      this.updates.findLast(update => update.taskId === taskId && update.uuid !== undefined),
      'an update to acknowledge',
    );
    this.call({ type: 'ACKNOWLEDGE', taskId, agentId: must(status.agentId, 'agent'), uuid: must(status.uuid, 'uuid') });
  }

  protected override checkEvent(event: SchedulerEvent): { readonly ok: boolean } {
    return validateSchedulerEvent(structuredClone(event));
  }
}

export interface RegisterOptions {
  readonly agentId?: AgentId;
  readonly info?: Partial<AgentInfo>;
  readonly tasks?: readonly AgentTask[];
  readonly frameworks?: readonly FrameworkInfo[];
  readonly operations?: readonly OperationStatus[];
  /** Answers pings. Default true. */
  readonly pong?: boolean;
}

export class FakeAgent extends FakeSide<AgentCall, AgentEvent> {
  protected readonly handler: PeerHandler<AgentCall>;
  pong = true;
  #uuids = 0;

  constructor(rig: MasterRig, id: number) {
    super(rig, id);
    this.handler = rig.master.acceptAgent(this);
  }

  get agentId(): AgentId {
    return this.last('REGISTERED').agentId;
  }

  /** Ids of tasks it was told to launch. */
  get launched(): TaskId[] {
    return this.got('LAUNCH').flatMap(event => event.tasks.map(task => task.taskId));
  }

  raw(message: unknown): void {
    const checked = validateAgentCall(message);
    if (checked.ok) this.handler.onMessage(checked.value);
    else this.handler.onInvalid(checked.problems, checked.callId);
    this.rig.settle();
  }

  register(resources: Resources = { cpus: 4, mem: 4096 }, more: RegisterOptions = {}): void {
    this.pong = more.pong ?? true;
    this.raw({
      type: 'REGISTER',
      ...(more.agentId === undefined ? {} : { agentId: more.agentId }),
      agent: agentInfo(resources, more.info),
      frameworks: more.frameworks ?? [],
      tasks: more.tasks ?? [],
      executors: [],
      ...(more.operations === undefined ? {} : { operations: more.operations }),
      more: false,
    } satisfies AgentCall);
  }

  /** Sends a status of a task and returns its uuid. */
  status(
    frameworkId: FrameworkId,
    taskId: TaskId,
    state: TaskState,
    more: Partial<TaskStatus> & { latest?: TaskState } = {},
  ): string {
    const { latest, ...rest } = more;
    this.#uuids += 1;
    const uuid = rest.uuid ?? `${this.id}-${this.#uuids}`;
    const status: TaskStatus = {
      taskId,
      state,
      source: 'EXECUTOR',
      timestampMs: this.rig.clock.wallMs(),
      uuid,
      ...rest,
    };
    this.raw({ type: 'STATUS_UPDATE', frameworkId, status, latestState: latest ?? state });
    return uuid;
  }

  /** Says how the operation it was told of last (or the one of `uuid`) ended; gives the status. */
  operated(state: OperationState = 'OPERATION_FINISHED', uuid = this.last('APPLY_OPERATION').uuid): OperationStatus {
    const event = must(
      this.got('APPLY_OPERATION').find(each => each.uuid === uuid),
      'the operation to answer',
    );
    const status: OperationStatus = {
      ...(event.operationId === undefined ? {} : { operationId: event.operationId }),
      ...(event.frameworkId === undefined ? {} : { frameworkId: event.frameworkId }),
      agentId: this.agentId,
      state,
      uuid,
      ...(state === 'OPERATION_FINISHED' ? { converted: event.produced } : { message: 'no' }),
    };
    this.raw({ type: 'OPERATION_STATUS', status });
    return status;
  }

  protected override onEvent(event: AgentEvent): void {
    if (event.type === 'PING' && this.pong) this.rig.clock.soon(() => this.handler.onMessage({ type: 'PONG' }));
  }

  protected override checkEvent(event: AgentEvent): { readonly ok: boolean } {
    return validateAgentEvent(structuredClone(event));
  }
}

export function frameworkInfo(info: Partial<FrameworkInfo> = {}): FrameworkInfo {
  return { name: 'test', roles: ['*'], capabilities: ['PARTITION_AWARE'], failoverTimeoutMs: 3_600_000, ...info };
}

export function agentInfo(resources: Resources, info: Partial<AgentInfo> = {}): AgentInfo {
  return {
    hostname: 'host',
    port: 5051,
    resources,
    attributes: {},
    containerizers: ['PROCESS'],
    version: '0.1.0',
    ...info,
  };
}

export function task(
  taskId: TaskId,
  resources: Resources = { cpus: 1, mem: 128 },
  more: Partial<TaskInfo> = {},
): TaskInfo {
  return { taskId, name: taskId, resources, command: { value: 'true' }, ...more };
}
