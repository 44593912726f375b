// HEARTBEAT, with how many agents may still bring tasks of a framework that this master does not know. In: the state. Out: the event.
import type { FrameworkId } from '../../base/ids.js';
import type { SchedulerEvent } from '../../protocol/scheduler-api.js';
import type { ClusterView } from '../state.js';

export function heartbeat(view: ClusterView, id: FrameworkId): SchedulerEvent {
  const agents = agentsExpected(view, id);
  return agents === 0 ? { type: 'HEARTBEAT' } : { type: 'HEARTBEAT', agentsExpected: agents };
}

/** Agents that are not back yet and may have tasks of the framework. One that this master named has nothing there. */
export function agentsExpected(view: ClusterView, id: FrameworkId): number {
  const agents = agentsAwaited(view);
  return agents === 0 || id.startsWith(`${view.master.id}-`) ? 0 : agents;
}

/** Those of the registry, and one for all that it may not know. */
export function agentsAwaited({ agentsRecovering, strangersExpected }: ClusterView): number {
  return agentsRecovering + (strangersExpected ? 1 : 0);
}
