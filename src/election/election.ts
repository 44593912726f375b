// The election port: who leads. Masters contend, agents and schedulers detect.
import type { Observable } from 'rxjs';

/** A leading master, as others reach it. */
export interface Leader {
  /** `ws://host:port` without a path. */
  readonly url: string;
  /** Grows with every change of leader; 0 where nobody counts. */
  readonly epoch: number;
}

/** Tells who leads, now and at every change; undefined while nobody does. */
export interface Detector {
  readonly leader$: Observable<Leader | undefined>;
}

/** A term of leading. */
export interface Leading {
  /** Later than that of any leader before. */
  readonly epoch: number;
  /**
   * Until when we may act as the leader, on the monotonic clock: before others can take the lead. Each renewal says it anew; about two thirds
   * of the lease after the last one was asked for. Absent: for ever.
   */
  readonly actUntilMs?: number;
}

/** Tells whether we lead, and with which epoch; undefined while we do not. */
export interface Contender {
  readonly leading$: Observable<Leading | undefined>;
  /** Steps down and stops contending. */
  resign(): void;
}
