// UPDATE_QUOTA: all or nothing, first in the registry; then offers that stand in its way return. In: state, call. Out: changes and effects.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { Role } from '../../base/ids.js';
import type { Quota } from '../../allocator/model.js';
import type { OperatorCall, QuotaSpec } from '../../protocol/operator-api.js';
import { isAncestorOrSelf, scalarMilli, unreserved } from '../../resources/index.js';
import type { Decision, Durable } from '../decision.js';
import { answered, Draft } from '../decision.js';
import type { Move, QuotaBooks } from '../quota-room.js';
import { addOpen, applyMove, quotaBooks } from '../quota-room.js';
import type { Registry } from '../registry.js';
import type { RoleUsage, Tally } from '../role-use.js';
import { consumedOf, inPool, milliOf, rolePath, roleUsage } from '../role-use.js';
import type { ClusterView, OfferRecord } from '../state.js';
import { rescind } from './offers.js';

type Call = Extract<OperatorCall, { type: 'UPDATE_QUOTA' }>;
type Quotas = ReadonlyMap<Role, Quota>;
type Changed = readonly { readonly role: Role; readonly quota: Quota | undefined }[];

/** Refuses, or writes all of it first. Checked against what is being written, so that calls close to each other cannot contradict. */
export function decideUpdateQuota(view: ClusterView, registry: Registry, call: Call, ticket: number): Decision {
  const changed: Changed = call.quotas.map(spec => ({ role: spec.role, quota: quotaOf(spec) }));
  const planned = new Map(view.quotasPlanned);
  for (const { role, quota } of changed) {
    if (quota === undefined) planned.delete(role);
    else planned.set(role, quota);
  }
  const problems = call.quotas.flatMap(({ role }, i) => treeProblems(planned, role, `updateQuota.quotas[${i}]`));
  if (call.force !== true) problems.push(...useProblems(view, changed), ...overcommitProblems(view, planned, changed));
  if (problems.length > 0) return answered(ticket, problems);
  const draft = new Draft();
  for (const { role, quota } of changed) draft.change({ type: 'QUOTA_PLANNED', role, quota });
  return draft.store(registry.quotas(changed), { type: 'QUOTA_STORED', quotas: changed, ticket });
}

/** The quotas are durable: they hold from now on, and offers return that are over a limit or keep a guarantee from being met. */
export function decideQuotaSet(view: ClusterView, stored: Extract<Durable, { type: 'QUOTA_STORED' }>): Decision {
  const draft = new Draft();
  const quotas = new Map(view.quotas);
  for (const { role, quota } of stored.quotas) {
    draft.change({ type: 'QUOTA_SET', role, quota });
    if (quota === undefined) quotas.delete(role);
    else quotas.set(role, quota);
  }
  const usage = roleUsage(view);
  const back = new Set<OfferRecord>();
  for (const { role, quota } of stored.quotas) if (quota !== undefined) overLimit(view, usage, role, quota, back);
  inTheWay(view, quotas, namesOf(stored.quotas), back);
  rescind(view, draft, back, 'QUOTA_CHANGED');
  return draft.answerOperator(stored.ticket, []);
}

/** Undefined: the quota is taken off. */
function quotaOf(spec: QuotaSpec): Quota | undefined {
  const limits = milliOf(spec.limits);
  const guarantees = milliOf(spec.guarantees);
  return limits.size === 0 && guarantees.size === 0 ? undefined : { limits, guarantees };
}

// What quotas of one tree say to each other, as far as `role` has part in it.
function treeProblems(quotas: Quotas, role: Role, path: string): Problem[] {
  const problems: Problem[] = [];
  const names = new Set<string>();
  for (const [each, { limits, guarantees }] of quotas) {
    if (!isAncestorOrSelf(role, each) && !isAncestorOrSelf(each, role)) continue;
    for (const name of [...limits.keys(), ...guarantees.keys()]) names.add(name);
  }
  for (const name of names) {
    // From the role up, each level must have what is promised below it.
    for (const above of rolePath(role)) {
      const own = quotas.get(above);
      const below = promisedBelow(quotas, above, name);
      const guarantee = own?.guarantees.get(name);
      if (guarantee !== undefined && below > guarantee) {
        const message = `the guarantees of roles below ${shown(above)} are ${below / 1000} ${name} together, and its own is ${guarantee / 1000}`;
        problems.push(
          problem(`${path}.guarantees.${name}`, 'INVALID_QUOTA', message, 'raise it with them in one call'),
        );
      }
      const promised = Math.max(guarantee ?? 0, below);
      const limit = own?.limits.get(name);
      if (limit !== undefined && promised > limit) {
        const message = `${promised / 1000} ${name} are guaranteed to ${shown(above)} and roles below it, above its limit of ${limit / 1000}`;
        problems.push(problem(`${path}.limits.${name}`, 'INVALID_QUOTA', message, 'raise the limit, or promise less'));
      }
    }
  }
  return problems;
}

/** The guarantees below `role`, where one that names `name` stands for all below it. */
function promisedBelow(quotas: Quotas, role: Role, name: string): number {
  let promised = 0;
  for (const [each, { guarantees }] of quotas) {
    const own = guarantees.get(name);
    if (own === undefined || each === role || !isAncestorOrSelf(role, each)) continue;
    const covered = rolePath(each).some(
      above =>
        above !== each && above !== role && isAncestorOrSelf(role, above) && quotas.get(above)?.guarantees.has(name),
    );
    if (!covered) promised += own;
  }
  return promised;
}

// As in Mesos, what is only offered does not count: those offers return.
function useProblems(view: ClusterView, changed: Changed): Problem[] {
  const problems: Problem[] = [];
  let usage: ReadonlyMap<Role, RoleUsage> | undefined;
  for (const [i, { role, quota }] of changed.entries()) {
    if (quota === undefined || quota.limits.size === 0) continue;
    usage ??= roleUsage(view);
    const consumed = consumedOf(usage.get(role), false);
    for (const [name, limit] of quota.limits) {
      const has = consumed.get(name) ?? 0;
      if (has <= limit) {
        if (isLowered(view, role, name, limit)) problems.push(...recoveringProblems(view, role, i, name));
        continue;
      }
      const message = `the limit ${limit / 1000} is below the ${has / 1000} ${name} that ${shown(role)} uses or has reserved`;
      problems.push(
        problem(
          `updateQuota.quotas[${i}].limits.${name}`,
          'QUOTA_EXCEEDED',
          message,
          'end tasks or reservations first; or use force, and it gets no more',
        ),
      );
    }
  }
  return problems;
}

function isLowered(view: ClusterView, role: Role, name: string, limit: number): boolean {
  return limit < (view.quotas.get(role)?.limits.get(name) ?? Number.POSITIVE_INFINITY);
}

// What agents hold that a new master has not heard from yet cannot be counted: without them anything would fit.
function recoveringProblems({ agentsRecovering }: ClusterView, role: Role, i: number, name: string): Problem[] {
  if (agentsRecovering === 0) return [];
  const who = agentsRecovering === 1 ? '1 agent has' : `${agentsRecovering} agents have`;
  const message = `${who} not come back to this master yet, so nobody knows whether ${shown(role)} holds more ${name} than that`;
  const hint = 'try again when they are back, or given up; or use force, and it gets no more';
  return [problem(`updateQuota.quotas[${i}].limits.${name}`, 'AGENTS_RECOVERING', message, hint)];
}

function overcommitProblems(view: ClusterView, quotas: Quotas, changed: Changed): Problem[] {
  const problems: Problem[] = [];
  for (const [i, { quota }] of changed.entries()) {
    for (const name of quota?.guarantees.keys() ?? []) {
      let promised = 0;
      for (const [role, { guarantees }] of quotas) {
        const covered = rolePath(role).some(above => above !== role && quotas.get(above)?.guarantees.has(name));
        if (!covered) promised += guarantees.get(name) ?? 0;
      }
      let there = 0;
      for (const agent of view.agents.values()) if (inPool(agent)) there += firmMilli(agent.total, name);
      if (promised <= there) continue;
      const message = `all guarantees together are ${promised / 1000} ${name}, and the cluster has ${there / 1000}`;
      const hint = 'add agents first; or use force, and it is kept as agents come';
      problems.push(problem(`updateQuota.quotas[${i}].guarantees.${name}`, 'QUOTA_OVERCOMMIT', message, hint));
    }
  }
  return problems;
}

function firmMilli(total: Parameters<typeof unreserved>[0], name: string): number {
  let milli = 0;
  for (const r of total) if (r.kind === 'scalar' && r.name === name && !r.label.revocable) milli += r.milli;
  return milli;
}

/** Offers of a role that holds or was offered more than its limit. */
function overLimit(
  view: ClusterView,
  usage: ReadonlyMap<Role, RoleUsage>,
  role: Role,
  { limits }: Quota,
  back: Set<OfferRecord>,
): void {
  const consumed = consumedOf(usage.get(role), true);
  const over = [...limits].filter(([name, limit]) => (consumed.get(name) ?? 0) > limit).map(([name]) => name);
  if (over.length === 0) return;
  for (const offer of view.offers.values()) {
    if (offer.sequence !== undefined || !isAncestorOrSelf(role, offer.role)) continue;
    const open = unreserved(offer.resources);
    if (over.some(name => scalarMilli(open, name) > 0)) back.add(offer);
  }
}

/** Scalars of which a limit or a guarantee was set. */
function namesOf(changed: Changed): ReadonlySet<string> {
  return new Set(
    changed.flatMap(({ quota }) => [...(quota?.limits.keys() ?? []), ...(quota?.guarantees.keys() ?? [])]),
  );
}

/**
 * Offers whose return makes less what guarantees lack: of what is free, or of what is left under a limit above them. What is free counts once for all
 * guarantees, and an offer within one would, returned, make it lack as much.
 */
function inTheWay(view: ClusterView, quotas: Quotas, names: ReadonlySet<string>, back: Set<OfferRecord>): void {
  if (names.size === 0) return;
  const books = quotaBooks(view, quotas, back);
  for (const offer of view.offers.values()) {
    if (offer.sequence !== undefined || back.has(offer)) continue;
    const open: Tally = new Map();
    addOpen(open, offer.resources);
    const moves = Array.from(open, ([name, milli]): Move => ({ name, milli, from: offer.role, to: undefined }));
    const relevant = moves.filter(({ name }) => names.has(name));
    const before = relevant.map(({ name }) => lacking(books, offer.role, name));
    if (before.every(milli => milli === 0)) continue;
    for (const move of moves) applyMove(books, move, 1);
    if (relevant.some(({ name }, i) => lacking(books, offer.role, name) < (before[i] ?? 0))) back.add(offer);
    else for (const move of moves) applyMove(books, move, -1);
  }
}

function lacking({ tree, available }: QuotaBooks, role: Role, name: string): number {
  const at = tree.indexOf(name);
  let milli = Math.max(0, (tree.required[at] ?? 0) - (available.get(name) ?? 0));
  for (const above of rolePath(role)) milli += tree.shortUnder(above, at);
  return milli;
}
