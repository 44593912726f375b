// The resource master: takes one message at a time, decides, applies, then speaks. In: calls of schedulers, agents, operators. Out: events, views.
import { assertNever } from '../base/assert.js';
import { problem } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import type { AgentId, FrameworkId } from '../base/ids.js';
import type { Allocator, GrantBatch, OnGrants } from '../allocator/allocator.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { MasterInfo } from '../protocol/entities.js';
import type { ValidatedSchedulerCall } from '../protocol/checked.js';
import type { ClusterEvent, OperatorCall } from '../protocol/operator-api.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import type { Store } from '../store/store.js';
import type { Peer, PeerHandler } from '../transport/peer.js';
import { closeCodes } from '../transport/transport.js';
import type { Change } from './changes.js';
import { applyChange } from './changes.js';
import { Counts } from './counts.js';
import type { Decision, Durable, Effect, Registration } from './decision.js';
import { nothing } from './decision.js';
import { decideAccept } from './decide/accept.js';
import {
  decideAgentLost,
  decideAgentRemoved,
  decideAgentSilent,
  decideAgentUnreachable,
  decideUnregister,
} from './decide/agents.js';
import {
  decideDemand,
  decideEndFramework,
  decideFrameworkChanged,
  decideFrameworkEnded,
  decideRequest,
  decideSchedulerLost,
  decideSubscribe,
  decideSubscribed,
  decideUpdateFramework,
} from './decide/frameworks.js';
import { decideDecline, decideExpiry, decideGrants } from './decide/offers.js';
import { decideOperator } from './decide/operator.js';
import { decideReconcile } from './decide/reconcile.js';
import { decideRegister, decideRegistered } from './decide/registration.js';
import {
  decideAcknowledge,
  decideExecutorExited,
  decideExecutorMessage,
  decideKill,
  decideStatusUpdate,
  decideToExecutor,
} from './decide/tasks.js';
import { Feed } from './feed.js';
import { AgentLiveness, PeriodicQueue } from './liveness.js';
import type { MasterOptions } from './options.js';
import { masterDefaults } from './options.js';
import { recoverRegistry, Registry } from './registry.js';
import type { AgentSession, SchedulerSession } from './sessions.js';
import { joinParts, Sessions } from './sessions.js';
import type { ClusterView, FrameworkRecord, Moment } from './state.js';
import { ClusterState } from './state.js';
import type { MasterViews, OperatorDesk } from './views.js';
import {
  agentViews,
  completedFrameworkViews,
  completedTaskViews,
  frameworkViews,
  offerViews,
  roleViews,
  stateView,
  taskViews,
} from './views.js';

export interface MasterParts {
  /** Makes the allocator; it calls `onGrants` with what a run decided. */
  readonly allocator: (onGrants: OnGrants) => Allocator;
  /** The registry's store; the master does not close it. */
  readonly store: Store;
  /** `id` is new for every master process: ids of frameworks, agents and offers begin with it. */
  readonly info: MasterInfo;
  /** Of this leadership; every record of the registry carries it. */
  readonly epoch: number;
  readonly options?: Partial<MasterOptions>;
  /** The store failed: the master has closed itself, and the process should end. */
  readonly onStoreFailure?: (error: Error) => void;
}

/** One leading master. It reads the registry at once and is ready when constructed. */
export class Master implements OperatorDesk {
  readonly views: MasterViews;
  readonly #env: Env;
  readonly #state: ClusterState;
  readonly #allocator: Allocator;
  readonly #store: Store;
  readonly #registry: Registry;
  readonly #sessions = new Sessions();
  readonly #feed: Feed;
  readonly #counts: Counts;
  readonly #liveness: AgentLiveness;
  readonly #heartbeats: PeriodicQueue<SchedulerSession>;
  readonly #onStoreFailure: ((error: Error) => void) | undefined;
  readonly #operatorAnswers = new Map<number, (problems: readonly Problem[]) => void>();
  readonly #waiting: (() => Decision)[] = [];
  readonly #failovers = new Map<FrameworkId, Timer>();
  #busy = false;
  #closed = false;
  #nextTicket = 0;
  #expiry: Timer | undefined;
  #reregistration: Timer | undefined;

  constructor(env: Env, parts: MasterParts) {
    this.#env = env;
    const options: MasterOptions = { ...masterDefaults, ...parts.options };
    this.#state = new ClusterState(parts.info, options);
    this.#store = parts.store;
    this.#registry = new Registry(parts.epoch);
    this.#onStoreFailure = parts.onStoreFailure;
    this.#feed = new Feed(this.#state);
    this.#counts = new Counts(env.metrics);
    this.#allocator = parts.allocator(batch => this.#onGrants(batch));
    this.#liveness = new AgentLiveness(
      env.clock,
      { periodMs: options.agentPingTimeoutMs, missesMax: options.agentPingMissesMax },
      id => this.#toAgent(id, { type: 'PING' }),
      id => this.#agentSilent(id),
    );
    this.#heartbeats = new PeriodicQueue(env.clock, options.heartbeatIntervalMs, session => {
      if (session.closed) return false;
      session.peer.send({ type: 'HEARTBEAT' });
      return true;
    });
    const startedAtMs = env.clock.wallMs();
    this.views = this.#makeViews(startedAtMs);
    const recovered = recoverRegistry(parts.store, parts.info.id, options, this.#moment());
    this.#turn(() => ({ changes: recovered, effects: [] }));
    if (this.#state.agentsRecovering > 0) {
      this.#reregistration = env.clock.after(options.agentReregisterTimeoutMs, () => this.#agentsStayedAway());
    }
  }

  /** What it knows, for simulators and tests that check it; to be read only. */
  get view(): ClusterView {
    return this.#state;
  }

  /** A scheduler connected. */
  acceptScheduler(peer: Peer<SchedulerEvent>): PeerHandler<ValidatedSchedulerCall> {
    const session = this.#sessions.addScheduler(peer);
    return {
      onMessage: call => {
        if (session.closed) return;
        this.#counts.call('scheduler', call.type);
        this.#turn(() => this.#decideSchedulerCall(session, call));
      },
      onInvalid: (problems, callId) => {
        if (session.closed) return;
        this.#counts.invalid('scheduler');
        this.#env.log.warn('invalid scheduler call', { remote: peer.remote, problems });
        if (callId !== undefined) peer.send({ type: 'ANSWERED', callId, problems });
        const fatal = session.frameworkId === undefined && !session.waiting;
        if (fatal || callId === undefined) peer.send({ type: 'ERROR', problems, fatal });
        if (fatal) this.#sessions.close(peer.id, closeCodes.policy, 'not a valid subscription');
      },
      onEnd: end => {
        session.closed = true;
        this.#turn(() => {
          this.#sessions.remove(peer.id);
          const framework = this.#subscribed(session);
          if (framework === undefined) return nothing;
          this.#env.log.info('framework disconnected', { framework: framework.id, code: end.code, reason: end.reason });
          return decideSchedulerLost(this.#state, this.#registry, framework, this.#moment());
        });
      },
    };
  }

  /** An agent connected. */
  acceptAgent(peer: Peer<AgentEvent>): PeerHandler<AgentCall> {
    const session = this.#sessions.addAgent(peer);
    return {
      onMessage: call => {
        if (session.closed) return;
        this.#counts.call('agent', call.type);
        this.#turn(() => this.#decideAgentCall(session, call));
      },
      onInvalid: problems => {
        if (session.closed) return;
        this.#counts.invalid('agent');
        this.#env.log.warn('invalid agent message', { remote: peer.remote, agent: session.agentId, problems });
        if (session.agentId !== undefined || session.waiting) return;
        peer.send({ type: 'REFUSED', problems });
        this.#sessions.close(peer.id, closeCodes.policy, 'not a valid registration');
      },
      onEnd: end => {
        session.closed = true;
        this.#turn(() => {
          this.#sessions.remove(peer.id);
          const agent = session.agentId === undefined ? undefined : this.#state.agents.get(session.agentId);
          if (agent?.peerId !== peer.id) return nothing;
          this.#env.log.info('agent disconnected', { agent: agent.id, code: end.code, reason: end.reason });
          return decideAgentLost(this.#state, agent, this.#moment());
        });
      },
    };
  }

  operate(call: OperatorCall, answer: (problems: readonly Problem[]) => void): void {
    if (this.#closed) {
      answer([problem('', 'DISCONNECTED', 'this master has stopped', 'ask the leading master')]);
      return;
    }
    this.#counts.call('operator', call.type);
    const ticket = this.#nextTicket;
    this.#nextTicket += 1;
    this.#operatorAnswers.set(ticket, answer);
    this.#turn(() => decideOperator(this.#state, this.#registry, call, ticket));
  }

  /** Brings the gauges up to date; call before metrics are rendered. */
  refreshMetrics(): void {
    this.#counts.refresh(this.#state);
  }

  /** Ends every session and timer. Nothing that comes later has an effect. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#expiry?.cancel();
    this.#reregistration?.cancel();
    for (const timer of this.#failovers.values()) timer.cancel();
    this.#failovers.clear();
    this.#liveness.close();
    this.#heartbeats.close();
    this.#allocator.close();
    this.#feed.close();
    for (const answer of this.#operatorAnswers.values())
      answer([problem('', 'DISCONNECTED', 'this master has stopped')]);
    this.#operatorAnswers.clear();
    this.#sessions.closeAll(closeCodes.goingAway, 'the master stops');
  }

  // One message, one turn: what comes up meanwhile waits until the turn is over.
  #turn(decide: () => Decision): void {
    if (this.#closed) return;
    if (this.#busy) {
      this.#waiting.push(decide);
      return;
    }
    this.#busy = true;
    try {
      for (let next: (() => Decision) | undefined = decide; next !== undefined; next = this.#waiting.shift())
        this.#carryOut(next());
    } finally {
      this.#busy = false;
    }
  }

  // Changes first, so that no effect tells of a state that is not there; closes after the messages that explain them; writes last.
  #carryOut(decision: Decision): void {
    const { changes, effects } = decision;
    for (const change of changes) {
      applyChange(this.#state, this.#allocator, change);
      this.#follow(change);
      if (this.#feed.heard) this.#feed.tell(change);
    }
    for (const effect of effects) this.#speak(effect);
    if (effects.length === 0) return;
    for (const effect of effects) {
      if (effect.type === 'CLOSE_PEER') this.#sessions.close(effect.peerId, effect.code, effect.reason);
    }
    for (const effect of effects) {
      if (effect.type === 'STORE') this.#write(effect);
    }
  }

  #speak(effect: Effect): void {
    switch (effect.type) {
      case 'TO_FRAMEWORK': {
        const peerId = this.#state.frameworks.get(effect.frameworkId)?.peerId;
        if (peerId !== undefined) this.#sessions.toScheduler(peerId, effect.event);
        return;
      }
      case 'TO_AGENT':
        this.#toAgent(effect.agentId, effect.event);
        return;
      case 'TO_SCHEDULER_PEER':
        this.#sessions.toScheduler(effect.peerId, effect.event);
        return;
      case 'TO_AGENT_PEER':
        this.#sessions.toAgent(effect.peerId, effect.event);
        return;
      case 'ANSWER_OPERATOR': {
        const answer = this.#operatorAnswers.get(effect.ticket);
        this.#operatorAnswers.delete(effect.ticket);
        answer?.(effect.problems);
        return;
      }
      case 'CLOSE_PEER':
      case 'STORE':
        return;
      default:
        assertNever(effect, 'effect');
    }
  }

  #write(effect: Extract<Effect, { type: 'STORE' }>): void {
    this.#store.write(effect.changes, error => {
      if (this.#closed) return;
      if (error !== undefined) {
        this.#env.log.error('the registry could not be written; the master stops', { error: error.message });
        this.close();
        this.#onStoreFailure?.(error);
        return;
      }
      const { next } = effect;
      if (next !== undefined) this.#turn(() => this.#decideDurable(next));
    });
  }

  // What timers, sessions and counters have to do with a change.
  #follow(change: Change): void {
    this.#counts.change(change);
    switch (change.type) {
      case 'OFFER_MADE':
        this.#armExpiry();
        return;
      case 'FRAMEWORK_ADDED':
        if (change.failoverAtMs !== undefined) this.#armFailover(change.info.id, change.failoverAtMs);
        return;
      case 'FRAMEWORK_CONNECTED': {
        this.#disarmFailover(change.frameworkId);
        const session = this.#sessions.get(change.peerId);
        if (session?.kind !== 'SCHEDULER') return;
        session.frameworkId = change.frameworkId;
        session.waiting = false;
        this.#heartbeats.add(session);
        this.#env.log.info('framework subscribed', { framework: change.frameworkId, remote: session.peer.remote });
        return;
      }
      case 'FRAMEWORK_DISCONNECTED':
        this.#armFailover(change.frameworkId, change.failoverAtMs);
        return;
      case 'FRAMEWORK_ENDED':
        this.#disarmFailover(change.frameworkId);
        this.#env.log.info('framework ended', { framework: change.frameworkId, why: change.why });
        return;
      case 'AGENT_CONNECTED': {
        const session = this.#sessions.get(change.peerId);
        if (session?.kind === 'AGENT') {
          session.agentId = change.agentId;
          session.waiting = false;
        }
        this.#liveness.watch(change.agentId);
        this.#env.log.info('agent registered', { agent: change.agentId, hostname: change.info.hostname });
        return;
      }
      case 'AGENT_UNREACHABLE':
        this.#liveness.unwatch(change.agentId);
        this.#env.log.warn('agent unreachable', { agent: change.agentId });
        return;
      case 'AGENT_REMOVED':
        this.#liveness.unwatch(change.agentId);
        this.#env.log.info('agent removed', { agent: change.agentId, why: change.why });
        return;
      default:
    }
  }

  #decideSchedulerCall(session: SchedulerSession, call: ValidatedSchedulerCall): Decision {
    const peerId = session.peer.id;
    const state = this.#state;
    if (call.type === 'SUBSCRIBE') {
      if (session.frameworkId !== undefined || session.waiting) {
        return complain(
          peerId,
          call.callId,
          problem('', 'ALREADY_SUBSCRIBED', 'this connection has a subscription already', 'open another connection'),
        );
      }
      session.waiting = true;
      return decideSubscribe(state, this.#registry, peerId, call, this.#moment());
    }
    const framework = this.#subscribed(session);
    if (framework === undefined) {
      return complain(
        peerId,
        call.callId,
        problem(
          '',
          'NOT_SUBSCRIBED',
          `${call.type} came without a subscription`,
          'send SUBSCRIBE first and wait for SUBSCRIBED',
        ),
      );
    }
    switch (call.type) {
      case 'ACCEPT':
        return decideAccept(state, framework, peerId, call, this.#moment());
      case 'ACKNOWLEDGE':
        return decideAcknowledge(state, framework, peerId, call);
      case 'DECLINE':
        return decideDecline(state, framework, peerId, call);
      case 'REVIVE':
      case 'SUPPRESS':
        return decideDemand(framework, peerId, call);
      case 'KILL':
        return decideKill(state, framework, peerId, call, this.#moment());
      case 'SHUTDOWN':
      case 'MESSAGE':
        return decideToExecutor(state, framework, peerId, call);
      case 'RECONCILE':
        return decideReconcile(state, framework, peerId, call, this.#moment());
      case 'REQUEST':
        return decideRequest(framework, peerId, call);
      case 'UPDATE_FRAMEWORK':
        return decideUpdateFramework(state, this.#registry, framework, peerId, call);
      case 'TEARDOWN':
        return decideEndFramework(state, this.#registry, framework, {
          by: 'SCHEDULER',
          peerId,
          ...(call.callId === undefined ? {} : { callId: call.callId }),
        });
      default:
        return assertNever(call, 'scheduler call');
    }
  }

  #decideAgentCall(session: AgentSession, call: AgentCall): Decision {
    if (call.type === 'REGISTER') return this.#decideRegisterPart(session, call);
    const agent = session.agentId === undefined ? undefined : this.#state.agents.get(session.agentId);
    // Before registration, or replaced by a newer connection of the same agent.
    if (agent?.peerId !== session.peer.id) return nothing;
    switch (call.type) {
      case 'STATUS_UPDATE':
        return decideStatusUpdate(this.#state, agent, call);
      case 'PONG':
        this.#liveness.pong(agent.id);
        return nothing;
      case 'EXECUTOR_EXITED':
        return decideExecutorExited(this.#state, agent, call);
      case 'MESSAGE':
        return decideExecutorMessage(this.#state, agent, call);
      case 'UNREGISTER':
        return decideUnregister(this.#registry, agent, call);
      default:
        return assertNever(call, 'agent call');
    }
  }

  #decideRegisterPart(session: AgentSession, call: Extract<AgentCall, { type: 'REGISTER' }>): Decision {
    const peerId = session.peer.id;
    const wrongId = session.agentId !== undefined && call.agentId !== session.agentId;
    if (session.waiting || wrongId) {
      const why = wrongId
        ? `this connection is of agent ${session.agentId}`
        : 'a registration over this connection is under way';
      return {
        changes: [],
        effects: [
          {
            type: 'TO_AGENT_PEER',
            peerId,
            event: {
              type: 'REFUSED',
              problems: [problem('register', 'AGENT_REFUSED', why, 'connect again to register')],
            },
          },
          { type: 'CLOSE_PEER', peerId, code: closeCodes.policy, reason: why },
        ],
      };
    }
    const { type: _type, more, ...part } = call;
    const registration: Registration = joinParts(session.parts, part);
    session.parts = more ? registration : undefined;
    if (more) return nothing;
    session.waiting = true;
    return decideRegister(this.#state, this.#registry, peerId, registration, this.#moment());
  }

  #decideDurable(step: Durable): Decision {
    const at = this.#moment();
    switch (step.type) {
      case 'FRAMEWORK_STORED':
        return decideSubscribed(this.#state, this.#registry, step, this.#sessions.isOpen(step.peerId), at);
      case 'FRAMEWORK_CHANGE_STORED':
        return decideFrameworkChanged(this.#state, step);
      case 'FRAMEWORK_END_STORED':
        return decideFrameworkEnded(this.#state, this.#registry, step, at);
      case 'AGENT_STORED':
        return decideRegistered(this.#state, this.#registry, step, this.#sessions.isOpen(step.peerId), at);
      case 'AGENT_UNREACHABLE_STORED':
        return decideAgentUnreachable(this.#state, step, at);
      case 'AGENT_REMOVAL_STORED':
        return decideAgentRemoved(this.#state, step, at);
      default:
        return assertNever(step, 'durable step');
    }
  }

  #onGrants(batch: GrantBatch): void {
    this.#turn(() => decideGrants(this.#state, batch, this.#moment()));
  }

  #agentSilent(id: AgentId): void {
    this.#turn(() => {
      const agent = this.#state.agents.get(id);
      return agent === undefined ? nothing : decideAgentSilent(this.#registry, agent, this.#moment());
    });
  }

  #agentsStayedAway(): void {
    for (const agent of this.#state.agents.values()) if (agent.state === 'RECOVERED') this.#agentSilent(agent.id);
  }

  // Offers expire in the order they were made, so one timer for the oldest serves them all.
  #armExpiry(): void {
    if (this.#expiry !== undefined) return;
    for (const oldest of this.#state.offers.values()) {
      const dueMs = oldest.madeAtMs + this.#state.options.offerTimeoutMs;
      this.#expiry = this.#env.clock.after(dueMs - this.#env.clock.now(), () => {
        this.#expiry = undefined;
        this.#turn(() => decideExpiry(this.#state, this.#moment()));
        this.#armExpiry();
      });
      return;
    }
  }

  #armFailover(id: FrameworkId, atMs: number): void {
    this.#disarmFailover(id);
    const timer = this.#env.clock.after(atMs - this.#env.clock.now(), () => {
      this.#failovers.delete(id);
      this.#turn(() => {
        const framework = this.#state.frameworks.get(id);
        if (framework === undefined || framework.state === 'ACTIVE') return nothing;
        return decideEndFramework(this.#state, this.#registry, framework, { by: 'FAILOVER_TIMEOUT' });
      });
    });
    this.#failovers.set(id, timer);
  }

  #disarmFailover(id: FrameworkId): void {
    this.#failovers.get(id)?.cancel();
    this.#failovers.delete(id);
  }

  /** The framework of a session, if it is subscribed over this very session. */
  #subscribed(session: SchedulerSession): FrameworkRecord | undefined {
    const framework = session.frameworkId === undefined ? undefined : this.#state.frameworks.get(session.frameworkId);
    return framework?.peerId === session.peer.id ? framework : undefined;
  }

  #toAgent(id: AgentId, event: AgentEvent): void {
    const peerId = this.#state.agents.get(id)?.peerId;
    if (peerId !== undefined) this.#sessions.toAgent(peerId, event);
  }

  #moment(): Moment {
    return { nowMs: this.#env.clock.now(), wallMs: this.#env.clock.wallMs() };
  }

  #makeViews(startedAtMs: number): MasterViews {
    const view = this.#state;
    const state = (): ReturnType<typeof stateView> =>
      stateView({ view, allocator: this.#allocator, startedAtMs, nowMs: this.#env.clock.now() });
    return {
      master: view.master,
      state,
      agents: () => agentViews(view),
      frameworks: () => frameworkViews(view),
      completedFrameworks: () => completedFrameworkViews(view),
      roles: () => roleViews(view, this.#allocator),
      tasks: () => taskViews(view),
      completedTasks: () => completedTaskViews(view),
      offers: () => offerViews(view, this.#env.clock.now()),
      subscribe: (listener: (event: ClusterEvent) => void) => {
        listener({ type: 'SNAPSHOT', state: state() });
        return this.#feed.subscribe(listener);
      },
    };
  }
}

function complain(peerId: number, callId: number | undefined, what: Problem): Decision {
  const event: SchedulerEvent =
    callId === undefined
      ? { type: 'ERROR', problems: [what], fatal: false }
      : { type: 'ANSWERED', callId, problems: [what] };
  return { changes: [], effects: [{ type: 'TO_SCHEDULER_PEER', peerId, event }] };
}
