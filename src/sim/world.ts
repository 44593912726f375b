// A whole cluster on one virtual agenda: the production master, agents and schedulers, with checkers that look after each step.
// In: a seed, nodes, time to run. Out: a journal, counts, and a SimulationFailure that says how to see it again.
import { defaultAgentOptions } from '../agent/options.js';
import type { AgentStateView } from '../agent/views.js';
import type { FrameworkId, TaskId } from '../base/ids.js';
import { parseDurationMs } from '../base/units.js';
import { seededRandom } from '../env/random.js';
import type { Random } from '../env/random.js';
import { VirtualClock } from '../env/virtual-clock.js';
import type { Env } from '../env/env.js';
import { AgentNode } from './agent-node.js';
import type { AgentNodeOptions } from './agent-node.js';
import type { Checker, Report, WorldView } from './checkers/checker.js';
import { ConservationChecker } from './checkers/conservation.js';
import { FloorsChecker } from './checkers/floors.js';
import type { Counts } from './checkers/floors.js';
import { GuaranteesChecker } from './checkers/guarantees.js';
import { LedgersChecker } from './checkers/ledgers.js';
import { OfferLifeChecker } from './checkers/offer-life.js';
import { RefusalsChecker } from './checkers/refusals.js';
import { QuantitiesChecker } from './checkers/quantities.js';
import { QuotaChecker } from './checkers/quota.js';
import { StarvationChecker } from './checkers/starvation.js';
import { TaskStatesChecker } from './checkers/task-states.js';
import { VolumesChecker } from './checkers/volumes.js';
import type { LiveContainer } from './containers.js';
import { SimDisk } from './disk.js';
import { Drift, driftOf } from './drift.js';
import { SimulationFailure } from './failure.js';
import type { HistoryEvent } from './history.js';
import { lineOf } from './history.js';
import { Journal } from './journal.js';
import { MasterNode } from './master-node.js';
import type { MasterNodeOptions } from './master-node.js';
import { SimNetwork } from './network.js';
import type { SimNetworkOptions } from './network.js';
import { NodeProcess } from './node-process.js';
import { RawAgentNode } from './raw-agent-node.js';
import type { RawAgent } from './raw-agent-node.js';
import { RawSchedulerNode, SchedulerNode } from './scheduler-node.js';
import type { Program, RawProgram, SchedulerNodeOptions } from './scheduler-node.js';
import { Sessions } from './sessions.js';
import type { Mutations, Surroundings } from './surroundings.js';

/** How a world is made. */
export interface WorldOptions {
  /** All chance follows from it; 32 bits are used. */
  readonly seed: number;
  /** Named in the line that reproduces a failure. */
  readonly scenario?: string;
  /** The command that repeats it, in that line, where it is not the simulator's own. */
  readonly command?: string;
  readonly network?: SimNetworkOptions;
  /** Full audits come every so many steps, beside the checks after each. Default 512. */
  readonly auditEverySteps?: number;
  /** Keep every line of the journal. Default: the newest. */
  readonly keepJournal?: boolean;
  readonly onJournalLine?: (line: string) => void;
  /** Beside the standard ones. */
  readonly checkers?: readonly Checker[];
  /** Each machine's clock runs a little fast or slow. Default: all run alike. */
  readonly drifts?: boolean;
  /** Without the standard checkers, which remember what happened: for long runs whose memory is looked at. Default false. */
  readonly unchecked?: boolean;
  /** Deliberate bugs, to show that checkers see them. */
  readonly mutations?: Mutations;
}

/** A checker, and where its reports go. */
interface Watch {
  readonly checker: Checker;
  readonly report: Report;
}

/** One simulated cluster. */
export class World {
  readonly seed: number;
  readonly scenario: string;
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly journal: Journal;
  readonly network: SimNetwork;
  readonly sessions = new Sessions();
  readonly agents = new Map<string, AgentNode>();
  /** Machines that are gone for good. */
  readonly lost = new Set<string>();
  readonly schedulers = new Map<string, SchedulerNode>();
  readonly rawSchedulers = new Map<string, RawSchedulerNode>();
  #master: MasterNode | undefined;
  #steps = 0;
  readonly #auditEverySteps: number;
  readonly #extraCheckers: readonly Checker[];
  readonly #command: string | undefined;
  readonly #unchecked: boolean;
  readonly #floors = new FloorsChecker();
  /** How fast the clock of a node runs: so many of its milliseconds pass in one of the world's. */
  readonly clockRate: (node: string) => number;
  #checkers: readonly Watch[] = [];
  #broken: { checker: string; message: string } | undefined;
  readonly #surroundings: Surroundings;
  readonly #view: WorldView;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.scenario = options.scenario ?? 'none';
    this.random = seededRandom(options.seed);
    this.journal = new Journal({
      keepAll: options.keepJournal ?? false,
      ...(options.onJournalLine === undefined ? {} : { onLine: options.onJournalLine }),
    });
    this.network = new SimNetwork(this.clock, this.random.fork('network'), options.network);
    this.#auditEverySteps = options.auditEverySteps ?? 512;
    this.#extraCheckers = options.checkers ?? [];
    this.#command = options.command;
    this.#unchecked = options.unchecked ?? false;
    const drift = options.drifts === true ? new Drift(this.random.fork('drift')) : undefined;
    this.clockRate = node => drift?.rateOf(node) ?? 1;
    this.#surroundings = {
      clock: this.clock,
      random: this.random,
      journal: this.journal,
      network: this.network,
      clockRate: this.clockRate,
      mutations: options.mutations ?? {},
      masterUrls: ['ws://master'],
      emit: event => this.emit(event),
    };
    const world = this as World;
    this.#view = {
      sessions: this.sessions,
      knows: node => this.agents.has(node) || this.schedulers.has(node) || this.rawSchedulers.has(node),
      get nowMs() {
        return world.clock.now();
      },
      get masterNowMs() {
        return world.#master?.process?.env.clock.now() ?? world.clock.now();
      },
      driftOf: ms => (drift === undefined ? 0 : driftOf(ms)),
      get masterPaused() {
        return world.#master?.process?.paused ?? false;
      },
      get cluster() {
        return world.#master?.cluster;
      },
      get optimistic() {
        return world.#master?.optimistic ?? false;
      },
      get order() {
        return world.#master?.order ?? 'drf';
      },
      get isPatient() {
        return world.#master?.isPatient ?? false;
      },
      hasDirectory: (node, path) => world.agents.get(node)?.volumes.has(path) ?? false,
      disk: node => (node === 'master' ? world.#master : (world.agents.get(node) ?? world.schedulers.get(node)))?.disk,
      recoveryTimeoutMs: node => world.agents.get(node)?.recoveryTimeoutMs ?? defaultAgentOptions.recoveryTimeoutMs,
      agentViews: () => this.#agentViews(),
      tracked: (node, taskId) => world.schedulers.get(node)?.framework?.tasks.get(taskId),
      get books() {
        return world.#master?.books;
      },
    };
  }

  /** The node that runs masters. */
  get master(): MasterNode {
    if (this.#master === undefined) throw new Error('this world has no master yet: call addMaster()');
    return this.#master;
  }

  get steps(): number {
    return this.#steps;
  }

  get nowMs(): number {
    return this.clock.now();
  }

  /** What happened so far, in numbers. */
  get counts(): Counts {
    return this.#floors.counts;
  }

  /** The surroundings of a component of your own, under `name`. */
  env(name: string): Env {
    return new NodeProcess(name, 0, this).env;
  }

  /** Adds the master and starts it. A world has one master node. */
  addMaster(options: MasterNodeOptions = {}): MasterNode {
    const node = new MasterNode(this.#surroundings, 'master', new SimDisk(this.random.fork('disk/master')), options);
    this.#master = node;
    const { offerTimeoutMs, refuseDefaultMs } = node.options;
    const intervalMs = options.allocator?.allocationIntervalMs ?? 1000;
    const standard = (): Checker[] => [
      new OfferLifeChecker(offerTimeoutMs),
      new ConservationChecker(),
      new LedgersChecker(),
      new TaskStatesChecker(),
      new RefusalsChecker(refuseDefaultMs),
      new QuotaChecker(),
      new VolumesChecker(),
      new QuantitiesChecker(),
      new GuaranteesChecker(intervalMs, what => this.#floors.guarantee(what)),
      new StarvationChecker(intervalMs, (order, quota) => this.#floors.waitEnded(order, quota)),
    ];
    const checkers = [...(this.#unchecked ? [] : standard()), this.#floors, ...this.#extraCheckers];
    this.#checkers = checkers.map(checker => ({ checker, report: message => this.#report(checker, message) }));
    node.start();
    return node;
  }

  /** Adds an agent and starts it. Default names: agent-1, agent-2, … */
  addAgent(options: AgentNodeOptions & { readonly name?: string } = {}): AgentNode {
    const name = options.name ?? `agent-${this.agents.size + 1}`;
    const node = new AgentNode(this.#surroundings, name, new SimDisk(this.random.fork(`disk/${name}`)), options);
    this.agents.set(name, node);
    node.start();
    return node;
  }

  /** Adds a scheduler that uses the SDK, and starts it; `program` runs for each process that starts. */
  addScheduler(name: string, options: SchedulerNodeOptions, program: Program): SchedulerNode {
    const node = new SchedulerNode(
      this.#surroundings,
      name,
      new SimDisk(this.random.fork(`disk/${name}`)),
      options,
      program,
    );
    this.schedulers.set(name, node);
    node.start();
    return node;
  }

  /** Adds a scheduler that speaks the protocol by hand, and starts it. */
  addRawScheduler(name: string, program: (env: Env, send: (message: object) => void) => RawProgram): RawSchedulerNode {
    const node = new RawSchedulerNode(this.#surroundings, name, program);
    this.rawSchedulers.set(name, node);
    node.start();
    return node;
  }

  /** Adds an agent that speaks the protocol by hand, and starts it: a stranger to checkers. */
  addRawAgent(name: string, program: RawAgent): RawAgentNode {
    return new RawAgentNode(this.#surroundings, name, program);
  }

  /** Every container that is alive, on any host. */
  live(): LiveContainer[] {
    return [...this.agents.values()].flatMap(agent => agent.host.live);
  }

  /** Every task that is alive, in a container of its own or inside an executor. */
  liveTasks(): { readonly host: string; readonly frameworkId: FrameworkId; readonly taskId: TaskId }[] {
    return [...this.agents.values()].flatMap(({ host }) => [
      ...host.live.flatMap(({ spec: { env } }) => {
        const taskId = env['PROFFER_TASK_ID'];
        return taskId === undefined
          ? []
          : [{ host: host.name, frameworkId: env['PROFFER_FRAMEWORK_ID'] ?? '', taskId }];
      }),
      ...host.executorTasks,
    ]);
  }

  /**
   * Takes the next entry of the agenda. False when there is none that is due by `untilMs`.
   * @throws SimulationFailure when an invariant broke or something threw.
   */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    let stepped: boolean;
    try {
      stepped = this.clock.step(untilMs);
    } catch (error) {
      this.#fail(error);
    }
    if (!stepped) return false;
    this.#steps += 1;
    for (const { checker, report } of this.#checkers) checker.afterStep?.(this.#view, report);
    this.#master?.books?.settled();
    if (this.#steps % this.#auditEverySteps === 0) this.#audit();
    if (this.#broken !== undefined) this.#fail();
    return true;
  }

  /** Runs for `time` ('90s', or milliseconds) and leaves the clock exactly there. */
  run(time: string | number): void {
    const untilMs = this.clock.now() + (typeof time === 'number' ? time : parseDurationMs(time));
    while (this.step(untilMs));
    this.clock.advance(untilMs - this.clock.now());
  }

  /** Runs until `reached`, asked after each step, or until `within` has passed. True when reached. */
  runUntil(reached: () => boolean, within: string | number = '120s'): boolean {
    const untilMs = this.clock.now() + (typeof within === 'number' ? within : parseDurationMs(within));
    while (!reached()) if (!this.step(untilMs)) return reached();
    return true;
  }

  /** Looks at everything once more. Call at the end of a run. */
  audit(): void {
    this.#audit();
    if (this.#broken !== undefined) this.#fail();
  }

  /** Notes something that happened: for the journal and the checkers. */
  emit(event: HistoryEvent): void {
    this.sessions.on(event);
    this.journal.write(this.clock.now(), event.node, lineOf(event));
    for (const { checker, report } of this.#checkers) checker.on?.(event, this.#view, report);
  }

  /** Ends the run for a reason that a scenario found. */
  fail(checker: string, message: string): never {
    this.#broken ??= { checker, message };
    this.#fail();
  }

  *#agentViews(): Iterable<readonly [string, AgentStateView]> {
    for (const { name, agent } of this.agents.values()) if (agent !== undefined) yield [name, agent.view()];
  }

  #audit(): void {
    for (const { checker, report } of this.#checkers) checker.audit?.(this.#view, report);
  }

  // The first one counts: what follows is often its consequence.
  #report(checker: Checker, message: string): void {
    this.#broken ??= { checker: checker.name, message };
    this.journal.write(this.clock.now(), 'checker', `${checker.name}: ${message}`);
  }

  #fail(cause?: unknown): never {
    const what = this.#broken ?? { checker: 'crash', message: cause instanceof Error ? cause.message : String(cause) };
    throw new SimulationFailure(what.checker, what.message, {
      step: this.#steps,
      nowMs: this.clock.now(),
      seed: this.seed,
      scenario: this.scenario,
      ...(this.#command === undefined ? {} : { command: this.#command }),
      journal: this.journal.tail(40),
      cause,
    });
  }
}
