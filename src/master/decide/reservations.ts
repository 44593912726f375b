// An operator's reservations and volumes: of what is free on an agent, else of what is offered, which then returns. In: state, call. Out: changes, orders.
import { assertNever } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { AgentId } from '../../base/ids.js';
import type { ConversionCall } from '../../protocol/operator-api.js';
import type { ResourceOperationType } from '../../protocol/scheduler-api.js';
import type { Bag, Conversion, Converted } from '../../resources/index.js';
import {
  add,
  contains,
  createVolumes,
  destroyVolumes,
  exclusive,
  growVolume,
  reserve,
  shrinkVolume,
  toBag,
  unreserve,
} from '../../resources/index.js';
import type { Decision, Durable } from '../decision.js';
import { answered, Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import type { Move } from '../quota-room.js';
import { QuotaRoom } from '../quota-room.js';
import type { AgentRecord, ClusterView, IntentRecord, Moment, OfferRecord } from '../state.js';
import { rescind } from './offers.js';
import { Orders } from './orders.js';
import { elsewhereProblem, inUseProblems, offersOfShared, volumePath } from './volume-use.js';

/** All or nothing; refused with what is short when not even all offers of the agent would do. Else first in the registry. */
export function decideConversion(
  view: ClusterView,
  registry: Registry,
  call: ConversionCall,
  ticket: number,
  at: Moment,
): Decision {
  const path = paths[call.type];
  const agent = agentFor(view, call);
  if ('code' in agent) return answered(ticket, [agent]);
  const plan = planned(view, agent, call, have => conversionOf(call, have, agent.total, path));
  if ('problems' in plan) return answered(ticket, plan.problems);
  const draft = new Draft();
  const uuid = new Orders(view, draft, at).next();
  const { conversion } = plan;
  const intent: IntentRecord = {
    uuid,
    agentId: agent.id,
    kind: kinds[call.type],
    conversion,
    askedAtMs: at.wallMs,
    sent: true,
    waits: undefined,
  };
  return draft
    .change({ type: 'NUMBER_TAKEN', of: 'OPERATION' })
    .store(registry.intentKept(intent), { type: 'INTENT_STORED', intent, call, ticket });
}

/** The operation is durable: it is done in the books and sent, unless what it needs was taken meanwhile. */
export function decideIntentStored(
  view: ClusterView,
  registry: Registry,
  { intent, call, ticket }: Extract<Durable, { type: 'INTENT_STORED' }>,
  at: Moment,
): Decision {
  const agent = agentFor(view, call);
  const plan = 'code' in agent ? { problems: [agent] } : planned(view, agent, call, have => whole(have, intent, call));
  if ('problems' in plan || 'code' in agent)
    return answered(ticket, 'problems' in plan ? plan.problems : []).store(registry.intentForgotten(intent.uuid));
  const draft = new Draft();
  carryOut(view, draft, agent, intent, plan.back, at);
  return draft.change({ type: 'INTENT_KEPT', intent }).answerOperator(ticket, [], intent.uuid);
}

/** The agent is back and has not heard of these operations, or a former master did not send them: they are sent now. */
export function decideIntents(view: ClusterView, registry: Registry, agentId: AgentId, at: Moment): Decision {
  const agent = view.agents.get(agentId);
  const draft = new Draft();
  for (const intent of view.intents.values()) {
    if (intent.agentId !== agentId) continue;
    if (agent === undefined) {
      const state = view.goneAgents.has(agentId) ? 'OPERATION_GONE_BY_OPERATOR' : 'OPERATION_DROPPED';
      const ending = { state, message: 'the agent was removed', wallMs: at.wallMs } as const;
      draft.change({ type: 'INTENT_ENDED', uuid: intent.uuid, ending }).store(registry.intentForgotten(intent.uuid));
      continue;
    }
    if (agent.state !== 'REGISTERED') break;
    if (intent.sent) continue;
    const found = withOffers(agent, have => whole(have, intent));
    const back = new Set(found.offers);
    const why = obstacle(view, agent, intent, found.converted, back);
    if (why !== undefined) {
      if (why !== intent.waits) draft.change({ type: 'INTENT_WAITS', uuid: intent.uuid, why });
      continue;
    }
    carryOut(view, draft, agent, intent, back, at);
    draft.change({ type: 'INTENT_MARKED', uuid: intent.uuid, sent: true });
    // The books have changed: the others are looked at on what is so then.
    break;
  }
  return draft;
}

/** Why an operation that was accepted cannot be sent now. */
function obstacle(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  { kind, conversion }: Readonly<IntentRecord>,
  converted: Converted,
  back: ReadonlySet<OfferRecord>,
): string | undefined {
  const [inUse] = inUseProblems(agent, conversion.consumed, [], () => '');
  if (inUse !== undefined) return inUse.message;
  if (!converted.ok) return 'somebody uses what it needs; it is tried again when that has ended';
  // A limit that came meanwhile stands until it is raised.
  return kind === 'RESERVE' ? quotaProblem(view, conversion, back, '')?.message : undefined;
}

function carryOut(
  view: ClusterView,
  draft: Draft,
  agent: Readonly<AgentRecord>,
  { uuid, kind, conversion }: Readonly<IntentRecord>,
  back: ReadonlySet<OfferRecord>,
  at: Moment,
): void {
  rescind(view, draft, new Set([...back, ...offersOfShared(agent, conversion.consumed)]), 'OPERATOR');
  draft.change({ type: 'CONVERTED', agentId: agent.id, conversion });
  new Orders(view, draft, at).sendAs(uuid, agent, kind, conversion);
}

function agentFor(view: ClusterView, call: ConversionCall): Readonly<AgentRecord> | Problem {
  const path = `${paths[call.type]}.agentId`;
  const agent = view.agents.get(call.agentId);
  if (agent === undefined) {
    return problem(path, 'UNKNOWN_AGENT', `${shown(call.agentId)} is not the id of an agent`);
  }
  if (agent.state === 'REGISTERED') return agent;
  return problem(path, 'AGENT_STATE', `agent ${agent.id} is not connected`, 'try again when it is back');
}

/** What has to come back, and what becomes what; or all that is against it. */
function planned(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  call: ConversionCall,
  make: (have: Bag) => Converted,
): { readonly back: ReadonlySet<OfferRecord>; readonly conversion: Conversion } | { readonly problems: Problem[] } {
  const path = paths[call.type];
  const found = withOffers(agent, make);
  if (!found.converted.ok) return { problems: explained(agent, call, found.converted.problems) };
  const { conversion } = found.converted;
  const back = new Set([...found.offers, ...offersOfShared(agent, conversion.consumed)]);
  const problems = inUseProblems(agent, conversion.consumed, [], id => volumePath(call, path, id));
  if (call.type === 'RESERVE' && problems.length === 0) {
    const over = quotaProblem(view, conversion, back, path);
    if (over !== undefined) problems.push(over);
  }
  return problems.length > 0 ? { problems } : { back, conversion };
}

function whole(have: Bag, { conversion }: Readonly<IntentRecord>, call?: ConversionCall): Converted {
  if (contains(have, conversion.consumed)) return { ok: true, conversion };
  const path = call === undefined ? '' : paths[call.type];
  const message = 'what it needs was taken while it was being written down';
  return { ok: false, problems: [problem(path, 'INSUFFICIENT_RESOURCES', message, 'try again')] };
}

const paths = {
  RESERVE: 'reserve',
  UNRESERVE: 'unreserve',
  CREATE_VOLUMES: 'createVolumes',
  DESTROY_VOLUMES: 'destroyVolumes',
  GROW_VOLUME: 'growVolume',
  SHRINK_VOLUME: 'shrinkVolume',
} as const;

const kinds = {
  RESERVE: 'RESERVE',
  UNRESERVE: 'UNRESERVE',
  CREATE_VOLUMES: 'CREATE',
  DESTROY_VOLUMES: 'DESTROY',
  GROW_VOLUME: 'GROW_VOLUME',
  SHRINK_VOLUME: 'SHRINK_VOLUME',
} as const satisfies Record<ConversionCall['type'], ResourceOperationType>;

function conversionOf(call: ConversionCall, have: Bag, total: Bag, path: string): Converted {
  switch (call.type) {
    case 'RESERVE':
    case 'UNRESERVE': {
      const { bag, problems } = toBag(call.resources, `${path}.resources`);
      if (problems.length > 0) return { ok: false, problems };
      return call.type === 'RESERVE' ? reserve(have, bag, call.reservation, path) : unreserve(have, bag, path);
    }
    case 'CREATE_VOLUMES':
      return createVolumes(have, call.volumes, call.role, `${path}.volumes`, total);
    case 'DESTROY_VOLUMES':
      return destroyVolumes(have, call.volumeIds, call.role, `${path}.volumeIds`);
    case 'GROW_VOLUME':
      return growVolume(have, call.volumeId, Math.round(call.disk * 1000), call.role, path);
    case 'SHRINK_VOLUME':
      return shrinkVolume(have, call.volumeId, Math.round(call.disk * 1000), call.role, path);
    default:
      return assertNever(call, 'operator call');
  }
}

/** Tries with what is free, then with ever more offers back, the oldest first; those that turn out not to be needed stay. */
function withOffers(
  agent: Readonly<AgentRecord>,
  make: (have: Bag) => Converted,
): { readonly converted: Converted; readonly offers: readonly OfferRecord[] } {
  // Optimistic offers hold nothing.
  const candidates = [...agent.offers].filter(offer => offer.sequence === undefined);
  const having = (offers: readonly OfferRecord[]): Converted => {
    let have = agent.free;
    for (const offer of offers) have = add(have, exclusive(offer.resources));
    return make(have);
  };
  let taken: readonly OfferRecord[] = [];
  let converted = having(taken);
  for (const offer of candidates) {
    if (converted.ok) break;
    taken = [...taken, offer];
    converted = having(taken);
  }
  if (!converted.ok) return { converted, offers: [] };
  for (const offer of taken) {
    const fewer = taken.filter(each => each !== offer);
    const still = having(fewer);
    if (still.ok) [taken, converted] = [fewer, still];
  }
  return { converted, offers: taken };
}

// A volume that is there but in use is not unknown.
function explained(agent: Readonly<AgentRecord>, call: ConversionCall, problems: readonly Problem[]): Problem[] {
  const ids = call.type === 'DESTROY_VOLUMES' ? call.volumeIds : 'volumeId' in call ? [call.volumeId] : [];
  return problems.map(each => {
    const id = each.code === 'UNKNOWN_VOLUME' ? ids.find(one => each.message.includes(shown(one))) : undefined;
    if (id === undefined || !('role' in call)) return each;
    return elsewhereProblem(agent, id, call.role, each.path) ?? each;
  });
}

function quotaProblem(
  view: ClusterView,
  { consumed, produced }: Conversion,
  back: ReadonlySet<OfferRecord>,
  path: string,
): Problem | undefined {
  const to = produced.find(r => r.label.role !== undefined)?.label.role;
  const moves = consumed.flatMap((r): Move[] =>
    r.kind === 'scalar' && !r.label.revocable && to !== undefined
      ? [{ name: r.name, milli: r.milli, from: r.label.role, to }]
      : [],
  );
  return new QuotaRoom(view, { back }).take(moves, `${path}.resources`);
}
