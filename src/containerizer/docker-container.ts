// One Docker container from its image to its removal. In: a spec, kills, commands to run inside. Out: container events. While the engine is silent nothing is
// known, so nothing is told: it is asked again until it answers.
import { closeSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Backoff } from '../base/backoff.js';
import { backoffMs } from '../base/backoff.js';
import { messageOf } from '../base/errors.js';
import type { Env } from '../env/env.js';
import type { Timer } from '../env/clock.js';
import type { CommandInfo } from '../protocol/entities.js';
import type { Container, ContainerEvent, ContainerExit, ContainerSpec, ExecResult } from './containerizer.js';
import type { ContainerState, DockerEngine } from './docker-engine.js';
import { EngineError, isStatus } from './docker-engine.js';
import { isThere } from './directories.js';
import { runInside } from './docker-exec.js';
import { LogDemux } from './docker-logs.js';
import type { CreateBody } from './docker-create.js';
import type { DockerPolicy } from './docker-policy.js';
import { dockerCreateOptions, dockerName } from './docker-options.js';
import type { DockerPuller } from './docker-pull.js';
import type { Slots } from './slots.js';
import { makeSandbox, openOutput } from './sandbox.js';
import { resolveImageUser } from './users.js';
import { claimVolume } from './volume-links.js';

/** What the containers of one engine share. */
export interface DockerHost {
  readonly env: Env;
  readonly engine: DockerEngine;
  readonly puller: DockerPuller;
  readonly policy: DockerPolicy;
  /** Starts at the same time. */
  readonly starts: Slots;
  /** How long to wait between attempts with an engine that is gone. */
  readonly retry: Backoff;
}

type FailureCode = Extract<ContainerEvent, { type: 'FAILED' }>['code'];

/** A launch that came to nothing. */
class LaunchFailure extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

export class DockerContainer implements Container {
  readonly #host: DockerHost;
  readonly #spec: ContainerSpec;
  readonly #tell: (event: ContainerEvent) => void;
  readonly #onEnded: () => void;
  /** Calls off the preparation. */
  readonly #killedEarly = new AbortController();
  /** Calls off what follows a running container. */
  readonly #over = new AbortController();
  /** Known to the engine by its name from the start, by its id later; both work. */
  #id: string;
  #state: 'PREPARING' | 'RUNNING' | 'ENDED' = 'PREPARING';
  /** Whether there may be something of ours to remove. */
  #mine = false;
  #killDeadline = Number.POSITIVE_INFINITY;
  #killTimer: Timer | undefined;
  #sent: ReadonlySet<string> = new Set();
  /** Nobody wants to know any more. */
  #left = false;
  #toldPullingAt = Number.NEGATIVE_INFINITY;

  constructor(host: DockerHost, spec: ContainerSpec, onEvent: (event: ContainerEvent) => void, onEnded: () => void) {
    this.#host = host;
    this.#spec = spec;
    this.#tell = onEvent;
    this.#onEnded = onEnded;
    this.#id = dockerName(spec.containerId);
  }

  /** Creates and starts it, and stays with it until it is removed. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#follow(await this.#launch(), 0);
    } catch (error) {
      this.#failed(error);
    }
    await this.#remove();
    this.#onEnded();
  }

  /** The same for a container that an earlier agent process has started. */
  async adopt(): Promise<void> {
    try {
      const state = await this.#inspectUntilAnswer();
      this.#mine = state !== undefined;
      if (state === undefined || state.created)
        throw new LaunchFailure('CONTAINER_LAUNCH_FAILED', 'it was never started');
      await this.#follow(state, lastWriteMs(this.#spec.sandbox));
    } catch (error) {
      this.#failed(error);
    }
    await this.#remove();
    this.#onEnded();
  }

  /** It is left as it is. What was only being prepared is not started. */
  leave(): void {
    this.#left = true;
    this.#killTimer?.cancel();
    this.#killedEarly.abort();
    this.#over.abort();
  }

  kill(graceMs: number): void {
    if (this.#state === 'ENDED' || this.#left) return;
    const { clock } = this.#host.env;
    const deadline = clock.now() + Math.max(0, graceMs);
    if (deadline >= this.#killDeadline) return;
    const first = this.#killDeadline === Number.POSITIVE_INFINITY;
    this.#killDeadline = deadline;
    if (this.#state === 'PREPARING') this.#killedEarly.abort();
    else this.#killRunning(first);
  }

  exec(command: CommandInfo, timeoutMs: number, done: (result: ExecResult) => void): void {
    const { env, engine } = this.#host;
    if (this.#state === 'RUNNING') runInside(env.clock, engine, this.#id, command, timeoutMs, done);
    else env.clock.soon(() => done({ timedOut: false, output: 'the container is not running' }));
  }

  async #launch(): Promise<ContainerState> {
    const body = this.#body();
    let pulled = false;
    if (this.#spec.container?.docker?.forcePullImage === true) {
      await this.#pull(body.Image ?? '');
      pulled = true;
    }
    for (;;) {
      const state = await this.#createAndStart(body, pulled);
      if (state !== 'NO_IMAGE') return state;
      await this.#pull(body.Image ?? '');
      pulled = true;
    }
  }

  #body(): CreateBody {
    try {
      const user = resolveImageUser(this.#spec.command?.user, { uid: process.getuid?.() ?? 0 });
      makeSandbox(this.#spec.sandbox, user);
      for (const { source } of this.#spec.volumes ?? []) claimVolume(source, user);
      // A volume named relative to the sandbox is a folder of the sandbox.
      for (const { hostPath } of this.#spec.container?.volumes ?? []) {
        if (hostPath === undefined || isAbsolute(hostPath) || hostPath.split('/').includes('..')) continue;
        const path = join(this.#spec.sandbox, hostPath);
        // What was brought or fetched may be a file.
        if (!isThere(path)) mkdirSync(path, { recursive: true });
      }
    } catch (error) {
      throw new LaunchFailure('SANDBOX', `the sandbox ${this.#spec.sandbox} cannot be used: ${messageOf(error)}`);
    }
    const body = dockerCreateOptions(this.#spec, this.#host.policy, realPath);
    if (!('HostConfig' in body)) throw new LaunchFailure('CONTAINER_LAUNCH_FAILED', body.join('; '));
    return body;
  }

  // Creating without asking for the image first spares every start of a present image a round trip.
  async #createAndStart(body: CreateBody, pulled: boolean): Promise<ContainerState | 'NO_IMAGE'> {
    const leave = await this.#host.starts.enter(this.#killedEarly.signal);
    try {
      this.#assertWanted();
      try {
        this.#id = await this.#host.engine.create(body);
        this.#mine = true;
      } catch (error) {
        // Unanswered, it may be there.
        this.#mine = error instanceof EngineError && error.kind === 'GONE';
        if (!pulled && isStatus(error, 404)) return 'NO_IMAGE';
        throw error;
      }
      this.#assertWanted();
      return await this.#start();
    } finally {
      leave();
    }
  }

  async #start(): Promise<ContainerState> {
    try {
      await this.#host.engine.start(this.#id);
    } catch (error) {
      // No answer: it may have started all the same.
      if (!(error instanceof EngineError && error.kind === 'GONE')) throw error;
      this.#host.env.log.warn('a container start went unanswered', { container: this.#id, problem: error.message });
      const state = await this.#inspectUntilAnswer();
      if (state === undefined || state.created) throw error;
    }
    const state = await this.#inspectUntilAnswer();
    if (state === undefined)
      throw new LaunchFailure('CONTAINER_LAUNCH_FAILED', 'somebody removed the container while it started');
    return state;
  }

  #assertWanted(): void {
    if (this.#killedEarly.signal.aborted)
      throw new LaunchFailure('CONTAINER_LAUNCH_FAILED', 'it was killed before it started');
  }

  async #pull(image: string): Promise<void> {
    this.#assertWanted();
    try {
      await this.#host.puller.pull(image, state => this.#pulling(image, state), this.#killedEarly.signal);
    } catch (error) {
      this.#assertWanted();
      throw new LaunchFailure('IMAGE_PULL_FAILED', `cannot pull the image ${image}: ${messageOf(error)}`);
    }
    this.#assertWanted();
  }

  #pulling(image: string, { message, fraction }: { readonly message: string; readonly fraction?: number }): void {
    const now = this.#host.env.clock.now();
    if (this.#state !== 'PREPARING' || this.#killedEarly.signal.aborted || now < this.#toldPullingAt + progressGapMs)
      return;
    this.#toldPullingAt = now;
    const text = `pulling ${image}: ${message}`;
    this.#onEvent({
      type: 'PROGRESS',
      phase: 'PULLING',
      message: text,
      ...(fraction === undefined ? {} : { fraction }),
    });
  }

  /** From STARTED to EXITED. */
  async #follow(state: ContainerState, logsSinceMs: number): Promise<void> {
    this.#state = 'RUNNING';
    const { pid, ip, ip6 } = state;
    this.#onEvent({
      type: 'STARTED',
      ...(pid > 0 ? { pid } : {}),
      ...(ip === undefined ? {} : { ip }),
      ...(ip6 === undefined ? {} : { ip6 }),
    });
    // A kill may have come between the engine's answer and now.
    if (this.#killDeadline !== Number.POSITIVE_INFINITY) this.#killRunning(true);
    const copied = this.#copyLogs(logsSinceMs);
    const exit = await this.#exit(state);
    await this.#within(logsDrainMs, copied);
    this.#over.abort();
    this.#killTimer?.cancel();
    this.#state = 'ENDED';
    this.#onEvent({ type: 'EXITED', exit });
  }

  async #exit(started: ContainerState): Promise<ContainerExit> {
    let state: ContainerState | undefined = started;
    for (let failures = 0; state?.running === true; ) {
      try {
        await this.#host.engine.wait(this.#id, this.#over.signal);
        failures = 0;
      } catch (error) {
        if (!isStatus(error, 404)) await this.#pause(failures++);
      }
      state = await this.#inspectUntilAnswer();
    }
    // Somebody removed it behind our back: it is dead, and how is not known.
    if (state === undefined) return { oomKilled: false };
    const { exitCode, oomKilled } = state;
    const signal =
      exitCode === 137 && this.#sent.has('SIGKILL')
        ? 'SIGKILL'
        : exitCode === 143 && this.#sent.has('SIGTERM')
          ? 'SIGTERM'
          : undefined;
    return signal === undefined ? { exitCode, oomKilled } : { signal, oomKilled };
  }

  /** Undefined: there is no such container. */
  async #inspectUntilAnswer(): Promise<ContainerState | undefined> {
    for (let failures = 0; ; failures++) {
      try {
        return await this.#host.engine.inspect(this.#id);
      } catch (error) {
        if (failures === 0)
          this.#host.env.log.warn('the Docker engine does not answer; asking again', { problem: messageOf(error) });
        await this.#pause(failures);
      }
    }
  }

  // The engine ends the stream with the container. When the stream breaks before, it is taken up where it stopped.
  async #copyLogs(sinceMs: number): Promise<void> {
    const { env, engine } = this.#host;
    let fds: { stdout: number; stderr: number } | undefined;
    try {
      const { sandbox } = this.#spec;
      fds = { stdout: openOutput(sandbox, 'stdout', undefined), stderr: openOutput(sandbox, 'stderr', undefined) };
      for (let failures = 0, since = sinceMs; !this.#over.signal.aborted; failures++) {
        try {
          const stream = await engine.logs(this.#id, since, this.#over.signal);
          stream.on('data', () => {
            since = env.clock.wallMs();
            failures = 0;
          });
          stream.pause();
          await pipeline(stream, new LogDemux(fds, this.#spec.container?.tty), { signal: this.#over.signal });
          return;
        } catch (error) {
          if (!(error instanceof EngineError) && (error as NodeJS.ErrnoException).syscall === 'write') throw error;
          if (isStatus(error, 404)) return;
          await this.#pause(failures);
        }
      }
    } catch (error) {
      env.log.warn('the output of a container is no longer copied', {
        sandbox: this.#spec.sandbox,
        problem: messageOf(error),
      });
    } finally {
      if (fds !== undefined) for (const fd of Object.values(fds)) closeSync(fd);
    }
  }

  #killRunning(first: boolean): void {
    const { clock } = this.#host.env;
    this.#killTimer?.cancel();
    const leftMs = this.#killDeadline - clock.now();
    if (leftMs <= 0) {
      void this.#send('SIGKILL');
      return;
    }
    if (first) void this.#send('SIGTERM');
    this.#killTimer = clock.after(leftMs, () => void this.#send('SIGKILL'));
  }

  // Until the engine has taken it, or the container is over.
  async #send(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#sent = new Set([...this.#sent, signal]);
    for (let failures = 0; this.#state === 'RUNNING'; failures++) {
      try {
        return await this.#host.engine.kill(this.#id, signal);
      } catch (error) {
        // 404 and 409: it does not run any more.
        if (error instanceof EngineError && error.kind === 'REFUSED' && error.status !== 500) return;
        await this.#pause(failures);
      }
    }
  }

  #failed(error: unknown): void {
    this.#state = 'ENDED';
    this.#over.abort();
    const code = error instanceof LaunchFailure ? error.code : codeOf(error);
    const message = messageOf(error);
    // Never synchronously within launch(): everything before this point has awaited, or comes from run()'s own turn.
    this.#onEvent({ type: 'FAILED', code, message });
  }

  #onEvent(event: ContainerEvent): void {
    if (!this.#left) this.#tell(event);
  }

  async #remove(): Promise<void> {
    for (let failures = 0; this.#mine && !this.#left && failures < removeAttempts; failures++) {
      try {
        return await this.#host.engine.remove(this.#id);
      } catch (error) {
        if (failures === removeAttempts - 1) {
          this.#host.env.log.warn('a container could not be removed', {
            container: this.#id,
            problem: messageOf(error),
          });
        } else await this.#pause(failures);
      }
    }
  }

  #pause(failures: number): Promise<void> {
    // Nothing follows any more.
    if (this.#left) return new Promise(() => {});
    return new Promise(resolve => this.#host.env.clock.after(backoffMs(this.#host.retry, failures), resolve));
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const limit = new Promise<void>(resolve => {
      timer = this.#host.env.clock.after(ms, resolve);
    });
    await Promise.race([work, limit]);
    timer?.cancel();
  }
}

const progressGapMs = 300;
/** The engine ends the log stream at once; a stuck one must not hold up the end. */
const logsDrainMs = 5000;
const removeAttempts = 6;

function codeOf(error: unknown): FailureCode {
  return error instanceof EngineError && error.kind === 'GONE' ? 'DOCKER_UNAVAILABLE' : 'CONTAINER_LAUNCH_FAILED';
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Wall time up to which the output has been copied; 0 when there is none. */
function lastWriteMs(sandbox: string): number {
  try {
    return Math.max(
      ...['stdout', 'stderr']
        .map(name => statSync(join(sandbox, name)))
        .map(({ size, mtimeMs }) => (size === 0 ? 0 : mtimeMs)),
    );
  } catch {
    return 0;
  }
}
