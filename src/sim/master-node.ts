// The master of a world: the production component behind taps, on a disk that outlives it. In: start, crash, pause. Out: history events.
import type { Allocator } from '../allocator/allocator.js';
import type { GrantBatch } from '../allocator/model.js';
import { createAllocator } from '../allocator/index.js';
import type { AllocatorOptions } from '../allocator/index.js';
import type { Problem } from '../base/errors.js';
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
import type { Peer, PeerHandler } from '../transport/peer.js';
import { acceptSession } from '../transport/session.js';
import type { Link, LinkHandler } from '../transport/transport.js';
import type { SimDisk } from './disk.js';
import { NodeProcess } from './node-process.js';
import { observed, ObservedBooks } from './observed-allocator.js';
import type { Surroundings } from './surroundings.js';

/** How a master is set up. */
export interface MasterNodeOptions {
  readonly master?: Partial<MasterOptions>;
  readonly allocator?: AllocatorOptions;
  /** The master's id, with which the ids of frameworks, agents and offers begin. Default: a new one for each process. */
  readonly id?: string;
  /** How often sessions send heartbeats. Default 15,000. */
  readonly heartbeatIntervalMs?: number;
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
  readonly #world: Surroundings;
  readonly #node: MasterNodeOptions;
  #epoch = 0;
  #process: NodeProcess | undefined;
  #master: Master | undefined;
  #books: ObservedBooks | undefined;
  readonly #sessions = new Map<number, 'SCHEDULER' | 'AGENT'>();
  readonly #nodeOf = new Map<number, string>();

  constructor(world: Surroundings, name: string, disk: SimDisk, options: MasterNodeOptions = {}) {
    this.#world = world;
    this.name = name;
    this.disk = disk;
    this.#node = options;
    this.options = { ...masterDefaults, ...options.master };
  }

  get process(): NodeProcess | undefined {
    return this.#process;
  }

  /** The component that runs, if one does. */
  get master(): Master | undefined {
    return this.#master;
  }

  get cluster(): ClusterView | undefined {
    return this.#master?.view;
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
    return this.#books;
  }

  /** Starts a process; nothing when one runs. */
  start(): void {
    if (this.#process?.alive === true) return;
    const world = this.#world;
    this.#epoch += 1;
    const process = new NodeProcess(this.name, this.#epoch, world);
    const { env } = process;
    this.#process = process;
    world.emit({ type: 'PROCESS', node: this.name, kind: 'MASTER', up: true });
    let allocator: Allocator | undefined;
    const books = new ObservedBooks(() => allocator as Allocator);
    this.#books = books;
    const domain = this.#node.allocator?.domain;
    const info: MasterInfo = {
      id: this.#node.id ?? env.ids.uuid(),
      hostname: this.name,
      port: 5050,
      version: 'sim',
      ...(domain === undefined ? {} : { domain }),
    };
    const master = new Master(env, {
      allocator: (onGrants, onStarved) => {
        const note = (batch: GrantBatch): void => {
          for (const { grants } of batch) books.note(grants);
          onGrants(batch);
        };
        const settings = { ...this.#node.allocator, ...world.mutations.allocatorOptions };
        const real = createAllocator(env, settings, note, onStarved);
        allocator = real;
        return world.mutations.allocator?.(observed(real, books)) ?? observed(real, books);
      },
      store: this.disk.open(env),
      info,
      epoch: this.#epoch,
      options: { ...this.#node.master, ...world.mutations.master },
      // The process ends, as it must, and its supervisor starts it again.
      onStoreFailure: () => {
        this.crash();
        world.clock.after(restartMs, () => this.start());
      },
    });
    this.#master = master;
    world.network.local.listen(
      this.name,
      process.acceptor((link, path) => this.#accept(process, master, link, path)),
    );
  }

  /** The process is gone at once. `tell`: its peers' connections end, as when the machine lives on; else they hear nothing. */
  crash(tell = true): void {
    if (this.#process?.alive !== true) return;
    this.#process.kill();
    this.#world.network.local.crash(this.name, { tell });
    this.disk.crash();
    this.#master = undefined;
    this.#books = undefined;
    for (const [session, kind] of this.#sessions) this.#ended(session, kind);
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

  /** Opens a link that does not come over the network: for tests that send what no codec would carry. */
  accept(link: Link, path: string): LinkHandler | undefined {
    const { process, master } = this;
    if (process?.alive !== true || master === undefined) return undefined;
    return this.#accept(process, master, link, path);
  }

  #accept(process: NodeProcess, master: Master, link: Link, path: string): LinkHandler | undefined {
    const { env } = process;
    const common = {
      epoch: this.#epoch,
      ...(this.#node.heartbeatIntervalMs === undefined ? {} : { heartbeatIntervalMs: this.#node.heartbeatIntervalMs }),
    };
    if (path === '/v1/scheduler') {
      return acceptSession<ValidatedSchedulerCall, SchedulerEvent>(
        env,
        link,
        { ...common, kind: 'scheduler', validate: validateSchedulerCall },
        peer => this.#tapScheduler(master, peer),
      );
    }
    if (path !== '/v1/agent') return undefined;
    return acceptSession<AgentCall, AgentEvent>(
      env,
      link,
      { ...common, kind: 'agent', validate: validateAgentCall },
      peer => this.#tapAgent(master, peer),
    );
  }

  #tapScheduler(master: Master, peer: Peer<SchedulerEvent>): PeerHandler<ValidatedSchedulerCall> {
    const { mutations } = this.#world;
    const place = { session: peer.id, node: peer.remote };
    return this.#tap(peer, {
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

  #tapAgent(master: Master, peer: Peer<AgentEvent>): PeerHandler<AgentCall> {
    const place = { session: peer.id, node: peer.remote };
    return this.#tap(peer, {
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
  #tap<In, Out extends object>(peer: Peer<Out>, tap: Tap<In, Out>): PeerHandler<In> {
    const { id: session, remote: node } = peer;
    this.#opened(session, tap.kind, node);
    const say = (event: Out): void => {
      if (!this.#sessions.has(session)) return;
      tap.said(event);
      peer.send(event);
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
      onMessage: call => tap.hear(call, passed => inner.onMessage(passed)),
      onInvalid: (problems, callId) => {
        this.#world.emit({ type: 'INVALID', session, node, paths: problems.map(problem => problem.path) });
        inner.onInvalid(problems, callId);
      },
      onEnd: end => {
        this.#ended(session, tap.kind);
        inner.onEnd(end);
      },
    };
  }

  #opened(session: number, kind: 'SCHEDULER' | 'AGENT', node: string): void {
    this.#sessions.set(session, kind);
    this.#nodeOf.set(session, node);
    this.#world.emit({ type: 'SESSION', kind, session, node, open: true });
  }

  #ended(session: number, kind: 'SCHEDULER' | 'AGENT'): void {
    if (!this.#sessions.delete(session)) return;
    const node = this.#nodeOf.get(session) ?? '';
    this.#nodeOf.delete(session);
    this.#world.emit({ type: 'SESSION', kind, session, node, open: false });
  }
}

/** How long a supervisor waits before it starts a process again. */
const restartMs = 1000;
