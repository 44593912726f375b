// What frameworks do not want: no offer of what was declined before its time is over, none for a suppressed role.
// In: declines, leftovers of accepts, suppression, offers. Out: reports for R8, R9.
import type { AgentId, FrameworkId, OfferId, Role, TaskId } from '../../base/ids.js';
import type { Offer } from '../../protocol/entities.js';
import { isResourceOperation, tasksOf } from '../../protocol/operations.js';
import type { SchedulerCall } from '../../protocol/scheduler-api.js';
import { bagOf, contains, describeResources, exclusive, isEmpty, subtract, sum } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { HistoryEvent, SessionId } from '../history.js';
import type { SchedulerSession } from '../sessions.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Filter {
  readonly refused: Bag;
  readonly untilMs: number;
}

/** An ACCEPT of this step, whose leftovers are declined once its launches are known. */
interface Accepted {
  readonly offer: Offer;
  left: Bag;
  readonly tasks: ReadonlySet<TaskId>;
  readonly refuseMs: number;
  exact: boolean;
}

/** `refuseDefaultMs`: the filter of a call that names none. */
export class RefusalsChecker implements Checker {
  readonly name = 'refusals';
  readonly #refuseDefaultMs: number;
  readonly #offers = new Map<OfferId, { readonly offer: Offer; readonly session: SessionId }>();
  readonly #filters = new Map<FrameworkId, Map<string, Filter[]>>();
  readonly #suppressed = new Map<FrameworkId, Set<Role>>();
  /** What subscriptions under way suppress: it takes effect with SUBSCRIBED; offers to an older session may come before. */
  readonly #subscribing = new Map<SessionId, readonly Role[]>();
  /** Updates that are not answered yet. */
  readonly #updating = new Set<string>();
  #accepted: Accepted[] = [];

  constructor(refuseDefaultMs: number) {
    this.#refuseDefaultMs = refuseDefaultMs;
  }

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    // One step may take several messages in: an ACCEPT is over when the master takes the next one, or makes offers.
    const next = event.type === 'SCHEDULER_CALL' || event.type === 'AGENT_CALL' || event.type === 'SESSION';
    if (next || (event.type === 'SCHEDULER_EVENT' && event.event.type === 'OFFERS')) this.#refuseLeftovers(world);
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') this.#offered(event.event.offers, event.session, world, report);
        else if (event.event.type === 'SUBSCRIBED') {
          this.#filters.delete(event.event.frameworkId);
          this.#suppressed.set(event.event.frameworkId, new Set(this.#subscribing.get(event.session)));
          this.#subscribing.delete(event.session);
        } else if (event.event.type === 'ANSWERED' && this.#updating.delete(`${event.session} ${event.event.callId}`)) {
          // An update takes effect once it is durable; roles that it takes out of suppression lose their filters.
          this.#filters.delete(world.sessions.schedulers.get(event.session)?.frameworkId ?? '');
        } else if (event.event.type === 'RESCIND') for (const id of event.event.offerIds) this.#offers.delete(id);
        return;
      case 'SCHEDULER_CALL': {
        const session = world.sessions.schedulers.get(event.session);
        if (event.call.type === 'SUBSCRIBE') this.#subscribing.set(event.session, event.call.suppressedRoles ?? []);
        else if (session !== undefined) this.#called(event.call, session, world);
        return;
      }
      case 'AGENT_EVENT':
        if (event.event.type === 'REGISTERED') this.#agentChanged(event.event.agentId);
        else if (event.event.type === 'LAUNCH') {
          for (const task of event.event.tasks) {
            const accepted = this.#accepted.find(({ tasks }) => tasks.has(task.taskId));
            const resources = exclusive(bagOf(task.resources));
            if (accepted === undefined) continue;
            if (task.executor !== undefined || !contains(accepted.left, resources)) accepted.exact = false;
            else accepted.left = subtract(accepted.left, resources);
          }
        }
        return;
      case 'SESSION':
        if (!event.open) this.#subscribing.delete(event.session);
        if (!event.open) this.#sessionEnds(event.session, world);
        return;
      case 'PROCESS':
        if (event.kind !== 'MASTER') return;
        this.#offers.clear();
        this.#filters.clear();
        this.#suppressed.clear();
        this.#accepted = [];
        return;
      default:
        return;
    }
  }

  afterStep(world: WorldView): void {
    this.#refuseLeftovers(world);
  }

  #refuseLeftovers(world: WorldView): void {
    if (this.#accepted.length === 0) return;
    for (const { offer, left, refuseMs, exact } of this.#accepted)
      if (exact) this.#refuse(offer, left, refuseMs, world);
    this.#accepted = [];
  }

  #offered(offers: readonly Offer[], session: SessionId, world: WorldView, report: Report): void {
    for (const offer of offers) {
      this.#offers.set(offer.id, { offer, session });
      if (this.#suppressed.get(offer.frameworkId)?.has(offer.role) === true) {
        report(`${offer.id} is for role ${offer.role}, which ${offer.frameworkId} has suppressed (R9)`);
      }
      const filters = this.#filters.get(offer.frameworkId)?.get(`${offer.role}\n${offer.agentId}`);
      if (filters === undefined) continue;
      const resources = bagOf(offer.resources);
      for (const filter of filters) {
        if (filter.untilMs > world.nowMs && contains(filter.refused, resources)) {
          report(
            `${offer.id} offers ${describeResources(resources)} of ${offer.agentId}, refused for another ${filter.untilMs - world.nowMs} ms (R8)`,
          );
        }
      }
    }
  }

  #called(call: SchedulerCall, session: SchedulerSession, world: WorldView): void {
    const { frameworkId } = session;
    if (frameworkId === undefined) return;
    switch (call.type) {
      case 'DECLINE':
        for (const id of new Set(call.offerIds)) {
          const known = this.#take(id, session.session);
          const refused = bagOf(known?.resources ?? {});
          if (known !== undefined) this.#refuse(known, refused, call.filters?.refuseMs ?? this.#refuseDefaultMs, world);
        }
        return;
      case 'ACCEPT':
        this.#accepts(call, session.session, world);
        return;
      case 'SUPPRESS':
        if (this.#known(session, call.roles)) {
          const suppressed = this.#suppressed.get(frameworkId) ?? new Set<Role>();
          this.#suppressed.set(frameworkId, suppressed);
          for (const role of rolesOf(call, session)) suppressed.add(role);
        }
        return;
      case 'REVIVE':
        this.#filters.delete(frameworkId);
        for (const role of rolesOf(call, session)) this.#suppressed.get(frameworkId)?.delete(role);
        return;
      case 'UPDATE_FRAMEWORK':
        if (call.callId !== undefined) this.#updating.add(`${session.session} ${call.callId}`);
        this.#filters.delete(frameworkId);
        this.#suppressed.delete(frameworkId);
        return;
      default:
        return;
    }
  }

  #accepts(call: Extract<SchedulerCall, { type: 'ACCEPT' }>, session: SessionId, world: WorldView): void {
    const found = call.offerIds.map(id => this.#take(id, session));
    const [first] = found;
    // Offers that cannot be used together come back without a filter.
    if (first === undefined || found.some(one => one?.agentId !== first.agentId || one.role !== first.role)) return;
    // What operations make comes back without a filter; what others were faster to take is not refused.
    if (world.optimistic || call.operations.some(isResourceOperation)) return;
    const left = sum(found.map(one => bagOf(one?.resources ?? {})));
    const tasks = new Set(call.operations.flatMap(operation => tasksOf(operation).map(task => task.taskId)));
    this.#accepted.push({
      offer: first,
      left,
      tasks,
      refuseMs: call.filters?.refuseMs ?? this.#refuseDefaultMs,
      exact: true,
    });
  }

  #take(id: OfferId, session: SessionId): Offer | undefined {
    const known = this.#offers.get(id);
    if (known === undefined || known.session !== session) return undefined;
    this.#offers.delete(id);
    return known.offer;
  }

  #refuse(offer: Offer, refused: Bag, refuseMs: number, world: WorldView): void {
    if (refuseMs === 0 || isEmpty(refused)) return;
    const filters = this.#filters.get(offer.frameworkId) ?? new Map<string, Filter[]>();
    this.#filters.set(offer.frameworkId, filters);
    const key = `${offer.role}\n${offer.agentId}`;
    const live = (filters.get(key) ?? []).filter(({ untilMs }) => untilMs > world.nowMs);
    live.push({ refused, untilMs: world.nowMs + refuseMs - world.driftOf(refuseMs) });
    filters.set(key, live);
  }

  #known(session: SchedulerSession, roles: readonly Role[] | undefined): boolean {
    return roles === undefined || roles.every(role => session.info?.roles.includes(role) ?? false);
  }

  #agentChanged(agentId: AgentId): void {
    for (const filters of this.#filters.values()) {
      for (const key of filters.keys()) if (key.endsWith(`\n${agentId}`)) filters.delete(key);
    }
  }

  #sessionEnds(session: SessionId, world: WorldView): void {
    for (const [id, offer] of this.#offers) if (offer.session === session) this.#offers.delete(id);
    // A framework or agent that is away loses its filters.
    for (const id of this.#filters.keys()) if (!world.sessions.ofFramework.has(id)) this.#filters.delete(id);
  }
}

/** No roles, or an empty list: all of the framework's. */
function rolesOf(call: { readonly roles?: readonly Role[] }, session: SchedulerSession): readonly Role[] {
  return call.roles === undefined || call.roles.length === 0 ? (session.info?.roles ?? []) : call.roles;
}
