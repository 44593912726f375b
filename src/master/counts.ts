// What the master counts: calls, offers by how they ended, task states. In: changes and calls. Out: the env's metrics.
import type { Metrics } from '../env/metrics.js';
import type { Change } from './changes.js';
import type { ClusterView } from './state.js';

export class Counts {
  readonly call: (peer: 'scheduler' | 'agent' | 'operator', type: string) => void;
  readonly invalid: (peer: 'scheduler' | 'agent') => void;
  readonly change: (change: Change) => void;
  /** Sets the gauges; for who renders them, just before. */
  readonly refresh: (view: ClusterView, watch: { readonly safeMode: unknown; readonly waiting: number }) => void;

  constructor(metrics: Metrics) {
    const calls = metrics.counter('proffer_master_calls_total', 'Calls received, by kind of peer and type.', [
      'peer',
      'type',
    ]);
    const invalid = metrics.counter('proffer_master_invalid_messages_total', 'Messages refused as not valid.', [
      'peer',
    ]);
    const offers = metrics.counter('proffer_master_offers_total', 'Offers made (MADE), and how they ended.', ['what']);
    const states = metrics.counter('proffer_master_task_moves_total', 'Moves of tasks, by the state they came to.', [
      'state',
    ]);
    const claims = metrics.counter(
      'proffer_master_offer_claims_total',
      'Tasks and operations of accepts under optimistic commit.',
    );
    const conflicts = metrics.counter(
      'proffer_master_offer_conflicts_total',
      'Tasks and operations that lost what they were offered to a faster accept.',
    );
    const conflictFraction = metrics.gauge(
      'proffer_master_offer_conflict_fraction',
      'Conflicts among the claims so far; 0 to 1.',
    );
    const operations = metrics.counter('proffer_master_operations_total', 'Operations on resources sent to agents.', [
      'kind',
    ]);
    const judged = { claims: 0, conflicts: 0 };
    const agents = metrics.gauge('proffer_master_agents', 'Agents, by liveness.', ['state']);
    const activities = metrics.gauge('proffer_master_agents_by_activity', 'Agents, by what operators want of them.', [
      'activity',
    ]);
    const inverse = metrics.counter(
      'proffer_master_inverse_offers_total',
      'Inverse offers made (MADE), and how they were answered.',
      ['what'],
    );
    const frameworks = metrics.gauge('proffer_master_frameworks', 'Frameworks, by state.', ['state']);
    const tasks = metrics.gauge('proffer_master_tasks', 'Tasks not yet done with, by state.', ['state']);
    const outstanding = metrics.gauge('proffer_master_offers_outstanding', 'Offers not yet answered.');
    const made = { what: 'MADE' };
    const labels = new Map<string, { [name: string]: string }>();
    const labelled = (name: string, value: string): { [name: string]: string } => {
      let label = labels.get(value);
      if (label === undefined) labels.set(value, (label = { [name]: value }));
      return label;
    };
    const callLabels = new Map<string, { peer: string; type: string }>();
    const seen = { agents: new Set<string>(), frameworks: new Set<string>(), tasks: new Set<string>() };
    this.call = (peer, type) => {
      const key = `${peer} ${type}`;
      let label = callLabels.get(key);
      if (label === undefined) callLabels.set(key, (label = { peer, type }));
      calls.inc(1, label);
    };
    this.invalid = peer => invalid.inc(1, { peer });
    this.change = change => {
      switch (change.type) {
        case 'OFFER_MADE':
          return offers.inc(1, made);
        case 'OFFER_ENDED':
          return offers.inc(1, labelled('what', change.how));
        case 'ACCEPT_JUDGED':
          judged.claims += change.claims;
          judged.conflicts += change.conflicts;
          claims.inc(change.claims);
          return conflicts.inc(change.conflicts);
        case 'INVERSE_OFFER_MADE':
          return inverse.inc(1, made);
        case 'INVERSE_OFFER_ANSWERED':
          return inverse.inc(1, labelled('what', change.answer));
        case 'OPERATION_ADDED':
          return operations.inc(1, labelled('kind', change.operation.kind ?? 'UNKNOWN'));
        case 'TASK_ADDED':
          return states.inc(1, labelled('state', change.task.state));
        case 'TASK_UPDATED':
          return states.inc(1, labelled('state', change.state));
        case 'TASK_UNREACHABLE':
        case 'TASK_ENDED_UNCONFIRMED':
          return states.inc(1, labelled('state', change.status.state));
        default:
          return undefined;
      }
    };
    const safeMode = metrics.gauge(
      'proffer_master_safe_mode',
      '1 while too many agents are silent together for any of them to be declared unreachable.',
    );
    const silent = metrics.gauge(
      'proffer_master_agents_silent',
      'Agents that left too many pings unanswered and wait to be declared unreachable.',
    );
    this.refresh = (view, watch) => {
      safeMode.set(watch.safeMode === undefined ? 0 : 1);
      silent.set(watch.waiting);
      const set = (gauge: typeof agents, known: Set<string>, counts: Map<string, number>): void => {
        for (const state of counts.keys()) known.add(state);
        for (const state of known) gauge.set(counts.get(state) ?? 0, { state });
      };
      set(agents, seen.agents, countBy(view.agents.values()));
      const byActivity = { ACTIVE: 0, DEACTIVATED: 0, DRAINING: 0, DRAINED: 0 };
      for (const { admin } of view.agents.values()) byActivity[admin.activity] += 1;
      for (const [activity, count] of Object.entries(byActivity)) activities.set(count, { activity });
      set(frameworks, seen.frameworks, countBy(view.frameworks.values()));
      const byState = new Map<string, number>();
      for (const framework of view.frameworks.values()) {
        for (const task of framework.tasks.values()) byState.set(task.state, (byState.get(task.state) ?? 0) + 1);
        for (const task of framework.unreachable.values()) byState.set(task.state, (byState.get(task.state) ?? 0) + 1);
      }
      set(tasks, seen.tasks, byState);
      outstanding.set(view.offers.size);
      conflictFraction.set(judged.claims === 0 ? 0 : judged.conflicts / judged.claims);
    };
  }
}

function countBy(items: Iterable<{ readonly state: string }>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { state } of items) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
