// A framework at the master: the object a scheduler works with. In: events over the session. Out: calls. Ring 1: it owns the offers in
// hand, the updates not yet delivered and the kills not yet confirmed; it awaits nothing.
import type { Observable } from 'rxjs';
import { concat, defer, filter, from, ReplaySubject, Subject } from 'rxjs';
import { assertNever } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import { problemsError, ProfferError } from '../base/errors.js';
import type { AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type {
  Filters,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  Offer,
  OfferConstraints,
  TaskInfo,
  TaskStatus,
} from '../protocol/entities.js';
import type { DemandHint, Operation, SchedulerCall, SchedulerEvent, TaskReference } from '../protocol/scheduler-api.js';
import { filtersProblems } from '../protocol/validate.js';
import { isTerminal, withoutPartitionAwareness } from '../protocol/task-state.js';
import { add, bagOf, emptyBag } from '../resources/index.js';
import { clockScheduler } from '../rx/clock-scheduler.js';
import type { ConnectionState, FrameworkConnection, OpenFrameworkConnection } from './connection.js';
import type { Demand } from './demand.js';
import { directives$ } from './demand.js';
import type { AcceptRequest } from './launch.js';
import { checkNewIds, completeLaunches } from './launch.js';
import { OfferBook } from './offer-book.js';
import type { ReconcileOptions } from './reconcile.js';
import { Reconciler } from './reconcile.js';
import { TaskTracker } from './tracker.js';
import { UpdateInbox } from './update-inbox.js';

/** How a framework behaves; `connect` documents the defaults. */
export interface FrameworkOptions {
  readonly info: FrameworkInfo;
  readonly suppressedRoles?: readonly Role[];
  readonly offerConstraints?: OfferConstraints;
  /** Default true: an update is acknowledged once every subscriber of `updates$` had it. */
  readonly acknowledge?: boolean;
  readonly reconcile?: ReconcileOptions | false;
  /** At most one SUPPRESS or REVIVE for demand per so long. Default 200. */
  readonly demandIntervalMs?: number;
}

/** What can be accepted together: one offer, or several of one agent and role. */
export type Offers = Offer | readonly Offer[];

/**
 * A subscribed framework. Streams never error; `connection$` tells what happens to the subscription.
 * Calls made while disconnected are lost like messages on a broken link, except kills, which are repeated after resubscribing.
 */
export class Framework {
  /** The surroundings it runs in: take time and chance from here, and a scheduler runs under virtual time as well. */
  readonly env: Env;
  /** Offers in hand. */
  readonly book = new OfferBook();
  /** Tasks launched through this object or learnt of by reconciliation. */
  readonly tasks = new TaskTracker();
  /** Where the connection stands; replays the current state, also after the end. */
  readonly connection$: Observable<ConnectionState>;
  /** Every offer in hand at the time of subscribing, then each new one. */
  readonly offers$: Observable<Offer>;
  /** Offers taken back by the master, or lost with the connection. */
  readonly rescinds$: Observable<readonly Offer[]>;
  /** Status updates in order. What comes before the first subscriber is kept for it. */
  readonly updates$: Observable<TaskStatus>;
  /** Messages from executors. */
  readonly messages$: Observable<{ readonly agentId: AgentId; readonly executorId: ExecutorId; readonly data: string }>;
  /** Agents removed and executors ended. Not reliable; updates are. */
  readonly failures$: Observable<{
    readonly agentId: AgentId;
    readonly executorId?: ExecutorId;
    readonly status?: number;
  }>;
  /** Problems the master found in calls that asked for no answer. */
  readonly problems$: Observable<readonly Problem[]>;

  readonly #options: FrameworkOptions;
  #info: FrameworkInfo;
  #suppressed: Set<Role>;
  #constraints: OfferConstraints | undefined;
  #connection: FrameworkConnection | undefined;
  #connected = false;
  #ended = false;
  #nextCallId = 1;
  readonly #answers = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #kills = new Map<TaskId, Extract<SchedulerCall, { type: 'KILL' }>>();
  readonly #connections = new ReplaySubject<ConnectionState>(1);
  readonly #offers = new Subject<Offer>();
  readonly #rescinds = new Subject<readonly Offer[]>();
  readonly #messages = new Subject<{ agentId: AgentId; executorId: ExecutorId; data: string }>();
  readonly #failures = new Subject<{ agentId: AgentId; executorId?: ExecutorId; status?: number }>();
  readonly #problems = new Subject<readonly Problem[]>();
  readonly #demand = new Subject<Demand>();
  readonly #offerListeners = new Set<() => void>();
  readonly #inbox: UpdateInbox;
  readonly #reconciler: Reconciler | undefined;

  constructor(env: Env, open: OpenFrameworkConnection, options: FrameworkOptions) {
    this.env = env;
    this.#options = options;
    this.#info = options.info;
    this.#suppressed = new Set(options.suppressedRoles ?? []);
    this.#constraints = options.offerConstraints;
    this.#connections.next({ state: 'CONNECTING' });
    this.#inbox = new UpdateInbox(status => this.#delivered(status));
    this.connection$ = this.#connections.asObservable();
    // A subscriber may use several offers at the first of them.
    this.offers$ = defer(() => concat(from(this.book.open().map(held => held.offer)), this.#offers)).pipe(
      filter(offer => this.book.has(offer.id)),
    );
    this.rescinds$ = this.#rescinds.asObservable();
    this.updates$ = this.#inbox.updates$;
    this.messages$ = this.#messages.asObservable();
    this.failures$ = this.#failures.asObservable();
    this.problems$ = this.#problems.asObservable();
    if (options.reconcile !== false) {
      this.#reconciler = new Reconciler(
        env.clock,
        () =>
          this.tasks.live().map(({ taskId, agentId }) => (agentId === undefined ? { taskId } : { taskId, agentId })),
        tasks => this.reconcile(tasks),
        options.reconcile,
      );
    }
    directives$(this.#demand, () => this.roles, options.demandIntervalMs ?? 200, clockScheduler(env.clock)).subscribe(
      ({ type, roles }) => (type === 'REVIVE' ? this.revive(roles) : this.suppress(roles)),
    );
    this.#connection = open({
      onConnected: () => this.#subscribe(),
      onMessage: event => this.#take(event),
      onInvalid: problems => this.#problems.next(problems),
      onDisconnected: (reason, nextAttemptInMs) => this.#lost(reason, nextAttemptInMs),
      onRefused: problems => this.#end(problemsError(problems)),
    });
  }

  /** The id the master gave; undefined before the first subscription. Keep it to take the framework over later. */
  get id(): FrameworkId | undefined {
    return this.#info.id;
  }

  /** The roles it is subscribed with. */
  get roles(): readonly Role[] {
    return this.#info.roles;
  }

  /** Whether the master knows this scheduler now: only then calls are sent. */
  get connected(): boolean {
    return this.#connected;
  }

  /**
   * Uses offers of one agent and role. Resources that no operation uses go back, with `filters`. Tasks get ids and ports where the
   * requests leave them open. When an offer is no longer in hand, nothing is sent and every task gets TASK_DROPPED, INVALID_OFFERS.
   * @returns the tasks as launched, in the order of the requests.
   * @throws ProfferError INVALID_CALL (for `filters`), INVALID_RESOURCES, INVALID_TASK (also for an id in use) or INSUFFICIENT_RESOURCES (for
   * ports) before anything is sent; the offers stay in hand.
   */
  accept(offers: Offers, requests: readonly AcceptRequest[], filters?: Filters): readonly TaskInfo[] {
    checkFilters(filters);
    const list = asList(offers);
    const offered = list.reduce((bag, offer) => add(bag, bagOf(offer.resources)), emptyBag);
    const { operations, tasks } = completeLaunches(requests, offered, name => `${name}.${this.env.ids.short()}`);
    checkNewIds(tasks, this.tasks);
    const now = this.env.clock.now();
    const stale = list.length === 0 || !this.#connected || list.some(offer => !this.book.has(offer.id));
    const agentId = list[0]?.agentId;
    for (const task of tasks) this.tasks.launched(task, agentId ?? '', now);
    if (stale) {
      this.decline(list.filter(offer => this.book.has(offer.id)));
      this.#dropped(tasks, agentId);
      return tasks;
    }
    this.book.remove(ids(list));
    this.#call({ type: 'ACCEPT', offerIds: ids(list), operations, ...(filters === undefined ? {} : { filters }) });
    return tasks;
  }

  /** Like `accept`, with complete operations. */
  acceptOperations(offers: Offers, operations: readonly Operation[], filters?: Filters): void {
    this.accept(offers, operations, filters);
  }

  /**
   * Gives offers back. `filters.refuseMs` (default 5 s) says how long the same resources are not wanted.
   * @throws ProfferError INVALID_CALL for `filters`; the offers stay in hand.
   */
  decline(offers: Offers, filters?: Filters): void {
    checkFilters(filters);
    const held = this.book.remove(ids(asList(offers)));
    if (held.length === 0) return;
    this.#call({ type: 'DECLINE', offerIds: ids(held), ...(filters === undefined ? {} : { filters }) });
  }

  /** Ends a task: SIGTERM, SIGKILL after the grace period. Repeated after a reconnect until the task has ended. */
  kill(taskId: TaskId, killPolicy?: KillPolicy): void {
    const known = this.tasks.get(taskId);
    // TASK_LOST may be wrong, every other end is final.
    if (known !== undefined && isTerminal(known.state) && known.state !== 'TASK_LOST') return;
    const agentId = known?.agentId;
    const call: Extract<SchedulerCall, { type: 'KILL' }> = {
      type: 'KILL',
      taskId,
      ...(agentId === undefined || agentId === '' ? {} : { agentId }),
      ...(killPolicy === undefined ? {} : { killPolicy }),
    };
    this.#kills.set(taskId, call);
    this.#call(call);
  }

  /** No more offers for `roles` (default: all) until `revive`. */
  suppress(roles: readonly Role[] = this.roles): void {
    for (const role of roles) this.#suppressed.add(role);
    this.#call({ type: 'SUPPRESS', roles });
  }

  /** Offers for `roles` (default: all) again, at once and without the filters of earlier declines. */
  revive(roles: readonly Role[] = this.roles): void {
    for (const role of roles) this.#suppressed.delete(role);
    this.#call({ type: 'REVIVE', roles });
  }

  /** Says how many launches wait per role; SUPPRESS and REVIVE follow from it, at most one each per `demandIntervalMs`. */
  setDemand(demand: Demand): void {
    this.#demand.next(demand);
  }

  /** Tells the master what still waits, for policies that need demand and for explaining. */
  request(requests: readonly DemandHint[]): void {
    this.#call({ type: 'REQUEST', requests });
  }

  /** Asks for the state of `tasks`, or of all with an empty list; answers come by `updates$`. */
  reconcile(tasks: readonly TaskReference[] = []): void {
    this.#call({ type: 'RECONCILE', tasks });
  }

  /** Acknowledges an update, where `acknowledge: false` was chosen. */
  acknowledge(status: TaskStatus): void {
    const { agentId, taskId, uuid } = status;
    if (uuid !== undefined && agentId !== undefined) this.#call({ type: 'ACKNOWLEDGE', agentId, taskId, uuid });
  }

  /** Sends `data` to a custom executor; best effort. */
  message(agentId: AgentId, executorId: ExecutorId, data: string): void {
    this.#call({ type: 'MESSAGE', agentId, executorId, data });
  }

  /** Ends a custom executor and its tasks. */
  shutdownExecutor(agentId: AgentId, executorId: ExecutorId): void {
    this.#call({ type: 'SHUTDOWN', agentId, executorId });
  }

  /**
   * Changes what the framework says of itself, all or nothing. `user`, `principal` and `checkpoint` cannot change.
   * @throws (rejects) ProfferError with the master's problems, or DISCONNECTED.
   */
  update(
    change: Partial<FrameworkInfo>,
    offerConstraints: OfferConstraints | undefined = this.#constraints,
  ): Promise<void> {
    const framework: FrameworkInfo = { ...this.#info, ...change };
    return this.#ask({
      type: 'UPDATE_FRAMEWORK',
      framework,
      ...this.#subscription(framework.roles, offerConstraints),
    }).then(() => {
      this.#info = framework;
      this.#constraints = offerConstraints;
    });
  }

  /** Ends the framework: all its tasks are killed, its id cannot be used again. Resolves when the master has done so. */
  teardown(): Promise<void> {
    return this.#ask({ type: 'TEARDOWN' }).then(() => this.close());
  }

  /** Leaves without tearing down: tasks outlive it for `failoverTimeoutMs`. */
  close(): void {
    this.#end();
  }

  /** Calls back after offers came or went. Returns the way to stop. */
  onOffersChanged(listener: () => void): () => void {
    this.#offerListeners.add(listener);
    return () => this.#offerListeners.delete(listener);
  }

  #take(event: SchedulerEvent): void {
    switch (event.type) {
      case 'SUBSCRIBED':
        return this.#subscribed(event.frameworkId, event.master);
      case 'OFFERS':
        return this.#offered(event.offers);
      case 'RESCIND':
        return this.#rescinded(event.offerIds);
      case 'INVERSE_OFFERS':
      case 'RESCIND_INVERSE_OFFERS':
      case 'UPDATE_OPERATION':
        return;
      case 'UPDATE':
        return this.#updated(event.status);
      case 'MESSAGE':
        return this.#messages.next({ agentId: event.agentId, executorId: event.executorId, data: event.data });
      case 'FAILURE': {
        const { type: _type, ...failure } = event;
        return this.#failures.next(failure);
      }
      case 'ERROR':
        this.#problems.next(event.problems);
        if (event.fatal) this.#end(problemsError(event.problems));
        return;
      case 'ANSWERED':
        return this.#answered(event.callId, event.problems);
      case 'HEARTBEAT':
        return;
      default:
        return assertNever(event, 'scheduler event');
    }
  }

  #subscribe(): void {
    const call: SchedulerCall = {
      type: 'SUBSCRIBE',
      framework: this.#info,
      ...this.#subscription(this.#info.roles, this.#constraints),
    };
    this.#connection?.send(call);
  }

  #subscription(
    roles: readonly Role[],
    offerConstraints: OfferConstraints | undefined,
  ): { suppressedRoles?: readonly Role[]; offerConstraints?: OfferConstraints } {
    const suppressedRoles = roles.filter(role => this.#suppressed.has(role));
    return {
      ...(suppressedRoles.length === 0 ? {} : { suppressedRoles }),
      ...(offerConstraints === undefined ? {} : { offerConstraints }),
    };
  }

  #subscribed(frameworkId: FrameworkId, master: MasterInfo): void {
    this.#info = { ...this.#info, id: frameworkId };
    this.#connected = true;
    this.#connections.next({ state: 'CONNECTED', frameworkId, master });
    for (const call of this.#kills.values()) this.#call(call);
    this.#reconciler?.start();
  }

  #offered(offers: readonly Offer[]): void {
    const now = this.env.clock.now();
    for (const offer of offers) this.book.add(offer, now);
    this.#offersChanged();
    for (const offer of offers) if (this.book.has(offer.id)) this.#offers.next(offer);
  }

  #rescinded(offerIds: readonly OfferId[]): void {
    const gone = this.book.remove(offerIds);
    if (gone.length === 0) return;
    this.#rescinds.next(gone);
    this.#offersChanged();
  }

  #updated(status: TaskStatus): void {
    this.#reconciler?.answered(status.taskId);
    if (isTerminal(status.state) || status.state === 'TASK_UNKNOWN') this.#kills.delete(status.taskId);
    this.tasks.update(status, this.env.clock.now());
    this.#inbox.put(status);
  }

  #delivered(status: TaskStatus): void {
    if (this.#options.acknowledge !== false) this.acknowledge(status);
  }

  #answered(callId: number, problems: readonly Problem[]): void {
    const answer = this.#answers.get(callId);
    this.#answers.delete(callId);
    if (problems.length === 0) answer?.resolve();
    else answer?.reject(problemsError(problems));
  }

  #lost(reason: string, nextAttemptInMs: number): void {
    if (this.#ended) return;
    this.#disconnect(reason);
    this.#connections.next({ state: 'DISCONNECTED', reason, nextAttemptInMs });
  }

  // The master takes the offers of a lost connection back without a word.
  #disconnect(reason: string): void {
    this.#connected = false;
    this.#reconciler?.stop();
    const gone = this.book.clear();
    if (gone.length > 0) {
      this.#rescinds.next(gone);
      this.#offersChanged();
    }
    for (const answer of this.#answers.values())
      answer.reject(new ProfferError('DISCONNECTED', `the connection ended before the answer: ${reason}`));
    this.#answers.clear();
  }

  #end(error?: ProfferError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#disconnect(error?.message ?? 'closed');
    this.#connection?.close();
    this.#connections.next(error === undefined ? { state: 'ENDED' } : { state: 'ENDED', error });
    for (const subject of [
      this.#connections,
      this.#offers,
      this.#rescinds,
      this.#messages,
      this.#failures,
      this.#problems,
      this.#demand,
    ])
      subject.complete();
    this.#inbox.close();
  }

  #offersChanged(): void {
    for (const listener of this.#offerListeners) listener();
  }

  #dropped(tasks: readonly TaskInfo[], agentId: AgentId | undefined): void {
    const timestampMs = this.env.clock.wallMs();
    const aware = this.#info.capabilities?.includes('PARTITION_AWARE') === true;
    const state = aware ? 'TASK_DROPPED' : withoutPartitionAwareness('TASK_DROPPED');
    this.env.clock.soon(() => {
      for (const { taskId } of tasks) {
        const message = 'the offer was no longer in hand; nothing was sent';
        this.#updated({
          taskId,
          state,
          source: 'MASTER',
          reason: 'INVALID_OFFERS',
          message,
          timestampMs,
          ...(agentId === undefined ? {} : { agentId }),
        });
      }
    });
  }

  #call(call: SchedulerCall): void {
    if (this.#connected) this.#connection?.send(call);
  }

  #ask(call: SchedulerCall): Promise<void> {
    if (!this.#connected)
      return Promise.reject(new ProfferError('DISCONNECTED', `${call.type} was not sent: not connected to the master`));
    const callId = this.#nextCallId++;
    return new Promise((resolve, reject) => {
      this.#answers.set(callId, { resolve, reject });
      this.#call({ ...call, callId });
    });
  }
}

// The master would refuse the call, and the offers be nobody's until they expire.
function checkFilters(filters: Filters | undefined): void {
  const problems = filters === undefined ? [] : filtersProblems(filters);
  if (problems.length > 0) throw problemsError(problems);
}

function asList(offers: Offers): readonly Offer[] {
  return Array.isArray(offers) ? (offers as readonly Offer[]) : [offers as Offer];
}

function ids(offers: readonly Offer[]): OfferId[] {
  return offers.map(offer => offer.id);
}
