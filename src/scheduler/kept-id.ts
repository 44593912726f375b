// A framework's id outlives its scheduler: stored before anything else is heard of the subscription, and used for every later one. So does the epoch of
// the latest master: none of before is believed again. In: a connection, where both are kept. Out: a connection that keeps them. Ring 1.
import type { Problem } from '../base/errors.js';
import { problem, ProfferError, shown } from '../base/errors.js';
import type { FrameworkId } from '../base/ids.js';
import type { Logger } from '../env/log.js';
import { silentLogger } from '../env/log.js';
import type { SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import type { Store } from '../store/store.js';
import type { FrameworkConnection, OpenFrameworkConnection } from './connection.js';

/** What a scheduler knows from one run to the next. */
export interface KeptId {
  readonly id: FrameworkId;
  /** Of the latest master that it has subscribed with; 0: not known. */
  readonly epoch: number;
}

/** Where the id is kept. */
export interface IdKeeper {
  /** For people. */
  readonly where: string;
  /** @throws ProfferError STORE_DAMAGED when it cannot be read: to subscribe without it would make a second framework. */
  load(): KeptId | undefined;
  keep(kept: KeptId, onDurable: (error?: Error) => void): void;
}

const key = 'framework-id';
const epochKey = 'framework-epoch';

/** The id as a record of a store. */
export function idInStore(store: Store): IdKeeper {
  return {
    where: `the record ${key} of its store`,
    load: () => {
      const id = recordOf(store, key);
      if (id === undefined) return undefined;
      if (typeof id.value !== 'string' || id.value === '')
        throw damaged(key, `${shown(id.value)} is kept as the framework id, which is a text`);
      const epoch = recordOf(store, epochKey)?.value ?? 0;
      if (!Number.isSafeInteger(epoch) || Number(epoch) < 0)
        throw damaged(epochKey, `${shown(epoch)} is kept as an epoch, which is a whole number`);
      return { id: id.value, epoch: Number(epoch) };
    },
    keep: ({ id, epoch }, onDurable) =>
      store.write(
        [
          { key, value: id },
          { key: epochKey, value: epoch },
        ],
        onDurable,
      ),
  };
}

function recordOf(store: Store, wanted: string): { readonly value: unknown } | undefined {
  return store.load(wanted).find(record => record.key === wanted);
}

function damaged(path: string, message: string): ProfferError {
  return new ProfferError('STORE_DAMAGED', message, {
    path,
    hint: 'restore the store from a copy, or remove the record framework-id to begin as a new framework',
  });
}

/**
 * `open`, with the id kept. What comes after SUBSCRIBED waits until the id is durable; a subscription that breaks meanwhile is taken up with the
 * same id, as nothing may ask for a second one. A master of a later epoch than any before is subscribed with once that is durable.
 */
export function keepingId(
  open: OpenFrameworkConnection,
  keeper: IdKeeper,
  kept: KeptId | undefined,
  log: Logger = silentLogger,
): OpenFrameworkConnection {
  return handler => {
    let id = kept?.id;
    let durable = kept !== undefined;
    let epoch = kept?.epoch ?? 0;
    let keptEpoch = epoch;
    let waiting: SchedulerEvent[] | undefined;
    /** Tells one session from the next. */
    let sessions = 0;

    function keepId(now: KeptId): void {
      keeper.keep(now, error => {
        if (error !== undefined) {
          const message = `the id ${now.id} could not be stored in ${keeper.where}: ${error.message}`;
          handler.onRefused([
            problem('id', 'STORE_FAILED', message, 'without it a later run would be another framework'),
          ]);
          return;
        }
        durable = true;
        keptEpoch = now.epoch;
        // Another master has come meanwhile.
        if (epoch > keptEpoch) return keepId({ id: now.id, epoch });
        const events = waiting ?? [];
        waiting = undefined;
        for (const event of events) handler.onMessage(event);
      });
    }

    function connected(welcomeEpoch = 0): void {
      waiting = undefined;
      sessions += 1;
      epoch = Math.max(epoch, welcomeEpoch);
      if (epoch === keptEpoch || !durable || id === undefined) return handler.onConnected(welcomeEpoch);
      const session = sessions;
      const now = { id, epoch };
      keeper.keep(now, error => {
        if (error === undefined) keptEpoch = now.epoch;
        // The file of an id may be for reading only; what matters is that this is the framework.
        else log.warn('the epoch of the master could not be kept', { why: error.message });
        if (session === sessions) handler.onConnected(welcomeEpoch);
      });
    }

    const connection: FrameworkConnection = open({
      ...handler,
      onConnected: connected,
      onDisconnected: (reason, nextAttemptInMs) => {
        waiting = undefined;
        sessions += 1;
        handler.onDisconnected(reason, nextAttemptInMs);
      },
      onMessage: event => {
        if (waiting !== undefined) {
          waiting.push(event);
        } else if (event.type === 'SUBSCRIBED' && !durable) {
          waiting = [event];
          if (id !== undefined) return;
          id = event.frameworkId;
          keepId({ id, epoch });
        } else {
          handler.onMessage(event.type === 'ERROR' ? withWayOut(event, keeper) : event);
        }
      },
    });
    return {
      send: call => connection.send(withId(call, id)),
      close: () => {
        waiting = undefined;
        sessions += 1;
        connection.close();
      },
    };
  };
}

function withId(call: SchedulerCall, id: FrameworkId | undefined): SchedulerCall {
  if (call.type !== 'SUBSCRIBE' || id === undefined || call.framework.id !== undefined) return call;
  return { ...call, framework: { ...call.framework, id } };
}

// A removed id is refused for ever; whoever wants to begin anew has to say so.
function withWayOut(
  event: Extract<SchedulerEvent, { type: 'ERROR' }>,
  keeper: IdKeeper,
): Extract<SchedulerEvent, { type: 'ERROR' }> {
  const problems = event.problems.map(
    (each): Problem =>
      each.code === 'FRAMEWORK_REMOVED'
        ? { ...each, hint: `to begin as a new framework, remove ${keeper.where}` }
        : each,
  );
  return { ...event, problems };
}
