// A Docker engine, with a time limit on every call and three kinds of trouble: it refused, it is gone, or we called it off. Sole importer of dockerode at run
// time, on first use. In: plain arguments. Out: promises.
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Dockerode from 'dockerode';
import { messageOf } from '../base/errors.js';
import type { Clock, Timer } from '../env/clock.js';
import type { CreateBody } from './docker-create.js';

/** REFUSED: the engine answered no. GONE: no answer, so the truth is unknown. ABORTED: called off by us. */
export type EngineErrorKind = 'REFUSED' | 'GONE' | 'ABORTED';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly kind: EngineErrorKind;
  /** HTTP status of a refusal. */
  readonly status: number | undefined;

  constructor(kind: EngineErrorKind, message: string, status?: number) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

/** What inspecting a container tells. */
export interface ContainerState {
  readonly running: boolean;
  /** Created and never started. */
  readonly created: boolean;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly pid: number;
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
  /** The engine's words when it could not start. */
  readonly error: string;
}

/** Time limit of a call unless it says otherwise. */
export const engineCallMs = 10_000;
/** Starting sets up namespaces, network and mounts; on a busy machine it takes seconds. */
const startCallMs = 60_000;

export class DockerEngine {
  readonly #clock: Clock;
  readonly #callMs: number;
  readonly #options: Dockerode.DockerOptions | undefined;
  #docker: Promise<Dockerode> | undefined;

  /** Without `options`, DOCKER_HOST or the usual socket. */
  constructor(clock: Clock, options?: Dockerode.DockerOptions, callMs: number = engineCallMs) {
    this.#clock = clock;
    this.#options = options;
    this.#callMs = callMs;
  }

  /** The engine's version. */
  async version(timeoutMs: number): Promise<string> {
    const { Version } = await this.#call('version', docker => docker.version(), timeoutMs);
    return Version;
  }

  async create(body: CreateBody): Promise<string> {
    const { id } = await this.#call('create', (docker, abortSignal) =>
      docker.createContainer({ ...body, abortSignal }),
    );
    return id;
  }

  async start(id: string): Promise<void> {
    const startMs = Math.max(startCallMs, this.#callMs);
    await this.#call('start', (docker, abortSignal) => docker.getContainer(id).start({ abortSignal }), startMs);
  }

  async kill(id: string, signal: string): Promise<void> {
    await this.#call('kill', (docker, abortSignal) => docker.getContainer(id).kill({ signal, abortSignal }));
  }

  /** Removes the container and its anonymous volumes, running or not; one that is gone is fine. */
  async remove(id: string): Promise<void> {
    try {
      await this.#call('remove', (docker, abortSignal) =>
        docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
      );
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  }

  /** Undefined: there is no such container. */
  async inspect(id: string): Promise<ContainerState | undefined> {
    try {
      const { State, NetworkSettings } = await this.#call('inspect', (docker, abortSignal) =>
        docker.getContainer(id).inspect({ abortSignal }),
      );
      const networks = Object.values(NetworkSettings.Networks ?? {});
      const addressOf = (field: 'IPAddress' | 'GlobalIPv6Address'): string | undefined =>
        networks.map(network => network[field] as string | undefined).find(ip => ip !== undefined && ip !== '');
      return {
        running: State.Running || State.Restarting || State.Paused,
        created: State.Status === 'created',
        exitCode: State.ExitCode,
        oomKilled: State.OOMKilled,
        pid: State.Pid,
        ip: addressOf('IPAddress'),
        ip6: addressOf('GlobalIPv6Address'),
        error: State.Error,
      };
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** Containers that have this label, running or not, with its value. */
  async list(label: string): Promise<readonly { readonly id: string; readonly value: string }[]> {
    const found = await this.#call('list', (docker, abortSignal) =>
      docker.listContainers({ all: true, filters: { label: [label] }, abortSignal }),
    );
    return found.map(({ Id, Labels }) => ({ id: Id, value: Labels[label] ?? '' }));
  }

  /** Resolves when the container does not run; unlimited in time. Rejects when the engine goes away meanwhile. */
  async wait(id: string, signal: AbortSignal): Promise<void> {
    // As a stream: the engine answers with headers at once, and of an answer that breaks off after them dockerode never tells.
    const answer = await this.#call('wait', docker => dialWait(docker, id, signal), 0);
    try {
      await finished(answer.resume());
    } catch (error) {
      throw toEngineError(error, 'wait');
    }
  }

  /** Output from `sinceMs` of wall time on (0: the beginning) until the container ends. */
  logs(id: string, sinceMs: number, signal: AbortSignal): Promise<Readable> {
    const asked = { follow: true, stdout: true, stderr: true, since: sinceMs / 1000, abortSignal: signal } as const;
    return this.#call('logs', async docker => (await docker.getContainer(id).logs(asked)) as unknown as Readable);
  }

  /** The engine's JSON lines. The answer begins when a registry has answered, so the limit is {@link startCallMs}. */
  pull(image: string, signal: AbortSignal): Promise<Readable> {
    return this.#call(
      'pull',
      async docker => (await docker.pull(image, { abortSignal: signal })) as Readable,
      startCallMs,
    );
  }

  /** Starts a command in a running container; its output is a stream of frames. `pid` is one of the engine's machine. */
  async exec(
    id: string,
    body: { readonly argv: readonly string[]; readonly env: readonly string[]; readonly user: string | undefined },
  ): Promise<{ readonly output: Readable; inspect(): Promise<{ pid: number; exitCode: number | undefined }> }> {
    const exec = await this.#call('exec', (docker, abortSignal) =>
      docker.getContainer(id).exec({
        Cmd: [...body.argv],
        Env: [...body.env],
        AttachStdout: true,
        AttachStderr: true,
        abortSignal,
        ...(body.user === undefined ? {} : { User: body.user }),
      }),
    );
    const output = await this.#call('exec start', () => exec.start({}));
    return {
      output,
      inspect: async () => {
        const { Pid, ExitCode } = await this.#call('exec inspect', () => exec.inspect());
        return { pid: Pid, exitCode: ExitCode ?? undefined };
      },
    };
  }

  /** Destroys `stream` with a GONE error when nothing comes for `stallMs`; returns how to stop watching. */
  watchStall(stream: Readable, stallMs: number, message: string): () => void {
    let last = this.#clock.now();
    const touch = (): void => {
      last = this.#clock.now();
    };
    stream.on('data', touch);
    const look = (): void => {
      const leftMs = last + stallMs - this.#clock.now();
      if (leftMs <= 0) stream.destroy(new EngineError('GONE', message));
      else timer = this.#clock.after(leftMs, look);
    };
    let timer = this.#clock.after(stallMs, look);
    return () => {
      timer.cancel();
      stream.off('data', touch);
    };
  }

  async #call<T>(
    what: string,
    run: (docker: Dockerode, signal: AbortSignal) => Promise<T>,
    timeoutMs: number = this.#callMs,
  ): Promise<T> {
    const docker = await (this.#docker ??= load(this.#options));
    const abort = new AbortController();
    const running = run(docker, abort.signal);
    let timer: Timer | undefined;
    try {
      if (timeoutMs === 0) return await running;
      const late = new Promise<never>((_, reject) => {
        timer = this.#clock.after(timeoutMs, () => {
          reject(new EngineError('GONE', `the Docker engine did not answer (${what}) within ${timeoutMs / 1000} s`));
          abort.abort();
        });
      });
      return await Promise.race([running, late]);
    } catch (error) {
      throw toEngineError(error, what);
    } finally {
      timer?.cancel();
    }
  }
}

async function load(options: Dockerode.DockerOptions | undefined): Promise<Dockerode> {
  const { default: Docker } = await import('dockerode');
  return options === undefined ? new Docker() : new Docker(options);
}

/** What dockerode's own calls go through; its types leave it out. */
interface Modem {
  dial(request: object, done: (error: unknown, answer: Readable) => void): void;
}

function dialWait(docker: Dockerode, id: string, abortSignal: AbortSignal): Promise<Readable> {
  const statusCodes = { 200: true, 400: 'bad parameter', 404: 'no such container', 500: 'server error' };
  const request = { path: `/containers/${id}/wait`, method: 'POST', isStream: true, statusCodes, abortSignal };
  return new Promise((resolve, reject) => {
    (docker.modem as Modem).dial(request, (error, answer) => {
      if (error === null || error === undefined) resolve(answer);
      else reject(error instanceof Error ? error : new Error(messageOf(error)));
    });
  });
}

/** Refused with this HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return error instanceof EngineError && error.status === status;
}

function toEngineError(error: unknown, what: string): EngineError {
  if (error instanceof EngineError) return error;
  const { statusCode, name, code, json } = error as {
    statusCode?: number;
    name?: string;
    code?: string;
    json?: { message?: string } | null;
  };
  if (statusCode !== undefined) {
    // dockerode puts its own words before the engine's.
    const reason = json?.message ?? messageOf(error).replace(/^\(HTTP code \d+\) [^-]*- /, '');
    return new EngineError('REFUSED', reason.trim(), statusCode);
  }
  if (name === 'AbortError') return new EngineError('ABORTED', `the call (${what}) was called off`);
  return new EngineError('GONE', `the Docker engine cannot be reached (${what}: ${code ?? messageOf(error)})`);
}
