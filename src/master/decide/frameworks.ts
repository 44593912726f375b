// SUBSCRIBE: a framework comes, or comes back and takes over. In: state, call, moment. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { FrameworkId } from '../../base/ids.js';
import type { FrameworkInfo } from '../../protocol/entities.js';
import type { SchedulerCall } from '../../protocol/scheduler-api.js';
import { closeCodes } from '../../transport/transport.js';
import type { Decision, Durable } from '../decision.js';
import { Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import { sameData } from '../same-data.js';
import type { ClusterView, FrameworkRecord, Moment } from '../state.js';
import { decideFrameworkChanged, tellAgents } from './framework-changes.js';
import { storeEnd } from './framework-end.js';
import { removedProblem, roleProblems, sizeProblems } from './framework-problems.js';
import { heartbeat } from './heartbeat.js';

type Call<Type extends SchedulerCall['type']> = Extract<SchedulerCall, { type: Type }>;
type KnownInfo = FrameworkInfo & { readonly id: FrameworkId };

/** SUBSCRIBE: refuses, or stores the framework's id first, or (nothing new to store) subscribes at once. */
export function decideSubscribe(
  view: ClusterView,
  registry: Registry,
  peerId: number,
  call: Call<'SUBSCRIBE'>,
  at: Moment,
): Decision {
  const { id, ...unnamed } = call.framework;
  const isNew = id === undefined || id === '';
  const known = isNew ? undefined : view.frameworks.get(id);
  const problems = subscribeProblems(view, call, known);
  if (problems.length > 0) return refuse(peerId, problems, call.callId);
  if (!isNew && isLate(view, id, peerId)) return refuse(peerId, [failedOver(id)], call.callId);
  const draft = new Draft();
  const framework: KnownInfo = isNew
    ? { ...unnamed, id: frameworkId(view) }
    : known === undefined
      ? { ...unnamed, id }
      : keepFixed(known.info, { ...unnamed, id });
  if (isNew) draft.change({ type: 'NUMBER_TAKEN', of: 'FRAMEWORK' });
  const then: Extract<Durable, { type: 'FRAMEWORK_STORED' }> = {
    type: 'FRAMEWORK_STORED',
    peerId,
    isNew,
    info: framework,
    suppressed: call.suppressedRoles ?? [],
    constraints: call.offerConstraints ?? {},
    ...(call.callId === undefined ? {} : { callId: call.callId }),
  };
  if (known?.ending === 'CALL') return refuseWhenEnded(registry, known, then);
  if (known !== undefined && isKept(view, known, framework)) return decideSubscribed(view, registry, then, true, at);
  draft.change({ type: 'FRAMEWORK_RETURNING', info: framework, peerId });
  const isEnding = known === undefined ? !isNew : known.ending !== undefined;
  if (isEnding) return draft.store(registry.frameworkRevived(framework), then);
  return draft.store(registry.frameworkKept(framework), then);
}

/** Whether the registry has this description of it, durably, and is told nothing else. */
function isKept(view: ClusterView, known: Readonly<FrameworkRecord>, info: FrameworkInfo): boolean {
  if (known.ending !== undefined || view.returningFrameworks.has(known.id)) return false;
  return sameData(known.info, info) && sameData(known.plan, info);
}

// Refused before the end is durable, it might live on without its scheduler. Written again, the end has its place behind the first.
function refuseWhenEnded(
  registry: Registry,
  known: Readonly<FrameworkRecord>,
  { peerId, callId }: Extract<Durable, { type: 'FRAMEWORK_STORED' }>,
): Decision {
  return new Draft().store(registry.frameworkEnded(known.plan as KnownInfo), {
    type: 'LATE_SUBSCRIPTION_STORED',
    peerId,
    frameworkId: known.id,
    ...(callId === undefined ? {} : { callId }),
  });
}

/** The end of the framework that was subscribed with is durable. */
export function decideLateSubscription({
  peerId,
  frameworkId: id,
  callId,
}: Extract<Durable, { type: 'LATE_SUBSCRIPTION_STORED' }>): Decision {
  return refuse(peerId, [removedProblem(id)], callId);
}

/** The framework's id is durable: subscribes it, taking over from an older session. */
export function decideSubscribed(
  view: ClusterView,
  registry: Registry,
  stored: Extract<Durable, { type: 'FRAMEWORK_STORED' }>,
  peerOpen: boolean,
  at: Moment,
): Decision {
  const { info, peerId } = stored;
  const draft = new Draft();
  const known = view.frameworks.get(info.id);
  if (view.completedFrameworks.has(info.id)) {
    // It was unknown, and an agent has told of what it had before.
    return refuse(peerId, [removedProblem(info.id)], stored.callId)
      .change({ type: 'FRAMEWORK_RETURN_FAILED', frameworkId: info.id })
      .store(registry.frameworkForgotten(info.id));
  }
  if (!peerOpen) return decideReturnFailed(view, registry, stored, known, at);
  if (known === undefined) draft.change({ type: 'FRAMEWORK_ADDED', info, wallMs: at.wallMs });
  if (known?.peerId !== undefined) {
    draft.toSchedulerPeer(known.peerId, { type: 'ERROR', fatal: true, problems: [failedOver(info.id)] });
    draft.close(known.peerId, closeCodes.policy, 'framework failed over');
  }
  for (const offer of known?.offers ?? []) draft.endOffer(offer, 'DISCARDED');
  draft.change({
    type: 'FRAMEWORK_CHANGED',
    frameworkId: info.id,
    info,
    suppressed: stored.suppressed,
    constraints: stored.constraints,
  });
  draft.change({ type: 'FRAMEWORK_CONNECTED', frameworkId: info.id, peerId });
  draft.toSchedulerPeer(peerId, {
    type: 'SUBSCRIBED',
    frameworkId: info.id,
    heartbeatIntervalMs: view.options.heartbeatIntervalMs,
    master: view.master,
  });
  draft.toSchedulerPeer(peerId, heartbeat(view, info.id));
  draft.answer(peerId, stored.callId, []);
  if (known !== undefined) repeatUnacknowledged(view, draft, known, info);
  return draft;
}

/** Its session ended while the subscription was being written: nobody has heard of it. */
function decideReturnFailed(
  view: ClusterView,
  registry: Registry,
  { info, peerId }: Extract<Durable, { type: 'FRAMEWORK_STORED' }>,
  known: Readonly<FrameworkRecord> | undefined,
  at: Moment,
): Decision {
  const draft = new Draft();
  const isNewest = view.returningFrameworks.get(info.id) === peerId;
  if (isNewest) draft.change({ type: 'FRAMEWORK_RETURN_FAILED', frameworkId: info.id });
  if (known === undefined) return isNewest ? draft.store(registry.frameworkForgotten(info.id)) : draft;
  // What the registry has of it is so, whoever it came from.
  const { constraints, state, ending } = known;
  const then = { type: 'FRAMEWORK_CHANGE_STORED', peerId, info, suppressed: undefined, constraints } as const;
  const { changes, effects } = decideFrameworkChanged(view, then);
  draft.changes.push(...changes);
  draft.effects.push(...effects);
  if (!isNewest || state === 'ACTIVE' || ending !== undefined) return draft;
  // It was there a moment ago.
  const timeoutMs = info.failoverTimeoutMs ?? 0;
  const failoverAtMs = Math.max(known.failoverAtMs ?? at.nowMs, at.nowMs + timeoutMs);
  if (failoverAtMs > at.nowMs)
    return draft.change({ type: 'FRAMEWORK_DISCONNECTED', frameworkId: info.id, failoverAtMs });
  storeEnd(registry, draft, known, { by: 'FAILOVER_TIMEOUT' });
  return draft;
}

/** What the scheduler before has not acknowledged: of tasks it is the agents' to repeat, outcomes of operations are known here. */
function repeatUnacknowledged(
  view: ClusterView,
  draft: Draft,
  known: Readonly<FrameworkRecord>,
  info: KnownInfo,
): void {
  tellAgents(view, draft, info);
  for (const { id, status } of known.operations.values())
    if (id !== undefined && status?.uuid !== undefined)
      draft.toFramework(info.id, {
        type: 'UPDATE_OPERATION',
        status: { ...status, operationId: id, frameworkId: info.id },
      });
}

/** Over a connection that is older than one it was subscribed over: of a scheduler that has ended, or given that connection up. */
function isLate({ frameworks, returningFrameworks }: ClusterView, id: FrameworkId, peerId: number): boolean {
  return Math.max(frameworks.get(id)?.newestPeerId ?? 0, returningFrameworks.get(id) ?? 0) > peerId;
}

function failedOver(id: FrameworkId): Problem {
  return problem(
    '',
    'FAILED_OVER',
    `another scheduler subscribed as framework ${id} and took over`,
    'run one scheduler per framework id',
  );
}

function subscribeProblems(
  view: ClusterView,
  call: Call<'SUBSCRIBE'>,
  known: Readonly<FrameworkRecord> | undefined,
): Problem[] {
  const { framework } = call;
  if (framework.id !== undefined && view.completedFrameworks.has(framework.id)) return [removedProblem(framework.id)];
  const problems = sizeProblems(view, 'subscribe.framework', framework);
  problems.push(
    ...roleProblems('subscribe', framework.roles, call.suppressedRoles ?? [], Object.keys(call.offerConstraints ?? {})),
  );
  if (known !== undefined && known.info.principal !== framework.principal) {
    problems.push(
      problem(
        'subscribe.framework.principal',
        'INVALID_FRAMEWORK',
        `${shown(framework.principal)} is not the principal that framework ${known.id} was registered with`,
        'subscribe with the same principal, or as a new framework',
      ),
    );
  }
  return problems;
}

function refuse(peerId: number, problems: readonly Problem[], callId: number | undefined): Draft {
  const draft = new Draft();
  if (callId !== undefined) draft.answer(peerId, callId, problems);
  return draft
    .toSchedulerPeer(peerId, { type: 'ERROR', problems, fatal: true })
    .close(peerId, closeCodes.policy, 'subscription refused');
}

/** User and checkpoint keep their first value silently, as in Mesos. */
function keepFixed(was: FrameworkInfo, now: KnownInfo): KnownInfo {
  const { user: _user, checkpoint: _checkpoint, ...rest } = now;
  return {
    ...rest,
    ...(was.user === undefined ? {} : { user: was.user }),
    ...(was.checkpoint === undefined ? {} : { checkpoint: was.checkpoint }),
  };
}

function frameworkId(view: ClusterView): FrameworkId {
  return `${view.master.id}-${String(view.nextFramework).padStart(4, '0')}`;
}
