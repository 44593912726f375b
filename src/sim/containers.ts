// Simulated containers of one host, and the truth about what is alive there. In: specs and kills from the agent. Out: events to it, and to the
// world's history, which checkers compare with what messages claim.
import type { Timer } from '../env/clock.js';
import type { VirtualClock } from '../env/virtual-clock.js';
import type {
  Container,
  Containerizer,
  ContainerEvent,
  ContainerExit,
  ContainerSpec,
  NetworkProber,
} from '../containerizer/containerizer.js';
import type { ContainerType } from '../protocol/entities.js';
import { behaviourOf } from './behaviour.js';
import type { Behaviour, Script } from './behaviour.js';
import type { ExecutorProgram, ExecutorTask } from './executor-program.js';
import type { NodeProcess } from './node-process.js';

/** A container that was started and has not ended. */
export interface LiveContainer {
  readonly host: string;
  readonly spec: ContainerSpec;
  readonly startedAtMs: number;
}

/** What the host tells the world. */
export interface HostHistory {
  started(container: LiveContainer): void;
  /** Told for every container that had started. */
  ended(container: LiveContainer, exit: ContainerExit): void;
}

/** What runs in a container besides what its behaviour says: frameworks' own executors. `exit` ends the container. */
export type StartProgram = (
  container: LiveContainer,
  behaviour: Behaviour,
  exit: (exitCode: number) => void,
) => Pick<ExecutorProgram, 'live' | 'end'> | undefined;

/** Where containers run. They live on the host, so they die with it, and with the agent that is their parent. */
export class SimHost {
  readonly name: string;
  readonly #clock: VirtualClock;
  readonly #history: HostHistory;
  readonly #script: Script;
  readonly #startProgram: StartProgram;
  readonly #runs = new Set<Run>();

  constructor(
    name: string,
    clock: VirtualClock,
    history: HostHistory,
    script: Script = () => undefined,
    startProgram: StartProgram = () => undefined,
  ) {
    this.name = name;
    this.#startProgram = startProgram;
    this.#clock = clock;
    this.#history = history;
    this.#script = script;
  }

  /** What is alive, in the order of starting. */
  get live(): readonly LiveContainer[] {
    return [...this.#runs].flatMap(run => (run.live === undefined ? [] : [run.live]));
  }

  /** Tasks that run inside executors here. */
  get executorTasks(): readonly ExecutorTask[] {
    return [...this.#runs].flatMap(run => run.program?.live ?? []);
  }

  /** Ends a container as a signal from outside would; its agent hears of it. False when it is not alive. */
  kill(containerId: string): boolean {
    const run = [...this.#runs].find(each => each.live?.spec.containerId === containerId);
    run?.die('SIGKILL');
    return run !== undefined;
  }

  /** The containerizer of the agent process `agent`. */
  containerizer(agent: NodeProcess, types: readonly ContainerType[] = ['PROCESS', 'DOCKER']): Containerizer {
    return {
      types,
      launch: (spec, onEvent) => {
        const behaviour = this.#script(spec) ?? behaviourOf(spec);
        const run = new Run(
          this.#clock,
          this.name,
          spec,
          behaviour,
          this.#history,
          agent,
          onEvent,
          () => this.#runs.delete(run),
          this.#startProgram,
        );
        this.#runs.add(run);
        run.prepare();
        return run;
      },
      close: onClosed => {
        for (const run of this.#runs) run.die('SIGKILL');
        agent.env.clock.soon(onClosed);
      },
    };
  }

  /** Looks at tasks from the agent: a task's port answers while anything with that port in its environment is alive. */
  prober(agent: NodeProcess): NetworkProber {
    const answers = (port: string): boolean =>
      this.live.some(({ spec }) => (spec.env['PORTS'] ?? '').split(',').includes(port));
    return {
      http: (url, _timeoutMs, done) => {
        const port = /:(\d+)/.exec(url)?.[1] ?? '80';
        agent.env.clock.after(1, () => done(answers(port) ? { statusCode: 200 } : { error: 'connection refused' }));
      },
      tcp: (_host, port, _timeoutMs, done) => {
        const connected = answers(String(port));
        agent.env.clock.after(1, () => done(connected ? { connected } : { connected, error: 'connection refused' }));
      },
    };
  }

  /** Ends everything at once, as losing power or the agent does; nobody is told. */
  crash(): void {
    for (const run of this.#runs) run.die('SIGKILL', false);
  }
}

/** One container. */
class Run implements Container {
  live: LiveContainer | undefined;
  program: ReturnType<StartProgram>;
  readonly #clock: VirtualClock;
  readonly #host: string;
  readonly #spec: ContainerSpec;
  readonly #behaviour: Behaviour;
  readonly #history: HostHistory;
  readonly #agent: NodeProcess;
  readonly #onEvent: (event: ContainerEvent) => void;
  readonly #forget: () => void;
  readonly #startProgram: StartProgram;
  #timer: Timer | undefined;
  #killTimer: Timer | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;
  #over = false;

  constructor(
    clock: VirtualClock,
    host: string,
    spec: ContainerSpec,
    behaviour: Behaviour,
    history: HostHistory,
    agent: NodeProcess,
    onEvent: (event: ContainerEvent) => void,
    forget: () => void,
    startProgram: StartProgram,
  ) {
    this.#clock = clock;
    this.#host = host;
    this.#spec = spec;
    this.#behaviour = behaviour;
    this.#history = history;
    this.#agent = agent;
    this.#onEvent = onEvent;
    this.#forget = forget;
    this.#startProgram = startProgram;
  }

  prepare(): void {
    const { prepareMs = 0 } = this.#behaviour;
    if (prepareMs > 0) this.#tellLater(0, { type: 'PROGRESS', phase: 'PULLING', message: 'pulling', fraction: 0 });
    if (prepareMs > 1)
      this.#tellLater(prepareMs / 2, { type: 'PROGRESS', phase: 'PULLING', message: 'pulling', fraction: 0.5 });
    this.#timer = this.#clock.after(prepareMs + launchMs, () => this.#start());
  }

  kill(graceMs: number): void {
    if (this.#over) return;
    // Before it runs there is nobody to ask politely.
    if (this.live === undefined) return this.#exitAfter(0, { signal: 'SIGKILL', oomKilled: false });
    const { ignoresTerm = false, termMs = 0 } = this.#behaviour;
    const polite = !ignoresTerm && termMs < graceMs;
    const atMs = this.#clock.now() + (polite ? termMs : graceMs);
    if (atMs >= this.#killAtMs) return;
    this.#exitAfter(atMs - this.#clock.now(), { signal: polite ? 'SIGTERM' : 'SIGKILL', oomKilled: false });
  }

  exec(
    _command: unknown,
    _timeoutMs: number,
    done: (result: { exitCode?: number; timedOut: boolean; output: string }) => void,
  ): void {
    const exitCode = this.live === undefined ? 126 : (this.#behaviour.probeExitCode ?? 0);
    this.#clock.after(1, () => this.#agent.deliver(() => done({ exitCode, timedOut: false, output: '' })));
  }

  die(signal: string, tell = true): void {
    if (this.#over) return;
    this.#finish({ signal, oomKilled: false }, tell);
  }

  #start(): void {
    const { failToStart, runMs, exitCode = 0, oom = false } = this.#behaviour;
    if (failToStart !== undefined) {
      this.#over = true;
      this.#forget();
      return this.#tell({ type: 'FAILED', message: failToStart, code: 'CONTAINER_LAUNCH_FAILED' });
    }
    this.live = { host: this.#host, spec: this.#spec, startedAtMs: this.#clock.now() };
    this.#history.started(this.live);
    this.#tell({ type: 'STARTED', pid: 1000 });
    this.program = this.#startProgram(this.live, this.#behaviour, code =>
      this.#finish({ exitCode: code, oomKilled: false }),
    );
    if (runMs === undefined) return;
    this.#timer = this.#clock.after(runMs, () =>
      this.#finish(oom ? { signal: 'SIGKILL', oomKilled: true } : { exitCode, oomKilled: false }),
    );
  }

  #exitAfter(delayMs: number, exit: ContainerExit): void {
    this.#killTimer?.cancel();
    this.#killAtMs = this.#clock.now() + delayMs;
    this.#killTimer = this.#clock.after(delayMs, () => this.#finish(exit));
  }

  #finish(exit: ContainerExit, tell = true): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#killTimer?.cancel();
    this.#forget();
    this.program?.end();
    this.program = undefined;
    const { live } = this;
    this.live = undefined;
    if (live !== undefined) this.#history.ended(live, exit);
    if (!tell) return;
    if (live !== undefined) this.#tell({ type: 'EXITED', exit });
    else this.#tell({ type: 'FAILED', message: 'killed before it started', code: 'CONTAINER_LAUNCH_FAILED' });
  }

  #tellLater(delayMs: number, event: ContainerEvent): void {
    this.#clock.after(delayMs, () => {
      if (!this.#over) this.#tell(event);
    });
  }

  #tell(event: ContainerEvent): void {
    this.#agent.deliver(() => this.#onEvent(event));
  }
}

/** From asking to running, when nothing is pulled. */
const launchMs = 3;
