// An operator's reservations and volumes: of what is free on an agent, else of what is offered, which then returns. In: state, call. Out: changes, orders.
import { assertNever } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { OperatorCall } from '../../protocol/operator-api.js';
import type { ResourceOperationType } from '../../protocol/scheduler-api.js';
import type { Bag, Converted } from '../../resources/index.js';
import {
  add,
  createVolumes,
  destroyVolumes,
  exclusive,
  growVolume,
  reserve,
  shrinkVolume,
  toBag,
  unreserve,
} from '../../resources/index.js';
import type { Decision } from '../decision.js';
import { answered, Draft } from '../decision.js';
import type { Move } from '../quota-room.js';
import { QuotaRoom } from '../quota-room.js';
import type { AgentRecord, ClusterView, Moment, OfferRecord } from '../state.js';
import { rescind } from './offers.js';
import { Orders } from './orders.js';
import { elsewhereProblem, inUseProblems, offersOfShared } from './volume-use.js';

export type ConversionCall = Extract<
  OperatorCall,
  { type: 'RESERVE' | 'UNRESERVE' | 'CREATE_VOLUMES' | 'DESTROY_VOLUMES' | 'GROW_VOLUME' | 'SHRINK_VOLUME' }
>;

/** All or nothing, at once in the books; refused with what is short when not even all offers of the agent would do. */
export function decideConversion(view: ClusterView, call: ConversionCall, ticket: number, at: Moment): Decision {
  const path = paths[call.type];
  const agent = view.agents.get(call.agentId);
  if (agent === undefined) {
    const message = `${shown(call.agentId)} is not the id of an agent`;
    return answered(ticket, [problem(`${path}.agentId`, 'UNKNOWN_AGENT', message)]);
  }
  if (agent.state !== 'REGISTERED') {
    const message = `agent ${agent.id} is not connected`;
    return answered(ticket, [problem(`${path}.agentId`, 'AGENT_STATE', message, 'try again when it is back')]);
  }
  const found = withOffers(agent, have => conversionOf(call, have, agent.total, path));
  if (!found.converted.ok) return answered(ticket, explained(agent, call, found.converted.problems));
  const { conversion } = found.converted;
  const back = new Set([...found.offers, ...offersOfShared(agent, conversion.consumed)]);
  const problems = inUseProblems(agent, conversion.consumed, [], path);
  if (call.type === 'RESERVE' && problems.length === 0) {
    const over = quotaProblem(view, call, conversion.consumed, back, path);
    if (over !== undefined) problems.push(over);
  }
  if (problems.length > 0) return answered(ticket, problems);
  const draft = new Draft();
  rescind(view, draft, back, 'OPERATOR');
  draft.change({ type: 'CONVERTED', agentId: agent.id, conversion });
  new Orders(view, draft, at).send(agent, kinds[call.type], conversion);
  return draft.answerOperator(ticket, []);
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
  call: Extract<ConversionCall, { type: 'RESERVE' }>,
  consumed: Bag,
  back: ReadonlySet<OfferRecord>,
  path: string,
): Problem | undefined {
  const moves = consumed.flatMap((r): Move[] =>
    r.kind === 'scalar' && !r.label.revocable
      ? [{ name: r.name, milli: r.milli, from: r.label.role, to: call.reservation.role }]
      : [],
  );
  return new QuotaRoom(view, { back }).take(moves, `${path}.resources`);
}
