// One offer and all who wait. In: an offer, run specs with waiting instances. Out: starts and refusals. Whoever fits gets one instance a turn, so that none takes all.
import type { OpenOffer } from 'proffer';
import type { Instance } from '../machine/instance.js';
import { matchInstance } from './match.js';
import type { Contender, Fit, MatchContext, NoFit } from './match.js';
import { needOf } from './need.js';

/** A run spec whose delay is over, with its waiting instances, oldest first. */
export interface RoundContender extends Contender {
  readonly waiting: readonly Instance[];
}

export interface RoundLimits {
  /** Instances on one offer. Default 5. */
  readonly instancesMax: number;
  /** Tokens left. */
  readonly tokens: number;
}

/** What one offer came to. */
export interface Round<C extends RoundContender = RoundContender> {
  readonly starts: readonly { readonly contender: C; readonly instance: Instance; readonly fit: Fit }[];
  /** Run specs that got nothing, or nothing more, of it; those that got all they wanted are not among them. */
  readonly refusals: readonly { readonly contender: C; readonly no: NoFit }[];
  /** It ended at a limit, or something is still asked for: what is left is wanted, and should be offered again at once. */
  readonly early: boolean;
}

/**
 * Shares an offer out: those with data on its agent first, the rest in random order, one instance each, turn by turn. `placed` of a contender takes in what starts; who
 * does not send a start takes it out again.
 */
export function matchRound<C extends RoundContender>(
  open: OpenOffer,
  contenders: readonly C[],
  limits: RoundLimits,
  context: MatchContext,
): Round<C> {
  const starts: { contender: C; instance: Instance; fit: Fit }[] = [];
  const refusals: { contender: C; no: NoFit }[] = [];
  const most = Math.min(limits.instancesMax, limits.tokens);
  const { agentId } = open.offer;
  let here = open;
  let soon = false;
  let turn = inTurn(contenders, agentId, context).map(contender => ({ contender, next: queueFor(contender, agentId) }));
  while (turn.length > 0) {
    const again: typeof turn = [];
    for (const one of turn) {
      const instance = one.next();
      if (instance === undefined) continue;
      if (starts.length >= most) return { starts, refusals, early: true };
      const fit = matchInstance(here, instance, one.contender, context);
      if (fit.type === 'NO') {
        refusals.push({ contender: one.contender, no: fit });
        if (fit.soon === true) soon = true;
        continue;
      }
      one.contender.placed.add(instance.id, fit.event.place);
      starts.push({ contender: one.contender, instance, fit });
      here = { offer: here.offer, left: fit.left };
      again.push(one);
    }
    turn = again;
  }
  return { starts, refusals, early: soon };
}

function inTurn<C extends RoundContender>(contenders: readonly C[], agentId: string, { random }: MatchContext): C[] {
  const mixed = random.shuffle([...contenders]);
  const isHome = ({ spec, waiting }: C): boolean =>
    needOf(spec).resident && waiting.some(({ reservation }) => reservation?.agentId === agentId);
  const home = mixed.filter(isHome);
  return home.length === 0 ? mixed : [...home, ...mixed.filter(contender => !isHome(contender))];
}

/** The waiting instances in the order for an agent: what is kept there, then what is kept nowhere; one with data elsewhere only to hear its no. */
function queueFor({ spec, waiting }: RoundContender, agentId: string): () => Instance | undefined {
  let at = 0;
  if (!needOf(spec).resident) return () => waiting[at++];
  const there = waiting.filter(({ reservation }) => reservation?.agentId === agentId);
  const anywhere = waiting.filter(
    ({ reservation }) => reservation?.agentId !== agentId && reservation?.proven !== true,
  );
  const queue = [...there, ...anywhere];
  if (queue.length === 0) queue.push(...waiting.slice(0, 1));
  return () => queue[at++];
}
