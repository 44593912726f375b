// A framework's life: subscribe, take over, change, suppress and revive, disconnect, end. In: state, call, moment. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { FrameworkId, Role } from '../../base/ids.js';
import type { FrameworkInfo } from '../../protocol/entities.js';
import type { SchedulerCall } from '../../protocol/scheduler-api.js';
import { closeCodes } from '../../transport/transport.js';
import type { Decision, Durable, FrameworkEndCause } from '../decision.js';
import { agentsOf, Draft, nothing } from '../decision.js';
import { sameData } from '../same-data.js';
import type { Registry } from '../registry.js';
import type { ClusterView, FrameworkRecord, Moment } from '../state.js';
import { wireBytes } from '../wire-size.js';

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
  if (known !== undefined && sameData(known.info, framework)) return decideSubscribed(view, registry, then, true, at);
  return draft.store(registry.frameworkKept(framework), then);
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
  // Nobody has heard of the id of a new framework whose session ended meanwhile.
  if (!peerOpen) return stored.isNew ? draft.store(registry.frameworkForgotten(info.id)) : nothing;
  const known = view.frameworks.get(info.id);
  if (view.completedFrameworks.has(info.id)) {
    return refuse(peerId, [removedProblem(info.id)], stored.callId);
  }
  if (known === undefined) draft.change({ type: 'FRAMEWORK_ADDED', info, wallMs: at.wallMs });
  if (known?.peerId !== undefined) {
    draft.toSchedulerPeer(known.peerId, {
      type: 'ERROR',
      fatal: true,
      problems: [
        problem(
          '',
          'FAILED_OVER',
          `another scheduler subscribed as framework ${info.id} and took over`,
          'run one scheduler per framework id',
        ),
      ],
    });
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
  draft.toSchedulerPeer(peerId, { type: 'HEARTBEAT' });
  draft.answer(peerId, stored.callId, []);
  if (known !== undefined && !sameData(known.info, info)) tellAgents(view, draft, info);
  return draft;
}

/** UPDATE_FRAMEWORK: all or nothing; an unchanged description changes nothing. */
export function decideUpdateFramework(
  view: ClusterView,
  registry: Registry,
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Call<'UPDATE_FRAMEWORK'>,
): Decision {
  const { id = framework.id, ...unnamed } = call.framework;
  const info: KnownInfo = { ...unnamed, id };
  const problems: Problem[] = [];
  const fixed = (field: string, was: unknown, is: unknown): void => {
    if (was !== is)
      problems.push(
        problem(
          `update_framework.framework.${field}`,
          'INVALID_FRAMEWORK',
          `${shown(is)} differs from ${shown(was)}; ${field} cannot change`,
          field === 'id' ? undefined : 'subscribe as a new framework to change it',
        ),
      );
  };
  fixed('id', framework.id, id);
  fixed('user', framework.info.user, info.user);
  fixed('principal', framework.info.principal, info.principal);
  fixed('checkpoint', framework.info.checkpoint ?? true, info.checkpoint ?? true);
  problems.push(...sizeProblems(view, 'update_framework.framework', info));
  const suppressed = call.suppressedRoles ?? [];
  const constraints = call.offerConstraints ?? {};
  problems.push(...roleProblems('update_framework', info.roles, suppressed, Object.keys(constraints)));
  const draft = new Draft();
  if (problems.length > 0) return draft.answer(peerId, call.callId, problems);
  const then: Durable = {
    type: 'FRAMEWORK_CHANGE_STORED',
    peerId,
    info,
    suppressed,
    constraints,
    ...(call.callId === undefined ? {} : { callId: call.callId }),
  };
  if (sameData(framework.info, info)) return decideFrameworkChanged(view, then);
  // Suppression is not in the registry, so it need not wait; a SUPPRESS that comes before the write is durable must not be undone by it.
  const { suppressed: before, id: frameworkId } = framework;
  const known = suppressed.filter(role => framework.info.roles.includes(role));
  const revived = [...before].filter(role => !known.includes(role));
  if (known.length > 0) draft.change({ type: 'ROLES_SUPPRESSED', frameworkId, roles: known });
  if (revived.length > 0) draft.change({ type: 'ROLES_REVIVED', frameworkId, roles: revived });
  return draft.store(registry.frameworkKept(info), {
    ...then,
    suppressed: undefined,
    suppressedNew: without(suppressed, known),
  });
}

/** The changed description is durable. */
export function decideFrameworkChanged(
  view: ClusterView,
  stored: Extract<Durable, { type: 'FRAMEWORK_CHANGE_STORED' }>,
): Decision {
  const { info } = stored;
  const framework = view.frameworks.get(info.id);
  if (framework === undefined) return nothing;
  const draft = new Draft();
  const suppressed = stored.suppressed ?? [
    ...[...framework.suppressed].filter(role => info.roles.includes(role)),
    ...(stored.suppressedNew ?? []),
  ];
  const same =
    sameData(framework.info, info) &&
    sameData(framework.constraints, stored.constraints) &&
    sameData([...framework.suppressed].sort(), [...suppressed].sort());
  if (!same) {
    const lost = [...framework.offers].filter(offer => !info.roles.includes(offer.role));
    for (const offer of lost) draft.endOffer(offer, 'RESCINDED');
    draft.change({
      type: 'FRAMEWORK_CHANGED',
      frameworkId: info.id,
      info,
      suppressed,
      constraints: stored.constraints,
    });
    if (lost.length > 0 && framework.state === 'ACTIVE') {
      draft.toFramework(info.id, { type: 'RESCIND', offerIds: lost.map(offer => offer.id), why: 'ROLE_REMOVED' });
    }
    if (!sameData(framework.info, info)) tellAgents(view, draft, info);
  }
  if (framework.peerId === stored.peerId) draft.answer(stored.peerId, stored.callId, []);
  return draft;
}

function without(roles: readonly Role[], others: readonly Role[]): readonly Role[] {
  return roles.filter(role => !others.includes(role));
}

/** SUPPRESS and REVIVE: one role that is not the framework's voids the call. */
export function decideDemand(
  framework: Readonly<FrameworkRecord>,
  peerId: number,
  call: Call<'SUPPRESS' | 'REVIVE'>,
): Decision {
  const draft = new Draft();
  // An empty list means all roles, as in Mesos.
  const roles = call.roles === undefined || call.roles.length === 0 ? undefined : call.roles;
  const path = call.type.toLowerCase();
  const problems = (roles ?? []).flatMap((role, i) =>
    framework.info.roles.includes(role) ? [] : [notSubscribed(`${path}.roles[${i}]`, role, framework.info.roles)],
  );
  if (problems.length === 0) {
    const type = call.type === 'SUPPRESS' ? 'ROLES_SUPPRESSED' : 'ROLES_REVIVED';
    draft.change({ type, frameworkId: framework.id, roles });
  }
  return draft.answer(peerId, call.callId, problems);
}

/** REQUEST: kept as a hint; it promises nothing. */
export function decideRequest(framework: Readonly<FrameworkRecord>, peerId: number, call: Call<'REQUEST'>): Decision {
  const draft = new Draft();
  const problems = call.requests.flatMap((hint, i) =>
    framework.info.roles.includes(hint.role)
      ? []
      : [notSubscribed(`request.requests[${i}].role`, hint.role, framework.info.roles)],
  );
  if (problems.length === 0) draft.change({ type: 'DEMAND_TOLD', frameworkId: framework.id, demand: call.requests });
  return draft.answer(peerId, call.callId, problems);
}

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
  if (timeoutMs <= 0) storeEnd(view, registry, draft, framework, { by: 'FAILOVER_TIMEOUT' });
  return draft;
}

/** Ends a framework: first in the registry. */
export function decideEndFramework(
  view: ClusterView,
  registry: Registry,
  framework: Readonly<FrameworkRecord>,
  cause: FrameworkEndCause,
): Decision {
  const draft = new Draft();
  storeEnd(view, registry, draft, framework, cause);
  return draft;
}

/** The end is durable: agents shut the framework down, its session closes. */
export function decideFrameworkEnded(
  view: ClusterView,
  registry: Registry,
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
  // It came back in the last moment, while its end was being written.
  if (cause.by === 'FAILOVER_TIMEOUT' && framework.state === 'ACTIVE')
    return draft.store(registry.frameworkRevived(framework.info as KnownInfo));
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

function storeEnd(
  view: ClusterView,
  registry: Registry,
  draft: Draft,
  framework: Readonly<FrameworkRecord>,
  cause: FrameworkEndCause,
): void {
  const [oldest] = view.completedFrameworks.keys();
  const forgotten = view.completedFrameworks.size >= view.options.completedFrameworksMax ? oldest : undefined;
  draft.store(registry.frameworkEnded(framework.info as KnownInfo, forgotten), {
    type: 'FRAMEWORK_END_STORED',
    frameworkId: framework.id,
    cause,
  });
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

function refuse(peerId: number, problems: readonly Problem[], callId: number | undefined): Decision {
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

function tellAgents(view: ClusterView, draft: Draft, info: KnownInfo): void {
  for (const agentId of agentsOf(view, info.id)) draft.toAgent(agentId, { type: 'UPDATE_FRAMEWORK', framework: info });
}

function sizeProblems(view: ClusterView, path: string, info: FrameworkInfo): Problem[] {
  const bytes = wireBytes(info);
  const max = view.options.infoBytesMax;
  return bytes <= max
    ? []
    : [problem(path, 'INVALID_FRAMEWORK', `the description takes ${bytes} bytes, at most ${max} are allowed`)];
}

function roleProblems(
  path: string,
  roles: readonly Role[],
  suppressed: readonly Role[],
  constrained: readonly Role[],
): Problem[] {
  return [
    ...suppressed.flatMap((role, i) =>
      roles.includes(role) ? [] : [notSubscribed(`${path}.suppressedRoles[${i}]`, role, roles)],
    ),
    ...constrained.flatMap(role =>
      roles.includes(role) ? [] : [notSubscribed(`${path}.offerConstraints.${role}`, role, roles)],
    ),
  ];
}

function notSubscribed(path: string, role: Role, roles: readonly Role[]): Problem {
  return problem(
    path,
    'UNKNOWN_ROLE',
    `${shown(role)} is not a role of the framework`,
    `its roles are ${roles.join(', ') || 'none'}`,
  );
}

function removedProblem(id: FrameworkId, why?: string): Problem {
  return problem(
    'subscribe.framework.id',
    'FRAMEWORK_REMOVED',
    why === undefined
      ? `framework ${id} was removed and its id cannot be used again`
      : `framework ${id} was removed: ${why}`,
    'subscribe without an id to become a new framework',
  );
}

function frameworkId(view: ClusterView): FrameworkId {
  return `${view.master.id}-${String(view.nextFramework).padStart(4, '0')}`;
}
