// What one master knew for good the next one knows: frameworks and those that ended, agents, quota, weights, maintenance, what operators made of agents.
// Nothing counts, or is told, before it is on disk, so that a crash at any moment takes nothing back. A framework has ended for the next
// master because somebody asked for it, or its time to come back was over. A restored registry holds all that it held when it was copied.
// In: the state of a master that died and of the next, copies, calls that end frameworks. Out: reports for D1, D3, D7, D9.
import type { Quota } from '../../allocator/index.js';
import type { AgentId, FrameworkId, Role } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

interface KnownFramework {
  readonly id: FrameworkId;
  readonly isConnected: boolean;
  /** Only an agent has told of it, and will tell the next master, too. */
  readonly isHearsay: boolean;
  /** How long it had to come back. */
  readonly leftMs: number;
}

/** What a master knew for good. Of what is being written both are named: nobody can know which is on disk. */
interface Known {
  readonly frameworks: readonly KnownFramework[];
  readonly ended: readonly FrameworkId[];
  readonly agents: ReadonlyMap<AgentId, readonly string[]>;
  readonly gone: readonly AgentId[];
  readonly quotas: ReadonlyMap<Role, readonly string[]>;
  readonly weights: ReadonlyMap<Role, number>;
  readonly maintenance: readonly string[];
  /** Roles whose weights were being changed: nobody can know whether they were. */
  readonly weighing: ReadonlySet<Role>;
}

export class InheritanceChecker implements Checker {
  readonly name = 'inheritance';
  /** Of the master that runs, or ran last: nothing changes it any more then. */
  #last: ClusterView | undefined;
  readonly #weighing = new Set<Role>();
  readonly #torndown = new Set<FrameworkId>();
  /** Frameworks that master has known from the beginning. */
  #inherited: Set<FrameworkId> = new Set();
  /** When the master ran last, by its own clock. */
  #lastMs = 0;
  /** When the newest copy of the registry was made; and that, once it has been restored, until the next master is there. */
  #copied: Known | undefined;
  #restored: Known | undefined;

  on(event: HistoryEvent, { cluster, masterNowMs, sessions }: WorldView): void {
    if (event.type === 'OPERATOR_CALL' && event.call.type === 'TEARDOWN') this.#torndown.add(event.call.frameworkId);
    if (event.type === 'SCHEDULER_CALL' && event.call.type === 'TEARDOWN') {
      const id = sessions.schedulers.get(event.session)?.frameworkId;
      if (id !== undefined) this.#torndown.add(id);
    }
    if (event.type === 'OPERATOR_CALL' && event.call.type === 'UPDATE_WEIGHTS')
      for (const { role } of event.call.weights) this.#weighing.add(role);
    if (event.type === 'OPERATOR_ANSWER' && event.call.type === 'UPDATE_WEIGHTS')
      if (event.problems.every(({ code }) => code !== 'DISCONNECTED'))
        for (const { role } of event.call.weights) this.#weighing.delete(role);
    if (event.type !== 'REGISTRY') return;
    if (event.what === 'RESTORED') this.#restored = this.#copied;
    else if (cluster !== undefined) this.#copied = knownOf(cluster, this.#inherited, masterNowMs, this.#weighing);
    else this.#copied = this.#restored ?? this.#known();
  }

  afterStep(world: WorldView, report: Report): void {
    const { cluster } = world;
    if (cluster === undefined) return;
    const isNew = cluster !== this.#last;
    const before = isNew ? (this.#restored ?? this.#known()) : undefined;
    this.#last = cluster;
    this.#lastMs = world.masterNowMs;
    // One that has ended and is forgotten may be told of anew.
    for (const id of this.#inherited) if (!isNew && !cluster.frameworks.has(id)) this.#inherited.delete(id);
    if (!isNew) return;
    this.#inherited = new Set(cluster.frameworks.keys());
    if (world.disk('master')?.isDamaged === true) report('a master goes by a registry that cannot be read (D1)');
    this.#restored = undefined;
    this.#weighing.clear();
    if (before === undefined) return;
    this.#ended(before, cluster, report);
    frameworks(before, cluster, report);
    agents(before, cluster, report);
    for (const id of before.gone)
      if (!cluster.goneAgents.has(id)) report(`agent ${id} was gone, and the next master does not know (D1, T12)`);
    for (const role of new Set([...before.quotas.keys(), ...cluster.quotas.keys()])) {
      const [was, is] = [before.quotas.get(role) ?? [wordsOf(undefined)], wordsOf(cluster.quotas.get(role))];
      if (!was.includes(is)) report(`${role} had ${was[0]}, and has ${is} for the next master (D1)`);
    }
    for (const role of new Set([...before.weights.keys(), ...cluster.weights.keys()])) {
      const [was, is] = [before.weights.get(role) ?? 1, cluster.weights.get(role) ?? 1];
      if (was !== is && !before.weighing.has(role))
        report(`the weight of ${role} was ${was}, and ${is} for the next master (D1)`);
    }
    const hosts = hostsOf(cluster.maintenance);
    if (!before.maintenance.includes(hosts))
      report(`maintenance was of ${before.maintenance[0]}, and of ${hosts} for the next master (D1)`);
  }

  #known(): Known | undefined {
    return this.#last === undefined ? undefined : knownOf(this.#last, this.#inherited, this.#lastMs, this.#weighing);
  }

  // Who was connected, or waited for, is not among those that have ended.
  #ended(before: Known, after: ClusterView, report: Report): void {
    for (const { id, isConnected, leftMs } of before.frameworks) {
      if (!after.completedFrameworks.has(id) || this.#torndown.has(id)) continue;
      if (isConnected) report(`framework ${id} was connected, and has ended for the next master (D3)`);
      else if (leftMs > 0)
        report(`framework ${id} had ${leftMs} ms to come back, and has ended for the next master (D1)`);
    }
  }
}

function knownOf(
  cluster: ClusterView,
  inherited: ReadonlySet<FrameworkId>,
  atMs: number,
  weighing: ReadonlySet<Role>,
): Known {
  const roles = new Set([...cluster.quotas.keys(), ...cluster.quotasPlanned.keys()]);
  // Whose removal, or being gone, is being written, may be there or not.
  const staying = [...cluster.agents.values()].filter(({ id, leaving }) => !leaving && !cluster.goingAgents.has(id));
  return {
    frameworks: [...cluster.frameworks.values()].map(({ id, state, failoverAtMs = atMs }) => ({
      id,
      isConnected: state === 'ACTIVE',
      isHearsay: state === 'RECOVERED' && !inherited.has(id),
      leftMs: failoverAtMs - atMs,
    })),
    ended: [...cluster.completedFrameworks.keys()],
    agents: new Map(staying.map(({ id, admin, plan }) => [id, [admin.activity, plan.activity]])),
    gone: [...cluster.goneAgents.keys()],
    quotas: new Map(
      [...roles].map(role => [role, [cluster.quotas, cluster.quotasPlanned].map(all => wordsOf(all.get(role)))]),
    ),
    weights: new Map(cluster.weights),
    maintenance: [cluster.maintenance, cluster.maintenancePlan].map(hostsOf),
    weighing: new Set(weighing),
  };
}

function frameworks(before: Known, after: ClusterView, report: Report): void {
  for (const { id, isHearsay } of before.frameworks)
    if (!isHearsay && !after.frameworks.has(id) && !after.completedFrameworks.has(id))
      report(`framework ${id} is unknown to the next master (D1)`);
  // Of too many the next one may know others.
  if (after.completedFrameworks.size >= after.options.completedFrameworksMax) return;
  for (const id of before.ended)
    if (!after.completedFrameworks.has(id)) report(`framework ${id} had ended, and the next master does not know (D9)`);
}

function agents(before: Known, after: ClusterView, report: Report): void {
  for (const [id, activities] of before.agents) {
    const next = after.agents.get(id);
    if (next === undefined) report(`agent ${id} is unknown to the next master (D7)`);
    else if (!activities.includes(next.admin.activity))
      report(`agent ${id} was ${activities[0]}, and is ${next.admin.activity} for the next master (D1)`);
  }
}

function hostsOf({ byHost, down }: ClusterView['maintenance']): string {
  return `${[...byHost.keys()].toSorted().join(',') || 'none'} (down: ${[...down].toSorted().join(',') || 'none'})`;
}

function wordsOf(quota: Quota | undefined): string {
  if (quota === undefined) return 'no quota';
  const text = (amounts: ReadonlyMap<string, number>): string =>
    [...amounts]
      .map(([name, milli]) => `${name}:${milli}`)
      .toSorted()
      .join(';') || 'none';
  return `limits ${text(quota.limits)} and guarantees ${text(quota.guarantees)}`;
}
