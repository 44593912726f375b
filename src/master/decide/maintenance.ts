// The maintenance schedule: update, start, stop. In: state, call, moment. Out: changes and effects.
import { assert } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { AgentId } from '../../base/ids.js';
import type { MaintenanceWindow, OperatorCall } from '../../protocol/operator-api.js';
import type { Decision, Durable } from '../decision.js';
import { answered, Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import { sameData } from '../same-data.js';
import type { AgentRecord, ClusterView, Moment } from '../state.js';
import type { Maintenance } from '../upkeep-state.js';
import { isDown, machineOf, maintenanceOf, unavailabilityOf } from '../upkeep-state.js';
import { endTasks, isLeaving, tellFailure } from './agent-ends.js';
import { rescindInverse } from './inverse-offers.js';
import { rescind } from './offers.js';
import { tellOperations } from './operations-status.js';

type Call = Extract<OperatorCall, { type: 'UPDATE_MAINTENANCE' | 'START_MAINTENANCE' | 'STOP_MAINTENANCE' }>;

/** Refuses, or writes the schedule first. Calls close to each other go by what the one before wants. */
export function decideMaintenance(
  view: ClusterView,
  registry: Registry,
  call: Call,
  ticket: number,
  at: Moment,
): Decision {
  const before = view.maintenancePlan;
  switch (call.type) {
    case 'UPDATE_MAINTENANCE': {
      const problems = scheduleProblems(before, call.windows, at);
      return problems.length > 0
        ? answered(ticket, problems)
        : store(view, registry, maintenanceOf(call.windows, before.down), ticket);
    }
    case 'START_MAINTENANCE': {
      const problems = eachHost(call.hostnames, 'startMaintenance', hostname =>
        unavailabilityOf(before, hostname) !== undefined
          ? undefined
          : [
              'UNKNOWN_MACHINE',
              `${shown(hostname)} is not in the maintenance schedule`,
              'post a schedule with it first',
            ],
      );
      return problems.length > 0
        ? answered(ticket, problems)
        : store(view, registry, maintenanceOf(before.windows, [...before.down, ...call.hostnames]), ticket);
    }
    case 'STOP_MAINTENANCE': {
      const problems = eachHost(call.hostnames, 'stopMaintenance', hostname => {
        if (isDown(before, hostname)) return undefined;
        if (unavailabilityOf(before, hostname) === undefined)
          return ['UNKNOWN_MACHINE', `${shown(hostname)} is not in the maintenance schedule`];
        return [
          'AGENT_STATE',
          `${shown(hostname)} is not down: its maintenance was not started`,
          'to call a planned window off, post the schedule without it',
        ];
      });
      if (problems.length > 0) return answered(ticket, problems);
      const up = new Set(call.hostnames.map(machineOf));
      const windows = before.windows
        .map(window => ({ ...window, hostnames: window.hostnames.filter(hostname => !up.has(hostname)) }))
        .filter(window => window.hostnames.length > 0);
      const down = [...before.down].filter(hostname => !up.has(hostname));
      return store(view, registry, maintenanceOf(windows, down), ticket);
    }
  }
}

function scheduleProblems(before: Maintenance, windows: readonly MaintenanceWindow[], at: Moment): Problem[] {
  const { byHost } = maintenanceOf(windows, []);
  const stillDown = [...before.down]
    .filter(hostname => !byHost.has(hostname))
    .map(hostname =>
      problem(
        'updateMaintenance.windows',
        'AGENT_STATE',
        `${shown(hostname)} is down for maintenance, and the new schedule is without it`,
        'stop its maintenance first, or keep it in the schedule',
      ),
    );
  return [...stillDown, ...windows.flatMap((window, i) => pastProblems(before, window, i, at))];
}

// A window that was planned before may have passed since: a schedule with it is sent again whenever another is planned.
function pastProblems(before: Maintenance, window: MaintenanceWindow, i: number, { wallMs }: Moment): Problem[] {
  const { hostnames, unavailability } = window;
  const { startMs, durationMs } = unavailability;
  if (durationMs === undefined || startMs + durationMs > wallMs) return [];
  if (hostnames.every(hostname => sameData(unavailabilityOf(before, hostname), unavailability))) return [];
  return [
    problem(
      `updateMaintenance.windows[${i}].unavailability`,
      'INVALID_CALL',
      `a window that ended at ${startMs + durationMs} is over: it is ${wallMs} now, in milliseconds since 1970`,
      'plan it for later; or leave durationMs out, and it has no end',
    ),
  ];
}

type Wrong = readonly [code: 'UNKNOWN_MACHINE' | 'AGENT_STATE', message: string, hint?: string];

function eachHost(
  hostnames: readonly string[],
  path: string,
  wrongWith: (hostname: string) => Wrong | undefined,
): Problem[] {
  return hostnames.flatMap((hostname, i) => {
    const wrong = wrongWith(hostname);
    return wrong === undefined ? [] : [problem(`${path}.hostnames[${i}]`, ...wrong)];
  });
}

function store(view: ClusterView, registry: Registry, maintenance: Maintenance, ticket: number): Draft {
  const draft = new Draft().change({ type: 'MAINTENANCE_PLANNED', maintenance });
  const writes = [...registry.maintenance(maintenance)];
  const removed = new Set<AgentId>();
  for (const agent of view.agents.values()) {
    if (!goesDown(agent, maintenance) || isLeaving(view, agent)) continue;
    // The next master need not wait for it. Written now: later it might undo a registration that is on its way.
    writes.push(...registry.agentRemoved(agent.id));
    removed.add(agent.id);
    draft.change({ type: 'AGENT_LEAVING', agentId: agent.id });
  }
  return draft.store(writes, { type: 'MAINTENANCE_STORED', maintenance, removed, ticket });
}

function goesDown(agent: Readonly<AgentRecord>, maintenance: Maintenance): boolean {
  // An unreachable one runs what nobody knows of; it stays unreachable, and is refused while the machine is down.
  return agent.state !== 'UNREACHABLE' && isDown(maintenance, agent.info.hostname);
}

/** The schedule is durable: offers and inverse offers that say otherwise end, and agents of machines that are down are shut down. */
export function decideMaintained(
  view: ClusterView,
  stored: Extract<Durable, { type: 'MAINTENANCE_STORED' }>,
  at: Moment,
): Decision {
  const { maintenance, removed, ticket } = stored;
  const draft = new Draft();
  for (const agent of view.agents.values()) {
    const { hostname } = agent.info;
    const same = sameData(unavailabilityOf(view.maintenance, hostname), unavailabilityOf(maintenance, hostname));
    const down = removed.has(agent.id);
    assert(down || !goesDown(agent, maintenance), 'an agent came from a machine that was going down');
    if (same && !down) continue;
    rescind(view, draft, agent.offers, 'MAINTENANCE');
    rescindInverse(view, draft, agent);
    if (down) shutDown(view, draft, agent, at);
  }
  draft.change({ type: 'MAINTENANCE_CHANGED', maintenance });
  return draft.answerOperator(ticket, []);
}

function shutDown(view: ClusterView, draft: Draft, agent: Readonly<AgentRecord>, at: Moment): void {
  const why = 'the machine is down for maintenance';
  tellOperations(view, draft, agent, 'OPERATION_DROPPED', why);
  endTasks(view, draft, agent, 'TASK_GONE', 'AGENT_REMOVED', why, at, false);
  draft.change({ type: 'AGENT_REMOVED', agentId: agent.id, why });
  tellFailure(view, draft, agent);
  // It closes the connection itself when its tasks have ended; nothing it says meanwhile is heard.
  if (agent.peerId !== undefined) draft.toAgentPeer(agent.peerId, { type: 'SHUTDOWN', message: why });
}

/** Whether a schedule that is being written takes the host down. The agents that end with it are chosen already: none may join them. */
export function goesDownSoon({ maintenanceWrites }: ClusterView, hostname: string): boolean {
  return maintenanceWrites.some(maintenance => isDown(maintenance, hostname));
}

/** Why an agent of this host may not register now. */
export function downProblem(maintenance: Maintenance, hostname: string): Problem | undefined {
  if (!isDown(maintenance, hostname)) return undefined;
  return problem(
    'register.agent.hostname',
    'AGENT_REFUSED',
    `${shown(hostname)} is down for maintenance`,
    'end the maintenance first: proffer maintenance stop HOSTNAME',
  );
}
