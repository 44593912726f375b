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
  InverseOffer,
  KillPolicy,
  MasterInfo,
  Offer,
  OfferConstraints,
  OperationStatus,
  TaskInfo,
  TaskStatus,
} from '../protocol/entities.js';
import type {
  DemandHint,
  Operation,
  OperationReference,
  SchedulerCall,
  SchedulerEvent,
  TaskReference,
} from '../protocol/scheduler-api.js';
import { isTerminal } from '../protocol/task-state.js';
import { bagOf, sum } from '../resources/index.js';
import { clockScheduler } from '../rx/clock-scheduler.js';
import type { InverseOffers, Offers } from './answering.js';
import { asList, carried, checkFilters, droppedStatus, ids } from './answering.js';
import { Answers } from './answers.js';
import type { ConnectionState, FrameworkConnection, OpenFrameworkConnection } from './connection.js';
import type { Demand } from './demand.js';
import { checkDemand, directives$ } from './demand.js';
import type { AcceptRequest } from './launch.js';
import { checkNewIds, completeLaunches, portsIn } from './launch.js';
import type { FrameworkOptions } from './framework-options.js';
import { offerWishes } from './framework-options.js';
import { InverseBook } from './inverse-book.js';
import { OfferBook } from './offer-book.js';
import { OperationDesk } from './operation-desk.js';
import { PastTasks } from './past-tasks.js';
import type { Kill } from './pending-kills.js';
import { PendingKills } from './pending-kills.js';
import { Reconciler } from './reconcile.js';
import { mayBeWrong, TaskTracker } from './tracker.js';
import { UpdateInbox } from './update-inbox.js';

export type { InverseOffers, Offers } from './answering.js';
export type { FrameworkOptions } from './framework-options.js';

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
  /** Outcomes of operations that were given an id. What comes before the first subscriber is kept for it. */
  readonly operations$: Observable<OperationStatus>;
  /** Every wish in hand that an agent be left, at the time of subscribing, then each new one. To be answered by `acceptInverse` or `declineInverse`. */
  readonly inverseOffers$: Observable<InverseOffer>;
  /** Problems the master found in calls that asked for no answer. */
  readonly problems$: Observable<readonly Problem[]>;

  readonly #options: FrameworkOptions;
  #info: FrameworkInfo;
  #suppressed: Set<Role>;
  #suppressedThen: ReadonlySet<Role> = new Set();
  #constraints: OfferConstraints | undefined;
  #connection: FrameworkConnection | undefined;
  #connected = false;
  #requests: readonly DemandHint[] = [];
  #ended = false;
  readonly #answers = new Answers();
  readonly #kills = new PendingKills();
  readonly #connections = new ReplaySubject<ConnectionState>(1);
  readonly #offers = new Subject<Offer>();
  readonly #rescinds = new Subject<readonly Offer[]>();
  readonly #messages = new Subject<{ agentId: AgentId; executorId: ExecutorId; data: string }>();
  readonly #failures = new Subject<{ agentId: AgentId; executorId?: ExecutorId; status?: number }>();
  readonly #problems = new Subject<readonly Problem[]>();
  readonly #demand = new Subject<Demand>();
  readonly #offerListeners = new Set<() => void>();
  readonly #inbox: UpdateInbox<TaskStatus>;
  readonly #operations: OperationDesk;
  readonly #inverse = new InverseBook();
  readonly #reconciler: Reconciler | undefined;
  readonly #past: PastTasks;

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
    this.#operations = new OperationDesk(call => this.#call(call), options.acknowledge !== false);
    this.operations$ = this.#operations.operations$;
    this.inverseOffers$ = this.#inverse.inverseOffers$;
    this.messages$ = this.#messages.asObservable();
    this.failures$ = this.#failures.asObservable();
    this.problems$ = this.#problems.asObservable();
    if (options.reconcile !== false) {
      this.#reconciler = new Reconciler(
        env.clock,
        () => this.tasks.references(),
        (tasks, then) => {
          if (then === undefined) this.reconcile(tasks);
          else this.#answers.follow(callId => this.#call({ type: 'RECONCILE', tasks, callId }), then);
        },
        options.reconcile,
      );
    }
    this.#past = new PastTasks(this.#reconciler, () => this.#offersChanged());
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

  /** Why tasks launched before this subscription may run unknown to it; undefined when none can. The LaunchQueue keeps launches with `unlessRunning` back so long. */
  get doubt(): string | undefined {
    return this.#past.doubt;
  }

  /**
   * Uses offers of one agent and role: launches, and operations on resources such as `reserve(…)`, carried out in order, each for itself. Resources that
   * none uses go back, with `filters`; what operations made is offered again without. Tasks get ids and ports where the requests leave them open. When an
   * offer is no longer in hand, nothing is sent, every task gets TASK_DROPPED, INVALID_OFFERS, and every operation with an id OPERATION_DROPPED.
   * @returns the tasks as launched, in the order of the requests.
   * @throws ProfferError INVALID_CALL (`filters`; what no message can carry), INVALID_RESOURCES, INVALID_OPERATION, INVALID_TASK (also for an id in use) or
   * INSUFFICIENT_RESOURCES (for ports) before anything is sent; the offers stay in hand.
   */
  accept(offers: Offers, requests: readonly AcceptRequest[], filters?: Filters): readonly TaskInfo[] {
    checkFilters(filters);
    const list = asList(offers);
    const offered = sum(list.map(offer => portsIn(bagOf(offer.resources))));
    const { operations, tasks } = completeLaunches(requests, offered, name => `${name}.${this.env.ids.short()}`);
    checkNewIds(tasks, this.tasks);
    const now = this.env.clock.now();
    const stale = list.length === 0 || !this.#connected || list.some(offer => !this.book.has(offer.id));
    const agentId = list[0]?.agentId;
    for (const task of tasks) this.tasks.launched(task, agentId ?? '', now);
    if (stale) {
      this.decline(list.filter(offer => this.book.has(offer.id)));
      this.#dropped(tasks, operations, agentId);
      return tasks;
    }
    this.book.remove(ids(list));
    this.#operations.sent(operations, agentId ?? '');
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

  /** Says that the agents will be left in time. `filters.refuseMs` says for how long not to ask again. */
  acceptInverse(offers: InverseOffers, filters?: Filters): void {
    this.#answerInverse('ACCEPT_INVERSE_OFFERS', offers, filters);
  }

  /** Says that the agents cannot be left. `filters.refuseMs` (default 5 s) says for how long not to ask again. */
  declineInverse(offers: InverseOffers, filters?: Filters): void {
    this.#answerInverse('DECLINE_INVERSE_OFFERS', offers, filters);
  }

  /** Acknowledges the outcome of an operation, where `acknowledge: false` was chosen. */
  acknowledgeOperation(status: OperationStatus): void {
    this.#operations.acknowledge(status);
  }

  /** Asks for the state of `operations`, or of all that have an id with an empty list; answers come by `operations$`. */
  reconcileOperations(operations: readonly OperationReference[] = []): void {
    this.#operations.reconcile(operations);
  }

  /** Ends a task: SIGTERM, SIGKILL after the grace period. Repeated after a reconnect, and when reconciliation finds the task alive, until it has ended. */
  kill(taskId: TaskId, killPolicy?: KillPolicy): void {
    const known = this.tasks.get(taskId);
    if (known !== undefined && isTerminal(known.state) && !mayBeWrong(known)) return;
    const agentId = known?.agentId;
    const call: Kill = {
      type: 'KILL',
      taskId,
      ...(agentId === undefined || agentId === '' ? {} : { agentId }),
      ...(killPolicy === undefined ? {} : { killPolicy }),
    };
    this.#kills.asked(call);
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

  /**
   * Says how many launches wait per role; SUPPRESS and REVIVE follow from it, at most one each per `demandIntervalMs`.
   * @throws ProfferError INVALID_CALL.
   */
  setDemand(demand: Demand): void {
    checkDemand(demand);
    this.#demand.next(demand);
  }

  /** Tells the master what still waits, for policies that need demand and for explaining; a new master is told again. */
  request(requests: readonly DemandHint[]): void {
    this.#call(carried({ type: 'REQUEST', requests }));
    this.#requests = requests;
  }

  /** Asks for the state of `tasks`, or of all with an empty list; answers come by `updates$`. */
  reconcile(tasks: readonly TaskReference[] = []): void {
    this.#call(carried({ type: 'RECONCILE', tasks }));
  }

  /** Acknowledges an update, where `acknowledge: false` was chosen. */
  acknowledge(status: TaskStatus): void {
    const { agentId, taskId, uuid } = status;
    if (uuid !== undefined && agentId !== undefined) this.#call({ type: 'ACKNOWLEDGE', agentId, taskId, uuid });
  }

  /** Sends `data`, of at most 512 KiB, to a custom executor; best effort. */
  message(agentId: AgentId, executorId: ExecutorId, data: string): void {
    this.#call(carried({ type: 'MESSAGE', agentId, executorId, data }));
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
      ...offerWishes(framework.roles, this.#suppressed, offerConstraints),
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

  /** Calls back after offers came or went, and when `doubt` is over. Returns the way to stop. */
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
      case 'UPDATE_OPERATION':
        return this.#operations.heard(event.status);
      case 'INVERSE_OFFERS':
        return this.#inverse.add(event.inverseOffers);
      case 'RESCIND_INVERSE_OFFERS':
        this.#inverse.remove(event.inverseOfferIds);
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
        return this.#answers.answered(event.callId, event.problems);
      case 'HEARTBEAT':
        return this.#past.heard(event.agentsExpected ?? 0);
      default:
        return assertNever(event, 'scheduler event');
    }
  }

  #subscribe(): void {
    this.#suppressedThen = new Set(this.#suppressed);
    this.#connection?.send({
      type: 'SUBSCRIBE',
      framework: this.#info,
      ...offerWishes(this.#info.roles, this.#suppressed, this.#constraints),
    });
  }

  #subscribed(frameworkId: FrameworkId, master: MasterInfo): void {
    const isNew = this.#info.id === undefined;
    this.#info = { ...this.#info, id: frameworkId };
    this.#connected = true;
    this.#connections.next({ state: 'CONNECTED', frameworkId, master });
    // What changed behind the SUBSCRIBE was not sent.
    const changed = this.roles.filter(role => this.#suppressed.has(role) !== this.#suppressedThen.has(role));
    for (const role of changed) this.#call({ type: this.#suppressed.has(role) ? 'SUPPRESS' : 'REVIVE', roles: [role] });
    for (const call of this.#kills.all()) this.#call(call);
    if (this.#requests.length > 0) this.#call({ type: 'REQUEST', requests: this.#requests });
    this.#operations.reconnected();
    this.#past.subscribed(isNew);
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
    const kill = this.#kills.heard(status);
    if (kill !== undefined) this.#call(kill);
    this.tasks.update(status, this.env.clock.now());
    this.#inbox.put(status);
  }

  #delivered(status: TaskStatus): void {
    if (this.#options.acknowledge !== false) this.acknowledge(status);
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
    this.#inverse.clear();
    this.#answers.disconnected(reason);
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
    this.#operations.close();
    this.#inverse.close();
  }

  #offersChanged(): void {
    for (const listener of this.#offerListeners) listener();
  }

  #dropped(tasks: readonly TaskInfo[], operations: readonly Operation[], agentId: AgentId | undefined): void {
    const timestampMs = this.env.clock.wallMs();
    this.env.clock.soon(() => {
      this.#operations.dropped(operations, agentId);
      for (const { taskId } of tasks) this.#updated(droppedStatus(taskId, agentId, this.#info, timestampMs));
    });
  }

  #call(call: SchedulerCall): void {
    if (this.#connected) this.#connection?.send(call);
  }

  #ask(call: SchedulerCall): Promise<void> {
    if (!this.#connected)
      return Promise.reject(new ProfferError('DISCONNECTED', `${call.type} was not sent: not connected to the master`));
    return this.#answers.ask(callId => this.#call(carried({ ...call, callId })));
  }

  #answerInverse(
    type: 'ACCEPT_INVERSE_OFFERS' | 'DECLINE_INVERSE_OFFERS',
    offers: InverseOffers,
    filters: Filters | undefined,
  ): void {
    checkFilters(filters);
    const inverseOfferIds = this.#inverse.remove(ids(asList(offers)));
    if (inverseOfferIds.length === 0) return;
    this.#call({ type, inverseOfferIds, ...(filters === undefined ? {} : { filters }) });
  }
}
