// A cluster in miniature for allocator tests: virtual time, an allocator, and the grants it made, in order.
import type { AgentId, FrameworkId, Role } from '../../src/base/ids.js';
import type {
  AllocatorAgent,
  AllocatorFramework,
  AllocatorOptions,
  Grant,
  GrantBatch,
} from '../../src/allocator/index.js';
import { createAllocator } from '../../src/allocator/index.js';
import { randomIds } from '../../src/env/ids.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { Bag } from '../../src/resources/index.js';
import { formatResources, parseResources, quantities } from '../../src/resources/index.js';

/** A bag from its text; amounts are rounded to thousandths. */
export function bag(text: string): Bag {
  const { bag: found, problems } = parseResources(text, 'resources', { round: true });
  if (problems.length > 0) throw new Error(problems.map(p => p.message).join('; '));
  return found;
}

export type FrameworkOptions = Partial<Omit<AllocatorFramework, 'id' | 'roles'>>;

/** The parts of a framework's description that a test does not care about. */
export function framework(id: FrameworkId, roles: readonly Role[], more: FrameworkOptions = {}): AllocatorFramework {
  return { id, roles, suppressedRoles: [], capabilities: [], minAllocatable: {}, constraints: {}, ...more };
}

export type AgentOptions = Partial<Omit<AllocatorAgent, 'id' | 'total'>>;

export function agent(id: AgentId, resources: string, more: AgentOptions = {}): AllocatorAgent {
  return { id, hostname: `${id}.example`, total: bag(resources), attributes: {}, ...more };
}

/** An allocator under virtual time; `grants` holds what it decided and was not yet looked at. */
export class Cluster {
  readonly clock = new VirtualClock();
  readonly allocator;
  grants: Grant[] = [];
  /** Offers taken back for somebody who waited. As the master, the cluster returns them at once. */
  rescinded: string[] = [];
  readonly starved: Grant[] = [];

  constructor(options: AllocatorOptions = {}, seed = 1) {
    const random = seededRandom(seed);
    const env = {
      clock: this.clock,
      random,
      ids: randomIds(random.fork('ids')),
      log: silentLogger,
      metrics: silentMetrics,
    };
    const onGrants = (batch: GrantBatch): void => {
      for (const { grants } of batch) this.grants.push(...grants);
    };
    this.allocator = createAllocator(env, options, onGrants, offers => {
      this.rescinded.push(...offers.map(show));
      this.starved.push(...offers);
      for (const grant of offers) this.allocator.recover(grant);
      this.outstanding = this.outstanding.filter(grant => !offers.some(one => one.resources === grant.resources));
    });
  }

  framework(id: FrameworkId, roles: readonly Role[] = ['*'], more: FrameworkOptions = {}): void {
    this.allocator.addFramework(framework(id, roles, more), []);
  }

  /** Quota in text; without `guarantees` the limits are guaranteed, too, as with Mesos's SET_QUOTA. */
  quota(role: Role, limits: string, guarantees = limits): void {
    this.allocator.setQuota(role, { limits: quantities(bag(limits)), guarantees: quantities(bag(guarantees)) });
  }

  agent(id: AgentId, resources: string, more: AgentOptions = {}): void {
    this.allocator.addAgent(agent(id, resources, more), []);
  }

  /** What was granted since the last look, after everything due now has run: `fw1 a cpus:2` for role and agent. */
  now(): string[] {
    this.clock.advance(0);
    return this.#look();
  }

  /** What was granted while `ms` passed. */
  after(ms: number): string[] {
    this.clock.advance(ms);
    return this.#look();
  }

  /** Grants looked at and neither declined nor used since. */
  outstanding: Grant[] = [];

  /** Declines every outstanding grant. */
  decline(refuseMs = 0): void {
    for (const grant of this.outstanding) this.allocator.recover(grant, refuseMs);
    this.outstanding = [];
  }

  /** Gives back part of what a framework holds. */
  giveBack(frameworkId: FrameworkId, role: Role, agentId: AgentId, resources: string, refuseMs = 0): void {
    this.allocator.recover({ frameworkId, role, agentId, resources: bag(resources) }, refuseMs);
  }

  #look(): string[] {
    const found = this.grants;
    this.grants = [];
    this.outstanding.push(...found);
    return found.map(show);
  }
}

/** `framework/role agent resources`. */
export function show(grant: Grant): string {
  return `${grant.frameworkId}/${grant.role} ${grant.agentId} ${formatResources(grant.resources)}`;
}
