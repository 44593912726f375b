// Clusters for tests of policies: frameworks with demands, and what a run gave them, in order.
import type { AllocationPolicy, AllocatorOptions, Grant } from '../../../src/allocator/index.js';
import type { PolicySpec } from '../../../src/allocator/policies/index.js';
import { definePolicy } from '../../../src/allocator/policies/index.js';
import type { FrameworkId, Role } from '../../../src/base/ids.js';
import { scalarMilli } from '../../../src/resources/index.js';
import type { FrameworkOptions } from '../support.js';
import { bag, Cluster } from '../support.js';

/** A cluster under a policy. Frameworks say what a task of theirs takes. */
export class PolicyCluster extends Cluster {
  /** Grants in the order decided, across frameworks. */
  readonly decided: Grant[];

  constructor(spec: PolicySpec, options: AllocatorOptions = {}, seed = 1) {
    const decided: Grant[] = [];
    super({ minAllocatable: [], ...options, policy: observed(definePolicy(spec), grant => decided.push(grant)) }, seed);
    this.decided = decided;
  }

  /** A framework in a role that would run `count` tasks. */
  wants(id: FrameworkId, role: Role, task: string, count = 1000, more: FrameworkOptions = {}): void {
    this.framework(id, [role], more);
    this.allocator.setDemand(id, [{ role, resources: bag(task), count }]);
  }

  /** What is granted while `ms` pass, in the order decided. */
  granted(ms = 0): Grant[] {
    const before = this.decided.length;
    this.after(ms);
    return this.decided.slice(before);
  }

  /** The frameworks of what is granted now: `A B A`. */
  order(): string {
    return this.granted()
      .map(({ frameworkId }) => frameworkId)
      .join(' ');
  }

  /** Agents of what is granted now, each with its framework: `A@s1 B@s2`. */
  places(): string {
    return this.granted()
      .map(({ frameworkId, agentId }) => `${frameworkId}@${agentId}`)
      .join(' ');
  }
}

// A policy whose grants are also told one by one: the allocator hands them over grouped by framework.
function observed(policy: AllocationPolicy, tell: (grant: Grant) => void): AllocationPolicy {
  return {
    ...policy,
    start: excluded => {
      const engine = policy.start(excluded);
      const begin = engine.begin.bind(engine);
      engine.begin = (cycle, agents) => {
        const give = cycle.grant.bind(cycle);
        cycle.grant = (...what) => {
          const grant = give(...what);
          tell(grant);
          return grant;
        };
        return begin(cycle, agents);
      };
      return engine;
    },
  };
}

/** Cpus of grants by framework. */
export function cpusBy(grants: readonly Grant[]): { [id: FrameworkId]: number } {
  const cpus: { [id: FrameworkId]: number } = {};
  for (const { frameworkId, resources } of grants) {
    cpus[frameworkId] = (cpus[frameworkId] ?? 0) + scalarMilli(resources, 'cpus') / 1000;
  }
  return cpus;
}

/** How often each of `names` is in the list. */
export function tally(names: readonly string[]): { [name: string]: number } {
  const counts: { [name: string]: number } = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
