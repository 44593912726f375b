// Making room on one agent. In: what offers, tasks and executors hold there. Out: as few of them as would have to end.
import { fromBag, scalarMilli } from '../../resources/index.js';
import type { Holding, Obstacle } from './judge.js';
import { shortOf } from './tally.js';
import type { Near, Step, Trial, TriedChange } from './trial.js';
import { helpedOn, judged, withFree } from './trial.js';

// Freeing is worked out for so many agents, those that lack least.
const triedMax = 32;

const lifted: readonly Obstacle['kind'][] = ['IN_USE', 'OFFERED', 'OFFERED_TO_ITSELF', 'BELOW_MINIMUM', 'FILTERED'];

/** The agent on which fewest holdings have to end. */
export function freeChange(trialOf: (near: Near) => Trial, nears: readonly Near[]): TriedChange[] {
  const candidates = nears
    .filter(({ obstacles }) => obstacles.every(({ kind }) => lifted.includes(kind)))
    .map(near => ({ near, lack: lackOf(near.obstacles) }))
    .sort((a, b) => a.lack - b.lack)
    .slice(0, triedMax);
  let best: { readonly near: Near; readonly step: Step; readonly count: number } | undefined;
  for (const { near } of candidates) {
    const step = freeFor(trialOf(near), near.obstacles, () => false, (best?.count ?? Number.POSITIVE_INFINITY) - 1);
    if (step?.change.change === 'FREE_AGENT') best = { near, step, count: step.change.holdings.length };
    if (best?.count === 1) break;
  }
  return best === undefined ? [] : [{ ...best.step.change, ...helpedOn([best.near]) }];
}

/** How much is short, as parts of what is wanted. */
export function lackOf(obstacles: readonly Obstacle[]): number {
  let lack = 0;
  for (const obstacle of obstacles) {
    const short = shortOf(obstacle);
    lack += typeof short?.short === 'number' ? short.short / Number(short.wanted) : 1;
  }
  return lack;
}

/**
 * The return of a smallest set of holdings, at most `most`, after which nothing but what `mayStay` is in the way: one that suffices alone, else
 * the largest first, then without the needless. Undefined when no set does.
 */
export function freeFor(
  trial: Trial,
  obstacles: readonly Obstacle[],
  mayStay: (obstacle: Obstacle) => boolean,
  most = Number.POSITIVE_INFINITY,
): Step | undefined {
  const { agent, world } = trial;
  const there = [...world.around.offersOn(agent.id), ...world.around.tasksOn(agent.id)];
  const enough = (holdings: readonly Holding[]): boolean =>
    judged({ ...trial, agent: withFree(agent, holdings) }).every(mayStay);
  const names = obstacles.flatMap(obstacle => shortOf(obstacle)?.name ?? []);
  const weight = ({ resources }: Holding): number => {
    let sum = 0;
    for (const name of names) sum += scalarMilli(resources, name) / Math.max(1, scalarMilli(agent.info.total, name));
    return sum;
  };
  const bySize = there.map(holding => ({ holding, size: weight(holding) })).sort((a, b) => a.size - b.size);
  const sorted = bySize.map(({ holding }) => holding);
  const chosen = smallest(sorted, enough, most);
  return chosen === undefined ? undefined : freeing(agent.id, chosen);
}

function smallest(
  bySize: readonly Holding[],
  enough: (holdings: readonly Holding[]) => boolean,
  most: number,
): readonly Holding[] | undefined {
  const single = bySize.find(holding => enough([holding]));
  if (single !== undefined) return [single];
  let chosen: Holding[] = [];
  for (const holding of bySize.toReversed()) {
    if (chosen.length >= most) return undefined;
    chosen.push(holding);
    if (!enough(chosen)) continue;
    const all = chosen;
    for (const each of all) {
      const without = chosen.filter(other => other !== each);
      if (without.length > 0 && enough(without)) chosen = without;
    }
    return chosen;
  }
  return undefined;
}

function freeing(agentId: string, returned: readonly Holding[]): Step {
  const holdings = returned.map(({ what, id, frameworkId, role, resources, heldForMs }) => ({
    what,
    id,
    frameworkId,
    role,
    resources: fromBag(resources),
    ...(heldForMs === undefined ? {} : { heldForMs }),
  }));
  return {
    change: { change: 'FREE_AGENT', agentId, holdings },
    lifts: ({ kind }) => lifted.includes(kind),
    apply: trial => ({ ...trial, agent: trial.agent.id === agentId ? withFree(trial.agent, returned) : trial.agent }),
  };
}
