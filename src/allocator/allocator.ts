// The allocator as the master drives it. It decides who is offered what; the master makes offers of that and says what became of them.
import type { AgentId, FrameworkId, Role } from '../base/ids.js';
import type { FaultDomain } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import type { Explanation, ExplainQuery } from './explain/explain.js';
import type { Surroundings } from './explain/judge.js';
import type {
  AllocatorAgent,
  AllocatorFramework,
  Amounts,
  Conversion,
  Demand,
  Grant,
  Holder,
  Quota,
  RoleUse,
} from './model.js';
import type { AllocationPolicy } from './cycle/cycle.js';

/**
 * Pessimistic, single-threaded resource allocator. Every method takes effect at once; a run follows by itself:
 * at once (coalesced to the end of the turn) after agents or frameworks are added or activated, and after REVIVE;
 * at most every `recoveryIntervalMs` (50) after resources come back; and over all agents every `allocationIntervalMs` (1,000).
 */
export interface Allocator {
  addFramework(framework: AllocatorFramework, used: readonly Grant[]): void;
  /** Replaces roles, suppression, capabilities, minima and constraints. Newly unsuppressed roles lose their filters. */
  updateFramework(framework: AllocatorFramework): void;
  removeFramework(id: FrameworkId): void;
  /** A connected framework gets offers; a disconnected one keeps what it uses. Deactivation drops its filters. */
  activateFramework(id: FrameworkId): void;
  deactivateFramework(id: FrameworkId): void;

  /** `used`: what tasks and executors already hold there. */
  addAgent(agent: AllocatorAgent, used: readonly Grant[]): void;
  /** New totals or attributes. Changed attributes drop the agent's filters. */
  updateAgent(agent: AllocatorAgent): void;
  removeAgent(id: AgentId): void;
  activateAgent(id: AgentId): void;
  deactivateAgent(id: AgentId): void;

  /** Books resources that were not granted by a run (tasks that reappear). */
  book(grant: Grant): void;
  /**
   * Gives back granted or used resources. With `refuseMs` > 0 the same (framework, role, agent) is not granted a subset of
   * `resources` before that time and at least one full batch run have passed (MESOS-4302).
   */
  recover(grant: Grant, refuseMs?: number): void;

  /** No roles: all of the framework's. */
  suppress(id: FrameworkId, roles?: readonly Role[]): void;
  revive(id: FrameworkId, roles?: readonly Role[]): void;
  setWeight(role: Role, weight: number): void;

  /** Takes effect from the next run; what is over a new limit stays where it is. Undefined takes the quota off. */
  setQuota(role: Role, quota: Quota | undefined): void;
  quota(role: Role): Quota | undefined;
  quotas(): ReadonlyMap<Role, Quota>;
  /**
   * What counts against a role's limits: offered and used scalars of it and its sub-roles that are neither reserved nor revocable, and all
   * reservations to them, used or not.
   */
  consumed(role: Role): Amounts;

  /**
   * Part of an agent's resources becomes other resources (reserve, create …), and so does that part of its total. With a holder: in what it
   * holds there; without: in what is free.
   */
  convert(agentId: AgentId, conversion: Conversion, holder?: Holder): void;
  /**
   * Granted resources, or part of them, are now in use by `tasks` new tasks. Optimistic commit: books them now. Else they are booked already,
   * and this only tells what the framework's tasks are like.
   */
  commit(grant: Grant, tasks: number): void;
  /**
   * The offer made of a grant is over, after its parts were committed or recovered. To be told of every offer that was accepted; a grant that
   * is recovered whole is over by that.
   */
  offerEnded(grant: Grant): void;
  /** What a framework would like to run; replaces what it said before. */
  setDemand(id: FrameworkId, demand: readonly Demand[]): void;

  /** Holds runs back while the master takes several steps that belong together. Nests. */
  pause(): void;
  resume(): void;

  roles(): readonly RoleUse[];
  /** Free resources of an agent; undefined when unknown. */
  free(id: AgentId): Bag | undefined;
  /** Why something is not offered, or does not fit; `around` is what the master knows besides. Changes nothing. */
  explain(query: ExplainQuery, around: Surroundings): Explanation;
  /** On how many agents what `query` asks for fits now. */
  countFits(query: ExplainQuery, around: Surroundings): number;
  /** The policy in words, for `/state`. */
  readonly policy: { readonly [axis: string]: unknown };
  /** Cancels timers. */
  close(): void;
}

/** What an operator may choose. */
export interface AllocatorOptions {
  /** Between runs over all agents. Default 1,000. */
  readonly allocationIntervalMs?: number;
  /** Least time between runs because resources came back. Default 50. */
  readonly recoveryIntervalMs?: number;
  /** Offers below every one of these amounts are not made, unless a framework says otherwise. Default `cpus:0.01|mem:32`. */
  readonly minAllocatable?: readonly Bag[];
  /** Where the master stands. When given, agents of other regions are offered only to REGION_AWARE frameworks. */
  readonly domain?: FaultDomain;
  /** Offer agents with gpus only to GPU_RESOURCES frameworks. Default true. */
  readonly filterGpus?: boolean;
  /** How much a role counts beside its siblings: twice the weight, twice the share. Positive; a role that is not named has 1. */
  readonly weights?: ReadonlyMap<Role, number>;
  readonly quotas?: ReadonlyMap<Role, Quota>;
  /** Who comes first, which agents, how much of them. Default: hierarchical DRF, agents shuffled, whole, pessimistic. */
  readonly policy?: AllocationPolicy;
  /**
   * After so many batch runs a client waits for long, and an offer is out for long: then the offer is taken back, if its return serves that client,
   * and the client comes before the offer's holder. So nobody waits for more than twice as many runs while others sit on offers. Default 5; 0: never.
   */
  readonly patienceRuns?: number;
  /** A run that takes longer yields to other work and goes on in the next turn; 0: never. Default 20. */
  readonly sliceMs?: number;
  /** The most agents that a run looks at in one turn. Default: no such bound. Under virtual time, where no time passes in a turn, the only bound. */
  readonly sliceAgents?: number;
  /** Scalars that do not count in shares, e.g. `['gpus']`. Default none. */
  readonly fairSharingExcluded?: readonly string[];
}
