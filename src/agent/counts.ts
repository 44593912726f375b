// What an agent counts. In: launches, reports, sends. Out: the env's metrics.
import type { Metrics } from '../env/metrics.js';
import type { OperationState } from '../protocol/entities.js';
import type { TaskState } from '../protocol/task-state.js';

/** The counters of one agent. */
export class Counts {
  readonly launched: (tasks: number) => void;
  readonly moved: (state: TaskState) => void;
  /** A status went to the master. `repeated`: not for the first time. */
  readonly sent: (repeated: boolean) => void;
  readonly registered: () => void;
  /** An operation on resources has come to this. */
  readonly operated: (state: OperationState) => void;
  /** Lent resources are taken back from a container. */
  readonly preempted: () => void;
  /** Sets the gauges; called when they change. */
  readonly containers: (count: number) => void;

  constructor(metrics: Metrics) {
    const launches = metrics.counter('proffer_agent_launches_total', 'Tasks received to be run.');
    const moves = metrics.counter('proffer_agent_task_moves_total', 'Moves of tasks, by the state they came to.', [
      'state',
    ]);
    const sends = metrics.counter('proffer_agent_status_updates_total', 'Statuses sent, first and repeated.', ['send']);
    const registrations = metrics.counter('proffer_agent_registrations_total', 'Registrations with a master.');
    const operations = metrics.counter('proffer_agent_operations_total', 'Operations on resources, by their outcome.', [
      'state',
    ]);
    const preemptions = metrics.counter(
      'proffer_agent_preemptions_total',
      'Containers ended to take back what was lent.',
    );
    const containers = metrics.gauge('proffer_agent_containers', 'Containers that were started and have not ended.');
    const first = { send: 'FIRST' };
    const repeat = { send: 'REPEAT' };
    const labels = new Map<TaskState, { state: string }>();
    this.launched = tasks => launches.inc(tasks);
    this.moved = state => {
      let label = labels.get(state);
      if (label === undefined) labels.set(state, (label = { state }));
      moves.inc(1, label);
    };
    this.sent = repeated => sends.inc(1, repeated ? repeat : first);
    this.registered = () => registrations.inc();
    this.operated = state => operations.inc(1, { state });
    this.preempted = () => preemptions.inc();
    this.containers = count => containers.set(count);
  }
}
