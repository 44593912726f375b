// The production Env: the machine's clock, chance seeded by the operating system, and the given log and metrics.
import { randomInt } from 'node:crypto';
import type { Env } from './env.js';
import type { Logger } from './log.js';
import { silentLogger } from './log.js';
import type { Metrics } from './metrics.js';
import { silentMetrics } from './metrics.js';
import { seededRandom } from './random.js';
import { systemClock } from './system-clock.js';
import { systemIds } from './system-ids.js';

/** An Env for a real process. `seed` makes its choices repeatable (ids stay unique). */
export function systemEnv(options: { log?: Logger; metrics?: Metrics; seed?: number } = {}): Env {
  return {
    clock: systemClock,
    random: seededRandom(options.seed ?? randomInt(2 ** 32)),
    ids: systemIds,
    log: options.log ?? silentLogger,
    metrics: options.metrics ?? silentMetrics,
  };
}
