// Why a launch waits, as `GET /explain` tells it: the tally over agents of every reason, and the smallest changes that would let it go ahead.
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type { AttributeConstraint, Attributes, FaultDomain, FrameworkCapability } from './entities.js';

/** Least, middle and greatest over agents. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Of a resource: by how much it is short (as people write it: cpus, MiB, number of ports), or, of ranges and sets, what is missing. */
export interface ShortResource {
  /** Its key, such as `cpus` or `disk(ads)`. Absent when nothing certain is asked for. */
  readonly resource?: string;
  readonly wanted?: number | string;
  readonly shortBy?: Spread;
  readonly missing?: string;
}

/** Who holds what is short: whose offers, since when at the longest. Of many the 16 that hold most. */
export interface ExplainHolder {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  /** On how many of the agents. */
  readonly agents: number;
  /** Age of its oldest offer there. */
  readonly heldForMs: number;
}

/** Why an agent is offered to nobody. */
export type AgentObstacle =
  | 'DEACTIVATED'
  | 'DRAINING'
  | 'DRAINED'
  | 'DISCONNECTED'
  | 'UNREACHABLE'
  | 'RECOVERED'
  | 'MAINTENANCE';

/** One reason. An agent counts for each reason it has. */
export type Reason =
  | { readonly kind: 'AGENT_INACTIVE'; readonly activity: AgentObstacle }
  /** The agent is to be away, now or before such a launch has ended, and the request says that its scheduler launches nothing there then. It is offered. */
  | { readonly kind: 'ABSENCE' }
  | { readonly kind: 'FRAMEWORK_INACTIVE' }
  /** The framework does not subscribe to the role. */
  | { readonly kind: 'NOT_SUBSCRIBED'; readonly role: Role }
  | { readonly kind: 'SUPPRESSED'; readonly role: Role }
  | { readonly kind: 'CAPABILITY'; readonly capability: FrameworkCapability }
  /** Of the request, or an offer constraint of the framework. */
  | { readonly kind: 'CONSTRAINT'; readonly constraint: string; readonly of: 'REQUEST' | 'FRAMEWORK' }
  /** The agent has too little for the role even while nothing runs there. */
  | ({ readonly kind: 'TOO_SMALL' } & ShortResource)
  /** Enough would be free if it were not reserved for these roles. */
  | ({ readonly kind: 'RESERVED'; readonly roles: readonly Role[] } & ShortResource)
  /** Enough would be free if the framework gave back, or used, what it was offered there. */
  | ({ readonly kind: 'OFFERED_TO_ITSELF'; readonly holders: readonly ExplainHolder[] } & ShortResource)
  /** Enough would be free if these gave back what they were offered there. */
  | ({ readonly kind: 'OFFERED'; readonly holders: readonly ExplainHolder[] } & ShortResource)
  /** Tasks use it. */
  | ({ readonly kind: 'IN_USE' } & ShortResource)
  /** What is free is less than is worth an offer. */
  | { readonly kind: 'BELOW_MINIMUM'; readonly minimum: string }
  /** The framework declined it. Times are from now. */
  | { readonly kind: 'FILTERED'; readonly firstEndsInMs: number; readonly lastEndsInMs: number }
  /** The role, or one above it, may not have more. */
  | {
      readonly kind: 'QUOTA';
      readonly role: Role;
      readonly resource: string;
      readonly limit: number;
      readonly consumed: number;
      readonly shortBy: Spread;
    }
  /** What is free is kept for the guarantees of these roles. */
  | {
      readonly kind: 'GUARANTEES';
      readonly resource: string;
      readonly roles: readonly Role[];
      readonly shortBy: Spread;
    }
  /** Nothing but the turn of others: it fits there. */
  | { readonly kind: 'ORDER' };

/** A reason, and on which agents. */
export type ExplainReason = Reason & {
  readonly agents: number;
  /** Whether waiting can be enough: tasks end, offers expire, filters too. */
  readonly changesByItself: boolean;
  /** At most three of the agents, in order of their ids. */
  readonly examples: readonly AgentId[];
  /** For people. */
  readonly text: string;
};

/** A change of one thing, or several that help only together, after which the launch fits on at least one agent; tried with the matcher's own function before it is told. */
export type Change =
  | SingleChange
  /** All of them, none more than needed. */
  | { readonly change: 'SEVERAL'; readonly changes: readonly SingleChange[] };

/** A change of one thing. */
export type SingleChange =
  /** Filters, offers or an announced absence end by then. */
  | { readonly change: 'WAIT'; readonly ms: number; readonly for: 'FILTER' | 'OFFERS' | 'ABSENCE' }
  /** The framework asks for offers again, which also ends its filters. */
  | { readonly change: 'REVIVE'; readonly role: Role }
  | { readonly change: 'RECONNECT' }
  | { readonly change: 'SUBSCRIBE'; readonly role: Role }
  | { readonly change: 'ADD_CAPABILITY'; readonly capability: FrameworkCapability }
  | { readonly change: 'LOWER_MINIMUM' }
  /** The most of this resource that fits somewhere now, everything else as wished. */
  | { readonly change: 'LESS'; readonly resource: string; readonly from: number; readonly to: number }
  | { readonly change: 'DROP_CONSTRAINT'; readonly constraint: string; readonly of: 'REQUEST' | 'FRAMEWORK' }
  | {
      readonly change: 'RAISE_QUOTA';
      readonly raises: readonly {
        readonly role: Role;
        readonly resource: string;
        readonly from: number;
        readonly to: number;
      }[];
    }
  /** Less would have to be promised to these roles. */
  | {
      readonly change: 'LOWER_GUARANTEES';
      readonly lowers: readonly {
        readonly role: Role;
        readonly resource: string;
        readonly from: number;
        readonly to: number;
      }[];
    }
  /** These offers and tasks on one agent would have to end. */
  | {
      readonly change: 'FREE_AGENT';
      readonly agentId: AgentId;
      readonly holdings: readonly ExplainHolding[];
    }
  | { readonly change: 'REACTIVATE_AGENT' }
  /** An agent with this would have to come. Where constraints ask for them: attributes, host name, fault domain that satisfy them; of several that would, one. */
  | {
      readonly change: 'ADD_AGENT';
      readonly resources: Resources;
      readonly attributes?: Attributes;
      readonly hostname?: string;
      readonly domain?: FaultDomain;
    };

/** An offer, task or executor that holds resources of an agent. */
export interface ExplainHolding {
  readonly what: 'OFFER' | 'TASK' | 'EXECUTOR';
  readonly id: string;
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  readonly resources: Resources;
  readonly heldForMs?: number;
}

/** A change, on how many agents the launch then fits, and which for example. */
export type ExplainChange = Change & {
  readonly agents: number;
  readonly examples: readonly AgentId[];
  /** It helps once the filters that the framework's earlier declines left there are over too, as they are after REVIVE. */
  readonly revived?: true;
  /** For people. */
  readonly text: string;
};

/** How a framework stands in a role. */
export interface ExplainFramework {
  readonly frameworkId: FrameworkId;
  readonly name: string;
  readonly role: Role;
  readonly active: boolean;
  readonly subscribed: boolean;
  readonly suppressed: boolean;
  /** Of the role: its dominant share over its weight. */
  readonly share: number;
  /** From 1: its place among the `competitors`, all frameworks in roles that may be offered something now; absent when it is not one of them, and under policies without such an order. */
  readonly position?: number;
  readonly competitors: number;
}

/** What is to be launched, when the question names it. */
export interface ExplainRequest {
  /** Its id among the requests of the framework. */
  readonly id?: string;
  readonly resources: Resources;
  readonly ports?: number;
  /** See `TaskInfo.exactResources`. */
  readonly exactResources?: boolean;
  /** Any of these groups, each an AND. */
  readonly constraints?: readonly (readonly AttributeConstraint[])[];
  /** How many such launches wait. */
  readonly count?: number;
  /** Its scheduler launches nothing where an announced absence lasts, or begins within this time. */
  readonly absenceWithinMs?: number;
}

/** `GET /explain` */
export interface ExplainView {
  readonly subject: { readonly framework?: FrameworkId; readonly role?: Role; readonly request?: ExplainRequest };
  /** The whole in a few lines, for people. */
  readonly text: string;
  readonly frameworks: readonly ExplainFramework[];
  /** For how many of them the reasons were looked for: on large clusters the first in the order. 1 when somebody is asked about who is not there yet. */
  readonly looked: number;
  /** How many agents were looked at. */
  readonly agents: number;
  /** On how many of them it fits now, so that only the order decides. */
  readonly fits: number;
  readonly reasons: readonly ExplainReason[];
  /** Smallest first; empty when it fits, and when no change known here helps. */
  readonly counterfactuals: readonly ExplainChange[];
  /** The framework's other waiting requests, when the question names none. */
  readonly requests?: readonly (ExplainRequest & {
    readonly index: number;
    readonly role: Role;
    readonly fits: number;
  })[];
}
