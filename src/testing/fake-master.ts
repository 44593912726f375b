// A scripted master for unit tests of schedulers: it offers what the test says, records every call, and answers as told, or refuses everything.
// In: offers, updates and trouble, from the test. Out: a production Framework over virtual time, and the calls it made.
import { Framework } from '../scheduler/framework.js';
import type { FrameworkOptions } from '../scheduler/framework.js';
import type { FrameworkConnectionHandler } from '../scheduler/connection.js';
import {
  bagOf,
  describeProblem,
  isResourceOperation,
  parseDurationMs,
  tasksOf,
  validateSchedulerCall,
  virtualEnv,
} from '../sim/index.js';
import type {
  Env,
  FrameworkInfo,
  InverseOffer,
  Offer,
  OperationState,
  OperationStatus,
  Problem,
  ResourceOperation,
  Resources,
  SchedulerCall,
  SchedulerEvent,
  TaskInfo,
  TaskState,
  TaskStatus,
  Unavailability,
} from '../sim/index.js';

/** What a fake master does with tasks it is asked to launch. */
export type LaunchAnswer =
  /** Nothing; the test sends updates itself. */
  | 'silent'
  /** Each runs: TASK_RUNNING. */
  | 'run'
  /** Nothing is ever accepted: each gets TASK_DROPPED, as from offers that are gone. */
  | 'refuse';

/** What a fake master does with operations on resources that have an id. */
export type OperationAnswer =
  /** Nothing; the test sends outcomes itself. */
  | 'silent'
  /** OPERATION_FINISHED. The test makes the offers that show what became of the resources. */
  | 'finish'
  /** OPERATION_FAILED. */
  | 'fail';

/** How a fake master is made. */
export interface FakeMasterOptions {
  /** Default `'silent'`. A function decides task by task. */
  readonly onLaunch?: LaunchAnswer | ((task: TaskInfo) => LaunchAnswer);
  /** Default `'silent'`. A function decides operation by operation. With offers that are gone each is dropped in any case. */
  readonly onOperation?: OperationAnswer | ((operation: ResourceOperation) => OperationAnswer);
  /** Chance and ids of the framework follow from it. Default 1. */
  readonly seed?: number;
}

/** A framework at a fake master; only the name is needed. */
export interface FakeConnectSpec extends Omit<FrameworkInfo, 'roles'>, Omit<FrameworkOptions, 'info'> {
  readonly roles?: readonly string[];
}

/** An offer to make; what is left out is `{ cpus: 4, mem: 4096 }` of `agent-1` for role `*`. */
export interface FakeOffer {
  readonly resources?: Resources;
  readonly agentId?: string;
  readonly role?: string;
  readonly attributes?: Offer['attributes'];
}

/**
 * A master that plays a part. One framework connects to it.
 *
 * @example
 * const master = fakeMaster({ onLaunch: 'run' });
 * const framework = master.connect({ name: 'mine' });
 * startMyScheduler(framework, master.env);
 * master.offer({ resources: { cpus: 1, mem: 128 } });
 * master.run('1s');
 * t.deepEqual(master.launched().map(task => task.name), ['web']);
 */
export function fakeMaster(options: FakeMasterOptions = {}): FakeMaster {
  return new FakeMaster(options);
}

/** See `fakeMaster`. */
export class FakeMaster {
  /** The surroundings of the framework; give it to your scheduler too. */
  readonly env: Env;
  /** Every call of the framework, in order, SUBSCRIBE included. */
  readonly calls: SchedulerCall[] = [];
  readonly #clock: ReturnType<typeof virtualEnv>['clock'];
  readonly #onLaunch: (task: TaskInfo) => LaunchAnswer;
  readonly #onOperation: (operation: ResourceOperation) => OperationAnswer;
  readonly #offers = new Map<string, Offer>();
  readonly #agentOf = new Map<string, string>();
  #handler: FrameworkConnectionHandler | undefined;
  #roles: readonly string[] = [];
  #connected = false;
  #closed = false;
  #offerNumber = 0;

  /** Use `fakeMaster()`. */
  constructor(options: FakeMasterOptions) {
    const { env, clock } = virtualEnv(options.seed);
    this.env = env;
    this.#clock = clock;
    const { onLaunch = 'silent', onOperation = 'silent' } = options;
    this.#onLaunch = typeof onLaunch === 'function' ? onLaunch : () => onLaunch;
    this.#onOperation = typeof onOperation === 'function' ? onOperation : () => onOperation;
  }

  /** Subscribes a framework; it is connected when this returns. */
  connect(spec: FakeConnectSpec): Framework {
    if (this.#handler !== undefined) throw new Error('a framework is connected to this fake master already');
    const { suppressedRoles, offerConstraints, acknowledge, reconcile, demandIntervalMs, ...info } = spec;
    const behaviour = { suppressedRoles, offerConstraints, acknowledge, reconcile, demandIntervalMs };
    this.#roles = info.roles ?? ['*'];
    const framework = new Framework(
      this.env,
      handler => {
        this.#handler = handler;
        return {
          send: call => this.#take(call),
          close: () => {
            this.#closed = true;
            this.#connected = false;
          },
        };
      },
      {
        ...(Object.fromEntries(Object.entries(behaviour).filter(([, value]) => value !== undefined)) as object),
        info: { ...info, roles: this.#roles },
      },
    );
    this.reconnect();
    this.run(0);
    return framework;
  }

  /** Runs for `time`: '90s' or milliseconds. */
  run(time: string | number): void {
    this.#clock.advance(typeof time === 'number' ? time : parseDurationMs(time));
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.#clock.now();
  }

  /** Makes an offer; the framework has it when this returns. */
  offer(what: FakeOffer = {}): Offer {
    this.#offerNumber += 1;
    const {
      resources = { cpus: 4, mem: 4096 },
      agentId = 'agent-1',
      role = this.#roles[0] ?? '*',
      attributes = {},
    } = what;
    // Checked here, where the mistake is, and not in the scheduler under test.
    bagOf(resources);
    const offer: Offer = {
      id: `offer-${this.#offerNumber}`,
      frameworkId: 'fake-0000',
      agentId,
      hostname: agentId,
      port: 0,
      role,
      resources,
      attributes,
      containerizers: ['PROCESS', 'DOCKER'],
      executorIds: [],
      expiresInMs: 30_000,
    };
    this.#offers.set(offer.id, offer);
    this.#say({ type: 'OFFERS', offers: [offer] });
    return offer;
  }

  /** Takes an offer back. */
  rescind(offer: Offer): void {
    this.#offers.delete(offer.id);
    this.#say({ type: 'RESCIND', offerIds: [offer.id], why: 'EXPIRED' });
  }

  /** Says how a task fares, as its agent would: with a uuid to acknowledge. Gives the uuid. */
  update(taskId: string, state: TaskState, more: Partial<TaskStatus> = {}): string {
    const uuid = this.env.ids.uuid();
    const status: TaskStatus = {
      taskId,
      state,
      source: 'AGENT',
      agentId: this.#agentOf.get(taskId) ?? 'agent-1',
      timestampMs: this.env.clock.wallMs(),
      uuid,
      ...more,
    };
    this.#say({ type: 'UPDATE', status });
    return uuid;
  }

  /** Says how an operation ended, as its agent would: with a uuid to acknowledge. Gives the uuid. */
  operationUpdate(operationId: string, state: OperationState, more: Partial<OperationStatus> = {}): string {
    const uuid = this.env.ids.uuid();
    const status: OperationStatus = { operationId, frameworkId: 'fake-0000', agentId: 'agent-1', state, uuid, ...more };
    this.#say({ type: 'UPDATE_OPERATION', status });
    return uuid;
  }

  /** Asks to leave an agent. */
  inverseOffer(
    agentId = 'agent-1',
    unavailability: Unavailability = { startMs: this.env.clock.wallMs() },
  ): InverseOffer {
    this.#offerNumber += 1;
    const id = `inverse-offer-${this.#offerNumber}`;
    const offer: InverseOffer = { id, frameworkId: 'fake-0000', agentId, hostname: agentId, unavailability };
    this.#say({ type: 'INVERSE_OFFERS', inverseOffers: [offer] });
    return offer;
  }

  /** Says anything at all. */
  say(event: SchedulerEvent): void {
    this.#say(event);
  }

  /** The connection breaks; offers are gone with it. */
  disconnect(reason = 'connection reset'): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#offers.clear();
    this.#handler?.onDisconnected(reason, 1000);
  }

  /** The connection is back; the framework subscribes again. */
  reconnect(): void {
    if (this.#connected || this.#closed) return;
    this.#connected = true;
    this.#handler?.onConnected();
  }

  /** Ends the subscription for good, as when the framework was torn down. */
  fail(problems: readonly Problem[]): void {
    this.#say({ type: 'ERROR', problems, fatal: true });
  }

  /** Calls of one type, in order. */
  callsOf<Type extends SchedulerCall['type']>(type: Type): Extract<SchedulerCall, { type: Type }>[] {
    return this.calls.filter((call): call is Extract<SchedulerCall, { type: Type }> => call.type === type);
  }

  /** The tasks of every ACCEPT, in order. */
  launched(): TaskInfo[] {
    return this.callsOf('ACCEPT').flatMap(({ operations }) => operations.flatMap(tasksOf));
  }

  /** The operations on resources of every ACCEPT, in order. */
  operations(): ResourceOperation[] {
    return this.callsOf('ACCEPT').flatMap(({ operations }) => operations.filter(isResourceOperation));
  }

  /** Offers that are neither answered nor rescinded. */
  outstanding(): Offer[] {
    return [...this.#offers.values()];
  }

  #take(call: SchedulerCall): void {
    const checked = validateSchedulerCall(call);
    if (!checked.ok)
      throw new Error(`the master would refuse this call: ${checked.problems.map(describeProblem).join('; ')}`);
    this.calls.push(call);
    // Answers come in a later turn, as over a network.
    this.env.clock.soon(() => this.#answer(call));
  }

  #answer(call: SchedulerCall): void {
    switch (call.type) {
      case 'SUBSCRIBE':
        this.#say({
          type: 'SUBSCRIBED',
          frameworkId: call.framework.id ?? 'fake-0000',
          heartbeatIntervalMs: 15_000,
          master: { id: 'fake', hostname: 'localhost', port: 5050, version: 'fake' },
        });
        return;
      case 'ACCEPT':
        this.#accept(call);
        break;
      case 'DECLINE':
        for (const id of call.offerIds) this.#offers.delete(id);
        break;
      default:
    }
    if (call.callId !== undefined) this.#say({ type: 'ANSWERED', callId: call.callId, problems: [] });
  }

  #accept(call: Extract<SchedulerCall, { type: 'ACCEPT' }>): void {
    const offers = call.offerIds.map(id => this.#offers.get(id));
    for (const id of call.offerIds) this.#offers.delete(id);
    const usable = offers.every(offer => offer !== undefined);
    const agentId = offers[0]?.agentId ?? 'agent-1';
    for (const operation of call.operations.filter(isResourceOperation)) this.#operate(operation, usable, agentId);
    for (const task of call.operations.flatMap(tasksOf)) {
      this.#agentOf.set(task.taskId, agentId);
      const answer = usable ? this.#onLaunch(task) : 'refuse';
      if (answer === 'run') this.update(task.taskId, 'TASK_RUNNING');
      else if (answer === 'refuse') this.#drop(task);
    }
  }

  #operate(operation: ResourceOperation, usable: boolean, agentId: string): void {
    if (operation.id === undefined) return;
    if (!usable) {
      const status: OperationStatus = {
        operationId: operation.id,
        state: 'OPERATION_DROPPED',
        message: 'the offers are gone',
      };
      this.#say({ type: 'UPDATE_OPERATION', status });
      return;
    }
    const answer = this.#onOperation(operation);
    if (answer === 'finish') this.operationUpdate(operation.id, 'OPERATION_FINISHED', { agentId });
    else if (answer === 'fail') this.operationUpdate(operation.id, 'OPERATION_FAILED', { agentId });
  }

  #drop(task: TaskInfo): void {
    const status: TaskStatus = {
      taskId: task.taskId,
      state: 'TASK_DROPPED',
      source: 'MASTER',
      reason: 'INVALID_OFFERS',
      message: 'the offers of this task are gone',
      timestampMs: this.env.clock.wallMs(),
    };
    this.#say({ type: 'UPDATE', status });
  }

  #say(event: SchedulerEvent): void {
    if (this.#connected) this.#handler?.onMessage(event);
  }
}
