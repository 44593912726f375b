// A peer as a component sees it: typed messages over an established session. Components know nothing of links below.
import type { Problem } from '../base/errors.js';
import type { CloseCode, LinkEnd } from './transport.js';

/** The other end of a session. `Out` is what we say to it. */
export interface Peer<Out> {
  /** Unique within the process; the later a session was opened, the greater. */
  readonly id: number;
  /** Who it is, for logs. */
  readonly remote: string;
  /** Queues a message; swallowed once the session has ended. */
  send(message: Out): void;
  /** Ends the session after what is queued; the handler's `onEnd` follows. */
  close(code: CloseCode, reason: string): void;
}

/** What a session tells its owner. `In` has passed validation. */
export interface PeerHandler<In> {
  onMessage(message: In): void;
  /** A message that is not valid, with every problem; it has no effect. `callId` when it carried a readable one. */
  onInvalid(problems: readonly Problem[], callId?: number): void;
  onEnd(end: LinkEnd): void;
}
