// Who waits for offers, and for what: clients (a framework in a role) that say what they want, and whether it is there for them. In: the master's
// state. Out: clients, and what of an agent, limits and guarantees would do.
import type { FrameworkId, Role } from '../../base/ids.js';
import type { AgentRecord, ClusterView, FrameworkRecord } from '../../master/state.js';
import { bagOf, filterBag, forRole, openTo, portsOf, takeNamed } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { HistoryEvent } from '../history.js';
import type { WorldView } from './checker.js';
import { consumedOf, freeOf, needOf, pathOf, requiredOf } from './quota-sums.js';
import type { Amounts, Quotas } from './quota-sums.js';

/** A framework in a role. */
export interface Client {
  readonly framework: Readonly<FrameworkRecord>;
  readonly role: Role;
}

/** Who may be offered something. */
export function clientsOf(cluster: ClusterView): Client[] {
  const clients: Client[] = [];
  for (const framework of cluster.frameworks.values()) {
    if (framework.state !== 'ACTIVE') continue;
    for (const role of framework.info.roles) if (!framework.suppressed.has(role)) clients.push({ framework, role });
  }
  return clients;
}

export function offersOf({ framework, role }: Client): number {
  let offers = 0;
  for (const offer of framework.offers) if (offer.role === role) offers += 1;
  return offers;
}

export function keyOf(frameworkId: FrameworkId, role: Role): string {
  return `${frameworkId}\n${role}`;
}

/** What a client says it wants there, each one or several times. */
export function wishesOf({ framework, role }: Client): FrameworkRecord['demand'] {
  return framework.demand.filter(hint => hint.role === role);
}

/** Whether all that a client wants, one by one, fits into `there`, resources of an agent. */
export function wouldDo(client: Client, there: Bag): boolean {
  const wishes = wishesOf(client);
  if (wishes.length === 0) return false;
  const open = filterBag(forRole(there, client.role), r => !r.label.revocable && r.label.volume === undefined);
  return wishes.every(({ resources, ports = 0, exactResources }) => {
    const wish = { resources: bagOf(resources), exactResources };
    return ports <= portsOf(openTo(wish, open)).length && takeNamed(wish, open).shortages.length === 0;
  });
}

export function isUsable(agent: Readonly<AgentRecord>): boolean {
  return agent.state === 'REGISTERED' && agent.admin.activity === 'ACTIVE';
}

/** The quotas of a master, as sums go by them. */
export function quotasOf(cluster: ClusterView): Quotas {
  const limits = new Map<Role, Amounts>();
  const guarantees = new Map<Role, Amounts>();
  for (const [role, quota] of cluster.quotas) {
    if (quota.limits.size > 0) limits.set(role, quota.limits);
    if (quota.guarantees.size > 0) guarantees.set(role, quota.guarantees);
  }
  return { limits, guarantees };
}

/** Whether limits, and what is kept back for the guarantees of others, leave room for each thing a client wants. Rather no than yes. */
export function quotaAllows(cluster: ClusterView, quotas: Quotas, client: Client): boolean {
  if (cluster.quotas.size === 0) return true;
  const path = pathOf(client.role);
  const top = path.at(-1) ?? client.role;
  for (const [name, milli] of greatestOf(client)) {
    const required = requiredOf(cluster, quotas, name);
    // Of several guarantees in one tree nobody says here whose the need is.
    const alone = [...quotas.guarantees.keys()].every(role => path.includes(role) || pathOf(role).at(-1) !== top);
    const others = required - (alone ? needOf(cluster, quotas, top, name) : 0);
    if (freeOf(cluster, name) - others < milli) return false;
    for (const above of path) {
      const limit = quotas.limits.get(above)?.get(name);
      if (limit !== undefined && limit - consumedOf(cluster, above, name, true) - others < milli) return false;
    }
  }
  return true;
}

/** Names of which the guarantee of a client's role, or of one above it, is not met. */
export function lackingOf(cluster: ClusterView, { guarantees }: Quotas, client: Client): string[] {
  const wanted = greatestOf(client);
  return pathOf(client.role).flatMap(above =>
    [...(guarantees.get(above) ?? [])]
      .filter(([name, milli]) => wanted.has(name) && consumedOf(cluster, above, name) < milli)
      .map(([name]) => name),
  );
}

function greatestOf(client: Client): ReadonlyMap<string, number> {
  const greatest = new Map<string, number>();
  for (const { resources } of wishesOf(client)) {
    for (const r of bagOf(resources)) {
      if (r.kind === 'scalar') greatest.set(r.name, Math.max(greatest.get(r.name) ?? 0, r.milli));
    }
  }
  return greatest;
}

/** The longest filter of a call that names none, or of a queue that declines what it cannot use. */
const refuseDefaultMs = 5000;

/** Until when frameworks do not want what they declined. */
export class Contentment {
  readonly #untilMs = new Map<FrameworkId, number>();
  readonly #intervalMs: number;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  on(event: HistoryEvent, world: WorldView): void {
    if (event.type !== 'SCHEDULER_CALL') return;
    const { call } = event;
    const id = world.sessions.schedulers.get(event.session)?.frameworkId;
    if (id === undefined || (call.type !== 'ACCEPT' && call.type !== 'DECLINE')) return;
    const refuseMs = Math.max(call.filters?.refuseMs ?? 0, refuseDefaultMs);
    const untilMs = world.nowMs + refuseMs + world.driftOf(refuseMs) + this.#intervalMs;
    this.#untilMs.set(id, Math.max(this.#untilMs.get(id) ?? 0, untilMs));
  }

  has(id: FrameworkId, nowMs: number): boolean {
    return (this.#untilMs.get(id) ?? 0) > nowMs;
  }
}
