// A master of the past: it leads in an earlier epoch, knows nothing of a later one, and welcomes whoever comes; it has nothing to say. In: links.
// Out: its part of them.
import { controlType, protocolVersion } from '../transport/session-messages.js';
import type { SessionMessage } from '../transport/session-messages.js';
import type { Link, LinkHandler } from '../transport/transport.js';

/** Answers on `link` as such a master. */
export function pastMaster(link: Link, epoch: number): LinkHandler {
  return {
    onMessage: raw => {
      if (controlType(raw) !== '$HELLO') return;
      link.send({
        type: '$WELCOME',
        protocol: protocolVersion,
        epoch,
        heartbeatIntervalMs: 0,
      } satisfies SessionMessage);
    },
    onEnd: () => {},
  };
}
