// REGISTER: an agent comes or comes back. In: state, the merged call, moment. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import type { AgentId } from '../../base/ids.js';
import { isTerminal } from '../../protocol/task-state.js';
import { equals, toBag } from '../../resources/index.js';
import { closeCodes } from '../../transport/transport.js';
import type { Decision, Durable, Registration } from '../decision.js';
import { Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import { sameData } from '../same-data.js';
import type { AgentRecord, ClusterView, Moment } from '../state.js';
import { inParts } from '../../protocol/wire-size.js';
import { drainEvent } from './drain.js';
import { goesDownSoon } from './maintenance.js';
import { isForgotten, Meeting } from './meeting.js';
import { rescind } from './offers.js';
import { dropUnheard, withUnanswered } from './operations-status.js';
import { banProblem, capacityProblems, registrationProblems } from './registration-checks.js';

type AgentStored = Extract<Durable, { type: 'AGENT_STORED' }>;

/** Refuses, or admits in the registry first, or (known and expected) goes on at once. */
export function decideRegister(
  view: ClusterView,
  registry: Registry,
  peerId: number,
  registration: Registration,
  at: Moment,
): Decision {
  const { agentId: given, agent: info } = registration;
  const known = given === undefined ? undefined : view.agents.get(given);
  if (given !== undefined && view.goingAgents.has(given)) {
    // Not REFUSED before it is durable; when it comes again, it is.
    return new Draft().close(peerId, closeCodes.policy, 'the agent is being declared gone');
  }
  const underWay = given === undefined ? undefined : view.registeringAgents.get(given);
  if (isLate(known, underWay, peerId)) return replaced(peerId);
  const ban = banProblem(view, registration);
  if (ban !== undefined) return turnAway(view, peerId, registration, ban);
  const problems = registrationProblems(view, registration);
  if (problems.length > 0) return refuse(peerId, problems);
  const draft = new Draft();
  if (given === undefined) draft.change({ type: 'NUMBER_TAKEN', of: 'AGENT' });
  const agentId = given ?? `${view.master.id}-S${view.nextAgent}`;
  const then: AgentStored = { type: 'AGENT_STORED', peerId, agentId, isNew: given === undefined, registration };
  const admitted = known !== undefined && known.state !== 'UNREACHABLE' && !known.leaving && underWay === undefined;
  if (admitted && sameData(known.info, info)) return decideRegistered(view, registry, then, true, at);
  draft.change({ type: 'AGENT_REGISTERING', agentId, peerId });
  // What it brings back of those has to end for the next master, too.
  for (const framework of registration.frameworks) {
    const { id } = framework;
    if (id !== undefined && isForgotten(view, known, id)) draft.store(registry.frameworkEnded({ ...framework, id }));
  }
  return draft.store(registry.agentAdmitted(agentId, info), then);
}

/** The admission is durable: the agent joins the pool, and what it lists is brought together with what the master knows. */
export function decideRegistered(
  view: ClusterView,
  registry: Registry,
  stored: AgentStored,
  peerOpen: boolean,
  at: Moment,
): Decision {
  const { agentId, peerId, registration } = stored;
  const draft = new Draft();
  const known = view.agents.get(agentId);
  const underWay = view.registeringAgents.get(agentId);
  // What the newer one has written is the last word.
  if (isLate(undefined, underWay, peerId)) return replaced(peerId);
  const failed = (why: Draft): Draft => (underWay === undefined ? why : takenBack(view, registry, why, agentId));
  if (!peerOpen) return failed(draft);
  const ban = banProblem(view, registration);
  // Maintenance was started while the admission was being written.
  if (ban !== undefined) return failed(turnAway(view, peerId, registration, ban));
  if (goesDownSoon(view, registration.agent.hostname))
    return failed(draft.close(peerId, closeCodes.policy, 'the machine is being taken down for maintenance'));
  if (isEnding(view, agentId)) return failed(draft.close(peerId, closeCodes.policy, 'the agent is being removed'));
  const told = toBag(registration.agent.resources).bag;
  // Over the same connection, operations may be on their way to it.
  const samePeer = known?.peerId === peerId;
  const total = known !== undefined && samePeer ? withUnanswered(known, told) : told;
  const wrong = capacityProblems(view, registration, known, total);
  if (wrong.length > 0) return failed(refuse(peerId, wrong));
  if (known?.peerId !== undefined && known.peerId !== peerId) {
    draft.close(known.peerId, closeCodes.policy, 'the agent registered over another connection');
  }
  const sameAgent =
    known !== undefined && equals(known.total, total) && sameData(known.info.attributes, registration.agent.attributes);
  if (known !== undefined && known.offers.size > 0 && !sameAgent)
    rescind(view, draft, known.offers, 'RESOURCES_CHANGED');
  const info = known !== undefined && sameData(known.info, registration.agent) ? known.info : registration.agent;
  if (known !== undefined && !samePeer) dropUnheard(view, draft, known, registration.operations ?? []);
  const meeting = new Meeting(view, registry, draft, agentId, known, registration, at);
  const reconcile = meeting.run();
  // What the agent runs beyond what was known is not to be had any more.
  if (known !== undefined && sameAgent && meeting.bookings.length > 0) {
    rescind(view, draft, known.offers, 'RESOURCES_CHANGED');
  }
  draft.change({
    type: 'AGENT_CONNECTED',
    agentId,
    info,
    total,
    peerId,
    isNew: known === undefined,
    wallMs: at.wallMs,
  });
  draft.changes.push(...meeting.bookings);
  const parts = inParts(reconcile, view.options.messageBytes);
  for (const part of parts.length === 0 ? [[]] : parts) {
    draft.toAgent(agentId, {
      type: 'REGISTERED',
      agentId,
      master: view.master,
      pingTimeoutMs: view.options.agentPingTimeoutMs,
      pingMissesMax: view.options.agentPingMissesMax,
      reconcile: part,
    });
  }
  draft.effects.push(...meeting.orders.effects);
  // It may have missed the order, or come with tasks that nobody knew of.
  if (known !== undefined && (known.admin.activity === 'DRAINING' || known.admin.activity === 'DRAINED'))
    draft.toAgent(agentId, drainEvent(known.admin));
  return draft;
}

// What it lists is no longer so, and nobody hears at its other end: it would be a ghost until its pings fail.
function isLate(known: Readonly<AgentRecord> | undefined, underWay: number | undefined, peerId: number): boolean {
  return Math.max(known?.newestPeerId ?? 0, underWay ?? 0) > peerId;
}

// Its end is being written, behind its admission.
function isEnding(view: ClusterView, agentId: AgentId): boolean {
  return view.goingAgents.has(agentId) || view.agents.get(agentId)?.leaving === true;
}

// Nobody was told of the admission: the registry is to have again what the master knows.
function takenBack(view: ClusterView, registry: Registry, draft: Draft, agentId: AgentId): Draft {
  const known = view.agents.get(agentId);
  draft.change({ type: 'AGENT_REGISTRATION_FAILED', agentId });
  if (isEnding(view, agentId)) return draft;
  if (known === undefined) return draft.store(registry.agentRemoved(agentId));
  return draft.store(
    known.state === 'UNREACHABLE'
      ? registry.agentUnreachable(agentId, known.info, known.unreachableAtMs ?? 0)
      : registry.agentAdmitted(agentId, known.info),
  );
}

function replaced(peerId: number): Decision {
  return new Draft().close(peerId, closeCodes.policy, 'the agent registered over a newer connection');
}

// Frameworks were told that what runs there is gone, so it has to go: REFUSED would leave it running. And an id that was declared gone is used up, which
// SHUTDOWN says; after REFUSED the agent keeps it.
function turnAway(view: ClusterView, peerId: number, registration: Registration, ban: Problem): Draft {
  const { agentId, tasks, executors } = registration;
  const isGone = agentId !== undefined && view.goneAgents.has(agentId);
  const runs = executors.length > 0 || tasks.some(task => !isTerminal(task.state));
  return runs || isGone
    ? new Draft().toAgentPeer(peerId, { type: 'SHUTDOWN', message: ban.message })
    : refuse(peerId, [ban]);
}

function refuse(peerId: number, problems: readonly Problem[]): Draft {
  return new Draft()
    .toAgentPeer(peerId, { type: 'REFUSED', problems })
    .close(peerId, closeCodes.policy, 'registration refused');
}
