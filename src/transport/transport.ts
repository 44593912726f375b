// The transport port: listeners, dialers and links that carry protocol messages in order. Codec and batching are the adapter's business.

/** Why a link ended. */
export interface LinkEnd {
  readonly code: CloseCode;
  readonly reason: string;
}

/** The WebSocket close codes we use, plus 1006 for a path that broke without one. */
export const closeCodes = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  lost: 1006,
  badData: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  tryLater: 1013,
} as const;
export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes];

/** One connection. Messages arrive at the other end in order and at most once, or the link ends. */
export interface Link {
  /** Unique within the process; the later a link was opened, the greater. */
  readonly id: number;
  /** Who is at the other end, for logs. */
  readonly remote: string;
  /**
   * Queues `message`; messages of one turn travel together. A link that has ended swallows it. More than 8 MiB unsent end the link with 1013, on the side
   * that dialed 256 MiB.
   */
  send(message: object): void;
  /** Ends the link after what is queued; `onEnd` follows once. */
  close(code: CloseCode, reason: string): void;
}

/** What a link tells its owner. Called one at a time; never after `onEnd`. */
export interface LinkHandler {
  /** Absent on the accepting side, where the link is open from the start. */
  onOpen?(): void;
  /** A decoded frame item: any JSON-like value; its shape is not yet validated. */
  onMessage(message: unknown): void;
  onEnd(end: LinkEnd): void;
}

/** Accepts links. `path` is the URL path the peer asked for, e.g. `/v1/scheduler`. */
export type AcceptLink = (link: Link, path: string) => LinkHandler | undefined;

/** Something that accepts links until closed. */
export interface Listener {
  /** Where it listens: `{ host, port }`. */
  readonly address: { readonly host: string; readonly port: number };
  /** Stops accepting and ends its links with 1001. */
  close(): void;
}

/** Opens links. */
export interface Dialer {
  /** Starts to connect to `url` (`ws://host:port/path`). Failure is told by `onEnd`. */
  dial(url: string, handler: LinkHandler): Link;
}
