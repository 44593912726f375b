// Operators' operations as operators see them. In: intents, outcomes. Out: plain data.
import type { OperationView } from '../protocol/operator-api.js';
import { fromBag } from '../resources/index.js';
import type { ClusterView, Ending, IntentRecord } from './state.js';

/** Those under way, and the last that have ended; in the order of their beginnings. */
export function operationViews(view: ClusterView): OperationView[] {
  const ended = Array.from(view.outcomes.values(), outcome => shownAs(outcome.intent, outcome));
  const pending = Array.from(view.intents.values(), intent => pendingView(view, intent));
  return [...ended, ...pending].sort((a, b) => a.askedAtMs - b.askedAtMs);
}

/** One of them. */
export function operationView(view: ClusterView, uuid: string): OperationView | undefined {
  const outcome = view.outcomes.get(uuid);
  if (outcome !== undefined) return shownAs(outcome.intent, outcome);
  const intent = view.intents.get(uuid);
  return intent && pendingView(view, intent);
}

function pendingView(view: ClusterView, intent: Readonly<IntentRecord>): OperationView {
  const isThere = view.agents.get(intent.agentId)?.state === 'REGISTERED';
  const message = isThere ? intent.waits : `agent ${intent.agentId} is not connected; it goes on when it is back`;
  return shownAs(intent, { state: 'OPERATION_PENDING', ...(message === undefined ? {} : { message }) });
}

function shownAs(
  { uuid, kind, agentId, conversion, askedAtMs }: Readonly<IntentRecord>,
  { state, message, wallMs }: Omit<Ending, 'wallMs'> & { readonly wallMs?: number },
): OperationView {
  return {
    uuid,
    type: kind,
    agentId,
    state,
    ...(message === undefined ? {} : { message }),
    consumed: fromBag(conversion.consumed),
    produced: fromBag(conversion.produced),
    askedAtMs,
    ...(wallMs === undefined ? {} : { endedAtMs: wallMs }),
  };
}
