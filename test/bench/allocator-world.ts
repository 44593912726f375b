// What allocator workloads run on: an allocator under virtual time with frameworks and agents, and the grants it made. Out: milliseconds.
import { performance } from 'node:perf_hooks';
import type {
  AllocatorAgent,
  AllocatorFramework,
  AllocatorOptions,
  Grant,
  HierarchicalAllocator,
  Quota,
} from '../../src/allocator/index.js';
import { createAllocator } from '../../src/allocator/index.js';
import type { Clock } from '../../src/env/clock.js';
import { randomIds } from '../../src/env/ids.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { Bag, Range, Resources } from '../../src/resources/index.js';
import { bagOf, quantities } from '../../src/resources/index.js';

export type Size = readonly [agents: number, frameworks: number];

/** As good as for good: the longest filter there is. */
export const foreverMs = 365 * 24 * 3_600_000;
export const role = 'role1';
export const portsTotal: readonly Range[] = [[31_000, 32_000]];
export const bigTotal = bagOf({ cpus: 24, mem: 4096, disk: 4096, ports: portsTotal });
export const bigUsed = bagOf({ cpus: 16, mem: 2014, disk: 1024, ports: fragments(16) });

export interface WorldOptions extends AllocatorOptions {
  /** The role of each framework; default: all in one. */
  readonly roleOf?: (framework: number) => string;
  readonly capabilities?: AllocatorFramework['capabilities'];
  /** In place of virtual time. */
  readonly clock?: Clock;
}

/** An allocator with `frameworks` frameworks. Under virtual time only its own work is measured. */
export class World {
  readonly clock = new VirtualClock();
  readonly allocator: HierarchicalAllocator;
  readonly frameworks: number;
  readonly #options: WorldOptions;
  #grants: Grant[] = [];
  #batches = 0;
  #agents = 0;

  constructor(frameworks: number, options: WorldOptions = {}) {
    this.#options = options;
    const random = seededRandom(1);
    const env = {
      clock: options.clock ?? this.clock,
      random,
      ids: randomIds(random.fork('ids')),
      log: silentLogger,
      metrics: silentMetrics,
    };
    this.allocator = createAllocator(env, options, batch => {
      this.#batches += 1;
      for (const { grants } of batch) for (const grant of grants) this.#grants.push(grant);
    });
    this.frameworks = frameworks;
    for (let i = 0; i < frameworks; i += 1) this.allocator.addFramework(this.framework(i), []);
    this.clock.advance(0);
  }

  framework(i: number, id = `framework-${i}`): AllocatorFramework {
    const { capabilities = [] } = this.#options;
    return { id, roles: [this.roleOf(i)], suppressedRoles: [], capabilities, minAllocatable: {}, constraints: {} };
  }

  roleOf(framework: number): string {
    return this.#options.roleOf?.(framework) ?? role;
  }

  /** Agents of which part is in use, by the frameworks in turn. */
  addAgents(count: number, total: Bag = bigTotal, used: Bag = bigUsed): void {
    for (let i = 0; i < count; i += 1) {
      const id = `agent-${this.#agents}`;
      const holder = this.#agents % this.frameworks;
      this.allocator.addAgent(agentOf(id, total), used.length === 0 ? [] : [this.usedBy(holder, id, used)]);
      this.#agents += 1;
    }
  }

  usedBy(framework: number, agentId: string, resources: Bag): Grant {
    return { frameworkId: `framework-${framework}`, role: this.roleOf(framework), agentId, resources };
  }

  /** Milliseconds of the run that is due within the recovery interval. */
  cycle(): number {
    return timed(() => this.clock.advance(50));
  }

  /** Milliseconds of the next run over all agents. */
  batch(): number {
    return timed(() => this.clock.advance(1000));
  }

  /** What was granted since the last call. */
  take(): Grant[] {
    const grants = this.#grants;
    this.#grants = [];
    return grants;
  }

  /** Calls of `onGrants` so far. */
  get batches(): number {
    return this.#batches;
  }

  declineAll(refuseMs: number): void {
    for (const grant of this.take()) this.allocator.recover(grant, refuseMs);
  }

  /** Frameworks [from, to) get and refuse all that is free on each agent, without cycles, which would take minutes. */
  refuseEverywhere(from: number, to: number): void {
    this.allocator.pause();
    for (let agent = 0; agent < this.#agents; agent += 1) {
      const agentId = `agent-${agent}`;
      const resources = this.allocator.free(agentId) ?? [];
      for (let i = from; i < to; i += 1) {
        const grant = this.usedBy(i, agentId, resources);
        this.allocator.book(grant);
        this.allocator.recover(grant, foreverMs);
      }
    }
    this.allocator.resume();
  }

  /** A framework that wants nothing yet. */
  addSuppressed(id: string): void {
    this.allocator.addFramework({ ...this.framework(0, id), suppressedRoles: [this.roleOf(0)] }, []);
  }

  suppress(from: number, to: number): void {
    for (let i = from; i < to; i += 1) this.allocator.suppress(`framework-${i}`);
  }

  /** A benchmark that does nothing is not one. */
  expectGrants(count: number): void {
    if (this.#grants.length !== count) throw new Error(`${this.#grants.length} grants, expected ${count}`);
  }
}

export function agentOf(id: string, total: Bag): AllocatorAgent {
  return { id, hostname: id, total, attributes: {} };
}

/** Quota of these amounts; without guarantees the limits are guaranteed, too. */
export function quotaOf(limits: Resources, guarantees: Resources = limits): Quota {
  return { limits: quantities(bagOf(limits)), guarantees: quantities(bagOf(guarantees)) };
}

/** Every other port, from 31000 on. */
export function fragments(count: number): Range[] {
  return Array.from({ length: count }, (_, i): Range => [31_000 + 2 * i, 31_000 + 2 * i]);
}

export function timed(run: () => void): number {
  const startedMs = performance.now();
  run();
  return performance.now() - startedMs;
}
