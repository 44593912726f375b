// The surroundings of one component alone, under virtual time: for unit tests of schedulers and other components. In: a seed. Out: an Env, its clock.
import type { Env } from '../env/env.js';
import { randomIds } from '../env/ids.js';
import { silentLogger } from '../env/log.js';
import { silentMetrics } from '../env/metrics.js';
import { seededRandom } from '../env/random.js';
import { VirtualClock } from '../env/virtual-clock.js';

/** An Env whose time moves only when `clock` is told to, with chance and ids that follow from `seed`. */
export function virtualEnv(seed = 1): { readonly env: Env; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const ids = randomIds(random.fork('ids'));
  return { env: { clock, random, ids, log: silentLogger, metrics: silentMetrics }, clock };
}
