// Quota: from the moment a limit is acknowledged nothing is given beyond it, counted over the role and all below it; and what is kept back for
// guarantees goes to nobody else. In: operators' calls and their answers, offers, launches, reservations, the master's books. Out: reports for R12, R13.
import type { Role } from '../../base/ids.js';
import type { AgentEvent } from '../../protocol/agent-api.js';
import type { Offer } from '../../protocol/entities.js';
import type { OperatorCall } from '../../protocol/operator-api.js';
import { bagOf, isAncestorOrSelf, unreserved } from '../../resources/index.js';
import type { ClusterView } from '../../master/state.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';
import { consumedOf, freeOf, pathOf, requiredOf } from './quota-sums.js';
import type { Amounts } from './quota-sums.js';

type Update = Extract<OperatorCall, { type: 'UPDATE_QUOTA' }>;

interface Copied {
  readonly limits: ReadonlyMap<Role, Amounts>;
  readonly guarantees: ReadonlyMap<Role, Amounts>;
  readonly unknown: ReadonlySet<Role>;
}

/** Goes by what operators were told, over masters that come and go. */
export class QuotaChecker implements Checker {
  readonly name = 'quota';
  #limits = new Map<Role, Amounts>();
  #guarantees = new Map<Role, Amounts>();
  /** Asked for, not yet answered. */
  readonly #pending = new Set<OperatorCall>();
  /** Roles whose quota nobody can know: the master died while it was being set. */
  #unknown = new Set<Role>();
  /** When the newest copy of the registry was made, which may come back. */
  #copied: Copied | undefined;

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'OPERATOR_CALL':
        if (event.call.type === 'UPDATE_QUOTA') this.#pending.add(event.call);
        return;
      case 'OPERATOR_ANSWER':
        if (event.call.type !== 'UPDATE_QUOTA' || !this.#pending.delete(event.call)) return;
        if (event.problems.length === 0) this.#set(event.call);
        else if (event.problems.some(({ code }) => code === 'DISCONNECTED')) this.#doubt(event.call);
        return;
      case 'PROCESS':
        if (event.kind !== 'MASTER') return;
        for (const call of this.#pending) if (call.type === 'UPDATE_QUOTA') this.#doubt(call);
        this.#pending.clear();
        return;
      case 'REGISTRY':
        if (event.what === 'COPIED') this.#copies();
        else this.#restores();
        return;
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') this.#offered(event.event.offers, world, report);
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'LAUNCH') this.#launched(event.event, world, report);
        else if (event.event.type === 'APPLY_OPERATION' && event.event.kind === 'RESERVE')
          this.#reserved(event.event, world, report);
        return;
      default:
        return;
    }
  }

  #copies(): void {
    const asked = [...this.#pending].flatMap(call => (call.type === 'UPDATE_QUOTA' ? call.quotas : []));
    this.#copied = {
      limits: new Map(this.#limits),
      guarantees: new Map(this.#guarantees),
      unknown: new Set([...this.#unknown, ...asked.map(({ role }) => role)]),
    };
  }

  // What was set since has to be set again.
  #restores(): void {
    if (this.#copied === undefined) return;
    this.#limits = new Map(this.#copied.limits);
    this.#guarantees = new Map(this.#copied.guarantees);
    this.#unknown = new Set(this.#copied.unknown);
    for (const role of this.#unknown) {
      this.#limits.delete(role);
      this.#guarantees.delete(role);
    }
  }

  #set({ quotas }: Update): void {
    for (const { role, limits = {}, guarantees = {} } of quotas) {
      this.#unknown.delete(role);
      put(this.#limits, role, limits);
      put(this.#guarantees, role, guarantees);
    }
  }

  #doubt({ quotas }: Update): void {
    for (const { role } of quotas) {
      this.#unknown.add(role);
      this.#limits.delete(role);
      this.#guarantees.delete(role);
    }
  }

  #offered(offers: readonly Offer[], world: WorldView, report: Report): void {
    const { cluster } = world;
    if (cluster === undefined || world.optimistic) return;
    const given = new Map<Role, Set<string>>();
    for (const { role, resources } of offers) {
      const names = given.get(role) ?? new Set();
      given.set(role, names);
      for (const r of unreserved(bagOf(resources))) if (r.kind === 'scalar') names.add(r.name);
    }
    for (const [role, names] of given) {
      for (const above of pathOf(role)) this.#within(above, names, `an offer to ${role}`, cluster, report);
      this.#keptBack(role, names, `an offer to ${role}`, cluster, report);
    }
  }

  // Where an offer takes nothing, the accept must keep limits and guarantees; else it takes what was offered.
  #launched(event: Extract<AgentEvent, { type: 'LAUNCH' }>, world: WorldView, report: Report): void {
    const { cluster } = world;
    if (cluster === undefined || !world.optimistic) return;
    const tasks = cluster.frameworks.get(event.framework.id ?? '')?.tasks;
    for (const { taskId } of event.tasks) {
      const task = tasks?.get(taskId);
      if (task === undefined) continue;
      const names = new Set(unreserved(task.resources).map(({ name }) => name));
      for (const above of pathOf(task.role)) this.#within(above, names, `task ${taskId}`, cluster, report);
      this.#keptBack(task.role, names, `task ${taskId}`, cluster, report);
    }
  }

  // What a framework reserves was offered to a role of its own, and counted against that and those above it.
  #reserved(event: Extract<AgentEvent, { type: 'APPLY_OPERATION' }>, world: WorldView, report: Report): void {
    const { cluster } = world;
    if (cluster === undefined) return;
    const framework = world.optimistic ? undefined : cluster.frameworks.get(event.frameworkId ?? '');
    const own = framework?.info.roles ?? [];
    for (const r of bagOf(event.produced)) {
      const { role, reservations } = r.label;
      if (role === undefined || r.kind !== 'scalar') continue;
      const before = reservations.at(-2)?.role;
      for (const above of pathOf(role)) {
        const counted = [...own, ...(before === undefined ? [] : [before])].some(each => isAncestorOrSelf(above, each));
        if (!counted) this.#within(above, new Set([r.name]), `a reservation to ${role}`, cluster, report);
      }
    }
  }

  #within(role: Role, names: ReadonlySet<string>, what: string, cluster: ClusterView, report: Report): void {
    const limits = this.#limits.get(role);
    if (limits === undefined) return;
    for (const [name, limit] of limits) {
      if (!names.has(name)) continue;
      const consumed = consumedOf(cluster, role, name);
      if (consumed <= limit) continue;
      report(`with ${what}, ${role} has ${consumed / 1000} ${name} of its limit of ${limit / 1000} (R12)`);
    }
  }

  // What goes to roles without a guarantee leaves enough for those that lack theirs.
  #keptBack(role: Role, names: ReadonlySet<string>, what: string, cluster: ClusterView, report: Report): void {
    if (this.#guarantees.size === 0 || this.#unknown.size > 0) return;
    for (const name of names) {
      if (pathOf(role).some(above => this.#guarantees.get(above)?.has(name) === true)) continue;
      if ([...this.#guarantees].some(([each, amounts]) => amounts.has(name) && isAncestorOrSelf(role, each))) continue;
      const required = requiredOf(cluster, { limits: this.#limits, guarantees: this.#guarantees }, name);
      if (required === 0) continue;
      const free = freeOf(cluster, name);
      if (free >= required) continue;
      report(`${what} leaves ${free / 1000} ${name} of ${required / 1000} that guarantees need (R13)`);
    }
  }
}

function put(all: Map<Role, Amounts>, role: Role, amounts: { readonly [name: string]: number }): void {
  const entries = Object.entries(amounts).map(([name, amount]) => [name, Math.round(amount * 1000)] as const);
  if (entries.length === 0) all.delete(role);
  else all.set(role, new Map(entries));
}
