// A containerizer for tests of agents: containers that do what a script, or the test, tells them. In: launches and kills. Out: container events.
import assert from 'node:assert/strict';
import { must } from '../../src/base/assert.js';
import type {
  Container,
  ContainerEvent,
  Containerizer,
  ContainerSpec,
  ExecResult,
  NetworkProber,
} from '../../src/containerizer/containerizer.js';
import type { Clock, Timer } from '../../src/env/clock.js';
import type { CommandInfo, ContainerType } from '../../src/protocol/entities.js';

/** How containers behave by themselves. */
export interface ContainerScript {
  /** Reports STARTED in the next turn. Default true. */
  readonly starts?: boolean;
  /** On kill: ends at once by SIGTERM, ends by SIGKILL after the grace period, or waits for the test. Default `obeys`. */
  readonly onKill?: 'obeys' | 'stubborn' | 'waits';
  /** Ends with code 0 this long after its start. Default: when told to. */
  readonly runMs?: number;
  readonly ip?: string;
}

/** One container of the fake; the test moves it. */
export class FakeContainer implements Container {
  readonly spec: ContainerSpec;
  /** Grace periods of the kills that came, in order. */
  readonly kills: number[] = [];
  /** Commands run inside, with what to answer them. */
  readonly execs: { readonly command: CommandInfo; readonly timeoutMs: number; done(result: ExecResult): void }[] = [];
  readonly #clock: Clock;
  readonly #script: ContainerScript;
  #onEvent: (event: ContainerEvent) => void;
  #state: 'PREPARING' | 'STARTED' | 'OVER' = 'PREPARING';
  #killTimer: Timer | undefined;
  #ended: Extract<ContainerEvent, { type: 'EXITED' | 'FAILED' }> | undefined;

  constructor(clock: Clock, spec: ContainerSpec, script: ContainerScript, onEvent: (event: ContainerEvent) => void) {
    this.spec = spec;
    this.#clock = clock;
    this.#script = script;
    this.#onEvent = onEvent;
    if (script.starts !== false) clock.soon(() => this.#state === 'PREPARING' && this.started());
  }

  get over(): boolean {
    return this.#state === 'OVER';
  }

  /** Its agent is gone; what happens from here on is not told before it is adopted. */
  detach(): void {
    this.#onEvent = () => {};
    // What it had only asked for will not come.
    if (this.#state === 'PREPARING') this.fail('CONTAINER_LAUNCH_FAILED', 'it was never started');
  }

  /** The next agent process has it. */
  adopt(onEvent: (event: ContainerEvent) => void): void {
    this.#onEvent = onEvent;
    const ended = this.#ended;
    if (ended?.type !== 'FAILED') onEvent({ type: 'STARTED', ...(ended === undefined ? { pid: 4711 } : {}) });
    if (ended !== undefined) onEvent(ended);
  }

  /** It ends, and nobody will know how. */
  vanish(): void {
    this.#end({ type: 'EXITED', exit: { oomKilled: false } });
  }

  progress(message: string, fraction?: number): void {
    this.#onEvent({ type: 'PROGRESS', phase: 'PULLING', message, ...(fraction === undefined ? {} : { fraction }) });
  }

  started(): void {
    this.#state = 'STARTED';
    const { ip, runMs } = this.#script;
    this.#onEvent({ type: 'STARTED', pid: 4711, ...(ip === undefined ? {} : { ip }) });
    if (runMs !== undefined) this.#clock.after(runMs, () => this.exit(0));
  }

  exit(exitCode: number): void {
    this.#end({ type: 'EXITED', exit: { exitCode, oomKilled: false } });
  }

  exitBySignal(signal: string, oomKilled = false): void {
    this.#end({ type: 'EXITED', exit: { signal, oomKilled } });
  }

  fail(code: Extract<ContainerEvent, { type: 'FAILED' }>['code'], message: string): void {
    this.#end({ type: 'FAILED', code, message });
  }

  kill(graceMs: number): void {
    this.kills.push(graceMs);
    if (this.#script.onKill === 'waits') return;
    this.#killTimer?.cancel();
    const signal = this.#script.onKill === 'stubborn' ? 'SIGKILL' : 'SIGTERM';
    const end = (): void =>
      this.#state === 'STARTED' ? this.exitBySignal(signal) : this.fail('CONTAINER_LAUNCH_FAILED', 'killed');
    this.#killTimer = this.#clock.after(this.#script.onKill === 'stubborn' ? graceMs : 0, end);
  }

  exec(command: CommandInfo, timeoutMs: number, done: (result: ExecResult) => void): void {
    this.execs.push({ command, timeoutMs, done });
  }

  #end(event: Extract<ContainerEvent, { type: 'EXITED' | 'FAILED' }>): void {
    if (this.#state === 'OVER') return;
    this.#state = 'OVER';
    this.#ended = event;
    this.#killTimer?.cancel();
    this.#onEvent(event);
  }
}

/** Containers by script. */
export class FakeContainerizer implements Containerizer {
  readonly types: readonly ContainerType[];
  readonly launched: FakeContainer[] = [];
  readonly #clock: Clock;
  readonly #script: (spec: ContainerSpec) => ContainerScript;

  constructor(
    clock: Clock,
    script: ContainerScript | ((spec: ContainerSpec) => ContainerScript) = {},
    types: readonly ContainerType[] = ['PROCESS', 'DOCKER'],
  ) {
    this.#clock = clock;
    this.#script = typeof script === 'function' ? script : () => script;
    this.types = types;
  }

  /** The newest container of this name: the id of a task or executor. */
  of(name: string): FakeContainer {
    return must(
      this.launched.findLast(container => container.spec.name === name),
      `container of ${name}`,
    );
  }

  /** Those that have not ended. */
  get live(): readonly FakeContainer[] {
    return this.launched.filter(container => !container.over);
  }

  launch(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): FakeContainer {
    const container = new FakeContainer(this.#clock, spec, this.#script(spec), onEvent);
    this.launched.push(container);
    return container;
  }

  /** As the process and Docker containerizers do it: by the id of the container. */
  adopt(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const found = this.launched.find(container => container.spec.containerId === spec.containerId);
    // Asked for by an agent process that is gone before it asked.
    if (found === undefined) {
      this.#clock.soon(() =>
        onEvent({ type: 'FAILED', code: 'CONTAINER_LAUNCH_FAILED', message: 'it was never started' }),
      );
      return { kill: () => {}, exec: () => {} };
    }
    assert.deepEqual(spec, found.spec, 'a container is adopted as it was launched');
    this.#clock.soon(() => found.adopt(onEvent));
    return found;
  }

  /** The agent process is gone. */
  detach(): void {
    for (const container of this.launched) container.detach();
  }

  close(onClosed: () => void): void {
    for (const container of this.live) container.kill(0);
    this.#clock.soon(onClosed);
  }
}

/** Looks at the network that a test answers. Unanswered ones stay open. */
export class FakeProber implements NetworkProber {
  readonly https: { readonly url: string; done(result: { statusCode?: number; error?: string }): void }[] = [];
  readonly tcps: { readonly address: string; done(result: { connected: boolean; error?: string }): void }[] = [];
  /** Answers from here on, instead of the test. */
  answerHttp: ((url: string) => { statusCode?: number; error?: string }) | undefined;

  http(url: string, _timeoutMs: number, done: (result: { statusCode?: number; error?: string }) => void): void {
    this.https.push({ url, done });
    if (this.answerHttp !== undefined) done(this.answerHttp(url));
  }

  tcp(
    host: string,
    port: number,
    _timeoutMs: number,
    done: (result: { connected: boolean; error?: string }) => void,
  ): void {
    this.tcps.push({ address: `${host}:${port}`, done });
  }
}
