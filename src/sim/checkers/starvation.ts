// Bounded starvation: a framework that says what it wants is offered something within ten allocation runs, and five more for each other that waits,
// where what is free, with offers that those who have more sit on, would do. In: offers, demand, the master's books once per run. Out: reports for R14.
import type { FrameworkId, Role } from '../../base/ids.js';
import type { AgentRecord, ClusterView, FrameworkRecord } from '../../master/state.js';
import { addDisjoint, bagOf, exclusive, filterBag, forRole, roleAncestors, take } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

/** A framework in a role. */
interface Client {
  readonly framework: Readonly<FrameworkRecord>;
  readonly role: Role;
}

/** Runs that the one who has least may wait, and what others before it in line add to that. */
const runsMax = 10;
const runsPerTurn = 5;
/** Runs and looks need not fall together. */
const slackRuns = 3;

/** `intervalMs`: between allocation runs. Looks only while no quota is set and the policy goes by shares. */
export class StarvationChecker implements Checker {
  readonly name = 'starvation';
  readonly #intervalMs: number;
  /** Since when somebody waits, by framework and role. */
  #waiting = new Map<string, number>();
  /** Until when a framework does not want what it declined. */
  readonly #content = new Map<FrameworkId, number>();
  #nextMs = 0;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  on(event: HistoryEvent, world: WorldView): void {
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') {
          for (const offer of event.event.offers) this.#waiting.delete(keyOf(offer.frameworkId, offer.role));
        }
        return;
      case 'SCHEDULER_CALL': {
        const { call } = event;
        const id = world.sessions.schedulers.get(event.session)?.frameworkId;
        if (id === undefined || (call.type !== 'ACCEPT' && call.type !== 'DECLINE')) return;
        const untilMs = world.nowMs + Math.max(call.filters?.refuseMs ?? 0, refuseDefaultMs) + this.#intervalMs;
        this.#content.set(id, Math.max(this.#content.get(id) ?? 0, untilMs));
        return;
      }
      case 'PROCESS':
      case 'OPERATOR_ANSWER':
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
    if (cluster === undefined || world.masterPaused || !world.isFair || cluster.quotas.size > 0) return;
    // With quota set, a new master waits for its agents before it offers anything.
    if (cluster.agentsRecovering > 0) return;
    const clients = clientsOf(cluster);
    const line = clients.filter(client => offersOf(client) === 0);
    const share = sharesOf(cluster);
    const oldMs = world.nowMs - patienceRuns * this.#intervalMs;
    for (const client of line) {
      const { framework, role } = client;
      if ((this.#content.get(framework.id) ?? 0) > world.nowMs) continue;
      if (Object.keys(framework.constraints).length > 0 || !couldBeServed(cluster, client, share, oldMs)) continue;
      const key = keyOf(framework.id, role);
      const sinceMs = before.get(key) ?? world.nowMs;
      this.#waiting.set(key, sinceMs);
      const runs = runsMax + (line.length - 1) * runsPerTurn + slackRuns;
      if (world.nowMs - sinceMs <= runs * this.#intervalMs) continue;
      report(
        `${framework.id} waits in role ${role} for ${world.nowMs - sinceMs} ms while what is free, or offered for long to those who have more, would do (R14)`,
      );
    }
  }
}

/** After so many runs an offer is out for long. */
const patienceRuns = 5;

/** The longest filter of a call that names none, or of a queue that declines what it cannot use. */
const refuseDefaultMs = 5000;

/** Who may be offered something. */
function clientsOf(cluster: ClusterView): Client[] {
  const clients: Client[] = [];
  for (const framework of cluster.frameworks.values()) {
    if (framework.state !== 'ACTIVE') continue;
    for (const role of framework.info.roles) if (!framework.suppressed.has(role)) clients.push({ framework, role });
  }
  return clients;
}

/** The nodes just below the last one that both ways have; undefined where one role is above the other, or the same. */
function partingOf(a: Role, b: Role): readonly [Role, Role] | undefined {
  const [pathA, pathB] = [wayTo(a), wayTo(b)];
  for (let i = 0; i < Math.min(pathA.length, pathB.length); i += 1) {
    const [nodeA, nodeB] = [pathA[i], pathB[i]];
    if (nodeA !== nodeB && nodeA !== undefined && nodeB !== undefined) return [nodeA, nodeB];
  }
  return undefined;
}

function wayTo(role: Role): readonly Role[] {
  return [...roleAncestors(role).reverse(), role];
}

/** Dominant shares of roles with all below them, by what is in use or offered. */
function sharesOf(cluster: ClusterView): (role: Role) => number {
  const totals = new Map<string, number>();
  const used = new Map<Role, Map<string, number>>();
  for (const agent of cluster.agents.values()) {
    if (!isThere(agent)) continue;
    count(totals, agent.total);
    const holds = [...[...agent.tasks].filter(task => task.holds), ...agent.offers];
    for (const hold of holds) {
      for (const role of wayTo(hold.role)) {
        const amounts = used.get(role) ?? new Map<string, number>();
        used.set(role, amounts);
        count(amounts, hold.resources);
      }
    }
  }
  return role => {
    let share = 0;
    for (const [name, milli] of used.get(role) ?? []) share = Math.max(share, milli / (totals.get(name) ?? milli));
    return share / (cluster.weights.get(role) ?? 1);
  };
}

function count(into: Map<string, number>, bag: Bag): void {
  for (const r of bag) if (r.kind === 'scalar') into.set(r.name, (into.get(r.name) ?? 0) + r.milli);
}

/** Whether on some agent all that it wants would fit into what is free and what was offered before `oldMs` to those who have more. */
function couldBeServed(
  cluster: ClusterView,
  { framework, role }: Client,
  share: (role: Role) => number,
  oldMs: number,
): boolean {
  const wishes = framework.demand.filter(hint => hint.role === role && hint.ports === undefined);
  for (const agent of cluster.agents.values()) {
    if (agent.state !== 'REGISTERED' || agent.admin.activity !== 'ACTIVE') continue;
    let there = agent.free;
    for (const offer of agent.offers) {
      const parting = partingOf(role, offer.role);
      if (offer.madeAtMs > oldMs || parting === undefined || share(parting[0]) >= share(parting[1])) continue;
      there = addDisjoint(there, exclusive(offer.resources));
    }
    const open = filterBag(forRole(there, role), r => !r.label.revocable && r.label.volume === undefined);
    if (wishes.length > 0 && wishes.every(({ resources }) => take(open, bagOf(resources)).shortages.length === 0))
      return true;
  }
  return false;
}

function offersOf({ framework, role }: Client): number {
  let offers = 0;
  for (const offer of framework.offers) if (offer.role === role) offers += 1;
  return offers;
}

function isThere(agent: Readonly<AgentRecord>): boolean {
  return agent.state === 'REGISTERED' || agent.state === 'DISCONNECTED';
}

function keyOf(frameworkId: FrameworkId, role: Role): string {
  return `${frameworkId}\n${role}`;
}
