// A deployment, to its end. In: what Marathon tells and answers. Out: how it ended, also when events are lost, or Marathon is away for a while.
import { messageOf, ProfferError } from '../../base/errors.js';
import type { Definition } from './definitions.js';
import type { DeploymentView, MarathonClient } from './marathon-client.js';
import { versionsOf } from './versions.js';
import type { Watch } from './watch.js';

/** Where it was left. */
export type Followed =
  | { readonly state: 'DEPLOYED' }
  /** `takenBack`: everything is as it was before. */
  | { readonly state: 'FAILED'; readonly why: string; readonly takenBack: boolean }
  /** It goes on. */
  | { readonly state: 'TIMED_OUT' | 'LEFT'; readonly waitingFor: readonly string[] };

export interface FollowOptions {
  readonly marathon: MarathonClient;
  readonly watch: Watch;
  /** `performance.now()` from which on nobody waits. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Milliseconds from one question to the next where nothing is told. */
  readonly pollMs: number;
  readonly onProgress: (deployment: DeploymentView) => void;
  readonly onTrouble: (why: string) => void;
}

/** Follows `id`, which deploys `definition`. Rejects only for what is no trouble of the network. */
export function follow(definition: Definition, id: string, options: FollowOptions): Promise<Followed> {
  return new Following(definition, id, options).end();
}

class Following {
  readonly #definition: Definition;
  readonly #options: FollowOptions;
  /** Another one than at first when it is taken back, or when there was nothing to do but what another one does already. */
  #id: string;
  /** Why it is taken back. */
  #failure: string | undefined;
  #waitingFor: readonly string[] = [];
  #seen = false;
  /** Since when it is not under way any more. */
  #goneMs: number | undefined;

  constructor(definition: Definition, id: string, options: FollowOptions) {
    this.#definition = definition;
    this.#id = id;
    this.#options = options;
  }

  async end(): Promise<Followed> {
    const { watch, deadlineMs, signal, pollMs } = this.#options;
    // What runs when it has ended tells whether it was done, where nobody told.
    const aimed = await this.#versions();
    for (;;) {
      if (signal.aborted) return { state: 'LEFT', waitingFor: this.#waitingFor };
      const followed = await this.#look(aimed);
      if (followed !== undefined) return followed;
      const left = deadlineMs - performance.now();
      if (left <= 0) return { state: 'TIMED_OUT', waitingFor: this.#waitingFor };
      await watch.next(Math.min(pollMs, left), signal);
    }
  }

  /** How it has ended; undefined while it goes on, or while nobody can say. */
  async #look(aimed: string | undefined): Promise<Followed | undefined> {
    const { marathon, watch, onProgress, pollMs } = this.#options;
    const ending = watch.endingOf(this.#id);
    if (ending?.type === 'FAILED') {
      this.#failure ??= ending.why;
      if (ending.takenBackBy === undefined) return { state: 'FAILED', why: this.#failure, takenBack: false };
      this.#follow(ending.takenBackBy);
      return this.#look(aimed);
    }
    const deployments = await this.#reached(() => marathon.get<DeploymentView[]>('/v2/deployments'));
    if (deployments === undefined) return undefined;
    const back = deployments.find(({ takesBack }) => takesBack?.id === this.#id);
    if (back !== undefined) {
      this.#failure ??= back.takesBack?.why ?? 'it was taken back';
      this.#follow(back.id);
    }
    const mine = deployments.find(({ id }) => id === this.#id);
    if (mine !== undefined) {
      this.#seen = true;
      this.#goneMs = undefined;
      this.#waitingFor = mine.waitingFor ?? [];
      onProgress(mine);
      return undefined;
    }
    this.#goneMs ??= performance.now();
    // It is told of its end a little later.
    if (ending === undefined && watch.isLive && performance.now() - this.#goneMs < 2 * pollMs) return undefined;
    const other = this.#seen ? undefined : deployments.find(each => touches(each, this.#definition));
    if (other !== undefined) {
      // There was nothing to do that is not being done.
      this.#follow(other.id);
      return undefined;
    }
    if (this.#failure !== undefined) return { state: 'FAILED', why: this.#failure, takenBack: true };
    if (ending !== undefined) return { state: 'DEPLOYED' };
    const found = await this.#versions();
    return found === undefined ? undefined : judged(aimed, found);
  }

  #follow(id: string): void {
    this.#id = id;
    this.#seen = true;
    this.#goneMs = undefined;
  }

  #versions(): Promise<string | undefined> {
    return this.#reached(() => versionsOf(this.#options.marathon, this.#definition));
  }

  /** The answer; undefined while Marathon is away. */
  async #reached<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ProfferError) || error.code !== 'UNREACHABLE') throw error;
      this.#options.onTrouble(messageOf(error));
      return undefined;
    }
  }
}

function touches({ affectedApps = [], affectedPods = [] }: DeploymentView, { kind, ids }: Definition): boolean {
  const isMeant = (id: string): boolean =>
    ids.some(each => id === each || (kind === 'group' && (each === '/' || id.startsWith(`${each}/`))));
  return affectedApps.some(isMeant) || affectedPods.some(isMeant);
}

function judged(aimed: string | undefined, found: string): Followed {
  if (aimed === undefined || aimed === found) return { state: 'DEPLOYED' };
  const why = 'it was taken back, or another change took its place: what is there now is another version';
  return { state: 'FAILED', why, takenBack: false };
}
