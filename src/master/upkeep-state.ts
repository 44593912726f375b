// What operators have said of agents and machines: activity, maintenance, inverse offers. In: plain values. Out: records of the master's state.
import type { AgentId, FrameworkId, OfferId } from '../base/ids.js';
import type { Unavailability } from '../protocol/entities.js';
import type { MaintenanceWindow } from '../protocol/operator-api.js';

/** Whether an agent may be offered, as operators want it. `sinceMs` is on the wall clock. */
export type AgentAdmin =
  | { readonly activity: 'ACTIVE' }
  | { readonly activity: 'DEACTIVATED'; readonly sinceMs: number }
  | AgentDrain;

/** An agent that is being emptied, or is empty. */
export interface AgentDrain {
  readonly activity: 'DRAINING' | 'DRAINED';
  readonly sinceMs: number;
  /** Most grace of a kill; undefined: what each task asks for. */
  readonly gracePeriodMs?: number;
  /** It is declared gone as soon as it is drained. */
  readonly markGone: boolean;
}

export const activeAdmin: AgentAdmin = { activity: 'ACTIVE' };

/** The schedule, with host names as `machineOf` gives them, and which of its machines are down. */
export interface Maintenance {
  readonly windows: readonly MaintenanceWindow[];
  readonly down: ReadonlySet<string>;
  /** When each machine of the schedule is to be away. */
  readonly byHost: ReadonlyMap<string, Unavailability>;
}

export const noMaintenance: Maintenance = { windows: [], down: new Set(), byHost: new Map() };

export function maintenanceOf(given: readonly MaintenanceWindow[], down: Iterable<string>): Maintenance {
  const windows = given.map(window => ({ ...window, hostnames: window.hostnames.map(machineOf) }));
  const byHost = new Map<string, Unavailability>();
  for (const window of windows) for (const hostname of window.hostnames) byHost.set(hostname, window.unavailability);
  return { windows, down: new Set(Array.from(down, machineOf)), byHost };
}

/** Host names are compared without case, as in Mesos. */
export function machineOf(hostname: string): string {
  return hostname.toLowerCase();
}

/** When the agents of a host are to be away; also while they are. */
export function unavailabilityOf(maintenance: Maintenance, hostname: string): Unavailability | undefined {
  return maintenance.byHost.size === 0 ? undefined : maintenance.byHost.get(machineOf(hostname));
}

export function isDown(maintenance: Maintenance, hostname: string): boolean {
  return maintenance.down.size > 0 && maintenance.down.has(machineOf(hostname));
}

/** What one framework was asked, and said, about one agent's absence. */
export interface InverseRecord {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  /** The inverse offer that waits for an answer. */
  outstanding: OfferId | undefined;
  /** When what is outstanding is taken back, on the monotonic clock. */
  expiresAtMs: number;
  answer: 'UNKNOWN' | 'ACCEPT' | 'DECLINE';
  /** Of the answer, on the wall clock. */
  atMs: number | undefined;
  /** Not asked again before, on the monotonic clock. */
  refuseUntilMs: number;
}
