// Changes that help only together. In: agents on which more than one thing is in the way. Out: the smallest sets of changes after which the launch
// fits, each tried; of those of one size the ones that come first in the order of single changes.
import type { Change, SingleChange } from '../../protocol/explain.js';
import { freeFor, lackOf } from './free-agent.js';
import type { Obstacle, Question, World } from './judge.js';
import { lessFor, lostBy } from './less.js';
import { lowerFor, raiseFor } from './more-quota.js';
import type { NewAgent } from './new-agent.js';
import { switchOf, unfiltered } from './switches.js';
import { keyOf } from './tally.js';
import type { Near, Step, Trial, TriedChange } from './trial.js';
import { fitsAfter, helpedOn, judged, rankOf } from './trial.js';

// Agents that are alike in what is in the way need not all be looked at: of each kind these, with least short; and of all these, with least in the way.
const perKindMax = 4;
const triedMax = 48;
// Sets of up to this size are looked for one size after the other; larger ones are put together by one change after the other, on so many agents.
const sizeMax = 4;
const stepsMax = 12;
const longTriedMax = 4;
// Judgements of one question are bounded.
const judgementsMax = 3000;
const toldMax = 3;

interface Found {
  readonly steps: readonly Step[];
  /** Filters of earlier declines have to be over as well. */
  readonly revived: boolean;
}

interface Plan extends Found {
  readonly near: Near;
}

/** The smallest sets found, for agents that are there. */
export function combinations(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  const search = new Search();
  const trialOf = ({ asker, agent }: Near): Trial => ({ world, question, asker, agent });
  const tried = typical(nears);
  const found: Plan[] = [];
  for (let size = 2; size <= sizeMax && found.length === 0; size += 1) {
    for (const near of tried) {
      for (const plan of search.plans(trialOf(near), size)) found.push({ ...plan, near });
    }
  }
  for (const near of found.length === 0 ? tried.slice(0, longTriedMax) : []) {
    const plan = search.longPlan(trialOf(near));
    if (plan !== undefined) found.push({ ...plan, near });
  }
  const needed = smallest(found).map(plan => neededOf(plan, nears, trialOf));
  return smallest(needed).map(plan => told(plan, helpedBy(plan, nears, trialOf)));
}

/** What has to change besides for a new agent to help; undefined when nothing known does. */
export function withNewAgent({ trial, step }: NewAgent): TriedChange | undefined {
  // How little an agent needs to have is for it to say.
  const search = new Search(false);
  for (let size = 1; size <= sizeMax; size += 1) {
    const [plan] = [...search.plans(trial, size)].sort(comparePlans);
    if (plan === undefined) continue;
    return { change: 'SEVERAL', changes: inOrder([step, ...plan.steps]), agents: 0, examples: [] };
  }
  return undefined;
}

/** Tries one change after the other. */
class Search {
  #judgements = 0;
  readonly #switches = new Map<string, Step | undefined>();
  readonly #mayLessen: boolean;

  constructor(mayLessen = true) {
    this.#mayLessen = mayLessen;
  }

  /** Sets of so many changes at most. */
  plans(trial: Trial, size: number): readonly Found[] {
    const found: Found[] = [];
    this.#from(trial, [], false, size, found);
    return found;
  }

  /** Whatever lifts the first obstacle, until none is left; then what turned out needless is left out. */
  longPlan(start: Trial): Found | undefined {
    let steps: readonly Step[] = [];
    let trial = start;
    let revived = false;
    while (steps.length < stepsMax) {
      const at = this.#look(trial, revived);
      ({ trial, revived } = at);
      if (at.obstacles.length === 0) {
        const from = revived ? unfiltered(start) : start;
        for (const step of steps) {
          const without = steps.filter(other => other !== step);
          if (fitsAfter(from, without)) steps = without;
        }
        return { steps, revived };
      }
      const [step] = this.#stepsFor(trial, at.obstacles, steps);
      if (step === undefined) return undefined;
      steps = [...steps, step];
      trial = step.apply(trial);
    }
    return undefined;
  }

  // One of the obstacles has to go whatever is done about the others: it is enough to go on from what may remove the first.
  #from(before: Trial, steps: readonly Step[], wasRevived: boolean, size: number, found: Found[]): void {
    const { trial, revived, obstacles } = this.#look(before, wasRevived);
    if (obstacles.length === 0) {
      found.push({ steps, revived });
      return;
    }
    if (steps.length === size || this.#judgements > judgementsMax) return;
    for (const step of this.#stepsFor(trial, obstacles, steps))
      this.#from(step.apply(trial), [...steps, step], revived, size, found);
  }

  // Filters are no change of their own: they end by themselves, and whoever changes its mind revives.
  #look(trial: Trial, revived: boolean): { trial: Trial; revived: boolean; obstacles: readonly Obstacle[] } {
    this.#judgements += 1;
    const all = judged(trial);
    const obstacles = all.filter(({ kind }) => kind !== 'FILTERED');
    const needs = obstacles.length < all.length && !obstacles.some(({ kind }) => kind === 'SUPPRESSED');
    return needs ? { trial: unfiltered(trial), revived: true, obstacles } : { trial, revived, obstacles };
  }

  #stepsFor(trial: Trial, obstacles: readonly Obstacle[], taken: readonly Step[]): readonly Step[] {
    const [first] = obstacles;
    if (first === undefined) return [];
    const steps = this.#all(trial, obstacles, first).filter(step => step !== undefined);
    // Nothing is changed twice.
    return steps.filter(step => !taken.some(other => isSame(step.change, other.change)));
  }

  #all(trial: Trial, obstacles: readonly Obstacle[], first: Obstacle): readonly (Step | undefined)[] {
    const less = (of: 'FREE' | 'WHOLE'): Step | undefined =>
      this.#mayLessen ? lessFor(trial, obstacles, first, of) : undefined;
    switch (first.kind) {
      case 'TOO_SMALL':
      case 'RESERVED':
        return [less('FREE'), less('WHOLE')];
      case 'IN_USE':
      case 'OFFERED':
      case 'OFFERED_TO_ITSELF':
        return [less('FREE'), this.#free(trial, obstacles)];
      case 'BELOW_MINIMUM':
        return [this.#switch(first), this.#free(trial, obstacles)];
      case 'QUOTA':
        return [less('FREE'), raiseFor(obstacles)];
      case 'GUARANTEES':
        return [less('FREE'), lowerFor(trial.world, trial.asker.client.role, obstacles)];
      default:
        return [this.#switch(first)];
    }
  }

  // What else is in the way, and stays, is not for the freed to remove; what it may bring about is seen next.
  #free(trial: Trial, obstacles: readonly Obstacle[]): Step | undefined {
    const freed: readonly Obstacle['kind'][] = ['IN_USE', 'OFFERED', 'OFFERED_TO_ITSELF', 'BELOW_MINIMUM'];
    return freeFor(trial, obstacles, ({ kind }) => !freed.includes(kind));
  }

  // What was made for one agent is used for all: it remembers what it changed.
  #switch(obstacle: Obstacle): Step | undefined {
    const key = keyOf(obstacle);
    if (!this.#switches.has(key)) this.#switches.set(key, switchOf(obstacle));
    return this.#switches.get(key);
  }
}

function isSame(one: SingleChange, other: SingleChange): boolean {
  if (one.change !== other.change) return false;
  if (one.change === 'LESS' && other.change === 'LESS') return one.resource === other.resource;
  return one.change !== 'DROP_CONSTRAINT' && one.change !== 'ADD_CAPABILITY' ? true : sameText(one, other);
}

function sameText(one: SingleChange, other: SingleChange): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function typical(nears: readonly Near[]): readonly Near[] {
  const kinds = new Map<string, { readonly near: Near; readonly lack: number }[]>();
  for (const near of nears) {
    const key = near.obstacles.map(keyOf).join('\n');
    const lack = lackOf(near.obstacles);
    const kind = kinds.get(key);
    if (kind === undefined) {
      kinds.set(key, [{ near, lack }]);
      continue;
    }
    const at = kind.findIndex(other => lack < other.lack);
    if (at >= 0) kind.splice(at, 0, { near, lack });
    else if (kind.length < perKindMax) kind.push({ near, lack });
    if (kind.length > perKindMax) kind.pop();
  }
  return [...kinds.values()]
    .flat()
    .sort((a, b) => a.near.obstacles.length - b.near.obstacles.length || a.lack - b.lack)
    .slice(0, triedMax)
    .map(({ near }) => near);
}

// The smallest, and of those that change the same kinds of things the best.
function smallest(plans: readonly Plan[]): readonly Plan[] {
  const bestOfKind = new Map<string, Plan>();
  const sorted = [...plans].sort(comparePlans);
  for (const plan of sorted) {
    if (plan.steps.length !== sorted[0]?.steps.length) break;
    const kind = plan.steps
      .map(({ change }) => change.change)
      .sort()
      .join(' ');
    if (!bestOfKind.has(kind)) bestOfKind.set(kind, plan);
  }
  return [...bestOfKind.values()].slice(0, toldMax);
}

// What was found for one agent may be more than another needs, for which something else was found, or nothing.
function neededOf(plan: Plan, nears: readonly Near[], trialOf: (near: Near) => Trial): Plan {
  for (const step of plan.steps) {
    const steps = plan.steps.filter(other => other !== step);
    // What frees one agent is no help on another.
    if (steps.some(({ change }) => change.change === 'FREE_AGENT')) continue;
    const near = nears.find(each => fitsWith({ ...plan, steps }, each, trialOf));
    if (near !== undefined) return neededOf({ ...plan, steps, near }, nears, trialOf);
  }
  return plan;
}

function helpedBy({ steps, revived, near }: Plan, nears: readonly Near[], trialOf: (near: Near) => Trial): Near[] {
  if (steps.some(({ change }) => change.change === 'FREE_AGENT')) return [near];
  return nears.filter(each => fitsWith({ steps, revived }, each, trialOf));
}

function fitsWith({ steps, revived }: Found, near: Near, trialOf: (near: Near) => Trial): boolean {
  const liftable = near.obstacles.every(
    obstacle => (revived && obstacle.kind === 'FILTERED') || steps.some(step => step.lifts(obstacle)),
  );
  return liftable && fitsAfter(revived ? unfiltered(trialOf(near)) : trialOf(near), steps);
}

function told({ steps, revived, near }: Plan, helped: readonly Near[]): TriedChange {
  const on = helpedOn(helped.length === 0 ? [near] : helped);
  const [change, ...others] = inOrder(steps);
  const several: Change =
    change === undefined || others.length > 0 ? { change: 'SEVERAL', changes: inOrder(steps) } : change;
  return { ...several, ...on, ...(revived ? { revived } : {}) };
}

function inOrder(steps: readonly Step[]): SingleChange[] {
  return steps.map(({ change }) => change).sort((a, b) => rankOf(a) - rankOf(b));
}

function comparePlans(a: Found, b: Found): number {
  return (
    a.steps.length - b.steps.length || weight(a, costOf) - weight(b, costOf) || weight(a, lostBy) - weight(b, lostBy)
  );
}

// To do without is the last thing to be thought of.
function costOf(change: SingleChange): number {
  return rankOf(change) + (change.change === 'LESS' && change.to === 0 ? rankOf({ change: 'ADD_AGENT' }) : 0);
}

function weight({ steps }: Found, of: (change: SingleChange) => number): number {
  return steps.reduce((sum, { change }) => sum + of(change), 0);
}
