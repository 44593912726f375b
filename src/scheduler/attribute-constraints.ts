// Placement constraints in the master's words, as of now: for offer constraints, and for telling what waits. In: constraints, where the group runs.
// Out: constraints on attributes that an agent fulfils exactly when one more instance may go there, as far as attributes are texts.
import { assertNever } from '../base/assert.js';
import type { AttributeConstraint } from '../protocol/entities.js';
import type { AgentTraits, PlacementConstraint } from './constraints.js';
import { fieldOf } from './constraints.js';

/** Of values that are taken, at most so many are named per constraint; the others are left out. */
const valuesMax = 64;

/** All of which have to hold. Those that depend on where instances run (`UNIQUE`, `MAX_PER`, …) name the values that are out now. */
export function attributeConstraints(
  constraints: readonly PlacementConstraint[],
  placed: readonly AgentTraits[] = [],
): AttributeConstraint[] {
  return constraints.flatMap(constraint => translated(constraint, placed));
}

function translated(
  { field, operator, value = '' }: PlacementConstraint,
  placed: readonly AgentTraits[],
): AttributeConstraint[] {
  const exists: AttributeConstraint = { attribute: field, predicate: 'EXISTS' };
  const without = (values: Iterable<string>): AttributeConstraint[] => [
    exists,
    ...[...values]
      .slice(0, valuesMax)
      .map((taken): AttributeConstraint => ({ attribute: field, predicate: 'TEXT_NOT_EQUALS', value: taken })),
  ];
  const counts = countsOf(placed, field);
  switch (operator) {
    case 'LIKE':
      return [{ attribute: field, predicate: 'TEXT_MATCHES', value }];
    case 'UNLIKE':
      return [{ attribute: field, predicate: 'TEXT_NOT_MATCHES', value }];
    case 'IS':
      return [{ attribute: field, predicate: 'TEXT_EQUALS', value }];
    case 'UNIQUE':
      return without(counts.keys());
    case 'MAX_PER':
      return without([...counts].filter(([, count]) => count >= Number(value)).map(([taken]) => taken));
    case 'CLUSTER': {
      const [first] = counts.keys();
      const wanted = value === '' ? first : value;
      return wanted === undefined ? [exists] : [{ attribute: field, predicate: 'TEXT_EQUALS', value: wanted }];
    }
    case 'GROUP_BY': {
      const least = counts.size < Number(value) ? 0 : Math.min(...counts.values());
      return without([...counts].filter(([, count]) => count > least).map(([fuller]) => fuller));
    }
    default:
      return assertNever(operator, 'constraint operator');
  }
}

function countsOf(placed: readonly AgentTraits[], field: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const traits of placed) {
    const text = fieldOf(traits, field);
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}
