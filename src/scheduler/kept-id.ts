// A framework's id outlives its scheduler: stored before anything else is heard of the subscription, and used for every later one.
// In: a connection, where the id is kept. Out: a connection that keeps it. Ring 1.
import type { Problem } from '../base/errors.js';
import { problem, ProfferError, shown } from '../base/errors.js';
import type { FrameworkId } from '../base/ids.js';
import type { SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import type { Store } from '../store/store.js';
import type { FrameworkConnection, OpenFrameworkConnection } from './connection.js';

/** Where the id is kept. */
export interface IdKeeper {
  /** For people. */
  readonly where: string;
  /** @throws ProfferError STORE_DAMAGED when it cannot be read: to subscribe without it would make a second framework. */
  load(): FrameworkId | undefined;
  keep(id: FrameworkId, onDurable: (error?: Error) => void): void;
}

const key = 'framework-id';

/** The id as a record of a store. */
export function idInStore(store: Store): IdKeeper {
  return {
    where: `the record ${key} of its store`,
    load: () => {
      const found = store.load(key).find(record => record.key === key);
      if (found === undefined) return undefined;
      if (typeof found.value === 'string' && found.value !== '') return found.value;
      throw new ProfferError('STORE_DAMAGED', `${shown(found.value)} is kept as the framework id, which is a text`, {
        path: key,
        hint: 'restore the store from a copy, or remove the record to begin as a new framework',
      });
    },
    keep: (id, onDurable) => store.write([{ key, value: id }], onDurable),
  };
}

/**
 * `open`, with the id kept. What comes after SUBSCRIBED waits until the id is durable; a subscription that breaks meanwhile is taken up with the
 * same id, as nothing may ask for a second one.
 */
export function keepingId(
  open: OpenFrameworkConnection,
  keeper: IdKeeper,
  kept: FrameworkId | undefined,
): OpenFrameworkConnection {
  return handler => {
    let id = kept;
    let durable = kept !== undefined;
    let waiting: SchedulerEvent[] | undefined;

    function stored(error?: Error): void {
      if (error !== undefined) {
        const message = `the id ${id} could not be stored in ${keeper.where}: ${error.message}`;
        handler.onRefused([
          problem('id', 'STORE_FAILED', message, 'without it a later run would be another framework'),
        ]);
        return;
      }
      durable = true;
      const events = waiting ?? [];
      waiting = undefined;
      for (const event of events) handler.onMessage(event);
    }

    const connection: FrameworkConnection = open({
      ...handler,
      onConnected: () => {
        waiting = undefined;
        handler.onConnected();
      },
      onDisconnected: (reason, nextAttemptInMs) => {
        waiting = undefined;
        handler.onDisconnected(reason, nextAttemptInMs);
      },
      onMessage: event => {
        if (waiting !== undefined) {
          waiting.push(event);
        } else if (event.type === 'SUBSCRIBED' && !durable) {
          waiting = [event];
          if (id !== undefined) return;
          id = event.frameworkId;
          keeper.keep(id, stored);
        } else {
          handler.onMessage(event.type === 'ERROR' ? withWayOut(event, keeper) : event);
        }
      },
    });
    return {
      send: call => connection.send(withId(call, id)),
      close: () => {
        waiting = undefined;
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
