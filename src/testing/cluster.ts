// A whole cluster for authors' own tests, in one process and under virtual time: the production master, agents and SDK, simulated containers.
// In: agents, a seed, what to launch and what to break. Out: what runs where, at a time of the test's choosing.
import type { ConnectionState } from '../scheduler/connection.js';
import type { Framework, FrameworkOptions } from '../scheduler/framework.js';
import { LaunchQueue } from '../scheduler/launch-queue.js';
import type { TaskSpec } from '../scheduler/launch.js';
import { isTerminal, parseDurationMs, World } from '../sim/index.js';
import type {
  AgentNode,
  AgentNodeOptions,
  Env,
  FrameworkInfo,
  HistoryEvent,
  MasterNode,
  MasterNodeOptions,
  Program,
  SchedulerNode,
  StateView,
} from '../sim/index.js';

/** How a test cluster is made. */
export interface ClusterOptions {
  /** How many agents, named agent-1, agent-2, …, with 4 cpus and 4096 MiB each; or each with options of its own. Default 1. */
  readonly agents?: number | readonly (AgentNodeOptions & { readonly name?: string })[];
  /** All chance (latencies, ids, backoff) follows from it. Default 1. */
  readonly seed?: number;
  /** Options of the master and its allocator. */
  readonly master?: MasterNodeOptions;
}

/** What a framework of a test says of itself; only the name is needed. Roles default to `['*']`. */
export interface ConnectSpec extends Omit<FrameworkInfo, 'id' | 'roles'>, Omit<FrameworkOptions, 'info'> {
  readonly roles?: readonly string[];
}

/** Something to keep running: `instances` (default 1) tasks alike, each replaced when it ends, unless `once` is set. */
export interface AppSpec extends Omit<TaskSpec, 'taskId'> {
  readonly instances?: number;
  /** Each instance runs to its end and is not replaced, except when it was lost with its agent. */
  readonly once?: boolean;
}

/** A container that is alive. */
export interface RunningTask {
  readonly taskId: string;
  /** The task's name, as launched. */
  readonly name: string;
  /** The agent's node, e.g. `agent-2`. */
  readonly agent: string;
  /** Virtual milliseconds. */
  readonly startedAtMs: number;
}

type AnyNode = AgentNode | MasterNode | SchedulerNode;

/**
 * A cluster under virtual time. Nothing happens but while `run` or `runUntil` is called, and then at once.
 *
 * Containers are simulated: a command of `sleep N`, `exit N`, `true`, `false`, `echo …`, or several joined by `;`, does what it says; any other
 * runs until it is killed. Environment variables `SIM_RUN`, `SIM_EXIT_CODE`, `SIM_OOM`, … say more (see `simEnv` of `proffer/sim`).
 * While it runs, the simulator's checkers watch: a broken invariant ends the test with the seed that shows it again.
 *
 * @example
 * const c = cluster({ agents: 3, seed: 7 });
 * const web = { name: 'web', command: 'serve', resources: { cpus: 1, mem: 64 }, instances: 3 };
 * c.launch(web);
 * c.run('5s');
 * c.powerOff('agent-2');
 * c.run('150s');
 * t.is(c.running(web), 3);
 */
export function cluster(options: ClusterOptions = {}): Cluster {
  return new Cluster(options);
}

/** See `cluster`. */
export class Cluster {
  /** The simulated world below, for what is not said here: journal, counts, network, faults. */
  readonly world: World;
  readonly #names = new Map<string, string>();
  #house: House | undefined;

  /** Use `cluster()`. */
  constructor(options: ClusterOptions) {
    const note = { name: 'task names', on: (event: HistoryEvent) => this.#note(event) };
    this.world = new World({ seed: options.seed ?? 1, scenario: 'cluster', checkers: [note] });
    this.world.addMaster(options.master ?? {});
    const { agents = 1 } = options;
    const list = typeof agents === 'number' ? Array.from({ length: agents }, () => ({})) : agents;
    for (const agent of list) this.world.addAgent(agent);
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.world.nowMs;
  }

  /** An Env on the cluster's clock, for components of your own. */
  env(name: string): Env {
    return this.world.env(name);
  }

  /**
   * Subscribes a framework and runs until the master has accepted it. `program` is called at once, and again for each process that is started
   * after a crash; subscribe to streams there if the scheduler is to survive crashes.
   * @throws Error with the problems the master found (a ProfferError as its cause), or when it does not accept it within 30 virtual seconds.
   */
  connect(spec: ConnectSpec, program: Program = () => {}): Framework {
    const { suppressedRoles, offerConstraints, acknowledge, reconcile, demandIntervalMs, ...info } = spec;
    let last: ConnectionState | undefined;
    const node = this.world.addScheduler(
      spec.name,
      {
        ...present({ suppressedRoles, offerConstraints, acknowledge, reconcile, demandIntervalMs }),
        info: { capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE'], ...info, roles: info.roles ?? ['*'] },
      },
      (framework, env, store) => {
        framework.connection$.subscribe(state => (last = state));
        program(framework, env, store);
      },
    );
    this.runUntil(() => node.framework?.connected === true || last?.state === 'ENDED', '30s');
    if (node.framework?.connected !== true) throw refusal(spec.name, last);
    return this.framework(spec.name);
  }

  /**
   * The framework of the process that runs under `name` now; a crash and restart gives another object.
   * @throws Error when none runs.
   */
  framework(name: string): Framework {
    const framework = this.world.schedulers.get(name)?.framework;
    if (framework === undefined) throw new Error(`no framework runs as ${name}`);
    return framework;
  }

  /**
   * Keeps an app running by a scheduler that comes with the cluster: instances start as offers allow, and are replaced when they end or when
   * their agent is lost. Gives the app back, as a handle for `running` and `stop`.
   */
  launch<App extends AppSpec>(app: App): App {
    this.#house ??= new House(this);
    this.#house.launch(app);
    return app;
  }

  /** Ends an app: its tasks are killed and not replaced. */
  stop(app: AppSpec | string): void {
    this.#house?.stop(nameOf(app));
  }

  /** How many containers are alive, whatever messages say: all, or those of an app or task name. */
  running(app?: AppSpec | string): number {
    return this.tasks(app).length;
  }

  /** The containers that are alive: all, or those of an app or task name. */
  tasks(app?: AppSpec | string): RunningTask[] {
    const wanted = app === undefined ? undefined : nameOf(app);
    return this.world
      .live()
      .map(({ host, spec, startedAtMs }) => {
        const taskId = spec.env['PROFFER_TASK_ID'] ?? spec.name;
        return { taskId, name: this.#names.get(taskId) ?? taskId, agent: host, startedAtMs };
      })
      .filter(({ name }) => wanted === undefined || name === wanted);
  }

  /**
   * What the master's `GET /state` would say.
   * @throws Error while no master runs.
   */
  state(): StateView {
    const { master } = this.world.master;
    if (master === undefined) throw new Error('no master runs');
    return master.views.state();
  }

  /** Runs for `time`: '90s', '5m', or milliseconds. */
  run(time: string | number): void {
    this.world.run(time);
  }

  /** Runs until `reached`, at most for `within` (default '120s'). True when it was reached. */
  runUntil(reached: () => boolean, within: string | number = '120s'): boolean {
    return this.world.runUntil(reached, within);
  }

  /**
   * Runs until a promise of the SDK (`teardown`, `update`) is settled, and gives what it came to.
   * @throws (rejects) what the promise rejects with, or an Error when it does not settle within `within` (default '60s').
   */
  async settled<T>(promise: Promise<T>, within: string | number = '60s'): Promise<T> {
    const untilMs = this.nowMs + (typeof within === 'number' ? within : parseDurationMs(within));
    let over = false;
    const watched = promise.finally(() => {
      over = true;
    });
    // Who waits for the promise hears of its failure; here only its end matters.
    watched.catch(() => {});
    for (;;) {
      // Continuations run between steps, never within one.
      for (let i = 0; i < 8; i += 1) await Promise.resolve();
      if (over) return watched;
      if (!this.world.step(untilMs)) throw new Error(`the promise did not settle within ${within}`);
    }
  }

  /** Ends a node's process at once, as by `kill -9`; what an agent has started runs on. `master`, an agent's name, or a framework's. */
  crash(node: string): void {
    this.#node(node).crash();
  }

  /** Cuts a node's power: it is gone with all that ran there, and nobody is told. */
  powerOff(node: string): void {
    this.#node(node).crash(false);
  }

  /** Starts a node that is down; it comes back with its disk: an agent with its id, the master with its registry, a framework with its id. */
  restart(node: string): void {
    this.#node(node).start();
  }

  /** Stops a node's process, as by SIGSTOP. */
  pause(node: string): void {
    this.#node(node).process?.pause();
  }

  /** Lets a paused process go on; what waited for it arrives at once. */
  resume(node: string): void {
    this.#node(node).process?.resume();
  }

  /** Cuts a node off from the master, both ways; messages wait as in TCP until `heal`, or are lost with `mode: 'drop'`. */
  partition(node: string, mode: 'hold' | 'drop' = 'hold'): void {
    this.world.network.local.partition(this.#node(node).name, 'master', { mode });
  }

  /** Undoes `partition`, of one node or of all. */
  heal(node?: string): void {
    if (node === undefined) this.world.network.local.heal();
    else this.world.network.local.heal(node, 'master');
  }

  #node(name: string): AnyNode {
    const { world } = this;
    const node = name === 'master' ? world.master : (world.agents.get(name) ?? world.schedulers.get(name));
    if (node !== undefined) return node;
    const names = ['master', ...world.agents.keys(), ...world.schedulers.keys()];
    throw new Error(`there is no node ${JSON.stringify(name)}; there are ${names.join(', ')}`);
  }

  #note(event: HistoryEvent): void {
    if (event.type !== 'AGENT_EVENT' || event.event.type !== 'LAUNCH') return;
    for (const task of event.event.tasks) this.#names.set(task.taskId, task.name);
  }
}

/** The scheduler that comes with a cluster: keeps apps at their number. */
class House {
  readonly #framework: Framework;
  readonly #queue: LaunchQueue;
  readonly #apps = new Map<string, { readonly app: AppSpec; stopped: boolean }>();
  /** The app each task belongs to. */
  readonly #owner = new Map<string, string>();
  #number = 0;

  constructor(c: Cluster) {
    this.#framework = c.connect({ name: 'test-apps' });
    this.#queue = new LaunchQueue(c.env('test-apps'), this.#framework);
    this.#framework.updates$.subscribe(({ taskId, state }) => {
      const name = this.#owner.get(taskId);
      const known = name === undefined ? undefined : this.#apps.get(name);
      const gone = state === 'TASK_UNREACHABLE' || state === 'TASK_UNKNOWN';
      if (known === undefined || !(isTerminal(state) || gone)) return;
      this.#owner.delete(taskId);
      // One that comes back after it was replaced is one too many.
      if (gone) this.#framework.kill(taskId);
      const lost = gone || state === 'TASK_LOST' || state === 'TASK_GONE' || state === 'TASK_DROPPED';
      if (!known.stopped && (lost || known.app.once !== true)) this.#add(known.app);
    });
  }

  launch(app: AppSpec): void {
    if (this.#apps.has(app.name)) throw new Error(`an app named ${app.name} was launched already`);
    this.#apps.set(app.name, { app, stopped: false });
    for (let i = 0; i < (app.instances ?? 1); i += 1) this.#add(app);
  }

  stop(name: string): void {
    const known = this.#apps.get(name);
    if (known === undefined) throw new Error(`no app named ${name} was launched`);
    known.stopped = true;
    for (const [taskId, owner] of this.#owner) {
      if (owner === name && !this.#queue.remove(taskId)) this.#framework.kill(taskId);
    }
  }

  #add(app: AppSpec): void {
    const { instances: _instances, once: _once, ...spec } = app;
    const taskId = `${app.name}.${(this.#number += 1)}`;
    this.#owner.set(taskId, app.name);
    this.#queue.add({ key: taskId, tasks: [{ ...spec, taskId }] });
  }
}

// Why the master did not take a framework.
function refusal(name: string, last: ConnectionState | undefined): Error {
  if (last?.state === 'ENDED' && last.error !== undefined) {
    return new Error(`the master did not accept framework ${name}: ${last.error.message}`, { cause: last.error });
  }
  const reason = last?.state === 'DISCONNECTED' ? `: ${last.reason}` : '';
  return new Error(`the master did not accept framework ${name} within 30 s${reason}`);
}

function nameOf(app: AppSpec | string): string {
  return typeof app === 'string' ? app : app.name;
}

/** Without the fields that are undefined. */
function present<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
