// What is to be placed, and what it may be placed on. In: nothing. Out: types that matching and orders of offers share.
import type { AgentId, ExecutorId, Role } from '../base/ids.js';
import type { ContainerType, Offer } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import type { PlacementConstraint } from './constraints.js';

/** What is to be placed. */
export interface MatchRequest {
  readonly resources: Bag;
  /** Host ports to pick, beside those in `resources`. Default 0. */
  readonly ports?: number;
  /** See `TaskInfo.exactResources`. Default false. */
  readonly exactResources?: boolean;
  /** Custom executors of its tasks, with what each needs for itself where it does not run yet. */
  readonly executors?: ReadonlyMap<ExecutorId, Bag>;
  /** Roles whose offers may be used. Default: any. */
  readonly roles?: readonly Role[];
  readonly constraints?: readonly PlacementConstraint[];
  /** The container type it needs, when it needs one. */
  readonly containerizer?: ContainerType;
  /** Agents not to use now, with the reason, e.g. after failures there. */
  readonly avoid?: ReadonlyMap<AgentId, string>;
  /** How long the instance is expected to run: an offer with a planned absence before that is refused. */
  readonly runsForMs?: number;
}

/** An offer and what of it is not yet promised. */
export interface OpenOffer {
  readonly offer: Offer;
  readonly left: Bag;
}
