// A connection that comes back: dials, waits with jittered backoff, follows the leader. In: urls or a leader source. Out: peers, one after another.
import { assert } from '../base/assert.js';
import { jitteredSinceMs } from '../base/backoff.js';
import type { Backoff } from '../base/backoff.js';
import type { Problem } from '../base/errors.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Checked } from '../protocol/checked.js';
import type { Peer } from './peer.js';
import { dialSession } from './session.js';
import type { DialOptions } from './session.js';
import type { Welcome } from './session-messages.js';
import { closeCodes } from './transport.js';
import type { CloseCode, Dialer, LinkEnd } from './transport.js';

/** Where to connect: `ws://host:port` without a path. */
export interface Target {
  readonly url: string;
  /** The epoch it leads in, when known; an earlier one is refused. */
  readonly epoch?: number;
}

/** Tells who leads, now and at every change; undefined while nobody does. An rxjs `Observable<Leader | undefined>` is one. */
export interface LeaderSource {
  subscribe(next: (leader: Target | undefined) => void): { unsubscribe(): void };
}

/** How to connect, and how long to wait between attempts. */
export interface PersistentOptions<In> {
  readonly dialer: Dialer;
  /** Urls without a path, tried in turn, or a source of leaders, which is followed. */
  readonly target: readonly string[] | LeaderSource;
  /** Appended to the url, e.g. `/v1/scheduler`. */
  readonly path: string;
  /** What we are, e.g. `scheduler`. */
  readonly kind: string;
  /** Our release. */
  readonly version: string;
  /** Of the latest master that an earlier process of ours was welcomed by: none of an earlier epoch is believed. Default 0. */
  readonly epochSeen?: number;
  readonly validate: (raw: unknown) => Checked<In>;
  /** The wait before each further attempt is uniform in [0, bound); the bound is 1 s and twice the time since the trouble began, at most 60 s, by default. */
  readonly backoff?: Backoff;
  /** The first attempt, and the first at a new leader, comes at random within this window. Default 0: at once. */
  readonly firstWindowMs?: number;
  /** A session that lasted this long makes the backoff start over; a welcome alone does not, or a master that drops everybody would be stormed. Default 10,000. */
  readonly steadyAfterMs?: number;
  /** See `SessionOptions`. */
  readonly missedHeartbeatsMax?: number;
  /** See `SessionOptions`. */
  readonly handshakeTimeoutMs?: number;
}

/** What a persistent connection tells its owner; never after `close`. */
export interface PersistentHandler<In, Out extends object> {
  /** A session is established; a new one each time: nothing of an earlier one arrives any more. */
  onConnected(peer: Peer<Out>, welcome: Welcome): void;
  onMessage(message: In): void;
  onInvalid(problems: readonly Problem[], callId?: number): void;
  /** The session ended. `nextAttemptInMs` is absent while there is no leader to connect to. */
  onDisconnected(end: LinkEnd, nextAttemptInMs?: number): void;
  /** An attempt failed before there was a session; `problems` when one side refused the other. */
  onAttemptFailed?(end: LinkEnd, problems: readonly Problem[], nextAttemptInMs?: number): void;
}

/** A connection that comes back until closed. */
export interface PersistentConnection<Out extends object> {
  /** The peer of the session that is up, if one is. */
  readonly peer: Peer<Out> | undefined;
  /** The highest epoch that welcomed us, or that the leader source named. */
  readonly epochSeen: number;
  /** Ends the session and connects anew, as if the link had broken: after trouble that only a fresh session heals. */
  reconnect(reason: string): void;
  /** Ends the session (after what is queued) and all attempts. Nothing is told any more. */
  close(code?: CloseCode, reason?: string): void;
}

export const backoffDefault: Backoff = { baseMs: 1000, factor: 2, capMs: 60_000 };
const steadyAfterDefaultMs = 10_000;

/** Connects, and connects again whenever the session ends. */
export function connectPersistently<In, Out extends object>(
  env: Env,
  options: PersistentOptions<In>,
  handler: PersistentHandler<In, Out>,
): PersistentConnection<Out> {
  const connection = new Reconnecting(env, options, handler);
  connection.start();
  return connection;
}

class Reconnecting<In, Out extends object> implements PersistentConnection<Out> {
  readonly #env: Env;
  readonly #options: PersistentOptions<In>;
  readonly #handler: PersistentHandler<In, Out>;
  #targets: readonly Target[] = [];
  #turn = 0;
  /** When the first attempt or session of an unsteady time ended. */
  #troubleSinceMs: number | undefined;
  #epochSeen: number;
  /** Tells callbacks of the current dial from those of one given up. */
  #dialNumber = 0;
  #dialed: { close(code: CloseCode, reason: string): void } | undefined;
  #dialedTarget: Target | undefined;
  #peer: Peer<Out> | undefined;
  #timer: Timer | undefined;
  #subscription: { unsubscribe(): void } | undefined;
  #closed = false;

  constructor(env: Env, options: PersistentOptions<In>, handler: PersistentHandler<In, Out>) {
    this.#env = env;
    this.#options = options;
    this.#handler = handler;
    this.#epochSeen = options.epochSeen ?? 0;
  }

  get peer(): Peer<Out> | undefined {
    return this.#peer;
  }

  get epochSeen(): number {
    return this.#epochSeen;
  }

  start(): void {
    const { target } = this.#options;
    if ('subscribe' in target) {
      this.#subscription = target.subscribe(leader => this.#follow(leader));
      return;
    }
    assert(target.length > 0, 'a connection needs at least one url');
    this.#targets = target.map(url => ({ url }));
    this.#dialIn(this.#firstWaitMs());
  }

  reconnect(reason: string): void {
    this.#peer?.close(closeCodes.goingAway, reason);
  }

  close(code: CloseCode = closeCodes.normal, reason = 'closed'): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscription?.unsubscribe();
    this.#abandon(code, reason);
  }

  #follow(leader: Target | undefined): void {
    if (this.#closed) return;
    const current = this.#dialedTarget;
    this.#targets = leader === undefined ? [] : [leader];
    // Without a leader a session that still works is kept: a detector's outage must not cost it. A waiting attempt is called off.
    if (leader === undefined) return this.#timer?.cancel();
    const epoch = leader.epoch ?? 0;
    const stays =
      this.#dialed !== undefined &&
      current?.url === leader.url &&
      epoch <= Math.max(this.#epochSeen, current.epoch ?? 0);
    this.#epochSeen = Math.max(this.#epochSeen, epoch);
    if (stays) return;
    const lost = this.#peer;
    this.#abandon(closeCodes.goingAway, 'another master leads');
    this.#troubleSinceMs = undefined;
    const waitMs = this.#firstWaitMs();
    this.#dialIn(waitMs);
    if (lost !== undefined)
      this.#handler.onDisconnected({ code: closeCodes.goingAway, reason: 'another master leads' }, waitMs);
  }

  /** Gives up the current dial or session; its callbacks are ignored from here on. */
  #abandon(code: CloseCode, reason: string): void {
    this.#timer?.cancel();
    this.#dialNumber += 1;
    this.#peer = undefined;
    const dialed = this.#dialed;
    this.#dialed = undefined;
    dialed?.close(code, reason);
  }

  #dialIn(waitMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#env.clock.after(waitMs, () => this.#dial());
  }

  #dial(): void {
    const target = this.#targets[this.#turn++ % this.#targets.length];
    if (this.#closed || target === undefined) return;
    const number = ++this.#dialNumber;
    const { dialer, path } = this.#options;
    let connectedMs: number | undefined;
    const live = (): boolean => number === this.#dialNumber;
    const ended = (): number | undefined => {
      const steadyMs = this.#options.steadyAfterMs ?? steadyAfterDefaultMs;
      const nowMs = this.#env.clock.now();
      const sinceMs =
        connectedMs !== undefined && nowMs - connectedMs >= steadyMs ? nowMs : (this.#troubleSinceMs ?? nowMs);
      this.#troubleSinceMs = sinceMs;
      this.#peer = undefined;
      this.#dialed = undefined;
      if (this.#targets.length === 0) return undefined;
      const waitMs = jitteredSinceMs(this.#options.backoff ?? backoffDefault, nowMs - sinceMs, this.#env.random.unit());
      this.#dialIn(waitMs);
      return waitMs;
    };
    this.#dialedTarget = target;
    this.#dialed = dialSession<In, Out>(this.#env, dialer, target.url.replace(/\/+$/, '') + path, this.#dialOptions(), {
      onWelcome: (peer, welcome) => {
        if (live()) {
          connectedMs = this.#env.clock.now();
          this.#epochSeen = Math.max(this.#epochSeen, welcome.epoch);
          this.#peer = peer;
          this.#handler.onConnected(peer, welcome);
        }
        return {
          onMessage: message => {
            if (live()) this.#handler.onMessage(message);
          },
          onInvalid: (problems, callId) => {
            if (live()) this.#handler.onInvalid(problems, callId);
          },
          onEnd: end => {
            if (live()) this.#handler.onDisconnected(end, ended());
          },
        };
      },
      onFailed: (end, problems) => {
        if (!live()) return;
        const waitMs = ended();
        this.#handler.onAttemptFailed?.(end, problems, waitMs);
      },
    });
  }

  #dialOptions(): DialOptions<In> {
    const { kind, version, validate, missedHeartbeatsMax, handshakeTimeoutMs } = this.#options;
    return {
      kind,
      version,
      validate,
      epochSeen: this.#epochSeen,
      ...(missedHeartbeatsMax === undefined ? {} : { missedHeartbeatsMax }),
      ...(handshakeTimeoutMs === undefined ? {} : { handshakeTimeoutMs }),
    };
  }

  #firstWaitMs(): number {
    const windowMs = this.#options.firstWindowMs ?? 0;
    return windowMs === 0 ? 0 : Math.floor(this.#env.random.unit() * windowMs);
  }
}
