// The tally of obstacles over agents. In: the obstacles of one agent after the other. Out: each reason once, with exact figures over its agents.
import { assertNever } from '../../base/assert.js';
import type { AgentId, FrameworkId, Role } from '../../base/ids.js';
import type { ExplainHolder, Reason, ShortResource, Spread } from '../../protocol/explain.js';
import type { Shortage } from '../../resources/index.js';
import type { Asker, Obstacle, World } from './judge.js';

/** A reason without its words. */
export type TalliedReason = Reason & {
  readonly agents: number;
  readonly changesByItself: boolean;
  readonly examples: readonly AgentId[];
};

interface Entry {
  readonly first: Obstacle;
  agents: number;
  /** The agent counted last: one may have the same obstacle twice. */
  last: AgentId | undefined;
  readonly examples: AgentId[];
  /** What is short, agent by agent. */
  readonly amounts: number[];
  readonly roles: Set<Role>;
  /** By framework, then by role. */
  readonly holders: Map<FrameworkId, Map<Role, Holder>>;
  firstEndsMs: number;
  lastEndsMs: number;
}

interface Holder {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  agents: number;
  /** The agent counted last: it may have several offers of one agent. */
  last: AgentId;
  heldForMs: number;
}

const examplesMax = 3;
const rolesMax = 16;
const holdersMax = 16;

/** Counts agents by what is in the way there. */
export class Tally {
  readonly #world: World;
  readonly #entries = new Map<string, Entry>();
  #fits = 0;
  readonly #fitting: AgentId[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  get fits(): number {
    return this.#fits;
  }

  add(agentId: AgentId, asker: Asker, obstacles: readonly Obstacle[]): void {
    if (obstacles.length === 0) {
      this.#fits += 1;
      if (this.#fitting.length < examplesMax) this.#fitting.push(agentId);
      return;
    }
    for (const obstacle of obstacles) this.#note(agentId, asker, obstacle);
  }

  /** What most agents have first. */
  reasons(): TalliedReason[] {
    const found = [...this.#entries.values()].map(entry => this.#told(entry));
    if (this.#fits > 0) {
      found.push({ kind: 'ORDER', agents: this.#fits, changesByItself: true, examples: this.#fitting });
    }
    return found.sort((a, b) => b.agents - a.agents || rank(a) - rank(b));
  }

  #note(agentId: AgentId, asker: Asker, obstacle: Obstacle): void {
    const key = keyOf(obstacle);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        first: obstacle,
        agents: 0,
        last: undefined,
        examples: [],
        amounts: [],
        roles: new Set(),
        holders: new Map(),
        firstEndsMs: Number.POSITIVE_INFINITY,
        lastEndsMs: 0,
      };
      this.#entries.set(key, entry);
    }
    if (entry.last === agentId) return;
    entry.last = agentId;
    entry.agents += 1;
    if (entry.examples.length < examplesMax) entry.examples.push(agentId);
    const short = shortOf(obstacle);
    if (typeof short?.short === 'number') entry.amounts.push(short.short);
    if (obstacle.kind === 'RESERVED') for (const role of obstacle.roles) entry.roles.add(role);
    if (obstacle.kind === 'FILTERED') {
      entry.firstEndsMs = Math.min(entry.firstEndsMs, obstacle.untilMs);
      entry.lastEndsMs = Math.max(entry.lastEndsMs, obstacle.untilMs);
    }
    if (obstacle.kind === 'OFFERED' || obstacle.kind === 'OFFERED_TO_ITSELF') {
      this.#noteHolders(entry, agentId, obstacle.kind === 'OFFERED_TO_ITSELF' ? asker.client.framework.id : undefined);
    }
  }

  #noteHolders(entry: Entry, agentId: AgentId, only: FrameworkId | undefined): void {
    for (const { frameworkId, role, heldForMs = 0 } of this.#world.around.offersOn(agentId)) {
      if (only !== undefined && frameworkId !== only) continue;
      let roles = entry.holders.get(frameworkId);
      if (roles === undefined) entry.holders.set(frameworkId, (roles = new Map<Role, Holder>()));
      const holder = roles.get(role);
      if (holder === undefined) roles.set(role, { frameworkId, role, agents: 1, last: agentId, heldForMs });
      else {
        if (holder.last !== agentId) holder.agents += 1;
        holder.last = agentId;
        holder.heldForMs = Math.max(holder.heldForMs, heldForMs);
      }
    }
  }

  #told(entry: Entry): TalliedReason {
    const { agents, examples, first } = entry;
    return { ...this.#reason(entry), agents, changesByItself: changesByItself(first), examples };
  }

  #reason(entry: Entry): Reason {
    const { first } = entry;
    switch (first.kind) {
      case 'AGENT_INACTIVE':
        return { kind: first.kind, activity: first.activity };
      case 'FRAMEWORK_INACTIVE':
      case 'ABSENCE':
        return { kind: first.kind };
      case 'NOT_SUBSCRIBED':
      case 'SUPPRESSED':
        return { kind: first.kind, role: first.role };
      case 'CAPABILITY':
        return { kind: first.kind, capability: first.capability };
      case 'CONSTRAINT':
        return { kind: first.kind, constraint: first.text, of: first.of };
      case 'TOO_SMALL':
      case 'IN_USE':
        return { kind: first.kind, ...shortResource(first.short, entry) };
      case 'OFFERED':
      case 'OFFERED_TO_ITSELF':
        return { kind: first.kind, holders: holdersOf(entry), ...shortResource(first.short, entry) };
      case 'RESERVED':
        return {
          kind: first.kind,
          roles: [...entry.roles].sort().slice(0, rolesMax),
          ...shortResource(first.short, entry),
        };
      case 'BELOW_MINIMUM':
        return { kind: first.kind, minimum: first.minimum };
      case 'FILTERED': {
        const { nowMs } = this.#world;
        return {
          kind: first.kind,
          firstEndsInMs: Math.max(0, entry.firstEndsMs - nowMs),
          lastEndsInMs: Math.max(0, entry.lastEndsMs - nowMs),
        };
      }
      case 'QUOTA': {
        const { bound } = first;
        return {
          kind: first.kind,
          role: bound.roles[0] ?? '',
          resource: bound.name,
          limit: bound.limitMilli / 1000,
          consumed: bound.consumedMilli / 1000,
          shortBy: spreadOf(entry.amounts),
        };
      }
      case 'GUARANTEES': {
        const { bound } = first;
        return { kind: first.kind, resource: bound.name, roles: bound.roles, shortBy: spreadOf(entry.amounts) };
      }
      default:
        return assertNever(first, 'obstacle');
    }
  }
}

/** Least, middle and greatest; of an even number the lower of the two in the middle. */
export function spreadOf(amounts: readonly number[]): Spread {
  const sorted = Float64Array.from(amounts).sort();
  return {
    min: sorted[0] ?? 0,
    median: sorted[(sorted.length - 1) >> 1] ?? 0,
    max: sorted.at(-1) ?? 0,
  };
}

/** What is short, of obstacles that are about a resource. */
export function shortOf(obstacle: Obstacle): Shortage | undefined {
  return 'short' in obstacle ? obstacle.short : undefined;
}

function shortResource(short: Shortage | undefined, { amounts }: Entry): ShortResource {
  if (short === undefined) return {};
  const { key, wanted } = short;
  if (typeof short.short === 'string') return { resource: key, wanted, missing: short.short };
  return { resource: key, wanted, shortBy: spreadOf(amounts) };
}

/** What makes two obstacles the same reason. Numbers of one resource are spread over agents; texts (ports, items) are reasons of their own. */
export function keyOf(obstacle: Obstacle): string {
  const short = shortOf(obstacle);
  const what = short === undefined ? '' : typeof short.short === 'number' ? short.key : `${short.key} ${short.short}`;
  switch (obstacle.kind) {
    case 'AGENT_INACTIVE':
      return `AGENT ${obstacle.activity}`;
    case 'NOT_SUBSCRIBED':
    case 'SUPPRESSED':
      return `${obstacle.kind} ${obstacle.role}`;
    case 'CAPABILITY':
      return `CAPABILITY ${obstacle.capability}`;
    case 'CONSTRAINT':
      return `CONSTRAINT ${obstacle.of} ${obstacle.text}`;
    case 'QUOTA':
    case 'GUARANTEES':
      return `${obstacle.kind} ${obstacle.bound.roles.join(' ')} ${what}`;
    default:
      return `${obstacle.kind} ${what}`;
  }
}

function holdersOf({ holders }: Entry): ExplainHolder[] {
  return [...holders.values()]
    .flatMap(roles => [...roles.values()])
    .sort((a, b) => b.agents - a.agents || b.heldForMs - a.heldForMs)
    .slice(0, holdersMax)
    .map(({ last: _last, ...holder }) => holder);
}

function changesByItself(obstacle: Obstacle): boolean {
  switch (obstacle.kind) {
    case 'AGENT_INACTIVE':
      return !['DEACTIVATED', 'DRAINING', 'DRAINED'].includes(obstacle.activity);
    case 'IN_USE':
    case 'OFFERED':
    case 'OFFERED_TO_ITSELF':
    case 'FILTERED':
    case 'QUOTA':
    case 'GUARANTEES':
    case 'BELOW_MINIMUM':
    case 'ABSENCE':
      return true;
    default:
      return false;
  }
}

// At equal counts: what the asker can do about first.
const ranks: readonly Reason['kind'][] = [
  'FRAMEWORK_INACTIVE',
  'NOT_SUBSCRIBED',
  'SUPPRESSED',
  'QUOTA',
  'GUARANTEES',
  'TOO_SMALL',
  'CONSTRAINT',
  'CAPABILITY',
  'RESERVED',
  'OFFERED_TO_ITSELF',
  'OFFERED',
  'IN_USE',
  'BELOW_MINIMUM',
  'FILTERED',
  'ABSENCE',
  'AGENT_INACTIVE',
  'ORDER',
];

function rank({ kind }: Reason): number {
  return ranks.indexOf(kind);
}
