// The allocator's nouns: frameworks and agents as it sees them, grants, quota, demand, reasons. In: nothing. Out: types that all its parts share.
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { Attributes, FaultDomain, FrameworkCapability, OfferConstraints } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';

/** A framework as the allocator sees it. */
export interface AllocatorFramework {
  readonly id: FrameworkId;
  readonly roles: readonly Role[];
  readonly suppressedRoles: readonly Role[];
  readonly capabilities: readonly FrameworkCapability[];
  /** Per role; absent: the allocator's default. */
  readonly minAllocatable: { readonly [role: Role]: readonly Bag[] };
  readonly constraints: OfferConstraints;
}

/** An agent as the allocator sees it. */
export interface AllocatorAgent {
  readonly id: AgentId;
  readonly hostname: string;
  readonly total: Bag;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
}

/** Resources of one agent for one role of one framework. */
export interface Grant {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  readonly agentId: AgentId;
  readonly resources: Bag;
  /** Optimistic commit only, and always there: the version of the agent's books that the offer was made of. Nothing is booked before `commit`. */
  readonly sequence?: number;
  /** What returns of an accepted offer: the resources of that offer, the very object, so that nothing returns out of another one instead. */
  readonly offered?: Bag;
}

/** An offer that is to return for somebody who waits. */
export interface TakenBack extends Grant {
  readonly waiting: { readonly frameworkId: FrameworkId; readonly role: Role };
}

/** Amounts of scalars in integer thousandths, by name. */
export type Amounts = ReadonlyMap<string, number>;

/** What a role, with its sub-roles, may hold at most, and what is kept for it. */
export interface Quota {
  /** A scalar that is not named is not limited. */
  readonly limits: Amounts;
  /** A scalar that is not named is not guaranteed. */
  readonly guarantees: Amounts;
}

/** What a framework says it would run in a role: `count` times `resources`. */
export interface Demand {
  readonly role: Role;
  readonly resources: Bag;
  readonly count: number;
  /** Ports that each picks, beside those in `resources`. Default 0. */
  readonly ports?: number;
}

/** Part of an agent's resources that becomes other resources: the same amounts of scalars by name. */
export interface Conversion {
  readonly consumed: Bag;
  readonly produced: Bag;
}

/** Whose offer or task holds resources. */
export interface Holder {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
}

/** What one run decided, grouped by framework in the order decided. */
export type GrantBatch = readonly { readonly frameworkId: FrameworkId; readonly grants: readonly Grant[] }[];

/** Called at the end of each turn of a run that granted something. The grants are booked before the call. */
export type OnGrants = (batch: GrantBatch) => void;

/** Offers to be rescinded, because a client of lower share has waited long and would be served by their return. */
export type OnStarved = (offers: readonly TakenBack[]) => void;

/** Use of a role, for views and metrics. */
export interface RoleUse {
  readonly role: Role;
  readonly weight: number;
  /** What the order goes by: the greatest of allocated/total over the scalars, sub-roles included, divided by the weight. */
  readonly share: number;
  readonly allocated: Bag;
  readonly frameworks: readonly FrameworkId[];
}

/** Why a client (framework in a role) would not be offered an agent now. */
export type SkipReason =
  | { readonly kind: 'agent-inactive' }
  | { readonly kind: 'framework-inactive' }
  | { readonly kind: 'not-subscribed' }
  | { readonly kind: 'suppressed' }
  /** All is held, or what is free is reserved for other roles. */
  | { readonly kind: 'nothing-free'; readonly reservedForOthers: boolean }
  | { readonly kind: 'below-minimum'; readonly free: Bag }
  | {
      readonly kind: 'capability';
      readonly capability: Extract<
        FrameworkCapability,
        'GPU_RESOURCES' | 'REGION_AWARE' | 'REVOCABLE_RESOURCES' | 'SHARED_RESOURCES'
      >;
    }
  /** The limit of a role, its own or one above it, leaves too little of a scalar. Thousandths. */
  | {
      readonly kind: 'limit';
      readonly name: string;
      readonly role: Role;
      readonly limitMilli: number;
      readonly consumedMilli: number;
      /** What of the limit is kept for guarantees of other roles below `role`; absent for nothing. */
      readonly keptMilli?: number;
    }
  /** Too little of a scalar is free beyond what is kept back for guarantees that are not met. Thousandths over the whole cluster. */
  | {
      readonly kind: 'headroom';
      readonly name: string;
      readonly availableMilli: number;
      readonly requiredMilli: number;
    }
  | { readonly kind: 'constraints' }
  /** `untilMs` on the clock's monotonic scale; a batch run must pass as well. */
  | { readonly kind: 'filtered'; readonly untilMs: number };
