// What a subscribed framework changes about itself: its description, its roles' demand. In: state, call. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { FrameworkId, Role } from '../../base/ids.js';
import type { FrameworkInfo } from '../../protocol/entities.js';
import type { SchedulerCall } from '../../protocol/scheduler-api.js';
import type { Decision, Durable } from '../decision.js';
import { agentsOf, Draft, nothing } from '../decision.js';
import type { Registry } from '../registry.js';
import { sameData } from '../same-data.js';
import type { ClusterView, FrameworkRecord } from '../state.js';
import { endingProblem, notSubscribed, roleProblems, sizeProblems } from './framework-problems.js';

type Call<Type extends SchedulerCall['type']> = Extract<SchedulerCall, { type: Type }>;
type KnownInfo = FrameworkInfo & { readonly id: FrameworkId };

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
          `updateFramework.framework.${field}`,
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
  problems.push(...sizeProblems(view, 'updateFramework.framework', info));
  const suppressed = call.suppressedRoles ?? [];
  const constraints = call.offerConstraints ?? {};
  problems.push(...roleProblems('updateFramework', info.roles, suppressed, Object.keys(constraints)));
  if (framework.ending !== undefined) problems.push(endingProblem(framework.id));
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
  if (sameData(framework.info, info) && sameData(framework.plan, info)) return decideFrameworkChanged(view, then);
  // Suppression is not in the registry, so it need not wait; a SUPPRESS that comes before the write is durable must not be undone by it.
  const { suppressed: before, id: frameworkId } = framework;
  const known = suppressed.filter(role => framework.info.roles.includes(role));
  const revived = [...before].filter(role => !known.includes(role));
  if (known.length > 0) draft.change({ type: 'ROLES_SUPPRESSED', frameworkId, roles: known });
  if (revived.length > 0) draft.change({ type: 'ROLES_REVIVED', frameworkId, roles: revived });
  draft.change({ type: 'FRAMEWORK_PLANNED', info });
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

/** Agents that run something of the framework get its new description. */
export function tellAgents(view: ClusterView, draft: Draft, info: KnownInfo): void {
  for (const agentId of agentsOf(view, info.id)) draft.toAgent(agentId, { type: 'UPDATE_FRAMEWORK', framework: info });
}
