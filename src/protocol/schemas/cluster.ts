// Shapes of frameworks, agents, masters and offers. In: leaf shapes and the rules of validate-framework. Out: shapes.
import type {
  AgentInfo,
  AttributeConstraint,
  FaultDomain,
  Filters,
  FrameworkInfo,
  InverseOffer,
  MasterInfo,
  Offer,
  OfferConstraints,
  Unavailability,
} from '../entities.js';
import { constraintPredicates, containerTypes, frameworkCapabilities } from '../entities.js';
import { constraintRule, offerConstraintsRule, quantitiesRule, uniqueRule } from '../validate-framework.js';
import { disksRule } from '../validate-operation.js';
import * as leaves from './leaves.js';
import { across, boolean, list, object, oneOf, optional, record, refine, under } from './shape.js';
import type { OptionalShape } from './shape.js';

export const roles = refine(list(leaves.role, 'a list of roles'), across([], uniqueRule));
const rolesToJoin = refine(list(leaves.role, 'a list of at least one role', 1), across([], uniqueRule));
export const containerizers = refine(
  list(oneOf(containerTypes, 'a container type'), 'a list of container types'),
  across([], uniqueRule),
);

const frameworkShape = object<FrameworkInfo>('a framework', {
  name: leaves.name,
  id: optional(leaves.id()),
  roles: rolesToJoin,
  user: optional(leaves.user),
  hostname: optional(leaves.hostname),
  principal: optional(leaves.name),
  webuiUrl: optional(leaves.webUrl),
  failoverTimeoutMs: optional(leaves.durationMs),
  checkpoint: optional(boolean),
  capabilities: optional(
    refine(list(oneOf(frameworkCapabilities, 'a capability'), 'a list of capabilities'), across([], uniqueRule)),
  ),
  labels: optional(leaves.labels),
  offerFilters: optional(
    record(
      object<NonNullable<FrameworkInfo['offerFilters']>[string]>('an offer filter', {
        minAllocatableResources: list(refine(leaves.resources, quantitiesRule), 'a list of resources'),
      }),
      'an object of offer filters by role',
      roleKeyProblem,
    ),
  ),
});

export const frameworkInfo = under('INVALID_FRAMEWORK', frameworkShape);

const attributeConstraint = refine(
  object<AttributeConstraint>('a constraint', {
    attribute: leaves.name,
    predicate: oneOf(constraintPredicates, 'a predicate'),
    value: optional(leaves.anyText),
  }),
  constraintRule,
);

/** Groups of constraints, one of which an agent has to fulfil. */
export const constraintGroups = list(
  list(attributeConstraint, 'a list of at least one constraint', 1),
  'a list of at least one group of constraints',
  1,
);

export const offerConstraints = refine<OfferConstraints>(
  record(constraintGroups, 'an object of constraints by role', roleKeyProblem),
  offerConstraintsRule,
);

/** The fields by which SUBSCRIBE and UPDATE_FRAMEWORK say who a framework is and what it wants to be offered. */
export const roleChoiceFields = {
  framework: frameworkInfo,
  suppressedRoles: optional(under('INVALID_FRAMEWORK', roles)),
  offerConstraints: optional(under('INVALID_FRAMEWORK', offerConstraints)),
};

const faultDomain = object<FaultDomain>('a fault domain', { region: leaves.name, zone: leaves.name });
const domain: OptionalShape<FaultDomain> = optional(faultDomain);

/** All that an agent has. */
export const agentResources = refine(leaves.resources, disksRule);

const agentShape = object<AgentInfo>('an agent', {
  hostname: leaves.hostname,
  port: leaves.portOrNone,
  resources: agentResources,
  attributes: leaves.attributes,
  domain,
  containerizers,
  version: leaves.printable,
});

export const agentInfo = under('INVALID_AGENT', agentShape);

export const masterInfo = object<MasterInfo>('a master', {
  id: leaves.id(),
  hostname: leaves.hostname,
  port: leaves.portOrNone,
  version: leaves.printable,
  domain,
});

export const unavailability = object<Unavailability>('an unavailability', {
  startMs: leaves.wallMs,
  durationMs: optional(leaves.absenceMs),
});

export const inverseOffer = object<InverseOffer>('an inverse offer', {
  id: leaves.id(),
  frameworkId: leaves.id(),
  agentId: leaves.id(),
  hostname: leaves.hostname,
  unavailability,
});

export const offer = object<Offer>('an offer', {
  id: leaves.id(),
  frameworkId: leaves.id(),
  agentId: leaves.id(),
  hostname: leaves.hostname,
  port: leaves.portOrNone,
  role: leaves.role,
  resources: leaves.resources,
  attributes: leaves.attributes,
  domain,
  containerizers,
  executorIds: list(leaves.id(), 'a list of executor ids'),
  unavailability: optional(unavailability),
  expiresInMs: leaves.refuseMs,
});

export const filters = object<Filters>('filters', { refuseMs: optional(leaves.refuseMs) });

function roleKeyProblem(key: string): string | undefined {
  return leaves.role.ok(key) ? undefined : 'is not a role';
}
