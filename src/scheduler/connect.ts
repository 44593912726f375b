// Subscribing to a master: `connect` opens the session, subscribes, and gives a Framework once the master knows it.
import { errorCodes, ProfferError, problemsError, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import type { FrameworkId, Role } from '../base/ids.js';
import { version } from '../base/version.js';
import type { Detector } from '../election/election.js';
import type { Env } from '../env/env.js';
import { systemEnv } from '../env/system-env.js';
import type { FrameworkInfo, OfferConstraints } from '../protocol/entities.js';
import type { SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import { validateSchedulerEvent } from '../protocol/validate.js';
import type { LeaderSource, PersistentOptions } from '../transport/reconnecting.js';
import { connectPersistently } from '../transport/reconnecting.js';
import type { Dialer } from '../transport/transport.js';
import { wsDialer } from '../transport/ws-transport.js';
import type { Store } from '../store/store.js';
import { carried } from './answering.js';
import type { FrameworkConnection, FrameworkConnectionHandler, OpenFrameworkConnection } from './connection.js';
import type { FrameworkOptions } from './framework.js';
import { offerWishes } from './framework-options.js';
import { Framework } from './framework.js';
import { idInFile } from './id-file.js';
import type { IdKeeper } from './kept-id.js';
import { idInStore, keepingId } from './kept-id.js';

/** How to subscribe. Everything a FrameworkInfo can say, and how the connection behaves. */
export interface ConnectOptions extends Omit<FrameworkInfo, 'name' | 'roles'> {
  /** `ws://host:port` or `http://host:port`, several of them (in a list, or with commas), or a detector of the leader. Default `ws://localhost:5050`. */
  readonly master?: string | readonly string[] | Detector | undefined;
  /** What people see in lists of frameworks. */
  readonly name: string;
  /** Default `['*']`. */
  readonly roles?: readonly Role[];
  /** The id of an earlier run, to take over its tasks. */
  readonly id?: FrameworkId;
  /**
   * A file that keeps the id: read at the start, written before anything of a new subscription is heard. With it a scheduler that is started
   * again is the same framework. Its directory must exist.
   */
  readonly idFile?: string;
  /** As `idFile`, in the record `framework-id` of a store that the scheduler has anyway. */
  readonly idStore?: Store;
  /** Start without offers for these roles until `revive` or demand; `true` for all. Default none. */
  readonly suppressed?: boolean | readonly Role[];
  readonly offerConstraints?: OfferConstraints;
  /** Default true: an update is acknowledged once every subscriber of `updates$` had it. */
  readonly acknowledge?: boolean;
  /** Reconciliation after each subscription and every 15 min; false for none. */
  readonly reconcile?: FrameworkOptions['reconcile'];
  /** Give up when not subscribed within so long. Default 30,000; 0 tries for ever. */
  readonly timeoutMs?: number;
  /**
   * Called with the framework before it subscribes, also where no master is there yet: the place to listen to its streams, and to tell `tasks` what an earlier
   * run has launched, so that the master is asked about it.
   */
  readonly prepare?: (framework: Framework) => void;
  /** Ends the attempt, and after it the framework, as `close()` does. */
  readonly signal?: AbortSignal;
  /** Between reconnects: at random below 1 s and twice the time since the connection was lost, at most 60 s. */
  readonly backoff?: PersistentOptions<SchedulerEvent>['backoff'];
  /** For simulation and tests. Default: the machine's. */
  readonly env?: Env;
  /** For simulation and tests. Default: WebSocket. */
  readonly dialer?: Dialer;
}

/**
 * Subscribes a framework and resolves once the master has accepted it. Afterwards the connection is kept: it reconnects with backoff and
 * subscribes again with the same id.
 * @throws (rejects) ProfferError INVALID_FRAMEWORK, FRAMEWORK_REMOVED and such with the master's problems; UNREACHABLE when nobody accepted in time;
 * INVALID_CALL for what no message can carry; USAGE for two ids that differ, STORE_DAMAGED or STORE_FAILED for an id that cannot be read or kept.
 */
export function connect(options: ConnectOptions): Promise<Framework> {
  const env = options.env ?? systemEnv();
  let failure = 'no answer yet';
  let framework: Framework;
  try {
    const keeper = keeperOf(options);
    const kept = keeper?.load();
    checkSame(options, kept?.id, keeper);
    const onFailure = (reason: string): void => {
      failure = reason;
    };
    const open: OpenFrameworkConnection = handler => openConnection(env, options, handler, onFailure, kept?.epoch);
    framework = new Framework(
      env,
      keeper === undefined ? open : keepingId(open, keeper, kept, env.log),
      frameworkOptions(kept === undefined ? options : { ...options, id: kept.id }),
    );
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
  try {
    options.prepare?.(framework);
  } catch (error) {
    framework.close();
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
  const { signal, timeoutMs = 30_000 } = options;
  const onAbort = (): void => framework.close();
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return new Promise((resolve, reject) => {
    const deadline =
      timeoutMs === 0
        ? undefined
        : env.clock.after(timeoutMs, () => {
            reject(unreachable(options, timeoutMs, failure));
            framework.close();
          });
    framework.connection$.subscribe({
      next: state => {
        if (state.state === 'CONNECTED') {
          deadline?.cancel();
          resolve(framework);
        } else if (state.state === 'DISCONNECTED') {
          failure = state.reason;
        } else if (state.state === 'ENDED') {
          deadline?.cancel();
          signal?.removeEventListener('abort', onAbort);
          reject(state.error ?? new ProfferError('DISCONNECTED', 'closed before the master accepted the framework'));
        }
      },
    });
  });
}

function keeperOf({ idFile, idStore }: ConnectOptions): IdKeeper | undefined {
  if (idFile === undefined) return idStore === undefined ? undefined : idInStore(idStore);
  if (idStore === undefined) return idInFile(idFile);
  throw new ProfferError('USAGE', 'the id can be kept in a file or in a store, not in both', { path: 'idStore' });
}

function checkSame({ id }: ConnectOptions, kept: FrameworkId | undefined, keeper: IdKeeper | undefined): void {
  if (id === undefined || kept === undefined || id === kept) return;
  throw new ProfferError('USAGE', `the id is to be ${shown(id)}, and ${keeper?.where} says ${shown(kept)}`, {
    path: 'id',
    hint: 'leave one of them out',
  });
}

function frameworkOptions(options: ConnectOptions): FrameworkOptions {
  const {
    master: _master,
    idFile: _idFile,
    idStore: _idStore,
    suppressed,
    offerConstraints,
    acknowledge,
    reconcile,
    timeoutMs: _timeoutMs,
    prepare: _prepare,
    signal: _signal,
    backoff: _backoff,
    env: _env,
    dialer: _dialer,
    ...info
  } = options;
  const roles = info.roles ?? ['*'];
  const suppressedRoles = suppressed === true ? roles : suppressed === false ? undefined : suppressed;
  const strange = suppressedRoles?.find(role => !roles.includes(role));
  if (strange !== undefined) {
    throw new ProfferError('INVALID_FRAMEWORK', `${shown(strange)} is not a role of the framework`, {
      path: 'suppressed',
      hint: `its roles are ${roles.join(', ')}`,
    });
  }
  const framework = { ...info, roles };
  carried({ type: 'SUBSCRIBE', framework, ...offerWishes(roles, new Set(suppressedRoles), offerConstraints) });
  return {
    info: { capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE'], ...framework },
    ...(suppressedRoles === undefined ? {} : { suppressedRoles }),
    ...(offerConstraints === undefined ? {} : { offerConstraints }),
    ...(acknowledge === undefined ? {} : { acknowledge }),
    ...(reconcile === undefined ? {} : { reconcile }),
  };
}

/**
 * The persistent session of a framework, for those who make a `Framework` without waiting for the master; `connect` waits. No master of an epoch before
 * `epochSeen` is believed.
 * @throws ProfferError USAGE when an address of `options.master` is none.
 */
export function openConnection(
  env: Env,
  options: ConnectOptions,
  handler: FrameworkConnectionHandler,
  onFailure: (reason: string) => void,
  epochSeen = 0,
): FrameworkConnection {
  const connection = connectPersistently<SchedulerEvent, SchedulerCall>(
    env,
    {
      dialer: options.dialer ?? wsDialer(),
      target: targetOf(options.master ?? 'ws://localhost:5050'),
      path: '/v1/scheduler',
      kind: 'scheduler',
      version,
      epochSeen,
      validate: validateSchedulerEvent,
      ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
    },
    {
      onConnected: (_peer, welcome) => handler.onConnected(welcome.epoch),
      onMessage: event => handler.onMessage(event),
      onInvalid: problems => handler.onInvalid(problems),
      onDisconnected: (end, nextAttemptInMs) => handler.onDisconnected(end.reason, nextAttemptInMs ?? 0),
      onAttemptFailed: (end, problems, nextAttemptInMs) => {
        const reason = problems.length > 0 ? problemsError(problems).message : end.reason;
        onFailure(reason);
        if (problems.some(isFinal)) handler.onRefused(problems);
        else handler.onDisconnected(reason, nextAttemptInMs ?? 0);
      },
    },
  );
  return { send: call => connection.peer?.send(call), close: () => connection.close() };
}

// A master that no longer leads, or a first word that got lost on the way, is no reason to give up.
function isFinal({ code, path }: Problem): boolean {
  return path !== '' && !errorCodes[code].retryable;
}

function targetOf(master: string | readonly string[] | Detector): readonly string[] | LeaderSource {
  if (typeof master === 'string') return master.split(',').map(checkedUrl);
  if ('leader$' in master) return { subscribe: next => master.leader$.subscribe(next) };
  return master.map(checkedUrl);
}

function checkedUrl(text: string): string {
  const trimmed = text.trim();
  const url = trimmed.replace(/^http(s?):\/\//, 'ws$1://');
  const complete = /^wss?:\/\//.test(url) ? url : `ws://${url}`;
  if (!URL.canParse(complete) || trimmed === '') {
    throw new ProfferError('USAGE', `${shown(text)} is not the address of a master`, {
      path: 'master',
      hint: 'write for example ws://localhost:5050',
    });
  }
  return complete;
}

function unreachable(options: ConnectOptions, timeoutMs: number, failure: string): ProfferError {
  const master = options.master ?? 'ws://localhost:5050';
  const where = typeof master === 'string' ? master : 'leader$' in master ? 'the leading master' : master.join(', ');
  return new ProfferError('UNREACHABLE', `${where} did not accept the framework within ${timeoutMs} ms: ${failure}`, {
    path: 'master',
    hint: 'is a master running there? `proffer up` starts one',
  });
}
