// ACCEPT: offers in, tasks out. What cannot be used together returns; what is left over is declined with the call's filter.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { OfferId } from '../../base/ids.js';
import type { TaskProblems, ValidatedAccept } from '../../protocol/checked.js';
import type { Operation } from '../../protocol/scheduler-api.js';
import { isEmpty } from '../../resources/index.js';
import type { Decision } from '../decision.js';
import { Draft, masterStatus } from '../decision.js';
import type { ClusterView, FrameworkRecord, Moment, OfferRecord } from '../state.js';
import { offerProblem, refuseMsOf } from './offers.js';
import type { Findings } from './placing.js';
import { Placing } from './placing.js';

/** Decides one ACCEPT. With offers that cannot be used together nothing is launched and all that are the framework's own return. */
export function decideAccept(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: ValidatedAccept,
  at: Moment,
): Decision {
  const draft = new Draft();
  const offers: OfferRecord[] = [];
  const problems = findOffers(view, framework, call.offerIds, offers);
  const [first] = offers;
  if (problems.length > 0 || first === undefined) {
    for (const offer of offers) draft.endOffer(offer, 'ACCEPTED');
    dropTasks(draft, framework, call.operations, at);
    return draft.answer(peerId, call.callId, problems);
  }
  const agent = view.agents.get(first.agentId);
  // An agent's offers end with its registration, so there is none to accept.
  if (agent === undefined) return draft.answer(peerId, call.callId, [offerProblem('accept.offerIds[0]', first.id)]);
  for (const offer of offers) draft.change({ type: 'OFFER_ENDED', offerId: offer.id, how: 'ACCEPTED' });
  const placing = new Placing(view, framework, agent, first, offers, at, draft);
  const findings = call.taskProblems === undefined ? undefined : byOperation(call.taskProblems);
  for (const [index, operation] of call.operations.entries()) {
    placing.run(operation, index, findings?.get(index));
  }
  placing.finish();
  if (!isEmpty(placing.left)) {
    draft.change({
      type: 'RETURNED',
      grant: { frameworkId: framework.id, role: first.role, agentId: agent.id, resources: placing.left },
      refuseMs: refuseMsOf(view, call.filters),
    });
  }
  return draft.answer(peerId, call.callId, placing.problems);
}

/** Finds the outstanding ones; all must exist, once each, on one agent and for one role. */
function findOffers(
  view: ClusterView,
  framework: Readonly<FrameworkRecord>,
  ids: readonly OfferId[],
  found: OfferRecord[],
): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<OfferId>();
  if (ids.length === 0)
    problems.push(problem('accept.offerIds', 'INVALID_OFFER', 'no offer is named', 'name at least one'));
  for (const [i, id] of ids.entries()) {
    const path = `accept.offerIds[${i}]`;
    const offer = view.offers.get(id);
    if (offer === undefined || offer.frameworkId !== framework.id) {
      problems.push(offerProblem(path, id));
      continue;
    }
    if (seen.has(id)) {
      problems.push(offerProblem(path, id, true));
      continue;
    }
    seen.add(id);
    found.push(offer);
    const [first] = found;
    if (first === undefined || first === offer) continue;
    if (offer.agentId !== first.agentId) {
      problems.push(
        problem(
          path,
          'INVALID_OFFER',
          `${id} is of agent ${offer.agentId}, ${first.id} of ${first.agentId}`,
          'accept offers of one agent at a time',
        ),
      );
    } else if (offer.role !== first.role) {
      problems.push(
        problem(
          path,
          'INVALID_OFFER',
          `${id} is for role ${shown(offer.role)}, ${first.id} for ${shown(first.role)}`,
          'accept offers of one role at a time',
        ),
      );
    }
  }
  return problems;
}

function dropTasks(
  draft: Draft,
  framework: Readonly<FrameworkRecord>,
  operations: readonly Operation[],
  at: Moment,
): void {
  for (const operation of operations) {
    for (const task of operation.tasks) {
      draft.sendStatus(
        framework,
        masterStatus(
          task,
          'TASK_DROPPED',
          'INVALID_OFFERS',
          'the offers of this task cannot be used: not outstanding, or of several agents or roles',
          at,
        ),
      );
    }
  }
}

function byOperation(found: TaskProblems): ReadonlyMap<number, Findings> {
  const all = new Map<number, Map<number, readonly Problem[]>>();
  for (const { operation, task, problems } of found) {
    const tasks = all.get(operation) ?? new Map<number, readonly Problem[]>();
    tasks.set(task, problems);
    all.set(operation, tasks);
  }
  return all;
}
