// The fault that finds most (FoundationDB's swizzle-clog): some of many links stop one by one, and come back in another order. In: proxies. Out: done.
import { problem, problemsError, shown } from '../base/errors.js';
import type { Clock } from '../env/clock.js';
import { seededRandom } from '../env/random.js';
import { systemClock } from '../env/system-clock.js';
import type { ActiveFault, ProxyDirection, ProxyFault } from './ws-proxy-faults.js';

/** How links are stopped and let go. */
export interface SwizzleOptions {
  /** Which, in which order, and when. Default 1. */
  readonly seed?: number;
  /** How many of the links, in (0, 1]; at least one. Default 0.5. */
  readonly share?: number;
  /** Between one and the next, at random up to this. Default 500. */
  readonly stepMaxMs?: number;
  /** Default: both ways. */
  readonly direction?: ProxyDirection;
  readonly clock?: Clock;
}

/** Anything that takes faults; each stands for one link, so give each process whose link is to stop a proxy of its own. */
export interface FaultyLink {
  fault(fault: ProxyFault): ActiveFault;
}

/**
 * Partitions a random part of `links` one after another, then heals them in random order; resolves when all are healed, with the number that were cut.
 * Source: FoundationDB's simulator, which calls it swizzle-clogging.
 * @throws ProfferError USAGE for a share or a time out of range.
 */
export function swizzle(links: readonly FaultyLink[], options: SwizzleOptions = {}): Promise<number> {
  const { seed = 1, share = 0.5, stepMaxMs = 500, direction, clock = systemClock } = options;
  const wrong = [
    ...(share > 0 && share <= 1 ? [] : [problem('share', 'USAGE', `${shown(share)} is not above 0 and up to 1`)]),
    ...(stepMaxMs >= 0 ? [] : [problem('stepMaxMs', 'USAGE', `${shown(stepMaxMs)} is not 0 or more`)]),
  ];
  if (wrong.length > 0) throw problemsError(wrong);
  const random = seededRandom(seed).fork('swizzle');
  const chosen = random.shuffle([...links]).slice(0, Math.max(1, Math.round(links.length * share)));
  return new Promise(resolve => {
    const cut: ActiveFault[] = [];
    const step = (): void => {
      const next = chosen[cut.length];
      if (next !== undefined) {
        cut.push(next.fault({ kind: 'partition', ...(direction === undefined ? {} : { direction }) }));
        clock.after(random.unit() * stepMaxMs, step);
        return;
      }
      const healing = random.shuffle([...cut]);
      const heal = (): void => {
        const link = healing.pop();
        if (link === undefined) return resolve(cut.length);
        link.lift();
        clock.after(random.unit() * stepMaxMs, heal);
      };
      heal();
    };
    step();
  });
}
