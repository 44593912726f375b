// Why something waits, as operators see it: the allocator's explanation with what only the master knows (who holds what since when, drained and
// absent agents, names), in data and in words. In: the master's state, to be read only, and a question. Out: a view.
import type { Absence, Allocator, ExplainQuery, Holding, Surroundings, TalliedReason } from '../allocator/index.js';
import type { AgentId } from '../base/ids.js';
import type { Clock } from '../env/clock.js';
import type { AgentObstacle, ExplainChange, ExplainReason, ExplainView } from '../protocol/explain.js';
import type { Wish } from '../resources/index.js';
import type { ExplainCall, ExplainTarget } from './explain-query.js';
import { explainTarget, requestOfHint } from './explain-query.js';
import type { NameOf } from './explain-text.js';
import { changeText, explainText, reasonText } from './explain-text.js';
import type { AgentRecord, ClusterView } from './state.js';
import { isDown, unavailabilityOf } from './upkeep-state.js';

export type { ExplainCall } from './explain-query.js';

/** What explaining reads. */
export interface ExplainParts {
  readonly view: ClusterView;
  readonly allocator: Allocator;
  readonly clock: Clock;
}

// Of a framework's waiting requests this many are looked at, the first; on large clusters fewer, as each is held against every agent.
const requestsMax = 8;
const requestJudgementsMax = 20_000;

/**
 * Answers a question. Nothing is changed by asking.
 * @throws ProfferError for a question that is not valid, or about something that is not there.
 */
export function explainView(parts: ExplainParts, call: ExplainCall): ExplainView {
  const { view, allocator } = parts;
  const target = explainTarget(view, () => allocator.roles().map(({ role }) => role), call);
  const around = surroundings(parts);
  const nameOf: NameOf = id =>
    view.frameworks.get(id)?.info.name ?? view.completedFrameworks.get(id)?.info.name ?? (id === '' ? 'anybody' : id);
  const { changes, reasons, fits, agents, standings, looked } = allocator.explain(queryOf(target), around);
  const absent = absentAgents(view, allocator);
  const told: ExplainReason[] = [...reasons, ...absent.reasons]
    .sort((a, b) => b.agents - a.agents)
    .map(reason => ({ ...reason, text: reasonText(reason, nameOf) }));
  const counterfactuals: ExplainChange[] = changes.map(change => ({ ...change, text: changeText(change, nameOf) }));
  const { framework, role, request } = target;
  const body: Omit<ExplainView, 'text'> = {
    subject: {
      ...(framework === undefined ? {} : { framework: framework.id }),
      ...(role === undefined ? {} : { role }),
      ...(request === undefined ? {} : { request: withoutBag(request) }),
    },
    frameworks: standings.map(({ position, ...standing }) => ({
      ...standing,
      name: nameOf(standing.frameworkId),
      ...(position === undefined ? {} : { position }),
    })),
    looked,
    agents: agents + absent.agents,
    fits,
    reasons: told,
    counterfactuals,
    ...requestsOf(parts, target, around),
  };
  return { text: explainText(body, nameOf), ...body };
}

function queryOf({ framework, role, request }: ExplainTarget): ExplainQuery {
  return {
    ...(framework === undefined ? {} : { frameworkId: framework.id }),
    ...(role === undefined ? {} : { role }),
    ...(request === undefined ? {} : { wish: wishOf(request) }),
    ...(request?.constraints === undefined ? {} : { constraints: request.constraints }),
    ...(request?.absenceWithinMs === undefined ? {} : { absenceWithinMs: request.absenceWithinMs }),
  };
}

function wishOf({ bag, ports, exactResources }: NonNullable<ExplainTarget['request']>): Wish {
  return {
    resources: bag,
    ...(ports === undefined ? {} : { ports }),
    ...(exactResources === undefined ? {} : { exactResources }),
  };
}

function withoutBag({ bag: _bag, ...request }: NonNullable<ExplainTarget['request']>): Omit<typeof request, 'bag'> {
  return request;
}

function requestsOf(
  { view, allocator }: ExplainParts,
  { framework, role, request }: ExplainTarget,
  around: Surroundings,
): Pick<ExplainView, 'requests'> {
  if (framework === undefined || request !== undefined) return {};
  const waiting = [...framework.demand.entries()].filter(([, hint]) => role === undefined || hint.role === role);
  if (waiting.length === 0) return {};
  const most = Math.floor(requestJudgementsMax / Math.max(1, view.agents.size));
  return {
    requests: waiting.slice(0, Math.max(1, Math.min(requestsMax, most))).map(([index, hint]) => {
      const asked = requestOfHint(hint);
      const fits = allocator.countFits(queryOf({ framework, role: hint.role, request: asked }), around);
      return { ...withoutBag(asked), index, role: hint.role, fits };
    }),
  };
}

/** What the master knows of agents and frameworks besides. */
export function surroundings({ view, allocator, clock }: ExplainParts): Surroundings {
  const nowMs = clock.now();
  const wallMs = clock.wallMs();
  // Optimistic offers are promises; nothing is held by them.
  const offersHold = !String(allocator.policy['commit']).startsWith('optimistic');
  const offers = new Map<AgentId, readonly Holding[]>();
  return {
    activityOf: id => obstacleOf(view, view.agents.get(id)),
    absenceOf: id => absenceOf(view, view.agents.get(id), nowMs - wallMs),
    offersOn: id => {
      let found = offers.get(id);
      if (found === undefined) {
        found = offersHold ? heldByOffers(view, id, nowMs) : [];
        offers.set(id, found);
      }
      return found;
    },
    tasksOn: id => heldByTasks(view.agents.get(id), wallMs),
    constraintsOf: (id, role) => {
      const constraints = view.frameworks.get(id)?.constraints ?? {};
      return (Object.hasOwn(constraints, role) ? constraints[role] : undefined) ?? [];
    },
  };
}

function heldByOffers(view: ClusterView, id: AgentId, nowMs: number): readonly Holding[] {
  return Array.from(
    view.agents.get(id)?.offers ?? [],
    (offer): Holding => ({
      what: 'OFFER',
      id: offer.id,
      frameworkId: offer.frameworkId,
      role: offer.role,
      resources: offer.resources,
      heldForMs: nowMs - offer.madeAtMs,
      endsInMs: offer.madeAtMs + view.options.offerTimeoutMs - nowMs,
    }),
  );
}

function heldByTasks(agent: Readonly<AgentRecord> | undefined, wallMs: number): readonly Holding[] {
  if (agent === undefined) return [];
  const found: Holding[] = [];
  for (const { id, frameworkId, role, resources, holds, launchedAtMs } of agent.tasks) {
    if (holds) found.push({ what: 'TASK', id, frameworkId, role, resources, heldForMs: wallMs - launchedAtMs });
  }
  for (const { id, frameworkId, role, resources } of agent.executors.values()) {
    found.push({ what: 'EXECUTOR', id, frameworkId, role, resources, heldForMs: undefined });
  }
  return found;
}

function obstacleOf(view: ClusterView, agent: Readonly<AgentRecord> | undefined): AgentObstacle | undefined {
  if (agent === undefined) return undefined;
  if (agent.state !== 'REGISTERED') return isDown(view.maintenance, agent.info.hostname) ? 'MAINTENANCE' : agent.state;
  const { activity } = agent.admin;
  return activity === 'ACTIVE' ? undefined : activity;
}

// Announcements are on the wall clock.
function absenceOf(
  view: ClusterView,
  agent: Readonly<AgentRecord> | undefined,
  clockMinusWallMs: number,
): Absence | undefined {
  const absence = agent === undefined ? undefined : unavailabilityOf(view.maintenance, agent.info.hostname);
  if (absence === undefined) return undefined;
  const startMs = absence.startMs + clockMinusWallMs;
  return { startMs, endMs: absence.durationMs === undefined ? undefined : startMs + absence.durationMs };
}

// Agents that the allocator does not have: unreachable, or known from the registry alone.
function absentAgents(
  view: ClusterView,
  allocator: Allocator,
): { readonly agents: number; readonly reasons: readonly TalliedReason[] } {
  const found = new Map<AgentObstacle, AgentId[]>();
  let agents = 0;
  for (const agent of view.agents.values()) {
    if (agent.state === 'REGISTERED' || allocator.free(agent.id) !== undefined) continue;
    agents += 1;
    const ids = found.get(agent.state);
    if (ids === undefined) found.set(agent.state, [agent.id]);
    else ids.push(agent.id);
  }
  const reasons = Array.from(found, ([activity, ids]) => ({
    kind: 'AGENT_INACTIVE' as const,
    activity,
    agents: ids.length,
    changesByItself: true,
    examples: ids.slice(0, 3),
  }));
  return { agents, reasons };
}
