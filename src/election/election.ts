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

/** Tells whether we lead, and with which epoch; undefined while we do not. */
export interface Contender {
  readonly leading$: Observable<{ readonly epoch: number } | undefined>;
  /** Steps down and stops contending. */
  resign(): void;
}
