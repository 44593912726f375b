// Whom a node follows: it takes a master for the one that leads once it has been welcomed by it and says something that counts. In: a dialer.
// Out: the same, and the epoch of each master followed.
import { controlType } from '../transport/session-messages.js';
import type { Dialer } from '../transport/transport.js';

/** `dialer`, with `follows` told of the epoch of each master that what is dialed through it follows. */
export function following(dialer: Dialer, follows: (epoch: number) => void): Dialer {
  return {
    dial: (url, handler) => {
      let welcomedBy: number | undefined;
      const link = dialer.dial(url, {
        onOpen: () => handler.onOpen?.(),
        onMessage: message => {
          const { type, epoch } = message as { readonly type?: unknown; readonly epoch?: unknown };
          if (type === '$WELCOME' && typeof epoch === 'number') welcomedBy = epoch;
          handler.onMessage(message);
        },
        onEnd: end => handler.onEnd(end),
      });
      return {
        id: link.id,
        remote: link.remote,
        send: message => {
          if (welcomedBy !== undefined && controlType(message) === undefined) {
            follows(welcomedBy);
            welcomedBy = undefined;
          }
          link.send(message);
        },
        close: (code, reason) => link.close(code, reason),
      };
    },
  };
}
