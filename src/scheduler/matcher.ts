// Does a request fit an offer, and if not, why: typed vetoes and their tally. Pure. In: request, offers, what is placed. Out: a choice or vetoes.
import { assertNever } from '../base/assert.js';
import type { AgentId, OfferId, Role } from '../base/ids.js';
import type { ContainerType, Offer, Unavailability } from '../protocol/entities.js';
import type { Bag, Shortage } from '../resources/index.js';
import { add, describeShortage, wishShortages } from '../resources/index.js';
import type { AgentTraits, ConstraintRefusal } from './constraints.js';
import { constraintRefusal } from './constraints.js';
import type { MatchRequest, OpenOffer } from './match-request.js';
import type { OfferOrder } from './ordering.js';

/** What `left` lacks for a request, ports included. */
export { wishShortages as shortagesFor } from '../resources/index.js';

/** Why a request does not fit an offer. `static`: this offer never will; `dynamic`: it may, later. */
export type Veto = { readonly lasting: 'static' | 'dynamic' } & (
  | { readonly kind: 'insufficient'; readonly shortages: readonly Shortage[] }
  | { readonly kind: 'role'; readonly role: Role }
  | { readonly kind: 'constraint'; readonly refusal: ConstraintRefusal }
  | { readonly kind: 'containerizer'; readonly wanted: ContainerType }
  | { readonly kind: 'avoided'; readonly why: string }
  | { readonly kind: 'unavailable'; readonly startMs: number }
);

/** A place found, or all the reasons against each offer looked at. */
export interface MatchResult {
  readonly offer?: OpenOffer;
  readonly vetoes: readonly { readonly offerId: OfferId; readonly agentId: AgentId; readonly veto: Veto }[];
}

/** Why `request` may not go on `open`; undefined when it may. Cheap and lasting reasons come first. `wallMs` is now. */
export function vetoOf(
  request: MatchRequest,
  open: OpenOffer,
  placed: readonly AgentTraits[],
  wallMs: number,
): Veto | undefined {
  const { offer, left } = open;
  if (request.roles !== undefined && !request.roles.includes(offer.role))
    return { kind: 'role', role: offer.role, lasting: 'static' };
  if (request.containerizer !== undefined && !offer.containerizers.includes(request.containerizer)) {
    return { kind: 'containerizer', wanted: request.containerizer, lasting: 'static' };
  }
  const avoided = request.avoid?.get(offer.agentId);
  if (avoided !== undefined) return { kind: 'avoided', why: avoided, lasting: 'dynamic' };
  const absence = offer.unavailability;
  if (absence !== undefined && concerns(absence, wallMs, request.runsForMs ?? 0)) {
    return { kind: 'unavailable', startMs: absence.startMs, lasting: 'dynamic' };
  }
  if (request.constraints !== undefined) {
    const refusal = constraintRefusal(request.constraints, placed, offer);
    if (refusal !== undefined) return { kind: 'constraint', refusal, lasting: refusal.lasting };
  }
  const short = wishShortages({ ...request, resources: needOn(request, offer) }, left);
  return short.length === 0 ? undefined : { kind: 'insufficient', shortages: short, lasting: 'dynamic' };
}

/** What the request takes on `offer`: its resources, and those of executors that do not run on the agent yet. */
export function needOn(request: MatchRequest, offer: Pick<Offer, 'executorIds'>): Bag {
  let need = request.resources;
  for (const [executorId, resources] of request.executors ?? []) {
    if (!offer.executorIds.includes(executorId)) need = add(need, resources);
  }
  return need;
}

/** The first offer in `order` that fits, or every veto. */
export function match(
  request: MatchRequest,
  offers: readonly OpenOffer[],
  placed: readonly AgentTraits[],
  order: OfferOrder,
  wallMs: number,
): MatchResult {
  const vetoes: { offerId: OfferId; agentId: AgentId; veto: Veto }[] = [];
  for (const open of order(offers, request)) {
    const veto = vetoOf(request, open, placed, wallMs);
    if (veto === undefined) return { offer: open, vetoes };
    vetoes.push({ offerId: open.offer.id, agentId: open.offer.agentId, veto });
  }
  return { vetoes };
}

/**
 * One line on why nothing fits, what most agents lack first: "mem short by 512 (wanted 1024, have 512) on 7 agents, constraint rack UNIQUE on
 * 2 agents". Where agents lack different amounts of a resource, the nearest to enough is told: "mem short by at least …".
 */
export function describeVetoes(vetoes: MatchResult['vetoes']): string {
  if (vetoes.length === 0) return 'no offers';
  const tally = new Map<string, Reason>();
  for (const { agentId, veto } of vetoes) {
    for (const { key, shortage, text } of reasonsOf(veto)) {
      const reason = tally.get(key);
      if (reason === undefined) tally.set(key, { agents: new Set([agentId]), nearest: shortage, differ: false, text });
      else note(reason, agentId, shortage);
    }
  }
  return [...tally.values()]
    .sort((a, b) => b.agents.size - a.agents.size || (a.text < b.text ? -1 : 1))
    .map(({ agents, nearest, differ, text }) => {
      const what = nearest === undefined ? text : describeNearest(nearest, differ);
      return `${what} on ${agents.size} ${agents.size === 1 ? 'agent' : 'agents'}`;
    })
    .join(', ');
}

interface Reason {
  readonly agents: Set<AgentId>;
  /** Of shortages the smallest. */
  nearest: Shortage | undefined;
  differ: boolean;
  readonly text: string;
}

function note(reason: Reason, agentId: AgentId, shortage: Shortage | undefined): void {
  reason.agents.add(agentId);
  if (shortage === undefined || reason.nearest === undefined) return;
  if (shortage.short !== reason.nearest.short) reason.differ = true;
  if (shortage.short < reason.nearest.short) reason.nearest = shortage;
}

function describeNearest(shortage: Shortage, differ: boolean): string {
  if (!differ) return describeShortage(shortage);
  const { key, wanted, have, short } = shortage;
  return `${key} short by at least ${short} (wanted ${wanted}, have at most ${have})`;
}

// An absence that is over concerns nobody, nor one that begins after the instance has ended.
function concerns({ startMs, durationMs }: Unavailability, wallMs: number, runsForMs: number): boolean {
  const over = durationMs !== undefined && startMs + durationMs <= wallMs;
  return !over && startMs <= wallMs + runsForMs;
}

function reasonsOf(veto: Veto): { readonly key: string; readonly text: string; readonly shortage?: Shortage }[] {
  const one = (text: string): { key: string; text: string }[] => [{ key: text, text }];
  switch (veto.kind) {
    case 'insufficient':
      return veto.shortages.map(shortage => {
        const text = describeShortage(shortage);
        return typeof shortage.short === 'number'
          ? { key: `${shortage.key} of ${shortage.wanted}`, text, shortage }
          : { key: text, text };
      });
    case 'role':
      return one(`offer is for role ${veto.role}`);
    case 'constraint':
      return one(`constraint ${veto.refusal.constraint.field} ${veto.refusal.constraint.operator}`);
    case 'containerizer':
      return one(`no ${veto.wanted} containerizer`);
    case 'avoided':
      return one(veto.why);
    case 'unavailable':
      return one('planned absence');
    default:
      return assertNever(veto, 'veto');
  }
}
