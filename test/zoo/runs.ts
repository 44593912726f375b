// Which runs every bug has to face: the scenarios of the simulator's plan, mixed in its proportions, so that no bug is told where it would be seen.
// In: how many. Out: scenarios with seeds, always the same.
import type { ScenarioName } from '../../src/sim/index.js';
import { plan } from '../../src/sim/plan.js';

export interface Run {
  readonly scenario: ScenarioName;
  readonly seed: number;
}

/** The first `count` runs; seeds of each scenario count from 1. */
export function runsOf(count: number): Run[] {
  const names = Object.keys(plan) as ScenarioName[];
  const taken = new Map(names.map(name => [name, 0]));
  return Array.from({ length: count }, () => {
    // Whoever is furthest behind its proportion.
    const behind = (name: ScenarioName): number => ((taken.get(name) ?? 0) + 0.5) / plan[name].seeds;
    const scenario = names.reduce((a, b) => (behind(b) < behind(a) ? b : a));
    const seed = (taken.get(scenario) ?? 0) + 1;
    taken.set(scenario, seed);
    return { scenario, seed };
  });
}
