// A workshop for container tests: a folder for sandboxes, specs with few words, and containers whose events can be awaited. Everything is gone when the
// test is.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type {
  Container,
  Containerizer,
  ContainerEvent,
  ContainerSpec,
  ExecResult,
} from '../../src/containerizer/containerizer.js';
import type { CommandInfo } from '../../src/protocol/entities.js';

export type EndEvent = Extract<ContainerEvent, { type: 'EXITED' | 'FAILED' }>;
export type StartEvent = Extract<ContainerEvent, { type: 'STARTED' }>;

/** One launched container. */
export interface Watched {
  readonly container: Container;
  readonly events: ContainerEvent[];
  /** Rejects when it fails to start. */
  readonly started: Promise<StartEvent>;
  readonly ended: Promise<EndEvent>;
  readonly sandbox: string;
  stdout(): string;
  stderr(): string;
  exec(command: CommandInfo, timeoutMs: number): Promise<ExecResult>;
}

/** Launches containers below a temporary folder. */
export class Workshop {
  readonly dir: string;
  readonly containerizer: Containerizer;
  readonly #watched: Watched[] = [];
  #count = 0;

  constructor(t: ExecutionContext, containerizer: Containerizer) {
    this.dir = mkdtempSync(join(tmpdir(), 'proffer-containers-'));
    this.containerizer = containerizer;
    t.teardown(async () => {
      await new Promise<void>(resolve => containerizer.close(resolve));
      await Promise.all(this.#watched.map(({ ended }) => ended));
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  spec(command: CommandInfo | undefined, more: Partial<ContainerSpec> = {}): ContainerSpec {
    const containerId = `${process.pid}-${this.dir.slice(-6)}-${this.#count++}`;
    return {
      containerId,
      name: containerId,
      sandbox: join(this.dir, containerId),
      ...(command === undefined ? {} : { command }),
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cpusMilli: 100,
      labels: {},
      ...more,
    };
  }

  launch(command: CommandInfo | undefined, more: Partial<ContainerSpec> = {}): Watched {
    const spec = this.spec(command, more);
    return this.watch(spec, onEvent => this.containerizer.launch(spec, onEvent));
  }

  /** Launches and waits for the end. */
  async run(
    command: CommandInfo | undefined,
    more: Partial<ContainerSpec> = {},
  ): Promise<Watched & { readonly end: EndEvent }> {
    const watched = this.launch(command, more);
    return { ...watched, end: await watched.ended };
  }

  watch(spec: ContainerSpec, begin: (onEvent: (event: ContainerEvent) => void) => Container): Watched {
    const events: ContainerEvent[] = [];
    let onStarted: (event: StartEvent) => void = () => {};
    let onNever: (error: Error) => void = () => {};
    let onEnded: (event: EndEvent) => void = () => {};
    const started = new Promise<StartEvent>((resolve, reject) => {
      onStarted = resolve;
      onNever = reject;
    });
    started.catch(() => {});
    const ended = new Promise<EndEvent>(resolve => {
      onEnded = resolve;
    });
    const container = begin(event => {
      events.push(event);
      if (event.type === 'STARTED') onStarted(event);
      if (event.type === 'FAILED') onNever(new Error(event.message));
      if (event.type === 'EXITED' || event.type === 'FAILED') onEnded(event);
    });
    const read = (name: string): string => readFileSync(join(spec.sandbox, name), 'utf8');
    const watched: Watched = {
      container,
      events,
      started,
      ended,
      sandbox: spec.sandbox,
      stdout: () => read('stdout'),
      stderr: () => read('stderr'),
      exec: (command, timeoutMs) => new Promise(resolve => container.exec(command, timeoutMs, resolve)),
    };
    this.#watched.push(watched);
    return watched;
  }
}

/** Resolves when `holds` does; for states of the system that send no event. Fails by the test's own timeout. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5));
}

/** EXITED with this code. */
export function exited(exitCode: number): EndEvent {
  return { type: 'EXITED', exit: { exitCode, oomKilled: false } };
}

/** EXITED by this signal. */
export function signalled(signal: string): EndEvent {
  return { type: 'EXITED', exit: { signal, oomKilled: false } };
}
