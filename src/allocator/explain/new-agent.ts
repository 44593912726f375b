// An agent that does not exist. In: a wish, constraints, what the agents at hand are like. Out: an empty agent of just what is asked for, with
// attributes that satisfy the constraints; undefined when none is found.
import type { AttributeConstraint, Attributes, FaultDomain } from '../../protocol/entities.js';
import { add, bagOf, fromBag } from '../../resources/index.js';
import type { AllocatorAgent } from '../model.js';
import { AgentPool } from '../pool/agent-pool.js';
import { QuotaBook } from '../quota/quota-book.js';
import type { Asker, Groups, Question, SingleTest, World } from './judge.js';
import { withAvailable } from './more-quota.js';
import type { Near, Step, Trial } from './trial.js';

/** What the new agent would be asked, and the change that brings it. */
export interface NewAgent {
  readonly trial: Trial;
  readonly step: Step;
}

/** The agent that would have to come. */
export function newAgentFor(
  world: World,
  nears: readonly Near[],
  question: Question,
  asker: Asker,
): NewAgent | undefined {
  const { wish } = question;
  if (wish === undefined) return undefined;
  const traits = traitsFor(nears, asker.constraints, question.constraints);
  if (traits === undefined) return undefined;
  const { ports = 0 } = wish;
  const total = ports === 0 ? wish.resources : add(wish.resources, bagOf({ ports: [[31_000, 30_999 + ports]] }));
  const { hostname, attributes, domain } = traits;
  const agent = new AgentPool(new QuotaBook()).add({ ...traits, id: '', total });
  return {
    trial: { world: withAvailable(world, total), question, asker, agent },
    step: {
      change: {
        change: 'ADD_AGENT',
        resources: fromBag(total),
        ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
        ...(hostname === '' ? {} : { hostname }),
        ...(domain === undefined ? {} : { domain }),
      },
      lifts: () => false,
      apply: trial => ({ ...trial, world: withAvailable(trial.world, total), agent }),
    },
  };
}

type Traits = Omit<AllocatorAgent, 'id' | 'total'>;

// Of the groups, any of which is enough, so many are tried.
const groupsTriedMax = 8;

function traitsFor(nears: readonly Near[], ofFramework: Groups, ofRequest: Groups): Traits | undefined {
  for (const one of alternatives(ofFramework)) {
    for (const other of alternatives(ofRequest)) {
      const found = traitsOf(nears, [...one, ...other]);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function alternatives(groups: Groups): Groups {
  return groups.length === 0 ? [[]] : groups.slice(0, groupsTriedMax);
}

function traitsOf(nears: readonly Near[], tests: readonly SingleTest[]): Traits | undefined {
  const holds = (traits: Traits, among: readonly SingleTest[]): boolean => among.every(({ test }) => test(traits));
  let traits: Traits = { hostname: '', attributes: {} };
  for (const attribute of new Set(tests.map(({ constraint }) => constraint.attribute))) {
    const about = tests.filter(({ constraint }) => constraint.attribute === attribute);
    if (holds(traits, about)) continue;
    const before = traits;
    const values = valuesFor(nears, attribute, about);
    const value = values.find(each => holds(withTrait(before, nears, attribute, each), about));
    if (value === undefined) return undefined;
    traits = withTrait(before, nears, attribute, value);
  }
  return holds(traits, tests) ? traits : undefined;
}

function withTrait(traits: Traits, nears: readonly Near[], attribute: string, value: string): Traits {
  switch (attribute) {
    case '@hostname':
      return { ...traits, hostname: value };
    case '@region':
      return { ...traits, domain: { ...(traits.domain ?? usualDomain(nears)), region: value } };
    case '@zone':
      return { ...traits, domain: { ...(traits.domain ?? usualDomain(nears)), zone: value } };
    default: {
      const attributes: Attributes = { ...traits.attributes, [attribute]: value };
      return { ...traits, attributes };
    }
  }
}

function usualDomain(nears: readonly Near[]): FaultDomain {
  return nears.find(({ agent }) => agent.info.domain !== undefined)?.agent.info.domain ?? { region: '', zone: '' };
}

// What is written in the constraints, what agents have, and for those who only want some value, any.
function valuesFor(nears: readonly Near[], attribute: string, about: readonly SingleTest[]): string[] {
  const values = new Set(about.flatMap(({ constraint }) => written(constraint)));
  const had = new Set(nears.map(({ agent }) => valueOf(agent.info, attribute)));
  for (const value of had) if (value !== undefined) values.add(value);
  values.add('any').add('another');
  // The host whose name is asked for is there already: it is not another.
  return attribute === '@hostname' ? [...values].filter(value => !had.has(value)) : [...values];
}

function valueOf({ hostname, attributes, domain }: AllocatorAgent, attribute: string): string | undefined {
  if (attribute === '@hostname') return hostname;
  if (attribute === '@region') return domain?.region;
  if (attribute === '@zone') return domain?.zone;
  const value = Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
  return typeof value === 'string' ? value : undefined;
}

// Of a regular expression its alternatives, which often are just texts.
function written({ predicate, value }: AttributeConstraint): string[] {
  if (value === undefined) return [];
  return predicate === 'TEXT_MATCHES' ? value.replaceAll(/[()^$]/g, '').split('|') : [value];
}
