// HEARTBEAT, with how many agents may still bring tasks of a framework that this master does not know. In: the state. Out: the event.
import type { FrameworkId } from '../../base/ids.js';
import type { SchedulerEvent } from '../../protocol/scheduler-api.js';
import type { ClusterView } from '../state.js';

export function heartbeat(view: ClusterView, id: FrameworkId): SchedulerEvent {
  const agents = agentsExpected(view, id);
  return agents === 0 ? { type: 'HEARTBEAT' } : { type: 'HEARTBEAT', agentsExpected: agents };
}

/** Agents of the registry that are not back yet. A framework that this master named has nothing there. */
export function agentsExpected(view: ClusterView, id: FrameworkId): number {
  return view.agentsRecovering === 0 || id.startsWith(`${view.master.id}-`) ? 0 : view.agentsRecovering;
}
