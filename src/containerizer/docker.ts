// Docker tasks: images, containers, output, through whatever engine DOCKER_HOST names. In: specs. Out: container events. What happens to one container is in
// docker-container.ts; what it is given in docker-options.ts.
import { availableParallelism } from 'node:os';
import { backoffMs } from '../base/backoff.js';
import type { Backoff } from '../base/backoff.js';
import { messageOf } from '../base/errors.js';
import type { Clock } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Container, Containerizer, ContainerEvent, ContainerSpec } from './containerizer.js';
import { DockerContainer } from './docker-container.js';
import type { DockerHost } from './docker-container.js';
import { DockerEngine } from './docker-engine.js';
import type { DockerPolicy } from './docker-policy.js';
import { DockerPuller } from './docker-pull.js';
import { Slots } from './slots.js';

export interface DockerContainerizerOptions extends DockerPolicy {
  /** Replaceable for tests. Default: DOCKER_HOST, else the usual socket. */
  readonly engine?: DockerEngine;
  /** Containers starting at the same time. Default two per core: more take longer and gain nothing. */
  readonly startsMax?: number;
  /** Between attempts with an engine that is gone. Default 200 ms, doubling to 10 s. */
  readonly retry?: Backoff;
}

/** On every container: where its sandbox is. */
const sandboxLabel = 'proffer.sandbox';

/** Whether an engine answers; `reason` is one line for people. */
export type DockerProbe =
  | { readonly available: true; readonly version: string }
  | { readonly available: false; readonly reason: string };

/** Asks the engine for its version; never rejects. */
export async function probeDocker(
  clock: Clock,
  timeoutMs = 3000,
  engine: DockerEngine = new DockerEngine(clock),
): Promise<DockerProbe> {
  try {
    return { available: true, version: await engine.version(timeoutMs) };
  } catch (error) {
    return { available: false, reason: messageOf(error) };
  }
}

/** Runs containers in a Docker engine. It removes what it has run; images stay. */
export class DockerContainerizer implements Containerizer {
  readonly types = ['DOCKER'] as const;
  readonly #host: DockerHost;
  readonly #containers = new Set<DockerContainer>();
  #onClosed: (() => void) | undefined;
  /** Nobody waits for the engine any more. */
  #over = false;

  constructor(env: Env, options: DockerContainerizerOptions = {}) {
    const engine = options.engine ?? new DockerEngine(env.clock);
    const starts = new Slots(options.startsMax ?? 2 * availableParallelism());
    const retry = options.retry ?? { baseMs: 200, capMs: 10_000, factor: 2 };
    this.#host = { env, engine, puller: new DockerPuller(engine), policy: options, starts, retry };
  }

  launch(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    return this.#add(spec, onEvent, container => container.run());
  }

  /** Finds a container that an earlier agent process launched under the same id; see {@link Containerizer.adopt}. */
  adopt(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    return this.#add(spec, onEvent, container => container.adopt());
  }

  close(onClosed: () => void): void {
    this.#over = true;
    const before = this.#onClosed;
    this.#onClosed = () => {
      before?.();
      onClosed();
    };
    for (const container of this.#containers) container.kill(0);
    if (this.#containers.size === 0) this.#host.env.clock.soon(() => this.#closed());
  }

  leave(): void {
    this.#over = true;
    for (const container of this.#containers) container.leave();
    this.#containers.clear();
  }

  /**
   * Removes containers that earlier agent processes left and nobody knows: those with a sandbox below `sandboxRoot` for which `isKnown` says no. While
   * the engine does not answer it is asked again, until `leave` or `close`. Never rejects; resolves with their sandboxes.
   */
  async endStrays(sandboxRoot: string, isKnown: (sandbox: string) => boolean): Promise<readonly string[]> {
    const { env, engine, retry } = this.#host;
    for (let failures = 0; ; failures += 1) {
      try {
        const strays = (await engine.list(sandboxLabel)).filter(
          ({ value }) => value.startsWith(`${sandboxRoot}/`) && !isKnown(value),
        );
        for (const { id } of strays) await engine.remove(id);
        return strays.map(({ value }) => value);
      } catch (error) {
        if (failures === 0)
          env.log.warn('what earlier agents left in the Docker engine is not known; asking again', {
            problem: messageOf(error),
          });
        if (this.#over) return [];
        await new Promise<void>(resolve => {
          env.clock.after(backoffMs(retry, failures), resolve);
        });
        if (this.#over) return [];
      }
    }
  }

  #add(
    spec: ContainerSpec,
    onEvent: (event: ContainerEvent) => void,
    begin: (container: DockerContainer) => Promise<void>,
  ): Container {
    const container: DockerContainer = new DockerContainer(this.#host, spec, onEvent, () => {
      this.#containers.delete(container);
      this.#closed();
    });
    this.#containers.add(container);
    if (this.#onClosed !== undefined) container.kill(0);
    this.#host.env.clock.soon(() => void begin(container));
    return container;
  }

  #closed(): void {
    const onClosed = this.#onClosed;
    if (onClosed === undefined || this.#containers.size > 0) return;
    this.#onClosed = () => {};
    onClosed();
  }
}
