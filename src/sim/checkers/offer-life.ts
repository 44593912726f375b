// Offers: each is outstanding once and ends once, is used at most once, names only those who are connected, and does not outlive its time.
// Reservations go to their roles only.
// In: what the master hears and says. Out: reports for R3, R4, R5, R6, R7, R10.
import type { AgentId, FrameworkId, OfferId, TaskId } from '../../base/ids.js';
import type { AgentEvent } from '../../protocol/agent-api.js';
import type { ValidatedAccept } from '../../protocol/checked.js';
import type { Offer } from '../../protocol/entities.js';
import { tasksOf } from '../../protocol/operations.js';
import {
  add,
  bagOf,
  contains,
  describeResources,
  isAncestorOrSelf,
  shared,
  subtract,
  sum,
} from '../../resources/index.js';
import type { Bag, Resources } from '../../resources/index.js';
import type { HistoryEvent, SessionId } from '../history.js';
import { amountsOf } from './amounts.js';
import type { Checker, Report, WorldView } from './checker.js';

type Apply = Extract<AgentEvent, { type: 'APPLY_OPERATION' }>;

interface Outstanding {
  readonly offer: Offer;
  readonly session: SessionId;
  readonly sinceMs: number;
}

/** What one ACCEPT may still use. */
interface Budget {
  readonly agentId: AgentId;
  /** Shared volumes left out. */
  left: Bag;
  /** Shared volumes, of which nothing is used up. */
  readonly shared: Set<string>;
}

/** `offerTimeoutMs`: how long an offer may stay unanswered. */
export class OfferLifeChecker implements Checker {
  readonly name = 'offer life';
  readonly #offerTimeoutMs: number;
  readonly #outstanding = new Map<OfferId, Outstanding>();
  readonly #ended = new Set<OfferId>();
  /** Tasks of valid ACCEPTs that were not launched yet. */
  readonly #budgets = new Map<string, Budget>();
  /** The valid ACCEPTs of this step, by framework: their operations are carried out at once. */
  readonly #converting = new Map<FrameworkId, Budget>();
  /** Tasks of void ACCEPTs that have to hear so within the step. */
  readonly #toDrop = new Map<string, { readonly session: SessionId; readonly taskId: TaskId }>();
  /** Frameworks that asked to be torn down: their offers end without a word, once that is durable. */
  readonly #leaving = new Set<SessionId>();
  /** Connections went away in this step. */
  #lost = false;

  constructor(offerTimeoutMs: number) {
    this.#offerTimeoutMs = offerTimeoutMs;
  }

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    if (this.#leaving.size > 0) this.#leave(world);
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') this.#offered(event.event.offers, event.session, world, report);
        else if (event.event.type === 'RESCIND') this.#rescinded(event.event.offerIds, event.session, report);
        else if (event.event.type === 'SUBSCRIBED') this.#takenOver(event.event.frameworkId, event.session);
        else if (event.event.type === 'UPDATE') this.#toDrop.delete(`${event.session}\n${event.event.status.taskId}`);
        else if (event.event.type === 'ERROR' && event.event.fatal)
          this.#discard(({ session }) => session === event.session);
        return;
      case 'SCHEDULER_CALL':
        if (event.call.type === 'ACCEPT') this.#accepted(event.call, event.session, world);
        else if (event.call.type === 'DECLINE') this.#end(event.call.offerIds, event.session);
        else if (event.call.type === 'TEARDOWN') this.#leaving.add(event.session);
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'LAUNCH') {
          const agentId = world.sessions.agents.get(event.session)?.agentId;
          for (const task of event.event.tasks) {
            this.#launched(event.event.framework.id ?? '', task.taskId, amountsOf(task.resources), agentId, report);
          }
        } else if (event.event.type === 'APPLY_OPERATION') this.#converted(event.event, report);
        return;
      case 'SESSION':
        if (event.open) return;
        this.#lost = true;
        this.#discard(({ session }) => session === event.session);
        return;
      case 'PROCESS':
        if (event.kind !== 'MASTER') return;
        this.#discard(() => true);
        this.#budgets.clear();
        this.#converting.clear();
        this.#toDrop.clear();
        return;
      default:
        return;
    }
  }

  afterStep(world: WorldView, report: Report): void {
    const [oldest] = this.#outstanding.values();
    if (
      oldest !== undefined &&
      !world.masterPaused &&
      world.nowMs - oldest.sinceMs > this.#offerTimeoutMs + timeoutSlackMs
    ) {
      report(
        `offer ${oldest.offer.id} is outstanding for ${world.nowMs - oldest.sinceMs} ms (R7: at most ${this.#offerTimeoutMs})`,
      );
    }
    if (this.#lost) {
      this.#lost = false;
      for (const { offer } of this.#outstanding.values()) {
        if (!world.sessions.ofAgent.has(offer.agentId)) {
          report(`offer ${offer.id} of disconnected agent ${offer.agentId} was not rescinded in the same step (R6)`);
        }
      }
    }
    for (const { session, taskId } of this.#toDrop.values()) {
      if (world.sessions.schedulers.has(session)) report(`task ${taskId} of a void ACCEPT got no status (R4)`);
    }
    if (this.#toDrop.size > 0) this.#toDrop.clear();
    if (this.#converting.size > 0) this.#converting.clear();
  }

  #offered(offers: readonly Offer[], session: SessionId, world: WorldView, report: Report): void {
    const to = world.sessions.schedulers.get(session);
    for (const offer of offers) {
      if (this.#outstanding.has(offer.id) || this.#ended.has(offer.id)) report(`offer ${offer.id} was made twice (R3)`);
      if (to?.frameworkId !== offer.frameworkId)
        report(`offer ${offer.id} of ${offer.frameworkId} went to ${to?.node ?? 'nobody'} (R6)`);
      if (!world.sessions.ofAgent.has(offer.agentId))
        report(`offer ${offer.id} names disconnected agent ${offer.agentId} (R6)`);
      for (const { key, label } of bagOf(offer.resources)) {
        if (label.role === undefined || isAncestorOrSelf(label.role, offer.role)) continue;
        report(`offer ${offer.id} for role ${offer.role} holds ${key} (R10)`);
      }
      this.#outstanding.set(offer.id, { offer, session, sinceMs: world.nowMs });
    }
  }

  #rescinded(offerIds: readonly OfferId[], session: SessionId, report: Report): void {
    for (const id of offerIds) {
      const known = this.#outstanding.get(id);
      if (known === undefined) report(`offer ${id} was rescinded but is not outstanding (R3)`);
      else if (known.session !== session) report(`offer ${id} was rescinded to somebody else (R3)`);
    }
    this.#end(offerIds, session);
  }

  // Over a new session the framework starts without offers.
  #takenOver(frameworkId: FrameworkId, session: SessionId): void {
    this.#discard(({ offer, session: old }) => offer.frameworkId === frameworkId && old !== session);
  }

  #accepted(call: ValidatedAccept, session: SessionId, world: WorldView): void {
    const frameworkId = world.sessions.schedulers.get(session)?.frameworkId;
    if (frameworkId === undefined) return;
    const offers = call.offerIds.map(id => this.#outstanding.get(id));
    const [first] = offers;
    const usable =
      first !== undefined &&
      new Set(call.offerIds).size === call.offerIds.length &&
      offers.every(
        one =>
          one?.session === session && one.offer.agentId === first.offer.agentId && one.offer.role === first.offer.role,
      );
    const tasks = call.operations.flatMap(tasksOf);
    if (!usable) {
      this.#converting.delete(frameworkId);
      for (const { taskId } of tasks) this.#toDrop.set(`${session}\n${taskId}`, { session, taskId });
    } else {
      const offered = offers.map(one => one?.offer.resources ?? {});
      const left = sum(offered.map(amountsOf));
      const budget: Budget = { agentId: first.offer.agentId, left, shared: new Set(offered.flatMap(sharedOf)) };
      this.#converting.set(frameworkId, budget);
      for (const { taskId } of tasks) this.#budgets.set(keyOf(frameworkId, taskId), budget);
    }
    // A void ACCEPT gives back the valid offers it names.
    this.#end(call.offerIds, session);
  }

  #launched(
    frameworkId: FrameworkId,
    taskId: TaskId,
    resources: Bag,
    agentId: AgentId | undefined,
    report: Report,
  ): void {
    const key = keyOf(frameworkId, taskId);
    const budget = this.#budgets.get(key);
    this.#budgets.delete(key);
    if (budget === undefined)
      return report(`task ${taskId} is launched out of no outstanding offer: an offer was accepted twice (R4)`);
    if (budget.agentId !== agentId)
      report(`task ${taskId} is launched on ${agentId ?? 'nobody'}, its offer was of ${budget.agentId} (R5)`);
    if (contains(budget.left, resources)) budget.left = subtract(budget.left, resources);
    else {
      const left = describeResources(budget.left);
      report(`task ${taskId} takes ${describeResources(resources)}, its offers have ${left} left (R5)`);
    }
  }

  // What a shared volume was made of is gone for the tasks that follow, and that of one that is destroyed is theirs.
  #converted(event: Apply, report: Report): void {
    const { frameworkId, kind, uuid } = event;
    // An operator takes nothing of an offer.
    if (frameworkId === undefined) return;
    const budget = this.#converting.get(frameworkId);
    if (budget === undefined) return report(`${kind} ${uuid} is carried out for no outstanding offer (R4)`);
    const consumed = amountsOf(event.consumed);
    const volumes = sharedOf(event.consumed);
    if (!contains(budget.left, consumed) || volumes.some(each => !budget.shared.has(each))) {
      const left = [describeResources(budget.left), ...budget.shared].join(', ');
      return report(
        `${kind} ${uuid} takes ${Object.keys(event.consumed).join('+')}, its offers have ${left} left (R5)`,
      );
    }
    budget.left = add(subtract(budget.left, consumed), amountsOf(event.produced));
    for (const each of volumes) budget.shared.delete(each);
    for (const each of sharedOf(event.produced)) budget.shared.add(each);
  }

  #leave(world: WorldView): void {
    for (const session of this.#leaving) {
      const frameworkId = world.sessions.schedulers.get(session)?.frameworkId;
      if (frameworkId !== undefined && world.cluster?.frameworks.has(frameworkId) === true) continue;
      this.#leaving.delete(session);
      this.#discard(one => one.session === session);
    }
  }

  #end(offerIds: readonly OfferId[], session: SessionId): void {
    for (const id of offerIds) {
      const known = this.#outstanding.get(id);
      if (known === undefined || known.session !== session) continue;
      this.#outstanding.delete(id);
      this.#ended.add(id);
    }
  }

  #discard(which: (outstanding: Outstanding) => boolean): void {
    for (const [id, outstanding] of this.#outstanding) {
      if (!which(outstanding)) continue;
      this.#outstanding.delete(id);
      this.#ended.add(id);
    }
  }
}

function sharedOf(resources: Resources): string[] {
  return shared(bagOf(resources)).map(r => describeResources([r]));
}

/** The master may look at its offers a moment after they fell due. */
const timeoutSlackMs = 1000;

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}
