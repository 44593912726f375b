// The agents known, for run specs with one instance on each. In: offers, ends of agents, places of instances. Out: how many can take a run spec.
import type { AgentId, AgentTraits, ContainerType, Offer } from 'proffer';
import { isCounted } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import { constraintNo } from '../match/constraints.js';
import { needOf } from '../match/need.js';
import { Placements } from '../match/placements.js';
import type { RunSpec } from '../model/run-spec.js';

interface Known {
  readonly traits: AgentTraits;
  readonly containerizers: readonly ContainerType[];
}

/** After the first offer the others of the same time are waited for so long, in milliseconds: before, nobody can say how many agents there are. */
const firstOffersMs = 2000;

/** Agents that have made offers over this connection to the master, and are not known to be gone. */
export class Agents {
  readonly #known = new Map<AgentId, Known>();
  #counts = new WeakMap<RunSpec, number>();
  #countableAt: number | undefined;

  /** When they can be counted; undefined before the first offer. */
  get countableAt(): number | undefined {
    return this.#countableAt;
  }

  get size(): number {
    return this.#known.size;
  }

  /** An agent makes an offer; true when that is news. */
  offered({ agentId, hostname, attributes, domain, containerizers }: Offer, now: number): boolean {
    this.#countableAt ??= now + firstOffersMs;
    if (this.#known.has(agentId)) return false;
    const traits = { hostname, attributes, ...(domain === undefined ? {} : { domain }) };
    this.#known.set(agentId, { traits, containerizers });
    this.#counts = new WeakMap();
    return true;
  }

  /** The master is heard anew. Of those that went meanwhile nobody tells; those that are there make offers. */
  forget(): void {
    this.#known.clear();
    this.#countableAt = undefined;
    this.#counts = new WeakMap();
  }

  /** An agent is gone; true when it was known. */
  gone(agentId: AgentId): boolean {
    this.#counts = new WeakMap();
    return this.#known.delete(agentId);
  }

  /**
   * Those that can take an instance of `spec`: free resources aside, for which it waits. Where one of its `instances` is the agent counts although it may have
   * nothing left to offer, or be out of reach, until that instance is to be replaced.
   */
  countFor(spec: RunSpec, instances: Iterable<Instance>): number {
    const nowhere = new Placements(spec.constraints.map(({ field }) => field));
    const full = new Set<AgentId>();
    for (const instance of instances) {
      const { place, tasks } = instance;
      if (place === undefined || tasks.length === 0 || !isCounted(instance) || this.#known.has(place.agentId)) continue;
      if (constraintNo(spec.constraints, nowhere, place) === undefined) full.add(place.agentId);
    }
    return this.#offeringFor(spec, nowhere) + full.size;
  }

  #offeringFor(spec: RunSpec, nowhere: Placements): number {
    const counted = this.#counts.get(spec);
    if (counted !== undefined) return counted;
    const { containerizer } = needOf(spec);
    let count = 0;
    for (const { traits, containerizers } of this.#known.values()) {
      if (containerizer !== undefined && !containerizers.includes(containerizer)) continue;
      if (constraintNo(spec.constraints, nowhere, traits) === undefined) count += 1;
    }
    this.#counts.set(spec, count);
    return count;
  }
}
