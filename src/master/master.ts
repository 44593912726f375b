// The resource master: takes one message at a time, decides, applies, then speaks. In: calls of schedulers, agents, operators. Out: events, views.
import { assertNever } from '../base/assert.js';
import { describeProblem, problem, ProfferError } from '../base/errors.js';
import type { AgentId, FrameworkId } from '../base/ids.js';
import type { Allocator } from '../allocator/allocator.js';
import type { OnGrants, OnStarved } from '../allocator/model.js';
import type { Timer } from '../env/clock.js';
import { every } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { MasterInfo } from '../protocol/entities.js';
import type { ValidatedSchedulerCall } from '../protocol/checked.js';
import type { OperatorCall } from '../protocol/operator-api.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import type { Store } from '../store/store.js';
import type { Peer, PeerHandler } from '../transport/peer.js';
import { closeCodes } from '../transport/transport.js';
import { AgentWatch } from './agent-watch.js';
import { applyChange } from './apply.js';
import type { Change } from './changes.js';
import { conflictRule } from './conflict.js';
import { Counts } from './counts.js';
import type { Decision, Effect } from './decision.js';
import { complain, Draft, nothing } from './decision.js';
import { decideAgentLost, decideAgentSilent } from './decide/agents.js';
import { decideForget, decideStrangersOver } from './decide/forget.js';
import { decideSchedulerLost, decideTimedOut } from './decide/framework-end.js';
import { decideSubscribe } from './decide/frameworks.js';
import { decideExpiry, decideGrants, decideStarved } from './decide/offers.js';
import { decideOperator } from './decide/operator.js';
import { decideRegister } from './decide/registration.js';
import { decideAgentCall, decideDurable, decideSchedulerCall } from './dispatch.js';
import { Feed } from './feed.js';
import type { MasterOptions } from './options.js';
import { masterDefaults } from './options.js';
import { PacedPeer } from './pacing.js';
import { Heartbeats } from './heartbeats.js';
import { QuotaPause } from './quota-pause.js';
import { recoverRegistry, Registry } from './registry.js';
import { Upkeep } from './upkeep.js';
import { Term } from './term.js';
import type { AgentSession, SchedulerSession } from './sessions.js';
import { joinParts, Sessions } from './sessions.js';
import type { ClusterView, FrameworkRecord, Moment } from './state.js';
import { ClusterState } from './state.js';
import { Failovers, OfferExpiry } from './timers.js';
import type { MasterViews, OperatorAnswer, OperatorDesk } from './views.js';
import { masterViews } from './views.js';

export interface MasterParts {
  /** Makes the allocator; it calls `onGrants` with what a run decided, `onStarved` with offers that are to return for somebody who waits. */
  readonly allocator: (onGrants: OnGrants, onStarved: OnStarved) => Allocator;
  /** The registry's store; the master does not close it. */
  readonly store: Store;
  /** `id` is new for every master process: ids of frameworks, agents and offers begin with it. */
  readonly info: MasterInfo;
  /** Of this leadership; every record of the registry carries it. */
  readonly epoch: number;
  /** The latest epoch that peers have told of, if it is later; `/state` shows it. */
  readonly laterEpochSeen?: () => number | undefined;
  readonly options?: Partial<MasterOptions>;
  /** Settings besides `options` that `/state` shows. */
  readonly flags?: { readonly [name: string]: unknown };
  /** Until when it may act, on the monotonic clock, unless `mayActUntil` says more. Default: for ever. */
  readonly actUntilMs?: number;
  /** The store failed, or another master has taken it over: the master has closed itself, and the process should end. */
  readonly onStoreFailure?: (error: Error) => void;
  /** Its time to act is over: it has closed itself, and the process should end. */
  readonly onDeposed?: (error: ProfferError) => void;
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
  readonly #watch: AgentWatch;
  readonly #heartbeats: Heartbeats;
  readonly #onStoreFailure: ((error: Error) => void) | undefined;
  readonly #term: Term;
  readonly #operatorAnswers = new Map<number, OperatorAnswer>();
  readonly #waiting: (() => Decision)[] = [];
  readonly #expiry: OfferExpiry;
  readonly #failovers: Failovers;
  readonly #upkeep: Upkeep;
  readonly #forgetting: Timer;
  #busy = false;
  #closed = false;
  #nextTicket = 0;
  readonly #quotaPause: QuotaPause;

  constructor(env: Env, parts: MasterParts) {
    this.#env = env;
    const options: MasterOptions = { ...masterDefaults, ...parts.options };
    this.#state = new ClusterState(parts.info, options, env.clock.now() + options.agentReregisterTimeoutMs);
    this.#store = parts.store;
    this.#registry = new Registry(parts.epoch);
    this.#onStoreFailure = parts.onStoreFailure;
    this.#term = new Term(env.clock, () => this.#deposed(parts));
    this.#feed = new Feed(this.#state);
    this.#counts = new Counts(env.metrics);
    this.#allocator = parts.allocator(
      batch => this.#turn(() => decideGrants(this.#state, batch, this.#moment())),
      grants => this.#turn(() => decideStarved(this.#state, grants)),
    );
    for (const { role, weight } of this.#allocator.roles()) if (weight !== 1) this.#state.weights.set(role, weight);
    this.#state.conflict = conflictRule(this.#allocator.policy);
    this.#state.quotas = new Map(this.#allocator.quotas());
    this.#state.quotasPlanned = this.#state.quotas;
    this.#expiry = new OfferExpiry(env.clock, this.#state, () => {
      this.#turn(() => decideExpiry(this.#state, this.#moment()));
    });
    this.#failovers = new Failovers(env.clock, id => this.#failoverEnded(id));
    this.#upkeep = new Upkeep(env.clock, this.#state, this.#registry, () => this.#turn(() => nothing));
    this.#heartbeats = new Heartbeats(env.clock, this.#state);
    this.views = masterViews({
      view: this.#state,
      allocator: this.#allocator,
      clock: env.clock,
      startedAtMs: env.clock.wallMs(),
      safeMode: () => this.#watch.safeMode,
      laterEpochSeen: parts.laterEpochSeen ?? (() => undefined),
      flags: parts.flags ?? {},
      follow: listener => this.#feed.subscribe(listener),
    });
    this.#quotaPause = new QuotaPause(this.#state, this.#allocator);
    this.#watch = new AgentWatch(env, this.#state, {
      ping: id => this.#toAgent(id, { type: 'PING' }),
      lost: id => this.#agentSilent(id),
      timeToReturnOver: () => {
        this.#quotaPause.end();
        this.#turn(() => decideStrangersOver(this.#state, this.#registry));
      },
    });
    const recovered = recoverRegistry(parts.store, parts.info.id, options, this.#moment());
    this.#turn(() => ({ changes: recovered, effects: [] }));
    this.#quotaPause.start();
    this.#watch.start();
    this.#forgetting = every(env.clock, options.forgetIntervalMs, () => {
      this.#turn(() => decideForget(this.#state, this.#registry, this.#moment()));
    });
    this.#term.until(parts.actUntilMs);
  }

  /** What it knows, for simulators and tests that check it; to be read only. */
  get view(): ClusterView {
    return this.#state;
  }

  /** A scheduler connected. */
  acceptScheduler(peer: Peer<SchedulerEvent>): PeerHandler<ValidatedSchedulerCall> {
    const session = this.#sessions.addScheduler(new PacedPeer(peer, this.#env.clock));
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
        if (callId !== undefined) session.peer.send({ type: 'ANSWERED', callId, problems });
        const fatal = session.frameworkId === undefined && !session.waiting;
        if (fatal || callId === undefined) session.peer.send({ type: 'ERROR', problems, fatal });
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
        // Not REFUSED, after which an agent stops trying: it may be of a later release, and wait for ours.
        const why = problems.map(describeProblem).join('; ');
        this.#sessions.close(peer.id, closeCodes.policy, `not a valid registration: ${why}`);
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

  operate(call: OperatorCall, answer: OperatorAnswer): void {
    if (this.#closed) {
      answer([problem('', 'DISCONNECTED', 'this master has stopped', 'ask the leading master')]);
      return;
    }
    this.#counts.call('operator', call.type);
    const ticket = this.#nextTicket;
    this.#nextTicket += 1;
    this.#operatorAnswers.set(ticket, answer);
    this.#turn(() => decideOperator(this.#state, this.#registry, call, ticket, this.#moment()));
  }

  /** The lease of its lead was renewed: it may act until then, on the monotonic clock; undefined: for ever. */
  mayActUntil(atMs: number | undefined): void {
    this.#term.until(atMs);
  }

  /** Brings the gauges up to date; call before metrics are rendered. */
  refreshMetrics(): void {
    this.#counts.refresh(this.#state, this.#watch);
  }

  /** Ends every session and timer. Nothing that comes later has an effect. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#term.close();
    this.#expiry.close();
    this.#failovers.close();
    this.#forgetting.cancel();
    this.#upkeep.close();
    this.#watch.close();
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
    // A master that stood still may be told of the end of its time by a message before its timer is.
    if (this.#closed || this.#term.isOver()) return;
    if (this.#busy) {
      this.#waiting.push(decide);
      return;
    }
    this.#busy = true;
    try {
      for (let next: (() => Decision) | undefined = decide; next !== undefined; next = this.#waiting.shift()) {
        this.#carryOut(next());
        // What follows from it is decided before the next message.
        for (let due = this.#upkeep.next(); due !== undefined; due = this.#upkeep.next())
          this.#carryOut(due(this.#moment()));
      }
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
        answer?.(effect.problems, effect.operation);
        return;
      }
      case 'CLOSE_PEER':
      case 'STORE':
        return;
      default:
        assertNever(effect, 'effect');
    }
  }

  #deposed({ epoch, onDeposed }: MasterParts): void {
    if (this.#closed) return;
    this.#env.log.error('the time to lead is over; the master stops', { epoch });
    this.close();
    const hint = 'another master may lead by now; this one has to be started again';
    onDeposed?.(new ProfferError('STALE_MASTER', `the lease of epoch ${epoch} was not renewed in time`, { hint }));
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
      if (next === undefined) return;
      const isOpen = (peerId: number): boolean => this.#sessions.isOpen(peerId);
      this.#turn(() => decideDurable(this.#state, this.#registry, next, isOpen, this.#moment()));
    });
  }

  // What timers, sessions and counters have to do with a change.
  #follow(change: Change): void {
    this.#counts.change(change);
    this.#upkeep.follow(change);
    this.#watch.follow(change);
    this.#quotaPause.follow(change);
    this.#heartbeats.follow(change);
    switch (change.type) {
      case 'OFFER_MADE':
        this.#expiry.arm();
        return;
      case 'FRAMEWORK_ADDED':
        if (change.failoverAtMs !== undefined) this.#failovers.arm(change.info.id, change.failoverAtMs);
        return;
      case 'FRAMEWORK_CONNECTED': {
        this.#failovers.disarm(change.frameworkId);
        const session = this.#sessions.get(change.peerId);
        if (session?.kind !== 'SCHEDULER') return;
        session.frameworkId = change.frameworkId;
        session.waiting = false;
        this.#heartbeats.add(session);
        this.#env.log.info('framework subscribed', { framework: change.frameworkId, remote: session.peer.remote });
        return;
      }
      case 'FRAMEWORK_DISCONNECTED':
        this.#failovers.arm(change.frameworkId, change.failoverAtMs);
        return;
      case 'FRAMEWORK_ENDED':
        this.#failovers.disarm(change.frameworkId);
        this.#env.log.info('framework ended', { framework: change.frameworkId, why: change.why });
        return;
      case 'AGENT_CONNECTED': {
        const session = this.#sessions.get(change.peerId);
        if (session?.kind === 'AGENT') {
          session.agentId = change.agentId;
          session.waiting = false;
        }
        this.#env.log.info('agent registered', { agent: change.agentId, hostname: change.info.hostname });
        return;
      }
      case 'AGENT_UNREACHABLE':
        this.#env.log.warn('agent unreachable', { agent: change.agentId });
        return;
      case 'AGENT_REMOVED':
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
    return decideSchedulerCall(state, this.#registry, framework, peerId, call, this.#moment());
  }

  #decideAgentCall(session: AgentSession, call: AgentCall): Decision {
    if (call.type === 'REGISTER') return this.#decideRegisterPart(session, call);
    const agent = session.agentId === undefined ? undefined : this.#state.agents.get(session.agentId);
    // Before registration, or replaced by a newer connection of the same agent.
    if (agent?.peerId !== session.peer.id) return nothing;
    if (call.type === 'PONG') this.#watch.pong(agent.id);
    return decideAgentCall(this.#state, this.#registry, agent, call);
  }

  #decideRegisterPart(session: AgentSession, call: Extract<AgentCall, { type: 'REGISTER' }>): Decision {
    const peerId = session.peer.id;
    const wrongId = session.agentId !== undefined && call.agentId !== session.agentId;
    if (session.waiting || wrongId) {
      const why = wrongId
        ? `this connection is of agent ${session.agentId}`
        : 'a registration over this connection is under way';
      // Not REFUSED, after which an agent stops trying: a fresh connection heals this.
      return new Draft().close(peerId, closeCodes.policy, why);
    }
    const { type: _type, more, part: number = 0, ...part } = call;
    const parts = joinParts(session.parts, number, part);
    if (parts === undefined) {
      // What is missing would pass for gone, and be ended.
      const why = `part ${number} of a registration, where ${session.parts?.count ?? 0} came before`;
      return new Draft().close(peerId, closeCodes.protocolError, why);
    }
    session.parts = more ? parts : undefined;
    if (more) return nothing;
    session.waiting = true;
    return decideRegister(this.#state, this.#registry, peerId, parts.registration, this.#moment());
  }

  #agentSilent(id: AgentId): void {
    this.#turn(() => {
      const agent = this.#state.agents.get(id);
      return agent === undefined ? nothing : decideAgentSilent(this.#state, this.#registry, agent, this.#moment());
    });
  }

  #failoverEnded(id: FrameworkId): void {
    this.#turn(() => {
      const framework = this.#state.frameworks.get(id);
      return framework === undefined ? nothing : decideTimedOut(this.#state, this.#registry, framework);
    });
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
}
