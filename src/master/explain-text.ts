// Explanations in words. In: reasons and changes as data, names of frameworks. Out: one line each, and the whole in a few lines.
import { assertNever } from '../base/assert.js';
import type { FrameworkId } from '../base/ids.js';
import { formatDurationMs } from '../base/units.js';
import type {
  AgentObstacle,
  Change,
  ExplainChange,
  ExplainHolder,
  ExplainHolding,
  ExplainView,
  Reason,
  ShortResource,
  Spread,
} from '../protocol/explain.js';
import { bagOf, describeResources } from '../resources/index.js';

/** The name of a framework, for people. */
export type NameOf = (id: FrameworkId) => string;

/** Why, in one line, without on how many agents. */
export function reasonText(reason: Reason, nameOf: NameOf): string {
  switch (reason.kind) {
    case 'AGENT_INACTIVE':
      return activityTexts[reason.activity];
    case 'ABSENCE':
      return 'the agent is to be away for maintenance, and this scheduler launches nothing there then';
    case 'FRAMEWORK_INACTIVE':
      return 'the framework is not connected';
    case 'NOT_SUBSCRIBED':
      return `the framework does not subscribe to role ${reason.role}`;
    case 'SUPPRESSED':
      return `the framework has suppressed offers for role ${reason.role}`;
    case 'CAPABILITY':
      return `only frameworks with the capability ${reason.capability} are offered it`;
    case 'CONSTRAINT':
      return reason.of === 'REQUEST'
        ? `the constraint ${reason.constraint} does not hold`
        : `the framework’s offer constraint ${reason.constraint} does not hold`;
    case 'TOO_SMALL':
      return short(reason, 'even while nothing runs there', 'it has nothing');
    case 'RESERVED':
      return short(
        reason,
        `the rest is reserved for ${listed(reason.roles)}`,
        `what is free is reserved for ${listed(reason.roles)}`,
      );
    case 'OFFERED_TO_ITSELF':
      return short(
        reason,
        `the framework holds enough in offers itself, for ${held(reason.holders)}`,
        `the framework holds it in offers itself, for ${held(reason.holders)}`,
      );
    case 'OFFERED':
      return short(
        reason,
        `enough is offered to ${holders(reason.holders, nameOf)}`,
        `it is offered to ${holders(reason.holders, nameOf)}`,
      );
    case 'IN_USE':
      return short(reason, 'tasks use it', 'tasks use all of it');
    case 'BELOW_MINIMUM':
      return `what is free is less than the least offer (${reason.minimum.replaceAll('|', ' or ')})`;
    case 'FILTERED':
      return `the framework declined it, for another ${span(reason.firstEndsInMs, reason.lastEndsInMs, formatDurationMs)}`;
    case 'QUOTA': {
      const { role, resource, limit, consumed, shortBy } = reason;
      return `role ${role} may have ${limit} ${resource} and has ${consumed}: short by ${spread(shortBy)}`;
    }
    case 'GUARANTEES':
      return `${reason.resource} short by ${spread(reason.shortBy)}: what is free is kept for the guarantees of ${listed(reason.roles)}`;
    case 'ORDER':
      return 'it fits now; only whose turn it is decides';
    default:
      return assertNever(reason, 'reason');
  }
}

/** What would help, to follow "it would fit". */
export function changeText(change: Change & Pick<ExplainChange, 'revived'>, nameOf: NameOf): string {
  const text = plainText(change, nameOf);
  return change.revived === true ? `${text} (once the filters of earlier declines are over)` : text;
}

function plainText(change: Change, nameOf: NameOf): string {
  switch (change.change) {
    case 'WAIT':
      return `in ${formatDurationMs(change.ms)}, when ${endingTexts[change.for]}`;
    case 'REVIVE':
      return `if the framework revived role ${change.role}`;
    case 'RECONNECT':
      return 'if the framework connected again';
    case 'SUBSCRIBE':
      return `if the framework subscribed to role ${change.role}`;
    case 'ADD_CAPABILITY':
      return `if the framework had the capability ${change.capability}`;
    case 'LOWER_MINIMUM':
      return 'if the framework took smaller offers (minAllocatableResources)';
    case 'LESS': {
      const { resource, from, to } = change;
      if (to === 0) return `without ${resource}`;
      return `with ${round(from - to)} ${resource} less (${to} instead of ${from})`;
    }
    case 'DROP_CONSTRAINT':
      return `without the ${change.of === 'REQUEST' ? 'constraint' : 'offer constraint'} ${change.constraint}`;
    case 'RAISE_QUOTA':
      return `with a higher limit: ${change.raises
        .map(({ role, resource, from, to }) => `${resource} of role ${role} ${to} instead of ${from}`)
        .join(', ')}`;
    case 'LOWER_GUARANTEES':
      return `with a lower guarantee: ${change.lowers
        .map(({ role, resource, from, to }) => `${resource} of role ${role} ${to} instead of ${from}`)
        .join(', ')}`;
    case 'FREE_AGENT':
      return `if ${holdings(change.holdings, nameOf)} ${ending(change.holdings)} on agent ${change.agentId}`;
    case 'REACTIVATE_AGENT':
      return 'if the agent were offered again';
    case 'ADD_AGENT':
      return `on another agent with ${[describeResources(bagOf(change.resources)), ...traitTexts(change)].join(' and ')}`;
    case 'SEVERAL':
      return `with ${change.changes.length === 2 ? 'both' : `all ${change.changes.length}`}: ${change.changes
        .map(each => plainText(each, nameOf))
        .join('; ')}`;
    default:
      return assertNever(change, 'change');
  }
}

const endingTexts = {
  OFFERS: 'offers expire',
  FILTER: 'the framework’s filter ends',
  ABSENCE: 'the agent’s absence is over',
} as const;

// What the agent has to be like.
function traitTexts({ attributes = {}, hostname, domain }: Extract<Change, { change: 'ADD_AGENT' }>): string[] {
  return [
    ...Object.entries(attributes).map(([name, value]) => `${name}=${String(value)}`),
    ...(hostname === undefined ? [] : [`host name ${hostname}`]),
    ...(domain === undefined ? [] : [`region ${domain.region}, zone ${domain.zone}`]),
  ];
}

/** The whole: the verdict, each reason with its count, what would help. */
export function explainText(view: Omit<ExplainView, 'text'>, nameOf: NameOf): string {
  const { agents, fits, reasons, counterfactuals, frameworks, looked, requests = [] } = view;
  const lines = [`${subjectText(view, nameOf)}: ${verdict(agents, fits)}`];
  for (const reason of reasons) lines.push(`  ${reason.agents} of ${agents}: ${reason.text}`);
  if (looked < frameworks.length)
    lines.push(`Looked at for the first ${looked} of ${frameworks.length} frameworks in the order`);
  const [best, ...others] = counterfactuals;
  if (best !== undefined) lines.push(`It would fit ${best.text}${on(best)}`);
  if (best === undefined && fits === 0 && agents > 0) lines.push('No change known here helps');
  for (const other of others.slice(0, 4)) lines.push(`  or ${other.text}${on(other)}`);
  for (const { role, share, position, competitors } of frameworks.slice(0, fits > 0 ? 3 : 0)) {
    if (position !== undefined)
      lines.push(
        `Role ${role} has a share of ${round(share * 100)} %; the framework is number ${position} of ${competitors} in the order`,
      );
  }
  for (const { id, index, resources, fits: on_, count = 1 } of requests) {
    lines.push(
      `Waiting: ${count} of ${describeResources(bagOf(resources))} (request ${id ?? index}); ${on_ === 0 ? 'fits nowhere now' : `fits on ${agentsText(on_)} now`}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function subjectText({ subject, frameworks: [first] }: Omit<ExplainView, 'text'>, nameOf: NameOf): string {
  const { framework, role, request } = subject;
  const who = [
    ...(framework === undefined ? [] : [`framework ${nameOf(framework)}`]),
    ...(role === undefined ? [] : [`role ${role}`]),
  ].join(', ');
  if (request === undefined) return `Offers for ${who === '' ? `framework ${first?.name ?? ''}` : who}`;
  const what = describeResources(bagOf(request.resources));
  const ports = (request.ports ?? 0) === 0 ? '' : `, ${request.ports} ports`;
  const name = request.id === undefined ? '' : `${request.id}: `;
  return `${name}${what}${ports} for ${who}`;
}

function verdict(agents: number, fits: number): string {
  if (agents === 0) return 'there are no agents';
  if (fits === 0) return agents === 1 ? 'not on the only agent now' : `on none of ${agents} agents now`;
  return `fits on ${fits} of ${agentsText(agents)} now`;
}

const activityTexts: Readonly<Record<AgentObstacle, string>> = {
  DEACTIVATED: 'the agent is deactivated',
  DRAINING: 'the agent is being drained',
  DRAINED: 'the agent is drained',
  DISCONNECTED: 'the agent is disconnected',
  UNREACHABLE: 'the agent is unreachable',
  RECOVERED: 'the agent has not come back to this master yet',
  MAINTENANCE: 'the agent is in maintenance',
};

function short({ resource, wanted, shortBy, missing }: ShortResource, why: string, nothing: string): string {
  if (resource === undefined) return nothing;
  if (shortBy === undefined) return `${resource} ${missing} is not there (wanted ${wanted}); ${why}`;
  return `${resource} short by ${spread(shortBy)} (wanted ${wanted}); ${why}`;
}

function spread({ min, median, max }: Spread): string {
  const range = span(min, max, amount => String(round(amount)));
  return min === max || median === min || median === max ? range : `${range}, mostly about ${round(median)}`;
}

function span(min: number, max: number, show: (amount: number) => string): string {
  const [low, high] = [show(min), show(max)];
  return low === high ? low : `${low}–${high}`;
}

function held(all: readonly ExplainHolder[]): string {
  return formatDurationMs(Math.max(0, ...all.map(({ heldForMs }) => heldForMs)));
}

const namedMax = 3;

function holders(all: readonly ExplainHolder[], nameOf: NameOf): string {
  const named = all
    .slice(0, namedMax)
    .map(
      ({ frameworkId, agents, heldForMs }) =>
        `${nameOf(frameworkId)} on ${agentsText(agents)} for ${formatDurationMs(heldForMs)}`,
    );
  return all.length > namedMax ? `${named.join(', ')} and others` : named.join(', ');
}

function holdings(all: readonly ExplainHolding[], nameOf: NameOf): string {
  const named = all
    .slice(0, namedMax)
    .map(({ what, id, frameworkId }) => `${what.toLowerCase()} ${id} of ${nameOf(frameworkId)}`);
  return all.length > namedMax ? `${named.join(', ')} and ${all.length - namedMax} more` : named.join(' and ');
}

function ending(all: readonly ExplainHolding[]): string {
  if (all.every(({ what }) => what === 'OFFER')) return 'came back';
  return all.some(({ what }) => what === 'OFFER') ? 'ended or came back' : 'ended';
}

function listed(roles: readonly string[]): string {
  return roles.length === 1 ? `role ${roles[0]}` : `roles ${roles.join(', ')}`;
}

function agentsText(count: number): string {
  return count === 1 ? '1 agent' : `${count} agents`;
}

// A change that names its agent needs no count.
function on({ agents, change }: ExplainChange): string {
  return agents === 0 || change === 'FREE_AGENT' ? '' : `, on ${agentsText(agents)}`;
}

function round(amount: number): number {
  return Math.round(amount * 1000) / 1000;
}
