// Inverse offers: asking frameworks to leave agents that are to be away, and their answers. In: state, call, moment. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { AgentId, FrameworkId, OfferId } from '../../base/ids.js';
import type { InverseOffer, Unavailability } from '../../protocol/entities.js';
import type { SchedulerCall } from '../../protocol/scheduler-api.js';
import type { Decision } from '../decision.js';
import { Draft } from '../decision.js';
import type { AgentRecord, ClusterView, FrameworkRecord, Moment } from '../state.js';
import { isDown, unavailabilityOf } from '../upkeep-state.js';
import { inParts } from '../../protocol/wire-size.js';
import { refuseMsOf } from './offers.js';

/** Whatever the filter says, a framework is not asked again sooner than this; as often as offers are made. */
const askAgainMinMs = 1_000;

/**
 * Looks at agents whose users or window may have changed: asks each framework that uses one of a window and has no question open, and takes back
 * what is not a question any more, or was not answered within the time that offers have. That is asked again after the default filter.
 */
export function decideInverseOffers(view: ClusterView, agentIds: Iterable<AgentId>, at: Moment): Decision {
  const draft = new Draft();
  const made = new Map<FrameworkId, InverseOffer[]>();
  const ended = new Map<FrameworkId, OfferId[]>();
  let next = view.nextInverseOffer;
  // A real timer may fire a fraction of a millisecond early, and does not come again.
  const nowMs = at.nowMs + 1;
  for (const agentId of agentIds) {
    const agent = view.agents.get(agentId);
    if (agent === undefined) continue;
    const unavailability = askedFor(view, agent);
    const users = unavailability === undefined ? new Set<FrameworkId>() : usersOf(agent);
    for (const [frameworkId, record] of agent.inverse) {
      if (users.has(frameworkId)) continue;
      if (record.outstanding !== undefined) push(ended, frameworkId, record.outstanding);
      draft.change({ type: 'INVERSE_OFFER_FORGOTTEN', agentId, frameworkId });
    }
    if (unavailability === undefined) continue;
    for (const frameworkId of users) {
      const record = agent.inverse.get(frameworkId);
      if (view.frameworks.get(frameworkId)?.state !== 'ACTIVE') continue;
      if (record?.outstanding !== undefined) {
        if (record.expiresAtMs > nowMs) continue;
        push(ended, frameworkId, record.outstanding);
        const refuseUntilMs = at.nowMs + Math.max(view.options.refuseDefaultMs, askAgainMinMs);
        draft.change({ type: 'INVERSE_OFFER_EXPIRED', inverseOfferId: record.outstanding, refuseUntilMs });
        continue;
      }
      if (record !== undefined && record.refuseUntilMs > nowMs) continue;
      const id: OfferId = `${view.master.id}-I${next}`;
      next += 1;
      const expiresAtMs = at.nowMs + view.options.offerTimeoutMs;
      draft.change({ type: 'INVERSE_OFFER_MADE', inverseOfferId: id, agentId, frameworkId, expiresAtMs });
      push(made, frameworkId, { id, frameworkId, agentId, hostname: agent.info.hostname, unavailability });
    }
  }
  tellEnded(view, draft, ended);
  for (const [frameworkId, inverseOffers] of made) {
    for (const part of inParts(inverseOffers, view.options.messageBytes))
      draft.toFramework(frameworkId, { type: 'INVERSE_OFFERS', inverseOffers: part });
  }
  return draft;
}

/** ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS: the answer is noted; the framework is asked again after the filter, as plans change. */
export function decideInverseAnswer(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Extract<SchedulerCall, { type: 'ACCEPT_INVERSE_OFFERS' | 'DECLINE_INVERSE_OFFERS' }>,
  at: Moment,
): Decision {
  const draft = new Draft();
  const isAccept = call.type === 'ACCEPT_INVERSE_OFFERS';
  const answer = isAccept ? 'ACCEPT' : 'DECLINE';
  const path = isAccept ? 'acceptInverseOffers' : 'declineInverseOffers';
  const refuseUntilMs = at.nowMs + Math.max(refuseMsOf(view, call.filters), askAgainMinMs);
  const problems: Problem[] = [];
  const seen = new Set<OfferId>();
  for (const [i, id] of call.inverseOfferIds.entries()) {
    const record = view.inverseOffers.get(id);
    if (record === undefined || record.frameworkId !== framework.id || seen.has(id)) {
      problems.push(inverseProblem(`${path}.inverseOfferIds[${i}]`, id, seen.has(id)));
      continue;
    }
    seen.add(id);
    draft.change({ type: 'INVERSE_OFFER_ANSWERED', inverseOfferId: id, answer, wallMs: at.wallMs, refuseUntilMs });
  }
  return draft.answer(peerId, call.callId, problems);
}

/** Takes back all that was asked about an agent, answers included: it leaves, or its window is another one. */
export function rescindInverse(view: ClusterView, draft: Draft, agent: Readonly<AgentRecord>): void {
  const ended = new Map<FrameworkId, OfferId[]>();
  for (const [frameworkId, { outstanding }] of agent.inverse) {
    if (outstanding !== undefined) push(ended, frameworkId, outstanding);
    draft.change({ type: 'INVERSE_OFFER_FORGOTTEN', agentId: agent.id, frameworkId });
  }
  tellEnded(view, draft, ended);
}

function tellEnded(view: ClusterView, draft: Draft, ended: ReadonlyMap<FrameworkId, readonly OfferId[]>): void {
  for (const [frameworkId, inverseOfferIds] of ended) {
    if (view.frameworks.get(frameworkId)?.state !== 'ACTIVE') continue;
    for (const part of inParts(inverseOfferIds, view.options.messageBytes))
      draft.toFramework(frameworkId, { type: 'RESCIND_INVERSE_OFFERS', inverseOfferIds: part });
  }
}

// Of an agent that is away, or down, there is nothing to leave.
function askedFor(view: ClusterView, agent: Readonly<AgentRecord>): Unavailability | undefined {
  const { hostname } = agent.info;
  if (agent.state !== 'REGISTERED' || isDown(view.maintenance, hostname)) return undefined;
  return unavailabilityOf(view.maintenance, hostname);
}

function usersOf(agent: Readonly<AgentRecord>): Set<FrameworkId> {
  const users = new Set<FrameworkId>();
  for (const task of agent.tasks) if (task.holds) users.add(task.frameworkId);
  for (const executor of agent.executors.values()) users.add(executor.frameworkId);
  return users;
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function inverseProblem(path: string, id: OfferId, twice: boolean): Problem {
  if (twice) return problem(path, 'INVALID_OFFER', `${shown(id)} is named twice`);
  return problem(
    path,
    'INVALID_OFFER',
    `${shown(id)} is not an outstanding inverse offer of this framework`,
    'it was answered or expired, or the window or your use of the agent is over',
  );
}
