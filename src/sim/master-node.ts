// The master of a world: the production component behind taps, on a disk that outlives it. In: start, crash, pause, another that takes over.
// Out: history events.
import type { Allocator } from '../allocator/allocator.js';
import type { GrantBatch } from '../allocator/model.js';
import { createAllocator } from '../allocator/index.js';
import type { AllocatorOptions } from '../allocator/index.js';
import { ProfferError } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import { every } from '../env/clock.js';
import { Master } from '../master/master.js';
import { masterDefaults } from '../master/options.js';
import type { MasterOptions } from '../master/options.js';
import type { ClusterView } from '../master/state.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { ValidatedSchedulerCall } from '../protocol/checked.js';
import type { MasterInfo } from '../protocol/entities.js';
import type { OperatorCall } from '../protocol/operator-api.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import { validateAgentCall, validateOperatorCall, validateSchedulerCall } from '../protocol/validate.js';
import type { Store } from '../store/store.js';
import type { Peer, PeerHandler } from '../transport/peer.js';
import { acceptSession, heartbeatIntervalDefaultMs } from '../transport/session.js';
import { closeCodes } from '../transport/transport.js';
import type { Link, LinkEnd, LinkHandler } from '../transport/transport.js';
import type { SimDisk } from './disk.js';
import { NodeProcess } from './node-process.js';
import { observed, ObservedBooks } from './observed-allocator.js';
import { pastMaster } from './past-master.js';
import type { Surroundings } from './surroundings.js';

/** How a master is set up. */
export interface MasterNodeOptions {
  readonly master?: Partial<MasterOptions>;
  readonly allocator?: AllocatorOptions;
  /** The master's id, with which the ids of frameworks, agents and offers begin. Default: a new one for each process. */
  readonly id?: string;
  /** How often sessions send heartbeats. Default 15,000. */
  readonly heartbeatIntervalMs?: number;
  /** It leads by a lease of so long, renewed at every third of it, and acts for two thirds after the last renewal. Default: for ever. */
  readonly leaseMs?: number;
}

/** One process of a master, and who speaks with it. */
interface Reign {
  readonly process: NodeProcess;
  /** 0 until it has claimed the registry. */
  epoch: number;
  master: Master | undefined;
  books: ObservedBooks | undefined;
  readonly sessions: Map<number, { readonly kind: 'SCHEDULER' | 'AGENT'; readonly node: string }>;
  readonly links: Set<Link>;
}

/** How one kind of session is looked into. */
interface Tap<In, Out> {
  readonly kind: 'SCHEDULER' | 'AGENT';
  readonly accept: (peer: Peer<Out>) => PeerHandler<In>;
  readonly mutate: ((event: Out) => readonly Out[]) | undefined;
  readonly said: (event: Out) => void;
  readonly hear: (call: In, pass: (call: In) => void) => void;
}

/** One node that runs masters, one process after another, each with a later epoch. */
export class MasterNode {
  readonly name: string;
  readonly disk: SimDisk;
  readonly options: MasterOptions;
  /** Nodes that find a master of the past where the leading one should be. */
  astray: ReadonlySet<string> = new Set();
  /** Told when a master does not start because its registry cannot be read: its supervisor leaves it so. */
  onDamaged: (error: ProfferError) => void = () => {};
  readonly #world: Surroundings;
  readonly #node: MasterNodeOptions;
  #incarnation = 0;
  #reign: Reign | undefined;
  /** Paused while another took over. */
  #former: Reign | undefined;

  constructor(world: Surroundings, name: string, disk: SimDisk, options: MasterNodeOptions = {}) {
    this.#world = world;
    this.name = name;
    this.disk = disk;
    this.#node = options;
    this.options = { ...masterDefaults, ...options.master };
  }

  get process(): NodeProcess | undefined {
    return this.#reign?.process;
  }

  /** The component that runs, if one does. */
  get master(): Master | undefined {
    return this.#reign?.master;
  }

  get cluster(): ClusterView | undefined {
    return this.#reign?.master?.view;
  }

  /** How often sessions send heartbeats. */
  get heartbeatIntervalMs(): number {
    return this.#node.heartbeatIntervalMs ?? heartbeatIntervalDefaultMs;
  }

  /** Whether the same is offered to several, and the accept decides. */
  get optimistic(): boolean {
    return this.#node.allocator?.policy?.description['conflict'] !== undefined;
  }

  /** The policy's order of frameworks, as it is written. */
  get order(): string {
    const text = this.#node.allocator?.policy?.description['frameworkOrder'];
    return typeof text === 'string' ? text.replace(/: .*/, '') : 'drf';
  }

  /** Offers are taken back for who has waited as long as by default, or less. */
  get isPatient(): boolean {
    const { patienceRuns = 5 } = this.#node.allocator ?? {};
    return patienceRuns > 0 && patienceRuns <= 5;
  }

  get books(): ObservedBooks | undefined {
    return this.#reign?.books;
  }

  /** How long a lease it leads by; 0: none. */
  get leaseMs(): number {
    return this.#node.leaseMs ?? 0;
  }

  /** One that was paused while another took over, and is paused still. */
  get former(): NodeProcess | undefined {
    return this.#former?.process;
  }

  /** Starts a process; nothing when one runs. It leads once it has claimed the registry. */
  start(): void {
    if (this.process?.alive === true) return;
    if (this.#reign === undefined) this.#world.network.local.listen(this.name, (link, path) => this.accept(link, path));
    this.#begin();
  }

  /** The process is gone at once. `tell`: its peers' connections end, as when the machine lives on; else they hear nothing. */
  crash(tell = true): void {
    const reign = this.#reign;
    if (reign === undefined) return;
    reign.process.kill();
    this.#endFormer();
    this.#world.network.local.crash(this.name, { tell });
    this.disk.crash();
    this.#reign = undefined;
    this.#over(reign);
  }

  /**
   * While this process is paused, another takes over on the same registry; new connections reach that one. Nothing that the old one does from then on
   * may count. False when this one is not paused, may still act, or another one is paused already.
   */
  takeOver(): boolean {
    const reign = this.#reign;
    if (reign === undefined || !reign.process.paused || this.#former !== undefined || !this.#mayBeFollowed(reign))
      return false;
    this.#former = reign;
    this.#over(reign);
    this.#begin();
    return true;
  }

  /** The one that was paused wakes up. */
  resumeFormer(): void {
    const former = this.#former;
    if (former === undefined) return;
    former.process.resume();
    this.#world.clock.after(stepDownMs, () => {
      if (former === this.#former && former.process.alive && !former.process.paused)
        this.#world.emit({ type: 'STALE', node: this.name, what: `runs ${stepDownMs} ms after it woke up` });
    });
  }

  #mayBeFollowed({ process, master }: Reign): boolean {
    const { leaseMs } = this.#node;
    return master !== undefined && leaseMs !== undefined && this.#world.clock.now() >= process.pausedAtMs + leaseMs;
  }

  #begin(): void {
    const world = this.#world;
    this.#incarnation += 1;
    const process = new NodeProcess(this.name, this.#incarnation, world);
    const reign: Reign = {
      process,
      epoch: 0,
      master: undefined,
      books: undefined,
      sessions: new Map(),
      links: new Set(),
    };
    this.#reign = reign;
    world.emit({ type: 'PROCESS', node: this.name, kind: 'MASTER', up: true });
    const store = this.disk.open(process.env);
    store.claim(Math.floor(process.env.clock.wallMs()), (error, epoch) => {
      if (error !== undefined) return this.#ends(reign, error);
      reign.epoch = epoch;
      this.#lead(reign, store);
    });
  }

  #lead(reign: Reign, store: Store): void {
    const world = this.#world;
    const { env } = reign.process;
    const { leaseMs, id } = this.#node;
    let allocator: Allocator | undefined;
    const books = new ObservedBooks(() => allocator as Allocator);
    reign.books = books;
    const domain = this.#node.allocator?.domain;
    const info: MasterInfo = {
      id: id ?? env.ids.uuid(),
      hostname: this.name,
      port: 5050,
      version: 'sim',
      ...(domain === undefined ? {} : { domain }),
    };
    const actUntilMs = (): number => env.clock.now() + ((leaseMs ?? 0) * 2) / 3;
    const make = (): Master =>
      new Master(env, {
        allocator: (onGrants, onStarved) => {
          const note = (batch: GrantBatch): void => {
            for (const { grants } of batch) books.note(grants);
            onGrants(batch);
          };
          const settings = { ...this.#node.allocator, ...world.mutations.allocatorOptions };
          const real = createAllocator(env, settings, note, offers => {
            if (reign === this.#reign) world.emit({ type: 'TAKES_BACK', node: this.name, offers });
            onStarved(offers);
          });
          allocator = real;
          // Seen from where the master stands: also what a bug keeps from the allocator is looked at.
          return observed(world.mutations.allocator?.(real) ?? real, books);
        },
        store,
        info,
        epoch: reign.epoch,
        ...(leaseMs === undefined ? {} : { actUntilMs: actUntilMs() }),
        options: { ...this.#node.master, ...world.mutations.master },
        onStoreFailure: error => this.#ends(reign, error),
        onDeposed: error => this.#ends(reign, error),
      });
    const master = this.#startedBy(make);
    if (master === undefined) return;
    reign.master = master;
    if (leaseMs !== undefined) every(env.clock, leaseMs / 3, () => master.mayActUntil(actUntilMs()));
  }

  // A registry that cannot be read is neither skipped nor taken for an empty one: an operator has to restore it.
  #startedBy(make: () => Master): Master | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof ProfferError) || error.code !== 'STORE_DAMAGED') throw error;
      this.#world.emit({ type: 'STEPS_DOWN', node: this.name, why: error.code });
      this.crash();
      this.onDamaged(error);
      return undefined;
    }
  }

  // The process ends, as it must, and its supervisor starts it again.
  #ends(reign: Reign, error: Error): void {
    const why = error instanceof ProfferError ? error.code : error.message;
    this.#world.emit({ type: 'STEPS_DOWN', node: this.name, why });
    if (reign === this.#former) return this.#endFormer();
    if (reign !== this.#reign) return;
    this.crash();
    this.#world.clock.after(restartMs, () => this.start());
  }

  #endFormer(): void {
    const former = this.#former;
    if (former === undefined) return;
    this.#former = undefined;
    former.process.kill();
    for (const link of former.links) link.close(closeCodes.lost, 'connection reset');
  }

  #over(reign: Reign): void {
    for (const session of reign.sessions.keys()) this.#ended(reign, session);
    this.#world.emit({ type: 'PROCESS', node: this.name, kind: 'MASTER', up: false });
  }

  /**
   * Asks as an operator would; what comes over HTTP is judged in the same way. False when there is no master to hear it. Without an answer, as when
   * the master dies meanwhile, nobody knows whether it was done.
   */
  operate(call: OperatorCall, answered: (problems: readonly Problem[]) => void = () => {}): boolean {
    const { process, master } = this;
    if (master === undefined || process?.alive !== true || process.paused) return false;
    const answer = (problems: readonly Problem[]): void => {
      this.#world.emit({ type: 'OPERATOR_ANSWER', node: 'operator', call, problems });
      answered(problems);
    };
    this.#world.emit({ type: 'OPERATOR_CALL', node: 'operator', call });
    const checked = validateOperatorCall(call);
    if (checked.ok) master.operate(checked.value, answer);
    else answer(checked.problems);
    return true;
  }

  /** Takes a link, also one that does not come over the network: for tests that send what no codec would carry. */
  accept(link: Link, path: string): LinkHandler | undefined {
    const reign = this.#reign;
    if (reign?.process.alive !== true || reign.master === undefined) return undefined;
    if (this.astray.has(link.remote)) return pastMaster(link, reign.epoch - 1);
    const { process, master } = reign;
    reign.links.add(link);
    const accept = (opened: Link, at: string): LinkHandler | undefined => {
      const handler = this.#accept(reign, master, opened, at);
      if (handler === undefined) return undefined;
      return {
        onOpen: () => handler.onOpen?.(),
        onMessage: message => handler.onMessage(message),
        onEnd: (end: LinkEnd) => {
          reign.links.delete(link);
          handler.onEnd(end);
        },
      };
    };
    return process.acceptor(accept)(link, path);
  }

  #accept(reign: Reign, master: Master, link: Link, path: string): LinkHandler | undefined {
    const { env } = reign.process;
    const common = { epoch: reign.epoch, heartbeatIntervalMs: this.heartbeatIntervalMs };
    if (path === '/v1/scheduler') {
      return acceptSession<ValidatedSchedulerCall, SchedulerEvent>(
        env,
        link,
        { ...common, kind: 'scheduler', validate: validateSchedulerCall },
        peer => this.#tapScheduler(reign, master, peer),
      );
    }
    if (path !== '/v1/agent') return undefined;
    return acceptSession<AgentCall, AgentEvent>(
      env,
      link,
      { ...common, kind: 'agent', validate: validateAgentCall },
      peer => this.#tapAgent(reign, master, peer),
    );
  }

  #tapScheduler(reign: Reign, master: Master, peer: Peer<SchedulerEvent>): PeerHandler<ValidatedSchedulerCall> {
    const { mutations } = this.#world;
    const place = { session: peer.id, node: peer.remote };
    return this.#tap(reign, peer, {
      kind: 'SCHEDULER',
      accept: to => master.acceptScheduler(to),
      mutate: mutations.schedulerEvent,
      said: event => this.#world.emit({ type: 'SCHEDULER_EVENT', ...place, event }),
      hear: (call, pass) => {
        this.#world.emit({ type: 'SCHEDULER_CALL', ...place, call });
        mutations.beforeCall?.(master, call);
        pass(call);
        mutations.afterCall?.(master, call);
      },
    });
  }

  #tapAgent(reign: Reign, master: Master, peer: Peer<AgentEvent>): PeerHandler<AgentCall> {
    const place = { session: peer.id, node: peer.remote };
    return this.#tap(reign, peer, {
      kind: 'AGENT',
      accept: to => master.acceptAgent(to),
      mutate: this.#world.mutations.agentEvent,
      said: event => this.#world.emit({ type: 'AGENT_EVENT', ...place, event }),
      hear: (call, pass) => {
        this.#world.emit({ type: 'AGENT_CALL', ...place, call });
        pass(call);
      },
    });
  }

  /** Notes what passes between the master and a peer, and lets deliberate bugs change what the master says. */
  #tap<In, Out extends { readonly type: string }>(reign: Reign, peer: Peer<Out>, tap: Tap<In, Out>): PeerHandler<In> {
    const { id: session, remote: node } = peer;
    reign.sessions.set(session, { kind: tap.kind, node });
    this.#world.emit({ type: 'SESSION', kind: tap.kind, session, node, open: true });
    const say = (event: Out): void => {
      if (reign !== this.#reign) {
        // By now another one leads. Signs of life and refusals change nothing.
        if (!harmless.has(event.type))
          this.#world.emit({ type: 'STALE', node: this.name, what: `says ${event.type} to ${node}` });
        peer.send(event);
      } else if (reign.sessions.has(session)) {
        tap.said(event);
        peer.send(event);
      }
    };
    const inner = tap.accept({
      id: session,
      remote: node,
      send: event => {
        if (tap.mutate === undefined) say(event);
        else for (const changed of tap.mutate(event)) say(changed);
      },
      close: (code, reason) => peer.close(code, reason),
    });
    return {
      onMessage: call => {
        if (reign === this.#reign) tap.hear(call, passed => inner.onMessage(passed));
        else inner.onMessage(call);
      },
      onInvalid: (problems, callId) => {
        if (reign === this.#reign)
          this.#world.emit({ type: 'INVALID', session, node, paths: problems.map(problem => problem.path) });
        inner.onInvalid(problems, callId);
      },
      onEnd: end => {
        this.#ended(reign, session);
        inner.onEnd(end);
      },
    };
  }

  #ended(reign: Reign, session: number): void {
    const known = reign.sessions.get(session);
    if (known === undefined) return;
    reign.sessions.delete(session);
    this.#world.emit({ type: 'SESSION', ...known, session, open: false });
  }
}

/** How long a supervisor waits before it starts a process again. */
const restartMs = 1000;

const harmless: ReadonlySet<string> = new Set(['PING', 'HEARTBEAT', 'ERROR', 'ANSWERED']);

/** How soon a master that no longer leads has to be gone. */
const stepDownMs = 1000;
