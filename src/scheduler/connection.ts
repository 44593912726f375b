// What lies between a Framework and its session with the master: where it stands, what is said over it, and what it tells.
import type { Problem, ProfferError } from '../base/errors.js';
import type { FrameworkId } from '../base/ids.js';
import type { MasterInfo } from '../protocol/entities.js';
import type { SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';

/** Where the connection to the master stands. */
export type ConnectionState =
  | { readonly state: 'CONNECTING' }
  | { readonly state: 'CONNECTED'; readonly frameworkId: FrameworkId; readonly master: MasterInfo }
  | { readonly state: 'DISCONNECTED'; readonly reason: string; readonly nextAttemptInMs: number }
  /** For good: closed, torn down, or refused (then with the error). */
  | { readonly state: 'ENDED'; readonly error?: ProfferError };

/** The session below, as `connectPersistently` gives it. */
export interface FrameworkConnection {
  send(call: SchedulerCall): void;
  /** Ends the session and does not come back. */
  close(): void;
}

/** What the session tells. */
export interface FrameworkConnectionHandler {
  /** `epoch`: in which the master leads; default 0. */
  onConnected(epoch?: number): void;
  onMessage(event: SchedulerEvent): void;
  onInvalid(problems: readonly Problem[]): void;
  onDisconnected(reason: string, nextAttemptInMs: number): void;
  /** The master refused the session for good. */
  onRefused(problems: readonly Problem[]): void;
}

export type OpenFrameworkConnection = (handler: FrameworkConnectionHandler) => FrameworkConnection;
