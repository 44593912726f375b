// An agent of a world: the production component on a simulated host, with a disk for its records and containers that outlive it.
// In: start, crash, power cut, pause. Out: history events.
import { Agent } from '../agent/agent.js';
import { forgetIdentity } from '../agent/checkpoint.js';
import { ProfferError } from '../base/errors.js';
import type { AgentId } from '../base/ids.js';
import { defaultAgentOptions } from '../agent/options.js';
import type { AgentOptions, MasterConnection, MasterHandler } from '../agent/options.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { AgentInfo, Attributes, FaultDomain } from '../protocol/entities.js';
import type { ExecutorCall, ExecutorEvent } from '../protocol/executor-api.js';
import { validateAgentEvent, validateExecutorCall } from '../protocol/validate.js';
import type { Resources } from '../resources/index.js';
import type { Random } from '../env/random.js';
import type { Store } from '../store/store.js';
import { connectPersistently } from '../transport/reconnecting.js';
import { acceptSession } from '../transport/session.js';
import type { Script } from './behaviour.js';
import { SimHost } from './containers.js';
import type { StartProgram } from './containers.js';
import type { SimDisk } from './disk.js';
import { ExecutorProgram } from './executor-program.js';
import { following } from './following.js';
import { NodeProcess } from './node-process.js';
import type { Surroundings } from './surroundings.js';
import { SimVolumes } from './volumes.js';

/** How an agent is set up. */
export interface AgentNodeOptions {
  /** Default `{ cpus: 4, mem: 4096, disk: 10240, ports: [[31000, 31099]] }`. */
  readonly resources?: Resources;
  readonly attributes?: Attributes;
  readonly domain?: FaultDomain;
  /** Default: all there are. */
  readonly containerizers?: AgentInfo['containerizers'];
  readonly agent?: Partial<AgentOptions>;
  /** What containers do there; see `behaviourOf` for what they do without. */
  readonly script?: Script;
  /** What may be lent to revocable tasks, asked now and then. Default: nothing. */
  readonly lends?: (random: Random) => Resources;
}

export const agentResourcesDefault: Resources = { cpus: 4, mem: 4096, disk: 10_240, ports: [[31_000, 31_099]] };

/** One host and the agents that run on it, one process after another. */
export class AgentNode {
  readonly name: string;
  readonly host: SimHost;
  readonly disk: SimDisk;
  #volumes = new SimVolumes();
  readonly #world: Surroundings;
  readonly #options: AgentNodeOptions;
  #incarnation = 0;
  #process: NodeProcess | undefined;
  #agent: Agent | undefined;
  #agentId: AgentId | undefined;
  #store: Store | undefined;
  #boots = 1;
  #bootedAtMs = 0;

  constructor(world: Surroundings, name: string, disk: SimDisk, options: AgentNodeOptions = {}) {
    this.#world = world;
    this.name = name;
    this.disk = disk;
    this.#options = options;
    this.host = new SimHost(
      name,
      world.clock,
      {
        started: container => world.emit({ type: 'CONTAINER_STARTED', node: name, container }),
        ended: (container, exit) => world.emit({ type: 'CONTAINER_ENDED', node: name, container, exit }),
      },
      options.script,
      (container, behaviour, exit) => this.#startExecutor(container, behaviour, exit),
    );
  }

  /** The id it has, or had when it last ran. */
  get agentId(): AgentId | undefined {
    return this.#agent?.view().id ?? this.#agentId;
  }

  get recoveryTimeoutMs(): number {
    return this.#options.agent?.recoveryTimeoutMs ?? defaultAgentOptions.recoveryTimeoutMs;
  }

  /** Directories of persistent volumes. */
  get volumes(): SimVolumes {
    return this.#volumes;
  }

  get process(): NodeProcess | undefined {
    return this.#process;
  }

  /** The component that runs, if one does. */
  get agent(): Agent | undefined {
    return this.#agent;
  }

  start(): void {
    if (this.#process?.alive === true) return;
    const world = this.#world;
    this.#incarnation += 1;
    const process = new NodeProcess(this.name, this.#incarnation, world);
    this.#process = process;
    world.emit({ type: 'PROCESS', node: this.name, kind: 'AGENT', up: true });
    const { env } = process;
    const store = this.disk.open(env);
    this.#store = store;
    const running = this.#make(process, store);
    if (running === undefined) return;
    this.#agent = running;
    this.host.endLeftovers(running.sandboxes());
    world.network.local.listen(
      this.name,
      process.acceptor((link, path) =>
        path === executorPath
          ? acceptSession<ExecutorCall, ExecutorEvent>(
              env,
              link,
              { kind: 'executor', validate: validateExecutorCall },
              peer => running.acceptExecutor(peer),
            )
          : undefined,
      ),
    );
  }

  // What is damaged is noticed, and nobody goes on with the rest: the machine is replaced.
  #make(process: NodeProcess, store: Store): Agent | undefined {
    try {
      return this.#agentOn(process, store);
    } catch (error) {
      if (!(error instanceof ProfferError) || error.code !== 'STORE_DAMAGED') throw error;
      this.#world.emit({ type: 'STEPS_DOWN', node: this.name, why: error.code });
      this.crash();
      this.#world.clock.after(replacedMs, () => this.replace());
      return undefined;
    }
  }

  #agentOn(process: NodeProcess, store: Store): Agent {
    const world = this.#world;
    const { env } = process;
    const containerizer = this.host.containerizer(process, this.#options.containerizers);
    const { resources, attributes, domain, agent, lends } = this.#options;
    const lending = env.random.fork('lends');
    return new Agent(env, {
      info: {
        hostname: this.name,
        port: 0,
        resources: resources ?? agentResourcesDefault,
        attributes: attributes ?? {},
        ...(domain === undefined ? {} : { domain }),
        containerizers: containerizer.types,
        version: 'sim',
      },
      containerizer: world.mutations.containerizer?.(containerizer) ?? containerizer,
      prober: this.host.prober(process),
      sandboxRoot: `/sim/${this.name}`,
      connect: (handler, epochSeen) => this.#connect(process, handler, epochSeen),
      store,
      bootId: `${this.name}/${this.#boots}`,
      uptimeMs: world.clock.now() - this.#bootedAtMs,
      volumes: world.mutations.volumes?.(this.#volumes) ?? this.#volumes,
      ...(lends === undefined ? {} : { estimator: { estimate: (_usage, answer) => answer(lends(lending)) } }),
      options: { executorEndpoint: `ws://${this.name}${executorPath}`, ...agent },
      outcomes: {
        onRegistered: agentId => world.emit({ type: 'GOES_BY', node: this.name, agentId }),
        onShutdown: () => this.#leaves(restartMs, true),
        onFatal: () => this.#ended(restartMs),
        onRefused: () => this.#agent?.leave(() => this.#ended(refusedMs)),
      },
    });
  }

  /**
   * `tell` (default): the process is gone at once, and what it started runs on. Else the machine lost its power: all of it is gone, connections do not
   * end, and the next start is that of another boot.
   */
  crash(tell = true): void {
    if (this.#process?.alive === true) {
      this.#process.kill();
      this.#agentId = this.agentId;
      this.#agent = undefined;
      this.#store = undefined;
      this.host.agentGone();
      this.#world.network.local.crash(this.name, { tell });
      this.disk.crash();
      this.#world.emit({ type: 'PROCESS', node: this.name, kind: 'AGENT', up: false });
    }
    if (!tell) this.#losesPower();
  }

  /** Another machine of the same name and size, with an empty disk, takes its place. */
  replace(): void {
    this.crash(false);
    this.disk.erase();
    this.#agentId = undefined;
    this.#volumes = new SimVolumes();
    this.start();
  }

  /** Tells the agent to go away on purpose: it ends its tasks and unregisters; its supervisor starts it again. */
  shutDown(): void {
    this.#leaves(restartMs, false);
  }

  #losesPower(): void {
    this.#world.emit({ type: 'REBOOT', node: this.name });
    this.host.powerCut();
    this.#boots += 1;
    this.#bootedAtMs = this.#world.clock.now();
  }

  // A process of its own, on a network node of its own, so that faults can strike between it and its agent.
  #startExecutor(...[container, behaviour, exit]: Parameters<StartProgram>): ReturnType<StartProgram> {
    const { env: variables, containerId } = container.spec;
    if (variables['PROFFER_EXECUTOR_ID'] === undefined) return undefined;
    const world = this.#world;
    const process = new NodeProcess(executorNode(this.name, containerId), 1, world);
    const program = new ExecutorProgram({
      host: this.name,
      env: process.env,
      dialer: process.dialer(world.network.local.dialer(process.name)),
      variables,
      behaviour,
      history: {
        taskStarted: task => world.emit({ type: 'EXECUTOR_TASK_STARTED', node: this.name, task }),
        taskEnded: task => world.emit({ type: 'EXECUTOR_TASK_ENDED', node: this.name, task }),
      },
      exit,
    });
    return {
      get live() {
        return program.live;
      },
      end: () => {
        process.kill();
        program.end();
        world.network.local.crash(process.name);
      },
    };
  }

  // It ends its tasks first. Once the master has let it go, or ended it, its id is used up.
  #leaves(againMs: number, isEnded: boolean): void {
    const agent = this.#agent;
    const store = this.#store;
    agent?.shutdown(isGone => {
      if (agent !== this.#agent) return;
      if (store !== undefined && (isGone || isEnded))
        store.write(forgetIdentity(store), () => {
          if (agent === this.#agent) this.#ended(againMs);
        });
      else this.#ended(againMs);
    });
  }

  // The process ended by itself; its supervisor starts it again.
  #ended(againMs: number): void {
    const process = this.#process;
    const { clock } = this.#world;
    clock.soon(() => {
      if (this.#process === process) this.crash();
    });
    clock.after(againMs, () => this.start());
  }

  #connect(process: NodeProcess, handler: MasterHandler, epochSeen: number): MasterConnection {
    return connectPersistently<AgentEvent, AgentCall>(
      process.env,
      {
        dialer: following(process.dialer(this.#world.network.local.dialer(this.name)), epoch =>
          this.#world.emit({ type: 'FOLLOWS', node: this.name, epoch }),
        ),
        target: this.#world.masterUrls,
        path: '/v1/agent',
        kind: 'agent',
        version: 'sim',
        epochSeen,
        validate: validateAgentEvent,
      },
      {
        onConnected: (peer, welcome) => handler.onConnected(peer, welcome),
        onMessage: event => handler.onMessage(event),
        onInvalid: problems => handler.onInvalid(problems),
        onDisconnected: end => handler.onDisconnected(end),
      },
    );
  }
}

/** What the network calls the executor in a container of `host`. */
export function executorNode(host: string, containerId: string): string {
  return `${host}/${containerId}`;
}

const executorPath = '/v1/executor';

/** How long a supervisor waits before it starts a process again. */
const restartMs = 1000;

/** And when the master did not take it. */
const refusedMs = 5000;

/** How long it takes to put another machine where one had a damaged disk. */
const replacedMs = 5000;
