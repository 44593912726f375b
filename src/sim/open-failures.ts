// Runs of the plan that are known to fail: each shows a bug, of the product or of a checker, that is not mended yet. Out: by which checker each fails.
import type { ScenarioName } from './scenario.js';

/**
 * By scenario and seed, the checker that speaks. The plan tells them apart from other failures, and fails when one of them passes or fails in another
 * way: then its line has to go.
 */
const openFailures: Partial<Record<ScenarioName, { readonly [seed: number]: string }>> = {};

/** The checker by which this run is known to fail; undefined for all others. */
export function openFailureOf(scenario: ScenarioName, seed: number): string | undefined {
  return openFailures[scenario]?.[seed];
}
