// Offers: made of grants, declined, taken back. In: state, grants or a call, moment. Out: changes and effects.
import { problem, shown } from '../../base/errors.js';
import type { Problem } from '../../base/errors.js';
import type { OfferId } from '../../base/ids.js';
import type { Grant, GrantBatch } from '../../allocator/model.js';
import type { Filters, Offer } from '../../protocol/entities.js';
import type { RescindReason, SchedulerCall } from '../../protocol/scheduler-api.js';
import { equals, fromBag } from '../../resources/index.js';
import type { OfferEnd } from '../changes.js';
import type { Decision } from '../decision.js';
import { Draft } from '../decision.js';
import type { ClusterView, FrameworkRecord, Moment, OfferRecord } from '../state.js';
import { offerMessage } from '../state.js';
import { inParts } from '../../protocol/wire-size.js';

/** A framework that holds too many offers is asked again after this long. */
const refuseOverMaxMs = 1_000;

/** Makes offers of what the allocator granted; one OFFERS event per framework, in parts when it is large. */
export function decideGrants(view: ClusterView, batch: GrantBatch, at: Moment): Decision {
  const draft = new Draft();
  let next = view.nextOffer;
  for (const { frameworkId, grants } of batch) {
    const framework = view.frameworks.get(frameworkId);
    let room = framework?.state === 'ACTIVE' ? view.options.offersOutstandingMax - framework.offers.size : 0;
    const offers: Offer[] = [];
    for (const grant of grants) {
      const agent = view.agents.get(grant.agentId);
      if (room <= 0 || agent?.state !== 'REGISTERED' || agent.admin.activity !== 'ACTIVE') {
        draft.change({ type: 'GRANT_REFUSED', grant, refuseMs: framework?.state === 'ACTIVE' ? refuseOverMaxMs : 0 });
        continue;
      }
      const offer: OfferRecord = {
        id: `${view.master.id}-O${next}`,
        frameworkId,
        agentId: grant.agentId,
        role: grant.role,
        resources: grant.resources,
        madeAtMs: at.nowMs,
        version: agent.version,
        ...(grant.sequence === undefined ? {} : { sequence: grant.sequence }),
      };
      next += 1;
      room -= 1;
      draft.change({ type: 'OFFER_MADE', offer });
      offers.push(offerMessage(view, offer, agent, fromBag(grant.resources)));
    }
    for (const part of inParts(offers, view.options.messageBytes)) {
      draft.toFramework(frameworkId, { type: 'OFFERS', offers: part });
    }
  }
  return draft;
}

/** DECLINE: ids that are not outstanding are named in the answer and otherwise skipped. */
export function decideDecline(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Extract<SchedulerCall, { type: 'DECLINE' }>,
): Decision {
  const draft = new Draft();
  const refuseMs = refuseMsOf(view, call.filters);
  const problems: Problem[] = [];
  const seen = new Set<OfferId>();
  for (const [i, id] of call.offerIds.entries()) {
    const offer = view.offers.get(id);
    if (offer === undefined || offer.frameworkId !== framework.id || seen.has(id)) {
      problems.push(offerProblem(`decline.offerIds[${i}]`, id, seen.has(id)));
      continue;
    }
    seen.add(id);
    draft.endOffer(offer, 'DECLINED', refuseMs);
  }
  return draft.answer(peerId, call.callId, problems);
}

/** Takes back every offer that is older than the offer timeout; no filter follows. */
export function decideExpiry(view: ClusterView, at: Moment): Decision {
  const due: OfferRecord[] = [];
  for (const offer of view.offers.values()) {
    // Oldest first: the first one that is not due ends the search.
    if (offer.madeAtMs + view.options.offerTimeoutMs > at.nowMs) break;
    due.push(offer);
  }
  const draft = new Draft();
  rescind(view, draft, due, 'EXPIRED', 'EXPIRED');
  return draft;
}

/** Offers that the allocator wants back for somebody who has waited too long; those that ended meanwhile do not matter. */
export function decideStarved(view: ClusterView, grants: readonly Grant[]): Decision {
  const draft = new Draft();
  const back = new Set<OfferRecord>();
  for (const { agentId, frameworkId, role, resources } of grants) {
    for (const offer of view.agents.get(agentId)?.offers ?? []) {
      const same = offer.frameworkId === frameworkId && offer.role === role && !back.has(offer);
      if (!same || !equals(offer.resources, resources)) continue;
      back.add(offer);
      break;
    }
  }
  rescind(view, draft, back, 'STARVATION');
  return draft;
}

/** Ends `offers` and tells each framework once. */
export function rescind(
  view: ClusterView,
  draft: Draft,
  offers: Iterable<OfferRecord>,
  why: RescindReason,
  how: OfferEnd = 'RESCINDED',
): void {
  const byFramework = new Map<string, OfferId[]>();
  for (const offer of offers) {
    draft.endOffer(offer, how);
    const ids = byFramework.get(offer.frameworkId);
    if (ids === undefined) byFramework.set(offer.frameworkId, [offer.id]);
    else ids.push(offer.id);
  }
  for (const [frameworkId, offerIds] of byFramework) {
    if (view.frameworks.get(frameworkId)?.state !== 'ACTIVE') continue;
    for (const part of inParts(offerIds, view.options.messageBytes)) {
      draft.toFramework(frameworkId, { type: 'RESCIND', offerIds: part, why });
    }
  }
}

/** The decline filter asked for: 5 s when none, at most 365 days. */
export function refuseMsOf(view: ClusterView, filters: Filters | undefined): number {
  const refuseMs = filters?.refuseMs;
  if (refuseMs === undefined || !(refuseMs >= 0)) return view.options.refuseDefaultMs;
  return Math.min(refuseMs, view.options.refuseMaxMs);
}

export function offerProblem(path: string, id: OfferId, twice = false): Problem {
  if (twice) return problem(path, 'INVALID_OFFER', `${shown(id)} is named twice`);
  return problem(
    path,
    'INVALID_OFFER',
    `${shown(id)} is not an outstanding offer of this framework`,
    'it was used, declined, rescinded or expired; wait for the next offers',
  );
}
