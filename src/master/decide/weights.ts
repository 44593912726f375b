// UPDATE_WEIGHTS: first in the registry; then every offer returns, so that the next run shares anew. In: state, call. Out: changes and effects.
import type { OperatorCall } from '../../protocol/operator-api.js';
import { isAncestorOrSelf } from '../../resources/index.js';
import type { Decision, Durable } from '../decision.js';
import { Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import type { ClusterView } from '../state.js';
import { rescind } from './offers.js';

type Call = Extract<OperatorCall, { type: 'UPDATE_WEIGHTS' }>;

/** Writes the weights first. */
export function decideUpdateWeights(registry: Registry, call: Call, ticket: number): Decision {
  const { weights } = call;
  return new Draft().store(registry.weights(weights), { type: 'WEIGHTS_STORED', weights, ticket });
}

/** The weights are durable. As in Mesos all offers of the cluster return when a changed role, or one below it, has frameworks. */
export function decideWeightsSet(view: ClusterView, stored: Extract<Durable, { type: 'WEIGHTS_STORED' }>): Decision {
  const draft = new Draft();
  const changed = stored.weights.filter(({ role, weight }) => (view.weights.get(role) ?? 1) !== weight);
  for (const { role, weight } of changed) draft.change({ type: 'WEIGHT_SET', role, weight });
  const matters = [...view.frameworks.values()].some(({ info }) =>
    info.roles.some(role => changed.some(each => isAncestorOrSelf(each.role, role))),
  );
  if (matters) rescind(view, draft, view.offers.values(), 'WEIGHTS_CHANGED');
  return draft.answerOperator(stored.ticket, []);
}
