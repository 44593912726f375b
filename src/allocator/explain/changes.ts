// What would let a launch go ahead. In: what is in the way on each agent. Out: changes, smallest first, each tried on a changed copy by the function
// that found the obstacles before it is told.
import type { SingleChange } from '../../protocol/explain.js';
import { combinations, withNewAgent } from './combine.js';
import { freeChange } from './free-agent.js';
import type { Asker, Obstacle, Question, World } from './judge.js';
import { lessChanges } from './less.js';
import { lowerFor, raisedPart, raiseFor } from './more-quota.js';
import { newAgentFor } from './new-agent.js';
import { revival, switchOf } from './switches.js';
import { keyOf } from './tally.js';
import type { Near, Step, Trial, TriedChange } from './trial.js';
import { fitsAfter, helpedOn, judged, rankOf, withFree } from './trial.js';

/**
 * The changes found, in this order: waiting; what the framework can do at once; less of one resource, by the part given up; one constraint; more
 * quota; smaller guarantees; one agent to be freed, or offered again. Who cannot use an agent declines it, and its filter is then in the way as
 * well: what helps but for such filters comes after. When no single change helps, the smallest sets of changes that do; and only then a new agent,
 * with what has to change besides when nothing else is found.
 */
export function findChanges(world: World, nears: readonly Near[], question: Question, first: Asker): TriedChange[] {
  const found = search(world, nears, question);
  const kinds = new Set(found.map(({ change }) => change));
  for (const change of search(world, afterRevive(nears), question)) {
    if (!kinds.has(change.change)) found.push({ ...change, revived: true });
  }
  if (found.length > 0) return found;
  const several = combinations(world, nears, question);
  const agent = newAgentFor(world, nears, question, first);
  if (agent === undefined) return several;
  if (judged(agent.trial).length === 0) return [...several, { ...agent.step.change, agents: 0, examples: [] }];
  if (several.length > 0) return several;
  const besides = withNewAgent(agent);
  return besides === undefined ? [] : [besides];
}

function search(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  if (nears.length === 0) return [];
  const trialOf = ({ asker, agent }: Near): Trial => ({ world, question, asker, agent });
  const found: (TriedChange & SingleChange)[] = [];
  const tell = (changes: readonly TriedChange[]): void => {
    for (const change of changes) if (change.change !== 'SEVERAL') found.push(change);
  };
  tell(waitChange(world, nears, question));
  tell(switchChanges(trialOf, nears));
  tell(lessChanges(trialOf, nears, question));
  tell(raiseChange(trialOf, nears));
  tell(lowerChange(trialOf, nears));
  tell(freeChange(trialOf, nears));
  return found.sort((a, b) => rankOf(a) - rankOf(b));
}

// Where a filter is in the way beside something else: the same without the filter.
function afterRevive(nears: readonly Near[]): Near[] {
  const found: Near[] = [];
  const revived = new Map<Asker, Asker>();
  for (const { agent, asker, obstacles } of nears) {
    if (obstacles.length < 2 || !obstacles.some(({ kind }) => kind === 'FILTERED')) continue;
    const others = obstacles.filter(({ kind }) => kind !== 'FILTERED');
    if (others.length === 0) continue;
    let then = revived.get(asker);
    if (then === undefined) {
      then = { ...asker, client: { ...asker.client, filtersVoidBefore: Number.POSITIVE_INFINITY } };
      revived.set(asker, then);
    }
    found.push({ agent, asker: then, obstacles: others });
  }
  return found;
}

const waitable: readonly Obstacle['kind'][] = ['FILTERED', 'OFFERED', 'OFFERED_TO_ITSELF', 'BELOW_MINIMUM', 'ABSENCE'];

type Awaited = Extract<SingleChange, { change: 'WAIT' }>['for'];

// The soonest moment at which filters, absences and offers that are over leave enough on one agent.
function waitChange(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  let best: { readonly ms: number; readonly near: Near; readonly for: Awaited } | undefined;
  for (const near of nears) {
    if (!near.obstacles.every(({ kind }) => waitable.includes(kind))) continue;
    const offers = world.around.offersOn(near.agent.id).filter(({ endsInMs }) => endsInMs !== undefined);
    const ends = offers.map(({ endsInMs = 0 }) => Math.max(0, endsInMs));
    let absent = false;
    for (const obstacle of near.obstacles) {
      if (obstacle.kind === 'FILTERED') ends.push(Math.max(0, obstacle.untilMs - world.nowMs));
      if (obstacle.kind !== 'ABSENCE') continue;
      absent = true;
      if (obstacle.endMs !== undefined) ends.push(obstacle.endMs - world.nowMs);
    }
    for (const ms of ends.sort((a, b) => a - b)) {
      if (best !== undefined && ms >= best.ms) break;
      const over = offers.filter(({ endsInMs = 0 }) => endsInMs <= ms);
      const then: World = { ...world, nowMs: world.nowMs + ms };
      const { asker } = near;
      if (!fitsAfter({ world: then, question, asker, agent: withFree(near.agent, over) }, [])) continue;
      best = { ms, near, for: absent ? 'ABSENCE' : over.length > 0 ? 'OFFERS' : 'FILTER' };
      break;
    }
  }
  return best === undefined ? [] : [{ change: 'WAIT', ms: best.ms, for: best.for, ...helpedOn([best.near]) }];
}

// What one switch alone sets right, by switch.
function switchChanges(trialOf: (near: Near) => Trial, nears: readonly Near[]): TriedChange[] {
  const switches = new Map<string, { readonly step: Step | undefined; readonly helped: Near[] }>();
  for (const near of nears) {
    const [first] = near.obstacles;
    if (first === undefined) continue;
    const { role } = near.asker.client;
    const key = first.kind === 'FILTERED' ? `FILTERED ${role}` : keyOf(first);
    let known = switches.get(key);
    if (known === undefined) {
      const step = first.kind === 'FILTERED' ? revival(role) : switchOf(first);
      switches.set(key, (known = { step, helped: [] }));
    }
    const { step, helped } = known;
    if (step !== undefined && near.obstacles.every(step.lifts) && fitsAfter(trialOf(near), [step])) helped.push(near);
  }
  return [...switches.values()]
    .sort((a, b) => b.helped.length - a.helped.length)
    .flatMap(({ step, helped }) =>
      step === undefined || helped.length === 0 ? [] : [{ ...step.change, ...helpedOn(helped) }],
    );
}

// The least raise of limits that lets the launch onto one agent.
function raiseChange(trialOf: (near: Near) => Trial, nears: readonly Near[]): TriedChange[] {
  const candidates = nears.filter(({ obstacles }) => obstacles.every(({ kind }) => kind === 'QUOTA'));
  let best: { readonly step: Step; readonly part: number } | undefined;
  for (const near of candidates) {
    const step = raiseFor(near.obstacles);
    if (step === undefined) continue;
    const part = raisedPart(step);
    if (best !== undefined && part >= best.part) continue;
    if (fitsAfter(trialOf(near), [step])) best = { step, part };
  }
  return told(best?.step, trialOf, candidates);
}

// The same of guarantees, worked out for the agent on which least is short.
function lowerChange(trialOf: (near: Near) => Trial, nears: readonly Near[]): TriedChange[] {
  const candidates = nears.filter(({ obstacles }) => obstacles.every(({ kind }) => kind === 'GUARANTEES'));
  const [nearest] = [...candidates].sort((a, b) => wantedOf(a) - wantedOf(b));
  if (nearest === undefined) return [];
  const trial = trialOf(nearest);
  const step = lowerFor(trial.world, trial.asker.client.role, nearest.obstacles);
  return told(step, trialOf, candidates);
}

function wantedOf({ obstacles }: Near): number {
  return obstacles.reduce((sum, each) => sum + (each.kind === 'GUARANTEES' ? Number(each.short.short) : 0), 0);
}

function told(step: Step | undefined, trialOf: (near: Near) => Trial, candidates: readonly Near[]): TriedChange[] {
  if (step === undefined) return [];
  const helped = candidates.filter(near => fitsAfter(trialOf(near), [step]));
  return helped.length === 0 ? [] : [{ ...step.change, ...helpedOn(helped) }];
}
