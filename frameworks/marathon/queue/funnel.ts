// The reasons why an offer is not used, in the order in which they are asked, and how many offers get how far. Pure.

/** Marathon's reasons, in funnel order: an offer counts for the first that applies. */
export const rejectReasons = [
  'UnfulfilledRole',
  'UnfulfilledConstraint',
  'NoCorrespondingReservationFound',
  'AgentMaintenance',
  'InsufficientCpus',
  'InsufficientMemory',
  'InsufficientDisk',
  'InsufficientGpus',
  'InsufficientPorts',
  'DeclinedScarceResources',
] as const;
export type RejectReason = (typeof rejectReasons)[number];

/** How many offers were declined for each reason. */
export type RejectCounts = { readonly [reason in RejectReason]?: number };

/** One step of the funnel: of `processed` offers that got there, `declined` ended there. */
export interface FunnelStep {
  readonly reason: RejectReason;
  readonly declined: number;
  readonly processed: number;
}

const ranks = new Map<RejectReason, number>(rejectReasons.map((reason, rank) => [reason, rank]));

/** Compares two reasons: negative when `a` is asked for first. */
export function byFunnel(a: RejectReason, b: RejectReason): number {
  return (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0);
}

/** The first of `reasons` in funnel order; undefined for none. */
export function firstReason(reasons: Iterable<RejectReason>): RejectReason | undefined {
  let first: RejectReason | undefined;
  for (const reason of reasons) if (first === undefined || byFunnel(reason, first) < 0) first = reason;
  return first;
}

/** All steps for `processed` offers. */
export function funnelOf(counts: RejectCounts, processed: number): FunnelStep[] {
  let left = processed;
  return rejectReasons.map(reason => {
    const declined = counts[reason] ?? 0;
    const step = { reason, declined, processed: left };
    left -= declined;
    return step;
  });
}
