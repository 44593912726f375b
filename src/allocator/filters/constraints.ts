// Offer constraints compiled to a test on agents. In: an OR of groups of attribute constraints. Out: whether an agent may be offered.
import { RE2JS } from 're2js';
import { assertNever } from '../../base/assert.js';
import type { AttributeConstraint, AttributeValue, Attributes, FaultDomain } from '../../protocol/entities.js';

/** What constraints look at. */
export interface ConstrainedAgent {
  readonly hostname: string;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
}

export type AgentTest = (agent: ConstrainedAgent) => boolean;

/**
 * The test for one role's constraints: some group must hold entirely. Undefined when nothing is asked. As in Mesos
 * (`src/master/allocator/mesos/offer_constraints_filter.cpp`): an attribute that is not text passes all but NOT_EXISTS; one that is absent
 * passes NOT_EXISTS and the negated text predicates; a regular expression (RE2 syntax) must match the whole text.
 */
export function compileConstraints(
  groups: readonly (readonly AttributeConstraint[])[] | undefined,
): AgentTest | undefined {
  if (groups === undefined || groups.length === 0) return undefined;
  const tests = groups.map(group => group.map(compileOne));
  return agent => tests.some(group => group.every(holds => holds(agent)));
}

function compileOne(constraint: AttributeConstraint): AgentTest {
  const of = selector(constraint.attribute);
  const { predicate, value = '' } = constraint;
  switch (predicate) {
    case 'EXISTS':
      return agent => of(agent) !== undefined;
    case 'NOT_EXISTS':
      return agent => of(agent) === undefined;
    case 'TEXT_EQUALS':
      return agent => passes(of(agent), false, text => text === value);
    case 'TEXT_NOT_EQUALS':
      return agent => passes(of(agent), true, text => text !== value);
    case 'TEXT_MATCHES': {
      const matches = wholeMatch(value);
      return agent => passes(of(agent), false, matches);
    }
    case 'TEXT_NOT_MATCHES': {
      const matches = wholeMatch(value);
      return agent => passes(of(agent), true, text => !matches(text));
    }
    default:
      return assertNever(predicate, 'constraint predicate');
  }
}

function passes(value: AttributeValue | undefined, whenAbsent: boolean, test: (text: string) => boolean): boolean {
  if (value === undefined) return whenAbsent;
  return typeof value === 'string' ? test(value) : true;
}

function selector(attribute: string): (agent: ConstrainedAgent) => AttributeValue | undefined {
  switch (attribute) {
    case '@hostname':
      return agent => agent.hostname;
    case '@region':
      return agent => agent.domain?.region;
    case '@zone':
      return agent => agent.domain?.zone;
    default:
      return ({ attributes }) => (Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined);
  }
}

function wholeMatch(pattern: string): (text: string) => boolean {
  const compiled = RE2JS.compile(pattern);
  return text => compiled.matches(text);
}
