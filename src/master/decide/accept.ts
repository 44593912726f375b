// ACCEPT: offers in, tasks and converted resources out. What cannot be used together returns; what is left over is declined with the call's filter.
import { must } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { OfferId } from '../../base/ids.js';
import type { TaskProblems, ValidatedAccept } from '../../protocol/checked.js';
import { isResourceOperation } from '../../protocol/operations.js';
import type { Operation, ResourceOperation } from '../../protocol/scheduler-api.js';
import { isEmpty, subtract } from '../../resources/index.js';
import { grantOf } from '../books.js';
import type { Decision } from '../decision.js';
import { Draft, masterStatus } from '../decision.js';
import { Pot } from '../pot.js';
import type { AgentRecord, ClusterView, FrameworkRecord, Moment, OfferRecord } from '../state.js';
import { offerProblem, refuseMsOf } from './offers.js';
import { Converting, dropOperation } from './operations.js';
import type { Findings } from './placing.js';
import { Placing } from './placing.js';
import { statusOf } from './reconcile.js';
import type { Place } from './task-checks.js';

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
    dropOperations(draft, framework, call.operations, at);
    return draft.answer(peerId, call.callId, problems);
  }
  const agent = view.agents.get(first.agentId);
  // An agent's offers end with its registration, so there is none to accept.
  if (agent === undefined) return draft.answer(peerId, call.callId, [offerProblem('accept.offerIds[0]', first.id)]);
  for (const offer of offers) draft.change({ type: 'OFFER_ENDED', offerId: offer.id, how: 'ACCEPTED' });
  const attempt = new Attempt(view, framework, agent, offers, at, draft);
  // What operations and tasks take is taken of all of them, and a shared volume that several had is one.
  if (offers.length > 1 && first.sequence === undefined) {
    const joined = grantOf({ ...first, resources: attempt.pot.offered });
    draft.change({ type: 'OFFERS_JOINED', grants: offers.map(grantOf), joined });
  }
  attempt.run(call);
  const kept = attempt.settle();
  // Who lost everything to others did not decline it.
  if (kept) giveBackRest(draft, attempt.pot, offers, refuseMsOf(view, call.filters));
  else giveBackRest(draft, new Pot(view, agent, offers), offers, 0);
  return draft.answer(peerId, call.callId, attempt.problems);
}

/** One ACCEPT. Under optimistic commit it is carried out on paper first, as it may have to be dropped altogether. */
class Attempt {
  readonly problems: Problem[] = [];
  readonly pot: Pot;
  readonly #draft: Draft;
  readonly #paper: Draft;
  readonly #place: Place;
  readonly #offers: readonly OfferRecord[];
  readonly #placing: Placing;
  #converting: Converting | undefined;
  readonly #at: Moment;

  constructor(
    view: ClusterView,
    framework: Readonly<FrameworkRecord>,
    agent: Readonly<AgentRecord>,
    offers: readonly OfferRecord[],
    at: Moment,
    draft: Draft,
  ) {
    const offer = must(offers[0], 'an offer to accept');
    this.#offers = offers;
    this.#at = at;
    this.#draft = draft;
    this.#paper = offer.sequence === undefined ? draft : new Draft();
    this.pot = new Pot(view, agent, offers);
    this.#place = { view, framework, agent, offer, at, taken: new Set(), executors: new Map() };
    this.#placing = new Placing(this.#place, this.pot, this.#paper, at);
  }

  run(call: ValidatedAccept): void {
    const findings = call.taskProblems === undefined ? undefined : byOperation(call.taskProblems);
    for (const [index, operation] of call.operations.entries()) {
      const path = `accept.operations[${index}]`;
      if (operation.type === 'LAUNCH') this.#placing.launch(operation.tasks, path, findings?.get(index));
      else if (operation.type === 'LAUNCH_GROUP') this.#placing.launchGroup(operation, index, findings?.get(index));
      else {
        // The agent hears of everything in order.
        this.#placing.flush();
        const wrong = call.operationProblems?.find(found => found.operation === index);
        this.#convert(operation, path, wrong?.problems);
      }
      if (this.#placing.problems.length > 0) this.problems.push(...this.#placing.problems.splice(0));
    }
    this.#placing.flush();
  }

  #convert(operation: ResourceOperation, path: string, wrong: readonly Problem[] | undefined): void {
    const { parts } = this.#placing;
    this.#converting ??= new Converting(this.#place, this.pot, this.#paper, this.#at, this.#offers, parts);
    this.#converting.run(operation, path, wrong);
    this.problems.push(...this.#converting.problems.splice(0));
  }

  /** False when all of it is dropped, as part of it was lost to others and the rest is not wanted alone. */
  settle(): boolean {
    const { placed, parts } = this.#placing;
    const { offer, view } = this.#place;
    if (offer.sequence !== undefined) {
      const conflicts = this.#placing.conflicts + (this.#converting?.conflicts ?? 0);
      const claims = placed.length + (this.#converting?.done.length ?? 0) + conflicts;
      this.#draft.change({ type: 'ACCEPT_JUDGED', claims, conflicts });
      if (conflicts > 0 && view.conflict.transaction === 'all-or-nothing') {
        this.#dropAll();
        return false;
      }
      for (const change of this.#paper.changes) this.#draft.changes.push(change);
      for (const effect of this.#paper.effects) this.#draft.effects.push(effect);
    }
    if (placed.length > 0) {
      const grant = grantOf({ ...offer, resources: this.pot.taken(parts) });
      this.#draft.change({ type: 'COMMITTED', grant, tasks: placed.length });
    }
    return true;
  }

  #dropAll(): void {
    const { framework, agent } = this.#place;
    const why = 'another part of this call was lost to somebody faster, and all of it was to succeed or none';
    this.problems.push(problem('accept', 'OFFER_CONFLICT', why, 'wait for the next offers'));
    // Those that were lost or wrong have been answered on paper.
    for (const effect of this.#paper.effects) {
      const told = effect.type === 'TO_FRAMEWORK' ? effect.event.type : undefined;
      if (told === 'UPDATE' || told === 'UPDATE_OPERATION') this.#draft.effects.push(effect);
    }
    for (const { taskId } of this.#placing.placed) {
      const of = { taskId, agentId: agent.id };
      this.#draft.sendStatus(framework, masterStatus(of, 'TASK_DROPPED', 'OFFER_CONFLICT', why, this.#at));
    }
    for (const operation of this.#converting?.done ?? [])
      dropOperation(this.#draft, framework, operation, agent.id, 'OPERATION_DROPPED', why);
  }
}

// What is as it was offered is declined; what an operation made is to be offered again at once.
function giveBackRest(draft: Draft, pot: Pot, offers: readonly OfferRecord[], refuseMs: number): void {
  const [first] = offers;
  if (first === undefined) return;
  const { untouched } = pot;
  const made = subtract(pot.left, untouched);
  const rest = offers.length === 1 ? { ...first, offered: first.resources } : first;
  if (!isEmpty(untouched))
    draft.change({ type: 'RETURNED', grant: grantOf({ ...rest, resources: untouched }), refuseMs });
  // An optimistic offer holds nothing that could return.
  if (first.sequence === undefined && !isEmpty(made))
    draft.change({ type: 'RETURNED', grant: grantOf({ ...rest, resources: made }), refuseMs: 0 });
  if (offers.length > 1 && first.sequence === undefined) return;
  for (const offer of offers) draft.change({ type: 'OFFER_SETTLED', grant: grantOf(offer) });
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

function dropOperations(
  draft: Draft,
  framework: Readonly<FrameworkRecord>,
  operations: readonly Operation[],
  at: Moment,
): void {
  const why = 'cannot be used: not outstanding, or of several agents or roles';
  for (const operation of operations) {
    if (isResourceOperation(operation)) {
      dropOperation(draft, framework, operation, undefined, 'OPERATION_ERROR', `the offers of this operation ${why}`);
      continue;
    }
    for (const task of operation.tasks) {
      // A call that came twice: what it launched first has not been dropped.
      const known = framework.tasks.get(task.taskId) ?? framework.unreachable.get(task.taskId);
      if (known !== undefined) {
        draft.sendStatus(framework, statusOf(known, at));
        continue;
      }
      const message = `the offers of this task ${why}`;
      draft.sendStatus(framework, masterStatus(task, 'TASK_DROPPED', 'INVALID_OFFERS', message, at));
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
