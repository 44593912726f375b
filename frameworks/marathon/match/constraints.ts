// May one more instance go there? In: constraints, where the others are, an agent. Out: the constraint that says no, and whether it may ever say yes. Pure.
import { constraintRefusal } from 'proffer';
import type { AgentTraits, ConstraintRefusal, ConstraintTexts, PlacementConstraint } from 'proffer';
import { comparable, fieldText } from './fields.js';
import type { Placements } from './placements.js';
import type { Spread } from './spread.js';

/**
 * The first constraint but GROUP_BY that an agent breaks for one more instance beside `placed`; undefined when it breaks none.
 * A field that the agent does not have breaks all but UNLIKE.
 *
 * Source: Marathon's `docs/docs/constraints.md` and its `Constraints.scala`.
 */
export function constraintNo(
  constraints: readonly PlacementConstraint[],
  placed: Placements,
  agent: AgentTraits,
): ConstraintRefusal | undefined {
  const strict = constraints.filter(({ operator }) => operator !== 'GROUP_BY');
  return constraintRefusal(strict, placed, agent, texts) ?? missing(constraints, agent);
}

/**
 * The first GROUP_BY whose group has its share already of `instances` wanted in all. With a number of groups each may have `floor(instances / groups)`, and as
 * many of them as there is a remainder one more; without, no group may be two ahead of the emptiest that is known.
 */
export function groupNo(
  constraints: readonly PlacementConstraint[],
  placed: Placements,
  agent: AgentTraits,
  instances: number,
): ConstraintRefusal | undefined {
  for (const constraint of constraints) {
    const { field, operator, value } = constraint;
    const own = operator === 'GROUP_BY' ? fieldText(agent, field) : undefined;
    if (own === undefined) continue;
    const groups = placed.counts(field);
    const count = groups.get(own) ?? 0;
    if (count < shareOf(own, groups, instances, Number(value ?? 0))) continue;
    return { constraint, detail: `${field} ${own} has its share of ${count} already`, lasting: 'dynamic' };
  }
  return undefined;
}

/** Tells `spread` of an agent on which all else fits; whether the agent is to take one more although `no` says that its group has its share. */
export function groupYields(
  constraints: readonly PlacementConstraint[],
  placed: Placements,
  agent: AgentTraits,
  no: ConstraintRefusal | undefined,
  spread: Spread,
  now: number,
): boolean {
  if (no === undefined) {
    for (const { field, operator } of constraints) {
      const own = operator === 'GROUP_BY' ? fieldText(agent, field) : undefined;
      if (own !== undefined) spread.fits(field, own, now);
    }
    return true;
  }
  const { field } = no.constraint;
  const own = fieldText(agent, field);
  return own !== undefined && spread.yields(field, own, placed.counts(field), now);
}

const texts: ConstraintTexts = { textOf: fieldText, is: (own, value) => own === comparable(value) };

// A GROUP_BY is an aim, but not for agents that are in no group.
function missing(constraints: readonly PlacementConstraint[], agent: AgentTraits): ConstraintRefusal | undefined {
  for (const constraint of constraints) {
    const { field, operator } = constraint;
    if (operator !== 'GROUP_BY' || fieldText(agent, field) !== undefined) continue;
    return { constraint, detail: `${field} is not set`, lasting: 'static' };
  }
  return undefined;
}

function shareOf(own: string, groups: ReadonlyMap<string, number>, instances: number, expected: number): number {
  if (!(expected > 0)) {
    if (!groups.has(own)) return 1;
    let least = Number.POSITIVE_INFINITY;
    for (const count of groups.values()) least = Math.min(least, count);
    return least + 1;
  }
  // A group beyond those expected waits until one of them has proved missing.
  if (!groups.has(own) && groups.size >= expected) return 0;
  const share = Math.floor(instances / expected);
  let remainder = instances % expected;
  for (const count of groups.values()) remainder -= Math.max(0, count - share);
  return remainder > 0 ? share + 1 : share;
}
