// What one master knew for good the next one knows: frameworks and those that ended, agents, quota, weights, maintenance, what operators made of agents.
// Nothing counts, or is told, before it is on disk, so that a crash at any moment takes nothing back. A framework has ended for the next
// master because somebody asked for it, or its time to come back was over. In: the state of a master that died and of the next, calls that end
// frameworks. Out: reports for D1, D3, D7, D9.
import type { FrameworkId } from '../../base/ids.js';
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
  readonly #torndown = new Set<FrameworkId>();
  /** When the master ran last. */
  #lastMs = 0;

  on(event: HistoryEvent, world: WorldView): void {
    if (event.type === 'OPERATOR_CALL' && event.call.type === 'TEARDOWN') this.#torndown.add(event.call.frameworkId);
    if (event.type === 'SCHEDULER_CALL' && event.call.type === 'TEARDOWN') {
      const id = world.sessions.schedulers.get(event.session)?.frameworkId;
      if (id !== undefined) this.#torndown.add(id);
    }
    if (event.type === 'OPERATOR_CALL' && event.call.type === 'UPDATE_WEIGHTS')
      for (const { role } of event.call.weights) this.#weighing.add(role);
    if (event.type === 'OPERATOR_ANSWER' && event.call.type === 'UPDATE_WEIGHTS')
      if (event.problems.every(({ code }) => code !== 'DISCONNECTED'))
        for (const { role } of event.call.weights) this.#weighing.delete(role);
  }

  afterStep({ cluster, nowMs }: WorldView, report: Report): void {
    if (cluster === undefined) return;
    const before = this.#last;
    this.#last = cluster;
    const lastMs = this.#lastMs;
    this.#lastMs = nowMs;
    if (before === undefined || before === cluster) return;
    this.#ended(before, cluster, lastMs, report);
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

  // Who was connected, or waited for, when the master died, is not among those that have ended.
  #ended(before: ClusterView, after: ClusterView, lastMs: number, report: Report): void {
    for (const { id, state, failoverAtMs = lastMs } of before.frameworks.values()) {
      if (!after.completedFrameworks.has(id) || this.#torndown.has(id)) continue;
      if (state === 'ACTIVE') report(`framework ${id} was connected, and has ended for the next master (D3)`);
      else if (failoverAtMs > lastMs)
        report(`framework ${id} had ${failoverAtMs - lastMs} ms to come back, and has ended for the next master (D1)`);
    }
  }

  #frameworks(before: ClusterView, after: ClusterView, report: Report): void {
    for (const id of before.frameworks.keys())
      if (!after.frameworks.has(id) && !after.completedFrameworks.has(id))
        report(`framework ${id} is unknown to the next master (D1)`);
    // Of too many the next one may know others.
    if (after.completedFrameworks.size >= after.options.completedFrameworksMax) return;
    for (const id of before.completedFrameworks.keys())
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
