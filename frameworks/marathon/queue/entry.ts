// What waits of one run spec. In: its waiting instances, delay and offers. Out: the entry as `/v2/queue` tells it, and one line on why. Pure.
import type { Role } from 'proffer';
import type { PathId } from '../model/path.js';
import { waitMs } from './delay.js';
import type { Delay } from './delay.js';
import { funnelOf, rejectReasons } from './funnel.js';
import type { FunnelStep } from './funnel.js';
import type { OfferStatistics, UnusedOffer } from './statistics.js';

/** Waiting for so long beyond the delay is overdue, in milliseconds. */
export const overdueMs = 30_000;

/** What is known of a run spec that has instances to launch. */
export interface Waits {
  readonly runSpecId: PathId;
  readonly role: Role;
  /** Instances still to launch. */
  readonly count: number;
  /** When the first of them began to wait. */
  readonly since: number;
  readonly delay: Delay | undefined;
  readonly offers: OfferStatistics;
}

/** One entry of the queue. */
export interface QueueEntry {
  readonly runSpecId: PathId;
  readonly role: Role;
  readonly count: number;
  readonly since: number;
  readonly timeLeftMs: number;
  readonly overdue: boolean;
  readonly processedOffersCount: number;
  readonly unusedOffersCount: number;
  readonly lastUnusedOfferAt?: number;
  readonly lastUsedOfferAt?: number;
  readonly rejectSummaryLastOffers: readonly FunnelStep[];
  readonly rejectSummaryLaunchAttempt: readonly FunnelStep[];
  readonly lastUnusedOffers: readonly UnusedOffer[];
  /** For people: why it waits. */
  readonly why: string;
}

/** The entry of a run spec. */
export function queueEntry(waits: Waits, now: number): QueueEntry {
  const { runSpecId, role, count, since, delay, offers } = waits;
  const dueAt = Math.max(since, delay === undefined ? since : delay.since + delay.delayMs);
  const { lastUnusedAt, lastUsedAt } = offers;
  return {
    runSpecId,
    role,
    count,
    since,
    timeLeftMs: waitMs(delay, now),
    overdue: now - dueAt >= overdueMs,
    processedOffersCount: offers.processed,
    unusedOffersCount: offers.unused,
    ...(lastUnusedAt === undefined ? {} : { lastUnusedOfferAt: lastUnusedAt }),
    ...(lastUsedAt === undefined ? {} : { lastUsedOfferAt: lastUsedAt }),
    rejectSummaryLastOffers: funnelOf(offers.lastOfferCounts(), offers.lastUnused.size),
    rejectSummaryLaunchAttempt: funnelOf(offers.rejected, offers.processed),
    lastUnusedOffers: [...offers.lastUnused.values()],
    why: whyWaiting(waits, now),
  };
}

/** "delayed for 12 s after failures", "InsufficientMemory on 3 agents, UnfulfilledConstraint on 1 agent", "no offers". */
export function whyWaiting({ delay, offers }: Waits, now: number): string {
  const leftMs = waitMs(delay, now);
  if (leftMs > 0) return `delayed for ${Math.ceil(leftMs / 1000)} s after failures`;
  const counts = offers.lastOfferCounts();
  const reasons = rejectReasons
    .map(reason => ({ reason, agents: counts[reason] ?? 0 }))
    .filter(({ agents }) => agents > 0)
    .sort((a, b) => b.agents - a.agents);
  if (reasons.length === 0) return 'no offers';
  return reasons.map(({ reason, agents }) => `${reason} on ${agents} ${agents === 1 ? 'agent' : 'agents'}`).join(', ');
}
