// Simulated containers of one host, and the truth about what is alive there. In: specs and kills from the agent. Out: events to it, and to the
// world's history, which checkers compare with what messages claim.
import type { ContainerId } from '../base/ids.js';
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

/** Where containers run. They outlive the agent that started them, as processes with a wrapper do; a power cut ends them. */
export class SimHost {
  readonly name: string;
  readonly #script: Script;
  readonly #runs = new Map<ContainerId, Run>();
  /** Written by each container's own wrapper, so that it outlives agents and power cuts. */
  readonly #past = new Map<ContainerId, ContainerExit>();
  readonly #place: Place;

  constructor(
    name: string,
    clock: VirtualClock,
    history: HostHistory,
    script: Script = () => undefined,
    startProgram: StartProgram = () => undefined,
  ) {
    this.name = name;
    this.#script = script;
    this.#place = {
      host: name,
      clock,
      history,
      startProgram,
      over: (id, exit) => {
        this.#runs.delete(id);
        if (exit === undefined) return;
        this.#past.set(id, exit);
        // As sandboxes are cleared away some day.
        const [oldest] = this.#past.size > pastMax ? this.#past.keys() : [];
        if (oldest !== undefined) this.#past.delete(oldest);
      },
    };
  }

  /** What is alive, in the order of starting. */
  get live(): readonly LiveContainer[] {
    return [...this.#runs.values()].flatMap(run => (run.live === undefined ? [] : [run.live]));
  }

  /** Tasks that run inside executors here. */
  get executorTasks(): readonly ExecutorTask[] {
    return [...this.#runs.values()].flatMap(run => run.program?.live ?? []);
  }

  /** Whether something that runs here has been asked to end. */
  get isEnding(): boolean {
    for (const run of this.#runs.values()) if (run.isEnding) return true;
    return false;
  }

  /** Ends a container as a signal from outside would; its agent hears of it. False when it is not alive. */
  kill(containerId: string): boolean {
    const run = this.#runs.get(containerId);
    if (run?.live === undefined) return false;
    run.die();
    return true;
  }

  /** The containerizer of the agent process `agent`. */
  containerizer(agent: NodeProcess, types: readonly ContainerType[] = ['PROCESS', 'DOCKER']): Containerizer {
    return {
      types,
      launch: (spec, onEvent) => {
        const run = new Run(this.#place, spec, this.#script(spec) ?? behaviourOf(spec), { agent, onEvent });
        this.#runs.set(spec.containerId, run);
        run.prepare();
        return run;
      },
      adopt: (spec, onEvent) => {
        const run = this.#runs.get(spec.containerId);
        if (run !== undefined) return run.adopt({ agent, onEvent });
        const exit = this.#past.get(spec.containerId);
        return pastContainer(agent, exit, onEvent);
      },
      close: onClosed => {
        for (const run of this.#runs.values()) run.die();
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

  /** Ends what runs in none of these sandboxes: a start-up does that to what nobody remembers. */
  endLeftovers(known: Iterable<string>): void {
    const sandboxes = new Set(known);
    for (const run of this.#runs.values()) if (!sandboxes.has(run.sandbox)) run.die();
  }

  /** The agent process is gone: what runs, runs on; what it was still preparing never will. */
  agentGone(): void {
    for (const run of this.#runs.values()) run.orphan();
  }

  /** Ends everything at once, as losing power does; nobody is told, and nobody can know. */
  powerCut(): void {
    for (const run of this.#runs.values()) run.vanish();
  }
}

/** Of the host, for a container. */
interface Place {
  readonly host: string;
  readonly clock: VirtualClock;
  readonly history: HostHistory;
  readonly startProgram: StartProgram;
  /** It runs no more; without `exit` it never did. */
  readonly over: (id: ContainerId, exit: ContainerExit | undefined) => void;
}

/** Who looks after a container. */
interface Owner {
  readonly agent: NodeProcess;
  readonly onEvent: (event: ContainerEvent) => void;
}

/** One container. */
class Run implements Container {
  live: LiveContainer | undefined;
  program: ReturnType<StartProgram>;
  readonly #place: Place;
  readonly #spec: ContainerSpec;
  readonly #behaviour: Behaviour;
  #owner: Owner | undefined;
  #timer: Timer | undefined;
  #killTimer: Timer | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;
  #over = false;

  constructor(place: Place, spec: ContainerSpec, behaviour: Behaviour, owner: Owner) {
    this.#place = place;
    this.#spec = spec;
    this.#behaviour = behaviour;
    this.#owner = owner;
  }

  get isEnding(): boolean {
    return this.live !== undefined && Number.isFinite(this.#killAtMs);
  }

  get sandbox(): string {
    return this.#spec.sandbox;
  }

  prepare(): void {
    const { prepareMs = 0 } = this.#behaviour;
    if (prepareMs > 0) this.#tellLater(0, { type: 'PROGRESS', phase: 'PULLING', message: 'pulling', fraction: 0 });
    if (prepareMs > 1)
      this.#tellLater(prepareMs / 2, { type: 'PROGRESS', phase: 'PULLING', message: 'pulling', fraction: 0.5 });
    this.#timer = this.#place.clock.after(prepareMs + launchMs, () => this.#start());
  }

  kill(graceMs: number): void {
    if (this.#over) return;
    // Before it runs there is nobody to ask politely.
    if (this.live === undefined) return this.#exitAfter(0, { signal: 'SIGKILL', oomKilled: false });
    const { ignoresTerm = false, termMs = 0 } = this.#behaviour;
    const polite = !ignoresTerm && termMs < graceMs;
    const atMs = this.#place.clock.now() + (polite ? termMs : graceMs);
    if (atMs >= this.#killAtMs) return;
    this.#exitAfter(atMs - this.#place.clock.now(), { signal: polite ? 'SIGTERM' : 'SIGKILL', oomKilled: false });
  }

  exec(
    _command: unknown,
    _timeoutMs: number,
    done: (result: { exitCode?: number; timedOut: boolean; output: string }) => void,
  ): void {
    const exitCode = this.live === undefined ? 126 : (this.#behaviour.probeExitCode ?? 0);
    const agent = this.#owner?.agent;
    this.#place.clock.after(1, () => agent?.deliver(() => done({ exitCode, timedOut: false, output: '' })));
  }

  die(): void {
    this.#finish({ signal: 'SIGKILL', oomKilled: false });
  }

  /** Its agent is gone, and with it whoever would have sent the SIGKILL. */
  orphan(): void {
    this.#owner = undefined;
    if (this.live === undefined) return this.#finish(nobodyKnows);
    const { ignoresTerm = false, termMs = 0 } = this.#behaviour;
    if (!ignoresTerm && this.#place.clock.now() + termMs >= this.#killAtMs) return;
    this.#killTimer?.cancel();
    this.#killAtMs = Number.POSITIVE_INFINITY;
  }

  /** Another agent process looks after it from now on. */
  adopt(owner: Owner): Container {
    owner.agent.env.clock.soon(() => {
      if (this.live === undefined) return tellPast(owner, this.#exit);
      this.#owner = owner;
      owner.onEvent({ type: 'STARTED', pid: simPid });
    });
    return this;
  }

  vanish(): void {
    this.#owner = undefined;
    this.#finish({ signal: 'SIGKILL', oomKilled: false }, nobodyKnows);
  }

  #start(): void {
    const { failToStart, runMs, exitCode = 0, oom = false } = this.#behaviour;
    const { host, clock, history, over, startProgram } = this.#place;
    if (failToStart !== undefined) {
      this.#over = true;
      over(this.#spec.containerId, undefined);
      return this.#tell({ type: 'FAILED', message: failToStart, code: 'CONTAINER_LAUNCH_FAILED' });
    }
    this.live = { host, spec: this.#spec, startedAtMs: clock.now() };
    history.started(this.live);
    this.#tell({ type: 'STARTED', pid: simPid });
    this.program = startProgram(this.live, this.#behaviour, code => this.#finish({ exitCode: code, oomKilled: false }));
    if (runMs === undefined) return;
    this.#timer = clock.after(runMs, () =>
      this.#finish(oom ? { signal: 'SIGKILL', oomKilled: true } : { exitCode, oomKilled: false }),
    );
  }

  #exitAfter(delayMs: number, exit: ContainerExit): void {
    this.#killTimer?.cancel();
    this.#killAtMs = this.#place.clock.now() + delayMs;
    this.#killTimer = this.#place.clock.after(delayMs, () => this.#finish(exit));
  }

  #exit: ContainerExit | undefined;

  // `known`: what anybody can find out later.
  #finish(exit: ContainerExit, known = exit): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#killTimer?.cancel();
    const { live } = this;
    this.live = undefined;
    this.#exit = live === undefined ? undefined : known;
    this.#place.over(this.#spec.containerId, this.#exit);
    this.program?.end();
    this.program = undefined;
    if (live !== undefined) this.#place.history.ended(live, exit);
    if (live !== undefined) this.#tell({ type: 'EXITED', exit });
    else this.#tell({ type: 'FAILED', message: 'killed before it started', code: 'CONTAINER_LAUNCH_FAILED' });
  }

  #tellLater(delayMs: number, event: ContainerEvent): void {
    this.#place.clock.after(delayMs, () => {
      if (!this.#over) this.#tell(event);
    });
  }

  #tell(event: ContainerEvent): void {
    const owner = this.#owner;
    owner?.agent.deliver(() => owner.onEvent(event));
  }
}

/** A container of before that runs no more: its end is told, and there is nothing to signal or to look into. */
function pastContainer(
  agent: NodeProcess,
  exit: ContainerExit | undefined,
  onEvent: (event: ContainerEvent) => void,
): Container {
  agent.env.clock.soon(() => tellPast({ agent, onEvent }, exit));
  return {
    kill: () => {},
    exec: (_command, _timeoutMs, done) =>
      agent.env.clock.soon(() => done({ exitCode: 126, timedOut: false, output: '' })),
  };
}

function tellPast({ onEvent }: Owner, exit: ContainerExit | undefined): void {
  if (exit === undefined)
    return onEvent({ type: 'FAILED', message: 'it never started', code: 'CONTAINER_LAUNCH_FAILED' });
  onEvent({ type: 'STARTED' });
  onEvent({ type: 'EXITED', exit });
}

const nobodyKnows: ContainerExit = { oomKilled: false };

/** No two containers need different ones here. */
const simPid = 1000;

/** Containers whose ends are still to be read. */
const pastMax = 2000;

/** From asking to running, when nothing is pulled. */
const launchMs = 3;
