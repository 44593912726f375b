// Guarantees are met: while a role has less than what is guaranteed to it, whoever wants something in it is offered what is free within ten
// allocation runs, whoever else waits; and once a guarantee is set, offers to others no longer keep it from being met. Under pessimistic commit:
// an optimistic offer meets no guarantee. In: quota that is set, the master's books once per run. Out: reports for R13.
import type { Role } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import type { Offer } from '../../protocol/entities.js';
import { bagOf, isAncestorOrSelf, unreserved } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';
import { consumedOf, freeOf, pathOf, requiredOf } from './quota-sums.js';
import type { Quotas } from './quota-sums.js';
import { clientsOf, Contentment, isUsable, keyOf, lackingOf, quotaAllows, quotasOf, wouldDo } from './waiting.js';

const runsMax = 10;
/** Runs and looks need not fall together. */
const slackRuns = 3;

/** Told of what happened: offers that go towards a guarantee; a guarantee that lacks something when it is set. */
export type OnGuarantee = (what: 'served' | 'set') => void;

export class GuaranteesChecker implements Checker {
  readonly name = 'guarantees';
  readonly #intervalMs: number;
  readonly #onGuarantee: OnGuarantee;
  readonly #content: Contentment;
  /** Since when somebody below its guarantee waits, by framework and role. */
  #waiting = new Map<string, number>();
  #nextMs = 0;
  /** A guarantee was set in this step. */
  #isSet = false;

  /** `intervalMs`: between allocation runs. */
  constructor(intervalMs: number, onGuarantee: OnGuarantee = () => {}) {
    this.#intervalMs = intervalMs;
    this.#onGuarantee = onGuarantee;
    this.#content = new Contentment(intervalMs);
  }

  on(event: HistoryEvent, world: WorldView): void {
    this.#content.on(event, world);
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        if (event.event.type !== 'OFFERS') return;
        for (const { frameworkId, role } of event.event.offers) this.#waiting.delete(keyOf(frameworkId, role));
        if (world.cluster !== undefined && !world.optimistic && goesTowards(world.cluster, event.event.offers))
          this.#onGuarantee('served');
        return;
      case 'OPERATOR_ANSWER':
        if (event.problems.length > 0) return;
        this.#waiting.clear();
        this.#isSet ||=
          event.call.type === 'UPDATE_QUOTA' &&
          event.call.quotas.some(({ guarantees }) => Object.keys(guarantees ?? {}).length > 0);
        return;
      case 'PROCESS':
      case 'SESSION':
        this.#waiting.clear();
        return;
      default:
        return;
    }
  }

  afterStep(world: WorldView, report: Report): void {
    const { cluster } = world;
    if (this.#isSet && cluster !== undefined && !world.optimistic) this.#roomIsMade(cluster, report);
    this.#isSet = false;
    if (world.nowMs < this.#nextMs) return;
    this.#nextMs = world.nowMs + this.#intervalMs;
    const before = this.#waiting;
    this.#waiting = new Map();
    if (cluster === undefined || world.masterPaused || world.optimistic) return;
    // A new master waits for its agents before it offers anything.
    if (cluster.quotas.size === 0 || cluster.agentsRecovering > 0) return;
    const quotas = quotasOf(cluster);
    for (const client of clientsOf(cluster)) {
      const { framework, role } = client;
      if (this.#content.has(framework.id, world.nowMs) || Object.keys(framework.constraints).length > 0) continue;
      const lacking = lackingOf(cluster, quotas, client);
      if (lacking.length === 0 || !quotaAllows(cluster, quotas, client)) continue;
      if (![...cluster.agents.values()].some(agent => isUsable(agent) && wouldDo(client, agent.free))) continue;
      const key = keyOf(framework.id, role);
      const sinceMs = before.get(key) ?? world.nowMs;
      this.#waiting.set(key, sinceMs);
      const limitMs = (runsMax + slackRuns) * this.#intervalMs;
      if (world.nowMs - sinceMs <= limitMs + world.driftOf(limitMs)) continue;
      report(
        `${framework.id} waits in role ${role} for ${world.nowMs - sinceMs} ms, below its guarantee of ${lacking.join(', ')}, while what is free would do (R13)`,
      );
    }
  }

  // Offers to those without a guarantee hold nothing of what guarantees lack.
  #roomIsMade(cluster: ClusterView, report: Report): void {
    const quotas = quotasOf(cluster);
    const names = new Set([...quotas.guarantees.values()].flatMap(amounts => [...amounts.keys()]));
    for (const name of names) {
      const required = requiredOf(cluster, quotas, name);
      if (required === 0) continue;
      this.#onGuarantee('set');
      const free = freeOf(cluster, name);
      const offered = free >= required ? 0 : offeredToOthers(cluster, quotas, name);
      if (offered === 0) continue;
      report(
        `guarantees need ${required / 1000} ${name}, ${free / 1000} are free, and ${offered / 1000} are still offered to roles that none is for (R13)`,
      );
    }
  }
}

/** Whether some role would be below its guarantee without these offers. */
function goesTowards(cluster: ClusterView, offers: readonly Offer[]): boolean {
  for (const [role, { guarantees }] of cluster.quotas) {
    for (const [name, milli] of guarantees) {
      let offered = 0;
      for (const offer of offers)
        if (isAncestorOrSelf(role, offer.role)) offered += openMilli(bagOf(offer.resources), name);
      if (offered > 0 && consumedOf(cluster, role, name) - offered < milli) return true;
    }
  }
  return false;
}

function openMilli(bag: Bag, name: string): number {
  let milli = 0;
  for (const r of unreserved(bag)) if (r.kind === 'scalar' && r.name === name) milli += r.milli;
  return milli;
}

function offeredToOthers(cluster: ClusterView, { guarantees }: Quotas, name: string): number {
  const isGuaranteed = (role: Role): boolean => pathOf(role).some(above => guarantees.get(above)?.has(name) === true);
  let milli = 0;
  for (const agent of cluster.agents.values()) {
    if (!isUsable(agent)) continue;
    for (const { role, resources } of agent.offers) {
      if (isGuaranteed(role)) continue;
      milli += openMilli(resources, name);
    }
  }
  return milli;
}
