// Spreads what one scheduler gets at once (offers of a large cluster, all its tasks) over time, as a link that queues too much is cut off.
import type { Clock, Timer } from '../env/clock.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import type { Peer } from '../transport/peer.js';
import type { CloseCode } from '../transport/transport.js';

/** What may leave within one window; a quarter of what a link may have unsent. */
const windowBytes = 2 * 1024 * 1024;
/** 100 MiB/s: more than a peer on the same machine can read, so only bursts wait. */
const windowMs = 20;

/** Passes messages on in order: at once as long as little goes out, else window by window. */
export class PacedPeer implements Peer<SchedulerEvent> {
  readonly #peer: Peer<SchedulerEvent>;
  readonly #clock: Clock;
  #backlog: SchedulerEvent[] = [];
  #windowEndMs = 0;
  #spentBytes = 0;
  #timer: Timer | undefined;

  constructor(peer: Peer<SchedulerEvent>, clock: Clock) {
    this.#peer = peer;
    this.#clock = clock;
  }

  get id(): number {
    return this.#peer.id;
  }

  get remote(): string {
    return this.#peer.remote;
  }

  send(event: SchedulerEvent): void {
    if (this.#timer === undefined && this.#fits(event)) {
      this.#peer.send(event);
      return;
    }
    this.#backlog.push(event);
    this.#arm();
  }

  /** What waits leaves first. */
  close(code: CloseCode, reason: string): void {
    for (const event of this.#backlog) this.#peer.send(event);
    this.drop();
    this.#peer.close(code, reason);
  }

  /** The session has ended: nothing that waits will leave. */
  drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#backlog = [];
  }

  #fits(event: SchedulerEvent): boolean {
    const now = this.#clock.now();
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + windowMs;
      this.#spentBytes = 0;
    }
    if (this.#spentBytes >= windowBytes) return false;
    this.#spentBytes += roughBytes(event);
    return true;
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(this.#windowEndMs - this.#clock.now(), () => {
      this.#timer = undefined;
      const waiting = this.#backlog;
      this.#backlog = [];
      let sent = 0;
      for (const event of waiting) {
        if (!this.#fits(event)) break;
        this.#peer.send(event);
        sent += 1;
      }
      if (sent === waiting.length) return;
      this.#backlog = waiting.slice(sent);
      this.#arm();
    });
  }
}

// Exactness would cost more than it is worth: the window is far from what a link bears.
function roughBytes(event: SchedulerEvent): number {
  switch (event.type) {
    case 'OFFERS':
      return event.offers.length * 768;
    case 'UPDATE':
      return 512 + (event.status.data?.length ?? 0) + (event.status.message?.length ?? 0);
    case 'MESSAGE':
      return 256 + event.data.length;
    default:
      return 256;
  }
}
