// What routes work with: the Marathon they stand in front of, time, and who listens. Types, and the wish for a change that every route reads alike.
import type { Clock, Logger } from 'proffer';
import type { Callbacks } from '../events/callbacks.js';
import type { EventStreams } from '../events/streams.js';
import type { Reading } from '../model/change/app.js';
import type { Group } from '../model/group.js';
import type { Marathon } from '../service/marathon.js';
import type { LogLevels } from './log-levels.js';
import type { ServerCounts } from './replies/metrics.js';
import type { ConfigSections } from './replies/info.js';

export interface Api {
  readonly marathon: Marathon;
  readonly clock: Clock;
  readonly log: Logger;
  readonly streams: EventStreams;
  readonly streamsMax: number;
  readonly callbacks: Callbacks;
  readonly levels: LogLevels;
  readonly config: ConfigSections;
  /** `host:port` of the process that leads; undefined while none does. */
  readonly leader: () => string | undefined;
  /** `host:port` of this process. */
  readonly self: () => string;
  /** What registries have to know to tell of pushes; absent: none may. */
  readonly webhookToken?: string;
  /** When it began to serve, in the clock's milliseconds. */
  readonly startedAt: number;
  readonly counts: () => ServerCounts;
}

/** What definitions of a request are read against. */
export function readingOf({ marathon }: Api, root: Group, version: number, force = false): Reading {
  return { root, settings: marathon.settings, version, force };
}

/** Whether top-level groups that come with a change enforce their role. */
export function newEnforce({ marathon }: Api): boolean {
  return marathon.settings.newGroupEnforceRole === 'top';
}
