// Peers that have followed a master of a later epoch refuse ours, for ever if it is the only one: operators have to hear of it. In: what peers told. Out: an
// error in the log, and the latest epoch for `/state`.
import type { Clock } from '../env/clock.js';
import type { Logger } from '../env/log.js';

/** What peers told of epochs later than ours. */
export class LaterEpochs {
  readonly #epoch: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  #latest: number | undefined;
  #quietUntilMs = Number.NEGATIVE_INFINITY;

  constructor(epoch: number, clock: Clock, log: Logger) {
    this.#epoch = epoch;
    this.#clock = clock;
    this.#log = log;
  }

  /** Undefined: nobody has told of a later one. */
  get latest(): number | undefined {
    return this.#latest;
  }

  /** A peer has seen `epochSeen` and was refused; they try again every few seconds. */
  seen(epochSeen: number, remote: string): void {
    if (epochSeen <= this.#epoch) return;
    this.#latest = Math.max(this.#latest ?? 0, epochSeen);
    const nowMs = this.#clock.now();
    if (nowMs < this.#quietUntilMs) return;
    this.#quietUntilMs = nowMs + quietMs;
    this.#log.error('peers have followed a master of a later epoch, and refuse this one', {
      epoch: this.#epoch,
      epochSeen,
      remote,
      hint: 'if another master leads, stop this one; otherwise its registry was lost or is an older copy while its clock is behind: set the clock right and start it again',
    });
  }
}

const quietMs = 60_000;
