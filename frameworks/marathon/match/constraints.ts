// May one more instance go there? In: constraints, where the others are, an agent. Out: the constraint that says no, and whether it may ever say yes. Pure.
import { constraintRefusal } from 'proffer';
import type { AgentTraits, PlacementConstraint } from 'proffer';
import { assertNever } from '../machine/assert.js';
import { comparable, fieldText } from './fields.js';
import type { Placements } from './placements.js';
import type { Spread } from './spread.js';

/** Why an agent is no place for one more instance. */
export interface ConstraintNo {
  readonly constraint: PlacementConstraint;
  readonly detail: string;
  /** Whether other instances, or time, can change it. */
  readonly mayChange: boolean;
}

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
): ConstraintNo | undefined {
  for (const constraint of constraints) {
    const no = noOf(constraint, placed, agent);
    if (no !== undefined) return no;
  }
  return undefined;
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
): ConstraintNo | undefined {
  for (const constraint of constraints) {
    const { field, operator, value } = constraint;
    const own = operator === 'GROUP_BY' ? fieldText(agent, field) : undefined;
    if (own === undefined) continue;
    const groups = placed.counts(field);
    const count = groups.get(own) ?? 0;
    if (count < shareOf(own, groups, instances, Number(value ?? 0))) continue;
    return { constraint, detail: `${field} ${own} has its share of ${count} already`, mayChange: true };
  }
  return undefined;
}

/** Tells `spread` of an agent on which all else fits; whether the agent is to take one more although `no` says that its group has its share. */
export function groupYields(
  constraints: readonly PlacementConstraint[],
  placed: Placements,
  agent: AgentTraits,
  no: ConstraintNo | undefined,
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

function noOf(constraint: PlacementConstraint, placed: Placements, agent: AgentTraits): ConstraintNo | undefined {
  const { field, operator, value = '' } = constraint;
  const own = fieldText(agent, field);
  const no = (mayChange: boolean, detail: string): ConstraintNo => ({ constraint, detail, mayChange });
  if (own === undefined) return operator === 'UNLIKE' ? undefined : no(false, `${field} is not set`);
  switch (operator) {
    case 'LIKE':
    case 'UNLIKE': {
      // The SDK's expressions take linear time; they see the field as our text.
      const traits: AgentTraits = { hostname: '', attributes: { field: own } };
      const refusal = constraintRefusal([{ field: 'field', operator, value }], [], traits);
      const word = operator === 'LIKE' ? 'not like' : 'like';
      return refusal === undefined ? undefined : no(false, `${field} ${own} is ${word} ${value}`);
    }
    case 'IS':
      return own === comparable(value) ? undefined : no(false, `${field} is ${own}, not ${value}`);
    case 'UNIQUE':
      return placed.counts(field).has(own) ? no(true, `${field} ${own} is taken`) : undefined;
    case 'MAX_PER': {
      const count = placed.counts(field).get(own) ?? 0;
      return count < Number(value) ? undefined : no(true, `${field} ${own} has ${count} already`);
    }
    case 'CLUSTER': {
      if (value !== '') return own === value ? undefined : no(false, `${field} is ${own}, not ${value}`);
      const [first = own] = placed.counts(field).keys();
      return first === own ? undefined : no(true, `${field} is ${own}, the others are on ${first}`);
    }
    case 'GROUP_BY':
      return undefined;
    default:
      return assertNever(operator, 'constraint operator');
  }
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
