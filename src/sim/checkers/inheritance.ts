// What one master knew for good the next one knows: frameworks and those that ended, agents, quota, weights, maintenance, what operators made of agents.
// Nothing counts, or is told, before it is on disk, so that a crash at any moment takes nothing back. In: the state of a master that died and of the
// next. Out: reports for D1, D3, D7, D9.
import type { Quota } from '../../allocator/index.js';
import type { AgentRecord, ClusterView } from '../../master/state.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class InheritanceChecker implements Checker {
  readonly name = 'inheritance';
  /** Of the master that runs, or ran last: nothing changes it any more then. */
  #last: ClusterView | undefined;
  /** Roles whose weights were being changed: nobody can know whether they were. */
  readonly #weighing = new Set<string>();

  on(event: HistoryEvent): void {
    if (event.type === 'OPERATOR_CALL' && event.call.type === 'UPDATE_WEIGHTS')
      for (const { role } of event.call.weights) this.#weighing.add(role);
    if (event.type === 'OPERATOR_ANSWER' && event.call.type === 'UPDATE_WEIGHTS')
      if (event.problems.every(({ code }) => code !== 'DISCONNECTED'))
        for (const { role } of event.call.weights) this.#weighing.delete(role);
  }

  afterStep({ cluster }: WorldView, report: Report): void {
    if (cluster === undefined || cluster === this.#last) return;
    const before = this.#last;
    this.#last = cluster;
    if (before === undefined) return;
    this.#frameworks(before, cluster, report);
    for (const agent of before.agents.values()) this.#agent(agent, before, cluster, report);
    for (const id of before.goneAgents.keys())
      if (!cluster.goneAgents.has(id)) report(`agent ${id} was gone, and the next master does not know (D1, T12)`);
    this.#quotas(before, cluster, report);
    for (const role of new Set([...before.weights.keys(), ...cluster.weights.keys()])) {
      const [was, is] = [before.weights.get(role) ?? 1, cluster.weights.get(role) ?? 1];
      if (was !== is && !this.#weighing.has(role))
        report(`the weight of ${role} was ${was}, and ${is} for the next master (D1)`);
    }
    this.#weighing.clear();
    const hosts = [before.maintenance, before.maintenancePlan].map(hostsOf);
    if (!hosts.includes(hostsOf(cluster.maintenance)))
      report(`maintenance was of ${hosts[0]}, and of ${hostsOf(cluster.maintenance)} for the next master (D1)`);
  }

  #frameworks(before: ClusterView, after: ClusterView, report: Report): void {
    for (const id of before.frameworks.keys())
      if (!after.frameworks.has(id) && !after.completedFrameworks.has(id))
        report(`framework ${id} is unknown to the next master (D1)`);
    const ended = [...before.completedFrameworks.keys()];
    for (const id of ended.slice(-after.options.completedFrameworksMax + endingMax))
      if (!after.completedFrameworks.has(id))
        report(`framework ${id} had ended, and the next master does not know (D9)`);
  }

  #agent(agent: Readonly<AgentRecord>, before: ClusterView, after: ClusterView, report: Report): void {
    // Its removal, or its being gone, was being written.
    if (agent.leaving || before.goingAgents.has(agent.id)) return;
    const next = after.agents.get(agent.id);
    if (next === undefined) return report(`agent ${agent.id} is unknown to the next master (D7)`);
    const activities = [agent.admin.activity, agent.plan.activity];
    if (!activities.includes(next.admin.activity))
      report(`agent ${agent.id} was ${activities[0]}, and is ${next.admin.activity} for the next master (D1)`);
  }

  #quotas(before: ClusterView, after: ClusterView, report: Report): void {
    const roles = new Set([...before.quotas.keys(), ...before.quotasPlanned.keys(), ...after.quotas.keys()]);
    for (const role of roles) {
      const is = wordsOf(after.quotas.get(role));
      const was = [before.quotas, before.quotasPlanned].map(quotas => wordsOf(quotas.get(role)));
      if (!was.includes(is)) report(`${role} had ${was[0]}, and has ${is} for the next master (D1)`);
    }
  }
}

/** The oldest of those remembered make room for ones whose end is being written. */
const endingMax = 10;

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
