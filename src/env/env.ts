// Env: everything a component may not reach for by itself (time, chance, ids, log, metrics). Production and simulation differ here only.
import type { Clock } from './clock.js';
import type { Ids } from './ids.js';
import type { Logger } from './log.js';
import type { Metrics } from './metrics.js';
import type { Random } from './random.js';

/** The surroundings of one component. Make one per node: `systemEnv()` in production, `world.env(name)` in simulation. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Logger;
  readonly metrics: Metrics;
}
