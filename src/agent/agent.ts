// The agent: registers with the leading master, runs what it is sent, and tells how tasks fare until that is acknowledged.
// In: the master's events, sessions of executors. Out: agent calls. One message at a time, each finished before the next.
import { assertNever } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import { describeProblem, ProfferError } from '../base/errors.js';
import type { AgentId, FrameworkId, TaskId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { AgentCall, AgentEvent, AgentExecutor, AgentTask } from '../protocol/agent-api.js';
import type { AgentInfo, FrameworkInfo } from '../protocol/entities.js';
import type { ExecutorCall, ExecutorEvent } from '../protocol/executor-api.js';
import { fromBag } from '../resources/index.js';
import type { Peer, PeerHandler } from '../transport/peer.js';
import type { LinkEnd } from '../transport/transport.js';
import { closeCodes } from '../transport/transport.js';
import { Counts } from './counts.js';
import { Gate } from './gate.js';
import { Journal } from './journal.js';
import { Keeper } from './keeper.js';
import { Operations } from './operations.js';
import type { AgentDeps, AgentOptions, MasterConnection, MasterHandler } from './options.js';
import { defaultAgentOptions } from './options.js';
import { Outbox } from './outbox.js';
import { Oversubscription } from './oversubscription.js';
import type { AgentParts } from './parts.js';
import { keys } from './records.js';
import { recover } from './recover.js';
import { hostOf } from './recovery.js';
import { registerCalls } from './registration.js';
import { TaskRunner } from './runner.js';
import { SandboxGarbage } from './sandbox.js';
import { AgentState } from './state.js';
import type { AgentStateView, AgentTaskView, ContainerView } from './views.js';
import { agentView, containerViews, taskViews } from './views.js';

/**
 * One agent, connected from its making until `shutdown` or `close`.
 * @throws ProfferError INVALID_RESOURCES when `info.resources` are not valid, or lack what reservations and volumes on the agent were made of;
 * STORE_FAILED, STORE_DAMAGED or SANDBOX when what was kept cannot be read; AGENT_RECONFIGURED when it is not the agent that its tasks were started on.
 */
export class Agent {
  readonly #env: Env;
  readonly #deps: AgentDeps;
  readonly #options: AgentOptions;
  readonly #state: AgentState;
  readonly #operations: Operations;
  readonly #oversubscription: Oversubscription;
  readonly #outbox: Outbox;
  readonly #counts: Counts;
  readonly #garbage: SandboxGarbage;
  readonly #runner: TaskRunner;
  readonly #connection: MasterConnection;
  readonly #startedAtMs: number;
  #peer: Peer<AgentCall> | undefined;
  #registered = false;
  /** Executors that ended while a registration was under way that lists them. */
  #exits: AgentCall[] = [];
  /** How often it described itself. */
  #registrations = 0;
  #closed = false;
  readonly #journal: Journal;
  readonly #keeper: Keeper;
  /** The id that the next process of this agent will know. */
  #keptId: AgentId | undefined;
  /** Of the latest master that has welcomed it; its next process believes none of before. */
  #epoch: number;
  /** Nothing is done under an id that may be lost, or on resources that may: what comes meanwhile waits. */
  readonly #gate = new Gate();
  /** How long the master may be silent. */
  #silenceMs: number;
  #heardAtMs = 0;
  #watch: Timer | undefined;
  /** Called once no container is left; set while everything is being ended. */
  #whenEmpty: (() => void)[] = [];
  /** Called once the master has let this agent go, or cannot be waited for. */
  #whenGone: ((isGone: boolean) => void)[] = [];
  #goneTimer: Timer | undefined;

  constructor(env: Env, deps: AgentDeps) {
    this.#env = env;
    this.#deps = deps;
    this.#options = { ...defaultAgentOptions, ...deps.options };
    this.#startedAtMs = env.clock.wallMs();
    this.#silenceMs = this.#options.pingTimeoutMs * this.#options.pingMissesMax;
    this.#counts = new Counts(env.metrics);
    this.#journal = new Journal(env.clock, deps.store, error =>
      this.#fatal(this.#storeError('what the agent does could not be kept', error)),
    );
    this.#keeper = new Keeper(env.clock, this.#journal, { id: deps.bootId, uptimeMs: deps.uptimeMs });
    this.#state = new AgentState(this.#options.completedTasksMax, this.#keeper);
    this.#operations = new Operations(env, {
      deps,
      state: this.#state,
      gate: this.#gate,
      counts: this.#counts,
      onFatal: error => this.#fatal(error),
    });
    this.#outbox = new Outbox(env, this.#state, this.#counts, this.#keeper);
    this.#garbage = new SandboxGarbage(env.clock, this.#options.gcDelayMs, deps.janitor);
    const parts: AgentParts = {
      deps,
      options: this.#options,
      state: this.#state,
      keeper: this.#keeper,
      ledger: this.#operations.ledger,
      outbox: this.#outbox,
      counts: this.#counts,
      info: () => this.#info(),
      garbage: this.#garbage,
      toMaster: call => {
        if (this.#registered) this.#peer?.send(call);
      },
      executorExited: exit => {
        const registrations = this.#registrations;
        this.#keeper.after(() => {
          // The master may have started another of the same id since it was told that this one is not there.
          if (this.#registrations !== registrations) return;
          const call = { type: 'EXECUTOR_EXITED', ...exit } as const;
          if (this.#registered) this.#peer?.send(call);
          // The master was told of it when this agent registered, and has not answered yet.
          else this.#exits.push(call);
        });
      },
      onContainerEnded: () => {
        this.#runner.checkDrained();
        this.#checkEmpty();
      },
    };
    this.#runner = new TaskRunner(env, parts);
    this.#oversubscription = new Oversubscription(env, {
      deps,
      options: this.#options,
      state: this.#state,
      resources: () => ({ firm: this.#operations.firm, used: this.#operations.ledger.used }),
      setRevocable: bag => this.#operations.setRevocable(bag),
      preempt: (record, message) => this.#runner.preempt(record, message),
    });
    const { agentId, epoch } = recover(env, parts, this.#runner, this.#journal);
    this.#keptId = agentId;
    this.#epoch = epoch;
    if (this.#keptId !== undefined) this.#journal.put(this.#operations.keep());
    this.#keeper.watch(() => this.#state.containers > 0);
    this.#oversubscription.start();
    const handler: MasterHandler = {
      onConnected: (peer, welcome) => this.#onConnected(peer, welcome?.epoch ?? 0),
      onMessage: event => this.#onMessage(event),
      onInvalid: problems => this.#onInvalid(problems),
      onDisconnected: end => this.#onDisconnected(end),
    };
    this.#connection = deps.connect(handler, epoch);
  }

  /** The id the master gave it; undefined before the first registration. */
  get id(): AgentId | undefined {
    return this.#state.agentId;
  }

  /** Whether a master has registered it, and the session lasts. */
  get registered(): boolean {
    return this.#registered;
  }

  /** Its containers, measured now. */
  containers = (): readonly ContainerView[] => containerViews(this.#state, this.#deps.meter, this.#env.clock.wallMs());

  /** What it tells over its own HTTP. */
  view(): AgentStateView {
    return agentView(this.#state, {
      info: this.#info(),
      used: this.#operations.ledger.used,
      volumes: this.#operations.volumes(),
      unacknowledgedOperations: this.#operations.unacknowledged,
      registered: this.#registered,
      startedAtMs: this.#startedAtMs,
      sandboxRoot: this.#deps.sandboxRoot,
      flags: { ...this.#options, ...this.#deps.flags },
      unacknowledgedStatuses: this.#outbox.unacknowledged,
    });
  }

  /** The tasks with this id, of any framework, newest first; ended ones as long as they are kept. Cheaper than `view`. */
  tasks(taskId: TaskId): readonly AgentTaskView[] {
    return taskViews(this.#state, taskId);
  }

  /** Sandboxes of all that runs, or may: what runs in any other is nobody's. */
  sandboxes(): Iterable<string> {
    return this.#state.sandboxes();
  }

  /** A session of a framework's own executor; the path is `/v1/executor`. */
  acceptExecutor(peer: Peer<ExecutorEvent>): PeerHandler<ExecutorCall> {
    return this.#runner.executors.accept(peer);
  }

  /**
   * Goes away on purpose: ends all tasks (TASK_KILLED, AGENT_SHUT_DOWN), then unregisters, so that frameworks learn how each ended. `onDone` is
   * called when no container is left, with whether the master has confirmed that it forgot this agent: if not, it may still wait for its id.
   */
  shutdown(onDone: (isGone: boolean) => void): void {
    // It has ended. If nothing that it does can be kept, it is as if it had been killed, and its tasks run on.
    if (this.#journal.over) return this.#env.clock.soon(() => onDone(false));
    this.#end('the agent is shutting down', () => {
      this.#whenGone.push(onDone);
      if (!this.#registered) return this.#done(false);
      if (this.#goneTimer !== undefined) return;
      this.#goneTimer = this.#env.clock.after(this.#options.unregisterTimeoutMs, () => this.#done(false));
      this.#peer?.send({ type: 'UNREGISTER', message: 'shut down' });
    });
  }

  /** Ends and leaves its tasks to the next process of the agent. `onDone` is called once all is on disk, or the disk has failed. */
  leave(onDone: () => void): void {
    this.#whenGone.push(onDone);
    if (this.#journal.over) return this.#env.clock.soon(() => this.close());
    if (this.#keptId !== undefined) this.#keeper.alive();
    this.#leave();
    // Tasks that go on may write for ever: only what is known by now has to be kept.
    this.#journal.after(() => this.close());
  }

  /** Stops, as if the process ended: tasks run on, nobody is told anything, no timer is left. */
  close(): void {
    this.#done(false);
  }

  #done(isGone: boolean): void {
    this.#leave();
    this.#journal.close();
    this.#keeper.close();
    this.#runner.close();
    this.#oversubscription.close();
    this.#garbage.close();
    this.#goneTimer?.cancel();
    const run = this.#whenGone;
    this.#whenGone = [];
    for (const then of run) then(isGone);
  }

  /** Ends the connection for good; tasks are looked after as before. */
  #leave(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disconnect();
    this.#connection.close();
  }

  #onConnected(peer: Peer<AgentCall>, epoch: number): void {
    // On disk before it registers, and so before it heeds this master.
    if (epoch > this.#epoch) this.#journal.put({ key: keys.epoch, value: epoch });
    this.#epoch = Math.max(this.#epoch, epoch);
    this.#peer = peer;
    this.#registered = false;
    this.#heardAtMs = this.#env.clock.now();
    // How often a former master pinged says nothing about this one.
    this.#silenceMs = this.#options.pingTimeoutMs * this.#options.pingMissesMax;
    this.#watchSilence();
    // A new process learns how its containers are while it writes its first records.
    this.#gate.pass(() => this.#journal.after(() => this.#register(peer)));
  }

  // Everything as it is now, told once that much is on disk. Later changes follow when the agent is registered: there may be no moment without any.
  #register(peer: Peer<AgentCall>): void {
    if (this.#peer !== peer) return;
    const inventory = this.#inventory();
    this.#exits = [];
    this.#registrations += 1;
    this.#outbox.describe();
    this.#journal.after(() => {
      if (this.#peer !== peer) return;
      for (const call of registerCalls(inventory, this.#options.registerPartBytes)) peer.send(call);
      this.#env.log.info('registering', {
        agentId: inventory.agentId,
        tasks: inventory.tasks.length,
        master: peer.remote,
      });
    });
  }

  #onMessage(event: AgentEvent): void {
    this.#heardAtMs = this.#env.clock.now();
    if (event.type === 'PING') this.#peer?.send({ type: 'PONG' });
    else this.#gate.pass(() => this.#act(event));
  }

  #act(event: Exclude<AgentEvent, { type: 'PING' }>): void {
    if (this.#closed) return;
    switch (event.type) {
      case 'REGISTERED':
        this.#onRegistered(event);
        return;
      case 'REFUSED':
        this.#onRefused(event.problems);
        return;
      case 'SHUTDOWN':
        this.#env.log.warn('the master ends this agent', { message: event.message });
        this.#end(event.message, () => {
          this.close();
          this.#deps.outcomes?.onShutdown?.(event.message);
        });
        return;
      default:
        if (this.#registered) this.#onWork(event);
        else this.#env.log.warn('a message before the registration is ignored', { type: event.type });
    }
  }

  #onWork(event: Exclude<AgentEvent, { type: 'PING' | 'REGISTERED' | 'REFUSED' | 'SHUTDOWN' }>): void {
    switch (event.type) {
      case 'LAUNCH':
        this.#runner.launch(event);
        return;
      case 'KILL':
        this.#runner.kill(event.frameworkId, event.taskId, event.killPolicy);
        return;
      case 'ACKNOWLEDGE': {
        const over = this.#outbox.acknowledge(event.frameworkId, event.taskId, event.uuid);
        // At once: the framework may use its id again, and the next launch may be right behind.
        if (over !== undefined) this.#state.retire(over);
        return;
      }
      case 'MESSAGE':
        this.#runner.executors.message(event.frameworkId, event.executorId, event.data);
        return;
      case 'APPLY_OPERATION':
        this.#operations.apply(event);
        return;
      case 'ACKNOWLEDGE_OPERATION':
        this.#operations.acknowledge(event.uuid);
        return;
      case 'DRAIN':
        this.#env.log.warn('the agent is drained: its tasks are killed', { gracePeriodMs: event.gracePeriodMs });
        this.#runner.drain(event.gracePeriodMs);
        return;
      case 'SHUTDOWN_FRAMEWORK':
        this.#runner.endFramework(event.frameworkId);
        return;
      case 'SHUTDOWN_EXECUTOR':
        this.#runner.executors.shutdownById(event.frameworkId, event.executorId);
        return;
      case 'UPDATE_FRAMEWORK': {
        const record = event.framework.id === undefined ? undefined : this.#state.frameworks.get(event.framework.id);
        if (record === undefined) return;
        this.#state.framework(record.id, event.framework);
        this.#outbox.flush(record.id);
        return;
      }
      default:
        assertNever(event, 'agent event');
    }
  }

  #onRegistered(event: Extract<AgentEvent, { type: 'REGISTERED' }>): void {
    const { agentId, master, pingTimeoutMs, reconcile } = event;
    // A long list comes in parts.
    if (this.#registered) return this.#reconcile(reconcile);
    const former = this.#state.agentId;
    if (former !== undefined && former !== agentId)
      this.#env.log.warn('the master gave this agent a new id', { former, agentId });
    this.#state.agentId = agentId;
    this.#state.master = master;
    this.#silenceMs = pingTimeoutMs * (event.pingMissesMax ?? this.#options.pingMissesMax);
    this.#watchSilence();
    const peer = this.#peer;
    const go = (): void => {
      // The session is over, and another one may have begun.
      if (peer === undefined || this.#peer !== peer) return;
      this.#registered = true;
      this.#counts.registered();
      this.#operations.open(peer);
      this.#outbox.open(peer);
      for (const call of this.#exits.splice(0)) peer.send(call);
      this.#reconcile(reconcile);
      this.#env.log.info('registered', { agentId, master: master.id });
      this.#deps.outcomes?.onRegistered?.(agentId, master);
    };
    if (this.#deps.store === undefined || this.#keptId === agentId) go();
    else this.#keep(agentId, go);
  }

  #keep(agentId: AgentId, then: () => void): void {
    const release = this.#gate.hold();
    this.#journal.put({ key: keys.id, value: agentId });
    this.#journal.put({ key: keys.host, value: hostOf(this.#deps.info) });
    this.#journal.put(this.#operations.keep());
    this.#keeper.alive();
    this.#journal.after(() => {
      if (this.#closed) return;
      this.#keptId = agentId;
      then();
      release();
    });
  }

  #storeError(what: string, error: Error): ProfferError {
    return new ProfferError('STORE_FAILED', `${what}: ${error.message}`, { cause: error });
  }

  #fatal(error: ProfferError): void {
    this.#env.log.error(error.message);
    // Who waits for its end would wait for writes that come no more.
    if (this.#closed) return this.close();
    this.#leave();
    this.#deps.outcomes?.onFatal?.(error);
  }

  #reconcile(tasks: readonly { readonly frameworkId: FrameworkId; readonly taskId: TaskId }[]): void {
    for (const { frameworkId, taskId } of tasks) {
      if (this.#state.task(frameworkId, taskId) !== undefined) continue;
      this.#runner.dropUnknown(frameworkId, taskId, 'the agent does not have the task; its launch was lost');
    }
  }

  #onRefused(problems: readonly Problem[]): void {
    this.#env.log.error('the master refuses this agent', { problems: problems.map(describeProblem) });
    this.#leave();
    this.#deps.outcomes?.onRefused?.(problems);
  }

  #onInvalid(problems: readonly Problem[]): void {
    this.#env.log.error('the master sent a message that is not valid', { problems: problems.map(describeProblem) });
  }

  #onDisconnected(end: LinkEnd): void {
    // UNREGISTER only goes onto a wire: that it was heard, and stored, shows in how the master ends the session.
    if (this.#goneTimer !== undefined) return this.#done(end.code === closeCodes.normal);
    this.#env.log.warn('the connection to the master ended', { code: end.code, reason: end.reason });
    this.#disconnect();
  }

  #disconnect(): void {
    this.#peer = undefined;
    this.#registered = false;
    this.#gate.drop();
    this.#operations.close();
    this.#outbox.close();
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  // A dead path raises no event: the master's pings are what shows that it hears us.
  #watchSilence(): void {
    this.#watch?.cancel();
    const leftMs = this.#heardAtMs + this.#silenceMs - this.#env.clock.now();
    if (leftMs <= 0) {
      this.#env.log.warn('the master is silent', { silenceMs: this.#silenceMs });
      this.#watch = undefined;
      this.#connection.reconnect(`nothing heard for ${this.#silenceMs} ms`);
      return;
    }
    this.#watch = this.#env.clock.after(leftMs, () => this.#watchSilence());
  }

  #inventory(): Parameters<typeof registerCalls>[0] {
    const frameworks: FrameworkInfo[] = [];
    const tasks: AgentTask[] = [];
    const executors: AgentExecutor[] = [];
    for (const framework of this.#state.frameworks.values()) {
      const before = tasks.length + executors.length;
      for (const { info, role } of framework.executors.values())
        executors.push({ frameworkId: framework.id, executor: info, ...(role === undefined ? {} : { role }) });
      for (const { task, life, groupId, receivedAtMs, status, phantom } of framework.tasks.values()) {
        if (phantom) continue;
        tasks.push({
          frameworkId: framework.id,
          task,
          state: life.state,
          launchedAtMs: receivedAtMs,
          ...(groupId === undefined ? {} : { groupId }),
          ...(status === undefined ? {} : { status }),
        });
      }
      if (tasks.length + executors.length > before) frameworks.push(framework.info);
    }
    const { resources, operations } = this.#operations.register();
    const agent = { ...this.#deps.info, resources };
    return { agentId: this.#state.agentId, agent, frameworks, tasks, executors, operations };
  }

  /** The agent as it is now, with what operations and the estimator have made of its resources. */
  #info(): AgentInfo {
    return { ...this.#deps.info, resources: fromBag(this.#operations.total) };
  }

  #end(message: string, then: () => void): void {
    this.#whenEmpty.push(then);
    this.#runner.endAll(message);
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (this.#state.containers > 0 || this.#whenEmpty.length === 0) return;
    const run = this.#whenEmpty;
    this.#whenEmpty = [];
    // How the last ones ended is told before the goodbye.
    this.#journal.after(() => {
      for (const then of run) then();
    });
  }
}
