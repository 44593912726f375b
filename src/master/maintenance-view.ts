// The maintenance schedule as operators see it. In: state. Out: plain data, nothing shared.
import type { MaintenanceView } from '../protocol/operator-api.js';
import type { ClusterView } from './state.js';
import { machineOf } from './upkeep-state.js';

type Machine = MaintenanceView['machines'][number];

/** Machines of the schedule, in its order; all others are up. */
export function maintenanceView(view: ClusterView): MaintenanceView {
  const { windows, down, byHost } = view.maintenance;
  const asked = new Map<string, Machine['inverseOffers'][number][]>();
  if (byHost.size > 0) {
    for (const agent of view.agents.values()) {
      if (agent.inverse.size === 0) continue;
      const machine = machineOf(agent.info.hostname);
      const answers = asked.get(machine) ?? [];
      asked.set(machine, answers);
      for (const { frameworkId, answer, atMs } of agent.inverse.values())
        answers.push({ frameworkId, answer, ...(atMs === undefined ? {} : { atMs }) });
    }
  }
  const machines = Array.from(
    byHost,
    ([hostname, unavailability]): Machine => ({
      hostname,
      mode: down.has(hostname) ? 'DOWN' : 'DRAINING',
      unavailability,
      inverseOffers: asked.get(hostname) ?? [],
    }),
  );
  return { windows, machines };
}
