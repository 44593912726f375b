// Who may be offered what is free on an agent. In: the agent's free resources, filters and attributes, the clients' minima, capabilities,
// constraints and quota. Out: the set of clients that may not; and, asked for one client, what it would get, or every reason why not.
import type { Bag } from '../../resources/index.js';
import { forRole, withoutCapabilities } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { SkipReason } from '../model.js';
import type { Bits } from '../../base/bits.js';
import { clearBit, hasBit, orInto, withBit } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import { reaches } from '../filters/min-allocatable.js';
import { quotaReasons } from '../quota/quota-reasons.js';
import type { Hopeless } from '../sorter/tree-node.js';
import type { AllocatorState } from '../state.js';
import type { Shape } from './shape.js';
import { commonOf, plainShape, shapeOf } from './shape.js';

/** Tests agents against all clients at once. */
export class Eligibility {
  readonly #state: AllocatorState;
  #blocked: Bits = new Uint32Array(0);
  #scratch: Bits = new Uint32Array(0);
  /** Of the last result of `blocked`, those who are in it whatever the agent; undefined where that is not known. */
  hopeless: Hopeless | undefined;
  // The last bag that was judged, if everybody sees all of it.
  #plain: Bag | undefined;

  constructor(state: AllocatorState) {
    this.#state = state;
  }

  /** Drops the agent's filters that are over. */
  expire(agent: PoolAgent, nowMs: number): void {
    if (nowMs < agent.filters.firstUntilMs) return;
    const { clients, eras } = this.#state;
    agent.filters.expire(nowMs, eras.survivedBefore, clients.at);
    agent.settledAt = 0;
  }

  /** All that is free on `agent` and that the client's role and capabilities let it see. */
  visible(agent: PoolAgent, client: Client): Bag {
    if (agent.free === this.#plain) return this.#plain;
    const { revocable, shared } = client.framework;
    const mayShare = shared && !(agent.hasShared && agent.sharedOfferedIn === this.#state.run);
    return withoutCapabilities(forRole(agent.free, client.role), { revocable, shared: mayShare });
  }

  /** What the client may be offered of `agent` now, as far as resources and quota go; then ask `mayOffer`. */
  offerable(agent: PoolAgent, client: Client): Bag {
    return this.#state.quota.offerable(client, this.visible(agent, client));
  }

  /**
   * The clients that must not be offered anything of `agent`. Exact but for clients of roles under quota (in `quota.limited` or `quota.needy`):
   * of these, those not in the result are to be tested one by one with `offerable` and `mayOffer`. `forGuarantees`: only for clients for whom
   * something is kept back, everybody else is blocked. The result is overwritten by the next call.
   */
  blocked(agent: PoolAgent, forGuarantees = false): Bits {
    const { clients, quota } = this.#state;
    const { free } = agent;
    if (this.#blocked.length < clients.words) {
      this.#blocked = new Uint32Array(clients.words + 8);
      this.#scratch = new Uint32Array(clients.words + 8);
    }
    const blocked = this.#blocked;
    blocked.fill(0);
    const exhausted = quota.active ? quota.exhausted() : undefined;
    const shape = shapeOf(free);
    const common = commonOf(free, shape);
    this.#plain = shape === plainShape ? free : undefined;
    this.hopeless = quota.active && shape === plainShape ? quota.hopeless(forGuarantees) : undefined;
    if (shape.special || (quota.guaranteeing && !forGuarantees))
      this.#judgeClasses(agent, common, shape, undefined, blocked);
    else this.#judgeAll(agent, common, blocked);
    // Revocable resources are beyond quota.
    if (exhausted !== undefined && !shape.revocable) orInto(blocked, exhausted);
    for (const role of shape.reservedTo) {
      for (const group of clients.groups.below(role)) {
        removeFrom(blocked, group.clients);
        this.#judgeClasses(agent, forRole(free, group.role), shape, group.clients, blocked);
      }
    }
    this.#bar(agent, blocked);
    if (forGuarantees) onlyMembers(blocked, quota.needy);
    return blocked;
  }

  /** Whether this one client may be offered `resources` of `agent`: enough, not refused, and nothing bars it. */
  mayOffer(agent: PoolAgent, client: Client, resources: Bag): boolean {
    return (
      resources.length > 0 &&
      reaches(resources, client.minimum.sets) &&
      !this.isBarred(agent, client) &&
      !agent.filters.blocks(client.slot, resources)
    );
  }

  /** Every reason why `client` would not be offered `agent` now; empty when only the order decides. */
  reasons(agent: PoolAgent, client: Client): SkipReason[] {
    const { framework } = client;
    const out: SkipReason[] = [];
    if (!agent.active) out.push({ kind: 'agent-inactive' });
    if (!framework.present || !framework.active) out.push({ kind: 'framework-inactive' });
    if (!client.subscribed) out.push({ kind: 'not-subscribed' });
    if (client.suppressed) out.push({ kind: 'suppressed' });
    if (this.#keepsGpus(agent) && !framework.gpus) out.push({ kind: 'capability', capability: 'GPU_RESOURCES' });
    if (this.#isRemote(agent) && !framework.regions) out.push({ kind: 'capability', capability: 'REGION_AWARE' });
    if (client.test !== undefined && !client.test(agent.info)) out.push({ kind: 'constraints' });
    const forIts = forRole(agent.free, client.role);
    if (forIts.length === 0) {
      out.push({ kind: 'nothing-free', reservedForOthers: agent.free.length > 0 });
      return out;
    }
    const visible = this.visible(agent, client);
    if (!reaches(visible, client.minimum.sets)) {
      if (!framework.revocable && forIts.some(r => r.label.revocable)) {
        out.push({ kind: 'capability', capability: 'REVOCABLE_RESOURCES' });
      }
      if (!framework.shared && forIts.some(r => r.label.shared)) {
        out.push({ kind: 'capability', capability: 'SHARED_RESOURCES' });
      }
      out.push({ kind: 'below-minimum', free: visible });
    }
    const offerable = this.#state.quota.offerable(client, visible);
    if (offerable !== visible && reaches(visible, client.minimum.sets) && !reaches(offerable, client.minimum.sets)) {
      out.push(...quotaReasons(this.#state.quota, client, visible, offerable));
    }
    const untilMs = agent.filters.blockedUntilMs(client, offerable);
    if (untilMs !== undefined) out.push({ kind: 'filtered', untilMs });
    return out;
  }

  // Blocks whoever finds too little in `bag`, or refused it.
  #judgeAll(agent: PoolAgent, bag: Bag, blocked: Bits): void {
    if (bag.length === 0) {
      blocked.fill(0xffffffff);
      return;
    }
    for (const minimum of this.#state.clients.minima.values()) {
      if (!reaches(bag, minimum.sets)) orInto(blocked, minimum.clients);
    }
    agent.filters.block(bag, blocked);
  }

  // The same for the clients in `among`, who do not all see the same of `bag`: some must not have what is revocable or shared, and only those
  // for whom something is kept back may have that.
  #judgeClasses(agent: PoolAgent, bag: Bag, shape: Shape, among: Bits | undefined, blocked: Bits): void {
    const { clients, quota } = this.#state;
    const mayShare = shape.shared && agent.sharedOfferedIn !== this.#state.run;
    for (const revocable of shape.revocable ? [true, false] : [false]) {
      for (const canShare of mayShare ? [true, false] : [false]) {
        const seen = withoutCapabilities(bag, { revocable, shared: canShare });
        const tests: Test[] = among === undefined ? [] : [{ bits: among, member: true }];
        if (shape.revocable) tests.push({ bits: clients.withoutRevocable, member: !revocable });
        if (mayShare) tests.push({ bits: clients.withoutShared, member: !canShare });
        const beyond = quota.beyondNeeds(seen);
        if (beyond === seen) this.#judgeClass(agent, seen, tests, blocked);
        else {
          this.#judgeClass(agent, beyond, [...tests, { bits: quota.needy, member: false }], blocked);
          this.#judgeClass(agent, seen, [...tests, { bits: quota.needy, member: true }], blocked);
        }
      }
    }
  }

  // Blocks of the clients that pass all `tests` those that find too little in `bag`, or refused it.
  #judgeClass(agent: PoolAgent, bag: Bag, tests: readonly Test[], blocked: Bits): void {
    if (tests.length === 0) {
      this.#judgeAll(agent, bag, blocked);
      return;
    }
    const { clients } = this.#state;
    const scratch = this.#scratch;
    scratch.fill(0);
    this.#judgeAll(agent, bag, scratch);
    for (let w = 0; w < clients.words; w += 1) {
      let word = scratch[w] as number;
      for (const { bits, member } of tests) word &= member ? (bits[w] ?? 0) : ~(bits[w] ?? 0);
      blocked[w] = (blocked[w] as number) | word;
    }
  }

  // What keeps a client from an agent whatever is free there.
  #bar(agent: PoolAgent, blocked: Bits): void {
    const { clients } = this.#state;
    if (this.#keepsGpus(agent)) orInto(blocked, clients.withoutGpus);
    if (this.#isRemote(agent)) orInto(blocked, clients.withoutRegions);
    const { constrained } = clients;
    for (let w = 0; w < constrained.length; w += 1) {
      let unknown = (constrained[w] as number) & ~(agent.judged[w] ?? 0);
      for (; unknown !== 0; unknown &= unknown - 1) this.#judge(agent, (w << 5) + 31 - Math.clz32(unknown & -unknown));
      if (w < blocked.length) {
        blocked[w] = (blocked[w] as number) | ((constrained[w] as number) & (agent.excluded[w] ?? 0));
      }
    }
  }

  /** Whether capabilities or constraints keep a client from an agent, whatever is free there. */
  isBarred(agent: PoolAgent, client: Client): boolean {
    if (this.#keepsGpus(agent) && !client.framework.gpus) return true;
    if (this.#isRemote(agent) && !client.framework.regions) return true;
    if (client.test === undefined) return false;
    if (!hasBit(agent.judged, client.slot)) this.#judge(agent, client.slot);
    return hasBit(agent.excluded, client.slot);
  }

  #judge(agent: PoolAgent, slot: number): void {
    const passes = this.#state.clients.at(slot)?.test?.(agent.info) ?? true;
    agent.judged = withBit(agent.judged, slot);
    if (passes) clearBit(agent.excluded, slot);
    else agent.excluded = withBit(agent.excluded, slot);
  }

  #keepsGpus(agent: PoolAgent): boolean {
    return agent.hasGpus && this.#state.filterGpus;
  }

  #isRemote(agent: PoolAgent): boolean {
    // Where no region is known, the agent's description is not looked at: of thousands of agents it is far away in memory.
    const { region } = this.#state;
    if (region === undefined) return false;
    const { domain } = agent.info;
    return domain !== undefined && domain.region !== region;
  }
}

/** Clients in a set, or those not in it. */
interface Test {
  readonly bits: Bits;
  readonly member: boolean;
}

// Adds all but `members`.
function onlyMembers(bits: Bits, members: Bits): void {
  for (let w = 0; w < bits.length; w += 1) bits[w] = (bits[w] as number) | ~(members[w] ?? 0);
}

// Takes the members of `out` out of `bits`.
function removeFrom(bits: Bits, out: Bits): void {
  const words = Math.min(bits.length, out.length);
  for (let w = 0; w < words; w += 1) bits[w] = (bits[w] as number) & ~(out[w] as number);
}
