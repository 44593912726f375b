// What the transport's tests share: a virtual Env, handlers that write down what they hear, and a message type.
import type { Problem } from '../../src/base/errors.js';
import type { Env } from '../../src/env/env.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { randomIds } from '../../src/env/ids.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { Checked } from '../../src/protocol/checked.js';
import type { PeerHandler } from '../../src/transport/peer.js';
import type { LinkEnd, LinkHandler } from '../../src/transport/transport.js';

export interface Note {
  readonly type: 'NOTE';
  readonly n: number;
}

export function virtualEnv(clock: VirtualClock = new VirtualClock(), seed = 1): Env & { readonly clock: VirtualClock } {
  const random = seededRandom(seed);
  return { clock, random, ids: randomIds(random), log: silentLogger, metrics: silentMetrics };
}

export function note(n: number): Note {
  return { type: 'NOTE', n };
}

export function validateNote(raw: unknown): Checked<Note> {
  const { type, n, callId } = (raw ?? {}) as { type?: unknown; n?: unknown; callId?: unknown };
  if (type === 'NOTE' && typeof n === 'number') return { ok: true, value: { type, n } };
  const problems: Problem[] = [{ path: 'n', code: 'BAD_MESSAGE', message: 'a note has a number' }];
  return typeof callId === 'number' ? { ok: false, problems, callId } : { ok: false, problems };
}

/** Everything a link or a session told its owner, as text, in order. */
export class Heard implements LinkHandler {
  readonly lines: string[] = [];
  /** Called with each line, e.g. to answer, or to resolve a promise. */
  onLine: ((line: string) => void) | undefined;

  onOpen(): void {
    this.say('open');
  }

  onMessage(message: unknown): void {
    this.say(JSON.stringify(message));
  }

  onEnd(end: LinkEnd): void {
    this.say(`end ${end.code} ${end.reason}`);
  }

  say(line: string): void {
    this.lines.push(line);
    this.onLine?.(line);
  }

  /** A session's owner that writes down here, with `name` before each line. */
  peerHandler(name: string): PeerHandler<Note> {
    return {
      onMessage: message => this.say(`${name} got ${message.n}`),
      onInvalid: (problems, callId) => this.say(`${name} invalid ${problems[0]?.path ?? ''} ${callId ?? ''}`.trimEnd()),
      onEnd: end => this.say(`${name} end ${end.code} ${end.reason}`),
    };
  }

  /** Resolves when a line starts with `start`, also one written before. */
  until(start: string): Promise<string> {
    return new Promise(resolve => {
      const found = this.lines.find(line => line.startsWith(start));
      if (found !== undefined) return resolve(found);
      const before = this.onLine;
      this.onLine = line => {
        before?.(line);
        if (!line.startsWith(start)) return;
        this.onLine = before;
        resolve(line);
      };
    });
  }
}
