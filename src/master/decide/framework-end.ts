// How a framework ends: its session is lost, its time is up, it or an operator wants it. In: state, cause, moment. Out: changes and effects.
import type { FrameworkId } from '../../base/ids.js';
import type { FrameworkInfo } from '../../protocol/entities.js';
import { closeCodes } from '../../transport/transport.js';
import type { Decision, Durable, FrameworkEndCause } from '../decision.js';
import { agentsOf, Draft, nothing } from '../decision.js';
import type { Registry } from '../registry.js';
import type { ClusterView, FrameworkRecord, Moment } from '../state.js';
import { removedProblem } from './framework-problems.js';

type KnownInfo = FrameworkInfo & { readonly id: FrameworkId };

/** The session of a subscribed framework ended: its offers return at once, its tasks wait for the failover timeout. */
export function decideSchedulerLost(
  view: ClusterView,
  registry: Registry,
  framework: Readonly<FrameworkRecord>,
  at: Moment,
): Decision {
  const draft = new Draft();
  for (const offer of framework.offers) draft.endOffer(offer, 'DISCARDED');
  const timeoutMs = framework.info.failoverTimeoutMs ?? 0;
  draft.change({ type: 'FRAMEWORK_DISCONNECTED', frameworkId: framework.id, failoverAtMs: at.nowMs + timeoutMs });
  if (timeoutMs <= 0 && mayTimeOut(view, framework)) storeEnd(registry, draft, framework, { by: 'FAILOVER_TIMEOUT' });
  return draft;
}

/** The time to come back is over. */
export function decideTimedOut(view: ClusterView, registry: Registry, framework: Readonly<FrameworkRecord>): Decision {
  if (framework.state === 'ACTIVE' || !mayTimeOut(view, framework)) return nothing;
  return decideEndFramework(registry, framework, { by: 'FAILOVER_TIMEOUT' });
}

// One that is on its way back has time again if it fails.
function mayTimeOut(view: ClusterView, { id, ending }: Readonly<FrameworkRecord>): boolean {
  return ending === undefined && !view.returningFrameworks.has(id);
}

/** Ends a framework: first in the registry. */
export function decideEndFramework(
  registry: Registry,
  framework: Readonly<FrameworkRecord>,
  cause: FrameworkEndCause,
): Decision {
  const draft = new Draft();
  storeEnd(registry, draft, framework, cause);
  return draft;
}

/** The end is durable: agents shut the framework down, its session closes. */
export function decideFrameworkEnded(
  view: ClusterView,
  stored: Extract<Durable, { type: 'FRAMEWORK_END_STORED' }>,
  at: Moment,
): Decision {
  const { cause } = stored;
  const framework = view.frameworks.get(stored.frameworkId);
  const draft = new Draft();
  if (framework === undefined) {
    // Two causes met; the first one ended it.
    if (cause.by === 'OPERATOR') draft.effects.push({ type: 'ANSWER_OPERATOR', ticket: cause.ticket, problems: [] });
    return draft;
  }
  // It came back in the last moment, which is being written behind its end.
  if (cause.by === 'FAILOVER_TIMEOUT' && framework.ending !== 'FAILOVER_TIMEOUT') return nothing;
  const why = endMessages[cause.by];
  for (const agentId of agentsOf(view, framework.id)) {
    draft.toAgent(agentId, { type: 'SHUTDOWN_FRAMEWORK', frameworkId: framework.id });
  }
  for (const offer of framework.offers) draft.endOffer(offer, 'DISCARDED');
  draft.change({ type: 'FRAMEWORK_ENDED', frameworkId: framework.id, why, wallMs: at.wallMs });
  if (cause.by === 'SCHEDULER') draft.answer(cause.peerId, cause.callId, []);
  if (cause.by === 'OPERATOR') draft.effects.push({ type: 'ANSWER_OPERATOR', ticket: cause.ticket, problems: [] });
  if (framework.peerId !== undefined) {
    // Its own scheduler asked for it, unless another one took over meanwhile.
    if (cause.by !== 'SCHEDULER' || cause.peerId !== framework.peerId) {
      draft.toSchedulerPeer(framework.peerId, {
        type: 'ERROR',
        fatal: true,
        problems: [removedProblem(framework.id, why)],
      });
    }
    draft.close(framework.peerId, closeCodes.normal, why);
  }
  return draft;
}

const endMessages = {
  SCHEDULER: 'the scheduler tore the framework down',
  OPERATOR: 'an operator tore the framework down',
  FAILOVER_TIMEOUT: 'the failover timeout ended before a scheduler came back',
} as const;

/** Writes the end of a framework. */
export function storeEnd(
  registry: Registry,
  draft: Draft,
  framework: Readonly<FrameworkRecord>,
  cause: FrameworkEndCause,
): void {
  const { id: frameworkId, plan } = framework;
  draft.change({ type: 'FRAMEWORK_ENDING', frameworkId, by: cause.by === 'FAILOVER_TIMEOUT' ? cause.by : 'CALL' });
  draft.store(registry.frameworkEnded(plan as KnownInfo), { type: 'FRAMEWORK_END_STORED', frameworkId, cause });
}
