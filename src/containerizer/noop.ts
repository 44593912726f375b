// Containers without content: they start at once and end when told, or after `PROFFER_NOOP_RUN_MS` of the task's environment. For benchmarks and
// simulations: no process, no file; time is the Clock's alone.
import type { Clock, Timer } from '../env/clock.js';
import type { CommandInfo, ContainerType } from '../protocol/entities.js';
import type { Container, Containerizer, ContainerEvent, ContainerSpec, ExecResult } from './containerizer.js';

/** Environment variables of a task that say how its no-op container behaves: its run time in milliseconds, and its exit code. */
export const noopRunMs = 'PROFFER_NOOP_RUN_MS';
export const noopExitCode = 'PROFFER_NOOP_EXIT_CODE';

/** Pretends to run containers of the given types. Commands run inside (checks) succeed at once. */
export class NoopContainerizer implements Containerizer {
  readonly types: readonly ContainerType[];
  readonly #clock: Clock;
  readonly #containers = new Set<NoopContainer>();
  #onClosed: (() => void) | undefined;

  constructor(clock: Clock, types: readonly ContainerType[] = ['PROCESS', 'DOCKER']) {
    this.#clock = clock;
    this.types = types;
  }

  launch(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const container = new NoopContainer(this.#clock, spec, event => {
      if (event.type === 'EXITED' || event.type === 'FAILED') this.#containers.delete(container);
      onEvent(event);
      if (this.#containers.size === 0) this.#closed();
    });
    this.#containers.add(container);
    if (this.#onClosed !== undefined) container.kill(0);
    return container;
  }

  close(onClosed: () => void): void {
    this.#onClosed = onClosed;
    for (const container of this.#containers) container.kill(0);
    if (this.#containers.size === 0) this.#clock.soon(() => this.#closed());
  }

  #closed(): void {
    const onClosed = this.#onClosed;
    this.#onClosed = onClosed === undefined ? undefined : () => {};
    onClosed?.();
  }
}

class NoopContainer implements Container {
  readonly #clock: Clock;
  readonly #onEvent: (event: ContainerEvent) => void;
  #state: 'PREPARING' | 'RUNNING' | 'ENDED' = 'PREPARING';
  #killed = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, spec: ContainerSpec, onEvent: (event: ContainerEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
    clock.soon(() => this.#start(spec));
  }

  kill(_graceMs: number): void {
    if (this.#killed || this.#state === 'ENDED') return;
    this.#killed = true;
    if (this.#state === 'PREPARING') return;
    this.#timer?.cancel();
    this.#clock.soon(() => this.#end({ type: 'EXITED', exit: { signal: 'SIGTERM', oomKilled: false } }));
  }

  exec(_command: CommandInfo, _timeoutMs: number, done: (result: ExecResult) => void): void {
    const running = this.#state === 'RUNNING';
    this.#clock.soon(() =>
      done(
        running
          ? { exitCode: 0, timedOut: false, output: '' }
          : { timedOut: false, output: 'the container is not running' },
      ),
    );
  }

  #start(spec: ContainerSpec): void {
    if (this.#killed) {
      this.#end({ type: 'FAILED', code: 'CONTAINER_LAUNCH_FAILED', message: 'it was killed before it started' });
      return;
    }
    const runMs = number(spec.env[noopRunMs]);
    const exitCode = number(spec.env[noopExitCode]) ?? 0;
    this.#state = 'RUNNING';
    if (runMs !== undefined) {
      this.#timer = this.#clock.after(runMs, () => this.#end({ type: 'EXITED', exit: { exitCode, oomKilled: false } }));
    }
    this.#onEvent({ type: 'STARTED' });
  }

  #end(event: ContainerEvent): void {
    if (this.#state === 'ENDED') return;
    this.#state = 'ENDED';
    this.#onEvent(event);
  }
}

/** A non-negative number as text; anything else counts as absent. */
function number(text: string | undefined): number | undefined {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return value >= 0 ? value : undefined;
}
