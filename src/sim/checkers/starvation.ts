// Bounded starvation: whoever says what it wants is offered something within ten allocation runs, and five more for each other that waits, where
// what is free, with offers that those after it in the policy's order sit on, would do. In: offers, demand, the master's books once per run.
// Out: reports for R14.
import type { FrameworkId, Role } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import { addDisjoint, exclusive } from '../../resources/index.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';
import type { Precedes } from './precedence.js';
import { precedenceOf } from './precedence.js';
import type { Client } from './waiting.js';
import { clientsOf, Contentment, isUsable, keyOf, offersOf, quotaAllows, quotasOf, wouldDo } from './waiting.js';

/** Runs that the one who comes first may wait, and what others before it in line add to that. */
const runsMax = 10;
const runsPerTurn = 5;
/** Runs and looks need not fall together. */
const slackRuns = 3;
/** After so many runs an offer is out for long. */
const patienceRuns = 5;

/** Told of a wait that an offer has ended: under which order, and whether quota was set. */
export type OnServed = (order: string, quota: boolean) => void;

/**
 * Holds under every order and granularity, with and without quota. Of who comes before whom it says what `precedence.ts` is certain of; under
 * optimistic commit offers take nothing, so what no task holds is there for all.
 */
export class StarvationChecker implements Checker {
  readonly name = 'starvation';
  readonly #intervalMs: number;
  readonly #onServed: OnServed;
  readonly #content: Contentment;
  /** Since when somebody waits, by framework and role. */
  #waiting = new Map<string, number>();
  #nextMs = 0;

  /** `intervalMs`: between allocation runs. */
  constructor(intervalMs: number, onServed: OnServed = () => {}) {
    this.#intervalMs = intervalMs;
    this.#onServed = onServed;
    this.#content = new Contentment(intervalMs);
  }

  on(event: HistoryEvent, world: WorldView): void {
    this.#content.on(event, world);
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        if (event.event.type !== 'OFFERS') return;
        for (const { frameworkId, role } of event.event.offers) this.#served(frameworkId, role, world);
        return;
      case 'OPERATOR_ANSWER':
        if (event.problems.length === 0) this.#waiting.clear();
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
    if (world.nowMs < this.#nextMs) return;
    this.#nextMs = world.nowMs + this.#intervalMs;
    const { cluster } = world;
    const before = this.#waiting;
    this.#waiting = new Map();
    if (cluster === undefined || world.masterPaused || !world.isPatient) return;
    // With quota set, a new master waits for its agents before it offers anything.
    if (cluster.quotas.size > 0 && cluster.agentsRecovering > 0) return;
    const line = clientsOf(cluster).filter(client => offersOf(client) === 0 || world.optimistic);
    const precedes = precedenceOf(world.order, cluster);
    const quotas = quotasOf(cluster);
    const oldMs = world.masterNowMs - patienceRuns * this.#intervalMs;
    for (const client of line) {
      const { framework, role } = client;
      if (this.#content.has(framework.id, world.nowMs) || Object.keys(framework.constraints).length > 0) continue;
      if (!couldBeServed(cluster, client, precedes, oldMs) || !quotaAllows(cluster, quotas, client)) continue;
      const key = keyOf(framework.id, role);
      const sinceMs = before.get(key) ?? world.nowMs;
      this.#waiting.set(key, sinceMs);
      const runs = runsMax + (line.length - 1) * runsPerTurn + slackRuns;
      const limitMs = runs * this.#intervalMs;
      if (world.nowMs - sinceMs <= limitMs + world.driftOf(limitMs)) continue;
      report(
        `${framework.id} waits in role ${role} for ${world.nowMs - sinceMs} ms while what is free, or offered for long to those who come after it by ${world.order}, would do (R14)`,
      );
    }
  }

  #served(frameworkId: FrameworkId, role: Role, world: WorldView): void {
    const sinceMs = this.#waiting.get(keyOf(frameworkId, role));
    if (!this.#waiting.delete(keyOf(frameworkId, role)) || sinceMs === undefined) return;
    this.#onServed(world.order.replace(/:.*/, ''), (world.cluster?.quotas.size ?? 0) > 0);
  }
}

/** Whether on some agent all that it wants would fit into what is free and what was offered before `oldMs` to those after it. */
function couldBeServed(cluster: ClusterView, client: Client, precedes: Precedes, oldMs: number): boolean {
  for (const agent of cluster.agents.values()) {
    if (!isUsable(agent)) continue;
    let there = agent.free;
    let itsOwn = false;
    for (const offer of agent.offers) {
      itsOwn ||= offer.frameworkId === client.framework.id && offer.role === client.role;
      if (offer.sequence === undefined && offer.madeAtMs <= oldMs && precedes(client, offer))
        there = addDisjoint(there, exclusive(offer.resources));
    }
    if (!itsOwn && wouldDo(client, there)) return true;
  }
  return false;
}
