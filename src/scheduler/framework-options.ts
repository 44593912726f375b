// How a framework behaves at the master: the options of `Framework`, and what of them is told with a subscription.
import type { Role } from '../base/ids.js';
import type { FrameworkInfo, OfferConstraints } from '../protocol/entities.js';
import type { ReconcileOptions } from './reconcile.js';

/** How a framework behaves; `connect` documents the defaults. */
export interface FrameworkOptions {
  readonly info: FrameworkInfo;
  readonly suppressedRoles?: readonly Role[];
  readonly offerConstraints?: OfferConstraints;
  /** Default true: an update is acknowledged once every subscriber of `updates$` had it. */
  readonly acknowledge?: boolean;
  readonly reconcile?: ReconcileOptions | false;
  /** At most one SUPPRESS or REVIVE for demand per so long. Default 200. */
  readonly demandIntervalMs?: number;
}

/** What a subscription with `roles` says of the offers that are wanted. */
export function offerWishes(
  roles: readonly Role[],
  suppressed: ReadonlySet<Role>,
  offerConstraints: OfferConstraints | undefined,
): { suppressedRoles?: readonly Role[]; offerConstraints?: OfferConstraints } {
  const suppressedRoles = roles.filter(role => suppressed.has(role));
  return {
    ...(suppressedRoles.length === 0 ? {} : { suppressedRoles }),
    ...(offerConstraints === undefined ? {} : { offerConstraints }),
  };
}
