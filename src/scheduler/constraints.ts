// Placement constraints on agents, as Marathon names them. Pure: where the group already runs and one candidate in, a reason or none out.
import { RE2JS } from 're2js';
import { assertNever } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import type { Attributes, AttributeValue, FaultDomain, Offer } from '../protocol/entities.js';
import { regexProblem } from '../protocol/regex.js';

/** Operators: UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, MAX_PER, IS. */
export const constraintOperators = ['UNIQUE', 'CLUSTER', 'GROUP_BY', 'LIKE', 'UNLIKE', 'MAX_PER', 'IS'] as const;
export type ConstraintOperator = (typeof constraintOperators)[number];

/**
 * One condition on where instances of a group may run.
 * - `UNIQUE`: no two instances share the field's value.
 * - `CLUSTER`: all instances share one value: `value`, or the first one's.
 * - `GROUP_BY`: spread evenly over the values seen so far; `value` is the least number of groups to expect (default 1).
 * - `LIKE`, `UNLIKE`: the value matches, or does not match, the regular expression `value` as a whole (RE2's syntax, in linear time).
 *   An agent without the field is unlike everything.
 * - `MAX_PER`: at most `value` instances share the field's value.
 * - `IS`: the value equals `value` (numbers by amount).
 *
 * Source: Marathon's `docs/docs/constraints.md` and its `Constraints.scala`.
 */
export interface PlacementConstraint {
  /** An attribute's name, or `@hostname`, `@region`, `@zone`. */
  readonly field: string;
  readonly operator: ConstraintOperator;
  readonly value?: string;
}

/** What is wrong with `constraints`, each with its path below `path`; empty when nothing is. A wrong one must not be matched. */
export function constraintProblems(constraints: readonly PlacementConstraint[], path = 'constraints'): Problem[] {
  return constraints.flatMap(({ field, operator, value }, index) => {
    const at = `${path}[${index}]`;
    const problems: Problem[] = [];
    if (field === '') problems.push(problem(`${at}.field`, 'INVALID_TASK', 'the field has no name'));
    if (!constraintOperators.includes(operator)) {
      const allowed = constraintOperators.join(', ');
      problems.push(
        problem(`${at}.operator`, 'INVALID_TASK', `${shown(operator)} is not an operator`, `one of ${allowed}`),
      );
      return problems;
    }
    const wrong = valueProblem(operator, value);
    if (wrong !== undefined) problems.push(problem(`${at}.value`, 'INVALID_TASK', `${operator}: ${wrong}`));
    return problems;
  });
}

/** What an agent is like, as far as constraints look. */
export interface AgentTraits {
  readonly hostname: string;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
}

/** Why an agent is no place for an instance; `lasting` is static when other instances cannot change it. */
export interface ConstraintRefusal {
  readonly constraint: PlacementConstraint;
  readonly detail: string;
  readonly lasting: 'static' | 'dynamic';
}

/** The value of a constraint's field as text; undefined when the agent has none. */
export function fieldOf(traits: AgentTraits, field: string): string | undefined {
  switch (field) {
    case '@hostname':
      return traits.hostname;
    case '@region':
      return traits.domain?.region;
    case '@zone':
      return traits.domain?.zone;
    default:
      return Object.hasOwn(traits.attributes, field) ? attributeText(traits.attributes[field]) : undefined;
  }
}

/** The traits that an offer tells of its agent. */
export function traitsOf(offer: Pick<Offer, 'hostname' | 'attributes' | 'domain'>): AgentTraits {
  return offer;
}

/** Where instances of a group are, counted by whoever places them: asking costs the same for ten and ten thousand. */
export interface PlacedCounts {
  /** How many are on agents with each value of a field, that of the first first; those on agents without a value are not among them. */
  counts(field: string): ReadonlyMap<string, number>;
}

type Placed = readonly AgentTraits[] | PlacedCounts;

/** Texts that are a framework's own. */
export interface ConstraintTexts {
  /** The value of a field as text; undefined when the agent has none. Default: `fieldOf`. */
  readonly textOf: (traits: AgentTraits, field: string) => string | undefined;
  /** Whether a field's text is the value of an `IS`. Default: the same text, or the same amount. */
  readonly is: (own: string, value: string) => boolean;
}

/**
 * The first constraint that `candidate` breaks for one more instance beside `placed` (one entry for each instance that holds a place, or counts of
 * them); undefined when it breaks none. Counts have to go by the same `texts`.
 */
export function constraintRefusal(
  constraints: readonly PlacementConstraint[],
  placed: Placed,
  candidate: AgentTraits,
  texts: ConstraintTexts = usualTexts,
): ConstraintRefusal | undefined {
  for (const constraint of constraints) {
    const refusal = refusalOf(constraint, placed, candidate, texts);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

const usualTexts: ConstraintTexts = { textOf: fieldOf, is: sameValue };

function refusalOf(
  constraint: PlacementConstraint,
  placed: Placed,
  candidate: AgentTraits,
  texts: ConstraintTexts,
): ConstraintRefusal | undefined {
  const { field, operator, value } = constraint;
  const own = texts.textOf(candidate, field);
  const no = (lasting: 'static' | 'dynamic', detail: string): ConstraintRefusal => ({ constraint, detail, lasting });
  if (own === undefined) {
    return operator === 'UNLIKE' ? undefined : no('static', `${field} is not set`);
  }
  switch (operator) {
    case 'LIKE':
      return wholeMatch(value, own) ? undefined : no('static', `${field} ${shown(own)} is not like ${value}`);
    case 'UNLIKE':
      return wholeMatch(value, own) ? no('static', `${field} ${shown(own)} is like ${value}`) : undefined;
    case 'IS':
      return texts.is(own, value ?? '') ? undefined : no('static', `${field} ${shown(own)} is not ${value}`);
    case 'UNIQUE':
      return countOf(placed, field, own, texts) > 0 ? no('dynamic', `${field} ${shown(own)} is taken`) : undefined;
    case 'MAX_PER': {
      const most = Number(value);
      return countOf(placed, field, own, texts) >= most
        ? no('dynamic', `${field} ${shown(own)} has ${most} already`)
        : undefined;
    }
    case 'CLUSTER': {
      if (value !== undefined && value !== '')
        return own === value ? undefined : no('static', `${field} ${shown(own)} is not ${value}`);
      const first = firstOf(placed, field, texts);
      return first === undefined || first === own
        ? undefined
        : no('dynamic', `${field} ${shown(own)}, the others are on ${shown(first)}`);
    }
    case 'GROUP_BY':
      return groupByRefusal(countsOf(placed, field, texts), own, Number(value ?? 0))
        ? no('dynamic', `${field} ${shown(own)} has more instances than other groups`)
        : undefined;
    default:
      return assertNever(operator, 'constraint operator');
  }
}

// One more may go to the emptiest known group, or to a new group; while fewer groups than expected are known, only to a new one's level.
function groupByRefusal(counts: ReadonlyMap<string, number>, own: string, groupsMin: number): boolean {
  const mine = counts.get(own) ?? 0;
  const known = new Map(counts).set(own, mine);
  const least = known.size < groupsMin ? 0 : Math.min(...known.values());
  return mine > least;
}

function countsOf(placed: Placed, field: string, { textOf }: ConstraintTexts): ReadonlyMap<string, number> {
  if ('counts' in placed) return placed.counts(field);
  const counts = new Map<string, number>();
  for (const traits of placed) {
    const text = textOf(traits, field);
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

function countOf(placed: Placed, field: string, value: string, { textOf }: ConstraintTexts): number {
  if ('counts' in placed) return placed.counts(field).get(value) ?? 0;
  let count = 0;
  for (const traits of placed) if (textOf(traits, field) === value) count += 1;
  return count;
}

function firstOf(placed: Placed, field: string, { textOf }: ConstraintTexts): string | undefined {
  if ('counts' in placed) return placed.counts(field).keys().next().value;
  for (const traits of placed) {
    const text = textOf(traits, field);
    if (text !== undefined) return text;
  }
  return undefined;
}

function valueProblem(operator: ConstraintOperator, value: string | undefined): string | undefined {
  switch (operator) {
    case 'LIKE':
    case 'UNLIKE': {
      const why = value === undefined ? 'is missing' : regexProblem(value);
      return why === undefined ? undefined : `the regular expression ${shown(value ?? '')} ${why}`;
    }
    case 'MAX_PER':
      return isCount(value, 1) ? undefined : `${shown(value)} is not a whole number of 1 or more`;
    case 'GROUP_BY':
      return value === undefined || isCount(value, 1)
        ? undefined
        : `${shown(value)} is not a whole number of 1 or more`;
    case 'IS':
      return value === undefined ? 'the value to equal is missing' : undefined;
    case 'UNIQUE':
      return value === undefined || value === '' ? undefined : `it takes no value, ${shown(value)} is given`;
    case 'CLUSTER':
      return undefined;
    default:
      return assertNever(operator, 'constraint operator');
  }
}

function isCount(value: string | undefined, least: number): boolean {
  return value !== undefined && /^\d{1,9}$/.test(value) && Number(value) >= least;
}

// RE2 takes linear time, whatever the pattern: one that comes from a user's file cannot stop the scheduler.
function wholeMatch(pattern: string | undefined, text: string): boolean {
  return compiled(pattern ?? '').matches(text);
}

// A constraint is matched against every offer; compiling costs more than matching.
const patterns = new Map<string, RE2JS>();
const patternsMax = 256;

function compiled(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const fresh = RE2JS.compile(pattern);
  const [oldest] = patterns.keys();
  if (patterns.size >= patternsMax && oldest !== undefined) patterns.delete(oldest);
  patterns.set(pattern, fresh);
  return fresh;
}

function sameValue(own: string, value: string): boolean {
  return own === value || (own !== '' && value !== '' && Number(own) === Number(value));
}

function attributeText(value: AttributeValue | undefined): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  return value.map(item => (typeof item === 'string' ? item : `${item[0]}-${item[1]}`)).join(',');
}
