// Several containerizers as one: fetches what a task wants in its sandbox, then hands it to the containerizer of its type. In: specs. Out: container events,
// PROGRESS of the fetch first.
import { messageOf, shown } from '../base/errors.js';
import type { Env } from '../env/env.js';
import type { CommandInfo, ContainerType } from '../protocol/entities.js';
import type { Container, Containerizer, ContainerEvent, ContainerSpec, ExecResult } from './containerizer.js';
import type { FetchLimits } from './fetcher.js';
import { fetchAll } from './fetcher.js';
import { putFiles } from './task-files.js';
import { Slots } from './slots.js';
import { resolveImageUser, resolveUser, unprivilegedUser } from './users.js';
import { linkMounts, linkVolumes } from './volume-links.js';

export interface ComposingOptions extends FetchLimits {
  /** Sandboxes being filled at the same time. Default 8. */
  readonly fetchesMax?: number;
  /** What new tasks may be run in. Default: all that the inner ones run. */
  readonly types?: readonly ContainerType[];
}

/** Chooses the containerizer by `spec.container.type`, PROCESS when the spec names none. */
export class ComposingContainerizer implements Containerizer {
  readonly types: readonly ContainerType[];
  readonly #env: Env;
  readonly #inner: readonly Containerizer[];
  readonly #limits: FetchLimits;
  readonly #fetches: Slots;
  readonly #fetching = new Set<FetchingContainer>();
  #closing = false;

  constructor(env: Env, inner: readonly Containerizer[], options: ComposingOptions = {}) {
    this.#env = env;
    this.#inner = inner;
    this.#limits = options;
    this.#fetches = new Slots(options.fetchesMax ?? 8);
    this.types = options.types ?? [...new Set(inner.flatMap(({ types }) => types))];
  }

  launch(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const inner = this.#find(spec);
    if (inner === undefined) return this.#refuse(spec, onEvent);
    // The common case costs nothing.
    if (!isBrought(spec.command)) return this.#start(inner, spec, onEvent);
    const container: FetchingContainer = new FetchingContainer(
      this.#env,
      spec,
      onEvent,
      this.#limits,
      this.#fetches,
      () => this.#start(inner, spec, onEvent),
      () => this.#fetching.delete(container),
    );
    this.#fetching.add(container);
    if (this.#closing) container.kill(0);
    return container;
  }

  adopt(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    return this.#find(spec)?.adopt?.(spec, onEvent) ?? this.#refuse(spec, onEvent);
  }

  close(onClosed: () => void): void {
    this.#closing = true;
    for (const container of this.#fetching) container.kill(0);
    let open = this.#inner.length;
    const closed = (): void => {
      open -= 1;
      if (open === 0) onClosed();
    };
    if (open === 0) this.#env.clock.soon(onClosed);
    for (const inner of this.#inner) inner.close(closed);
  }

  leave(): void {
    for (const container of this.#fetching) container.leave();
    for (const inner of this.#inner) inner.leave?.();
  }

  #find(spec: ContainerSpec): Containerizer | undefined {
    const type = spec.container?.type ?? 'PROCESS';
    return this.#inner.find(({ types }) => types.includes(type));
  }

  // Volumes come last, as what was fetched may be in their way. Docker mounts its own.
  #start(inner: Containerizer, spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const mounts = spec.volumes ?? spec.container?.volumes;
    if (mounts === undefined || (spec.container?.type ?? 'PROCESS') !== 'PROCESS') return inner.launch(spec, onEvent);
    try {
      const user = resolveUser(spec.user ?? spec.command?.user, { uid: process.getuid?.() ?? 0 });
      // Whom it cannot run as is said at the start.
      if (typeof user !== 'string') {
        linkVolumes(spec, user);
        linkMounts(spec, user);
      }
    } catch (error) {
      return this.#fail(onEvent, 'SANDBOX', messageOf(error));
    }
    return inner.launch(spec, onEvent);
  }

  #refuse(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const type = spec.container?.type ?? 'PROCESS';
    const message = `this agent runs no ${type} containers, only ${this.types.join(' and ') || 'none'}`;
    return this.#fail(onEvent, 'CONTAINER_LAUNCH_FAILED', message);
  }

  #fail(
    onEvent: (event: ContainerEvent) => void,
    code: Extract<ContainerEvent, { type: 'FAILED' }>['code'],
    message: string,
  ): Container {
    this.#env.clock.soon(() => onEvent({ type: 'FAILED', code, message }));
    return {
      kill: () => {},
      exec: (_command, _timeoutMs, done) => this.#env.clock.soon(() => done({ timedOut: false, output: message })),
    };
  }
}

function isBrought({ uris = [], files = [] }: CommandInfo = {}): boolean {
  return uris.length > 0 || files.length > 0;
}

/** A container whose sandbox is being filled, and after that one of the inner containerizer. */
class FetchingContainer implements Container {
  readonly #env: Env;
  readonly #spec: ContainerSpec;
  readonly #abort = new AbortController();
  #inner: Container | undefined;
  #left = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    env: Env,
    spec: ContainerSpec,
    onEvent: (event: ContainerEvent) => void,
    limits: FetchLimits,
    slots: Slots,
    start: () => Container,
    onFetched: () => void,
  ) {
    this.#env = env;
    this.#spec = spec;
    env.clock.soon(() => {
      this.#fetch(onEvent, limits, slots).then(
        () => {
          onFetched();
          if (!this.#left) this.#inner = start();
        },
        (error: unknown) => {
          onFetched();
          if (!this.#left) onEvent({ type: 'FAILED', code: 'FETCH_FAILED', message: messageOf(error) });
        },
      );
    });
  }

  kill(graceMs: number): void {
    if (this.#inner === undefined) this.#abort.abort();
    else this.#inner.kill(graceMs);
  }

  /** It is given up without a word: the next agent process finds that it never started. */
  leave(): void {
    this.#left = true;
    this.#abort.abort();
  }

  exec(command: CommandInfo, timeoutMs: number, done: (result: ExecResult) => void): void {
    if (this.#inner === undefined)
      this.#env.clock.soon(() => done({ timedOut: false, output: 'the container is not running' }));
    else this.#inner.exec(command, timeoutMs, done);
  }

  async #fetch(onEvent: (event: ContainerEvent) => void, limits: FetchLimits, slots: Slots): Promise<void> {
    const { clock } = this.#env;
    const self = { uid: process.getuid?.() ?? 0 };
    const isProcess = (this.#spec.container?.type ?? 'PROCESS') === 'PROCESS';
    const user = isProcess
      ? resolveUser(this.#spec.user ?? this.#spec.command?.user, self)
      : resolveImageUser(this.#spec.command?.user, self);
    if (typeof user === 'string') throw new Error(user);
    const leave = await slots.enter(this.#abort.signal);
    try {
      this.#assertWanted();
      const onProgress = (message: string, fraction: number | undefined): void => {
        if (clock.now() < this.#toldAt + progressGapMs || this.#abort.signal.aborted) return;
        this.#toldAt = clock.now();
        onEvent({ type: 'PROGRESS', phase: 'FETCHING', message, ...(fraction === undefined ? {} : { fraction }) });
      };
      const { uris = [], files = [] } = this.#spec.command ?? {};
      await putFiles(this.#spec.sandbox, files, user);
      if (uris.length === 0) return;
      onProgress(
        `fetching ${uris.length === 1 ? shown(uris[0]?.outputFile ?? 'a file') : `${uris.length} files`}`,
        undefined,
      );
      await fetchAll(
        clock,
        {
          uris,
          sandbox: this.#spec.sandbox,
          user,
          // A process may read what its user may; a container sees nothing of this machine but what is mounted.
          reader: isProcess ? user : unprivilegedUser(self),
          signal: this.#abort.signal,
          onProgress,
        },
        limits,
      );
      this.#assertWanted();
    } finally {
      leave();
    }
  }

  #assertWanted(): void {
    if (this.#abort.signal.aborted) throw new Error('it was killed before it started');
  }
}

const progressGapMs = 300;
