// What would let a launch go ahead: changes of one thing each. In: what is in the way on each agent. Out: changes, smallest first, each tried on a
// changed copy by the function that found the obstacles before it is told.
import { assertNever } from '../../base/assert.js';
import type { AgentId } from '../../base/ids.js';
import type { Change, ExplainChange } from '../../protocol/explain.js';
import type { Wish } from '../../resources/index.js';
import { add, bagOf, fromBag, scalarMilli, wishShortages } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import { AgentPool } from '../pool/agent-pool.js';
import { compileConstraints } from '../filters/constraints.js';
import type { Asker, Bound, Groups, Holding, Obstacle, Question, World } from './judge.js';
import { obstaclesOn, visibleTo } from './judge.js';
import { shortOf } from './tally.js';
import { QuotaBook } from '../quota/quota-book.js';

/** An agent, who of the askers has the least in the way there, and what that is. */
export interface Near {
  readonly agent: PoolAgent;
  readonly asker: Asker;
  readonly obstacles: readonly Obstacle[];
}

/** A change without its words. */
export type TriedChange = Change & Pick<ExplainChange, 'agents' | 'examples' | 'revived'>;

/**
 * The changes found, in this order: waiting; what the framework can do at once; less of one resource, by the part given up; one constraint;
 * more quota; one agent to be freed, or offered again. Who cannot use an agent declines it, and its filter is then in the way as well: what helps
 * but for such filters comes after. A new agent is told of only when nothing else helps.
 */
export function findChanges(world: World, nears: readonly Near[], question: Question, first: Asker): TriedChange[] {
  const found = search(world, nears, question);
  const kinds = new Set(found.map(({ change }) => change));
  const revived = afterRevive(nears);
  for (const change of search(world, revived, question)) {
    if (!kinds.has(change.change)) found.push({ ...change, revived: true });
  }
  return found.length > 0 ? found : newAgent(world, first, question);
}

function search(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  if (nears.length === 0) return [];
  return [
    ...waitChange(world, nears, question),
    ...fixes.flatMap(fix => fixChange(world, nears, question, fix)),
    ...lessChanges(world, nears, question),
    ...constraintChanges(world, nears, question),
    ...quotaChange(world, nears, question),
    ...freeChange(world, nears, question),
    ...fixChange(world, nears, question, reactivation),
  ];
}

// Where a filter is in the way beside something else: the same without the filter.
function afterRevive(nears: readonly Near[]): Near[] {
  const found: Near[] = [];
  const revived = new Map<Asker, Asker>();
  for (const { agent, asker, obstacles } of nears) {
    if (obstacles.length < 2 || !obstacles.some(({ kind }) => kind === 'FILTERED')) continue;
    const others = obstacles.filter(({ kind }) => kind !== 'FILTERED');
    if (others.length === 0) continue;
    let then = revived.get(asker);
    if (then === undefined) {
      then = { ...asker, client: { ...asker.client, filtersVoidBefore: Number.POSITIVE_INFINITY } };
      revived.set(asker, then);
    }
    found.push({ agent, asker: then, obstacles: others });
  }
  return found;
}

const examplesMax = 3;

function fits(world: World, asker: Asker, agent: PoolAgent, question: Question): boolean {
  return obstaclesOn(world, asker, agent, question).length === 0;
}

function onlyOf(obstacles: readonly Obstacle[], kinds: readonly Obstacle['kind'][]): boolean {
  return obstacles.every(({ kind }) => kinds.includes(kind));
}

function firstIds(nears: readonly Near[]): AgentId[] {
  return nears.slice(0, examplesMax).map(({ agent }) => agent.id);
}

// The soonest moment at which filters and offers that are over leave enough on one agent.
function waitChange(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  let best: { readonly ms: number; readonly near: Near; readonly offers: boolean } | undefined;
  for (const near of nears) {
    if (!onlyOf(near.obstacles, ['FILTERED', 'OFFERED', 'OFFERED_TO_ITSELF', 'BELOW_MINIMUM'])) continue;
    const offers = world.around.offersOn(near.agent.id).filter(({ endsInMs }) => endsInMs !== undefined);
    const ends = offers.map(({ endsInMs = 0 }) => Math.max(0, endsInMs));
    for (const obstacle of near.obstacles) {
      if (obstacle.kind === 'FILTERED') ends.push(Math.max(0, obstacle.untilMs - world.nowMs));
    }
    for (const ms of ends.sort((a, b) => a - b)) {
      if (best !== undefined && ms >= best.ms) break;
      const over = offers.filter(({ endsInMs = 0 }) => endsInMs <= ms);
      const then: World = { ...world, nowMs: world.nowMs + ms };
      if (!fits(then, near.asker, withFree(near.agent, over), question)) continue;
      best = { ms, near, offers: over.length > 0 };
      break;
    }
  }
  if (best === undefined) return [];
  const { ms, near, offers } = best;
  return [{ change: 'WAIT', ms, for: offers ? 'OFFERS' : 'FILTER', agents: 1, examples: [near.agent.id] }];
}

/** One switch that a framework or operator can turn. */
interface Fix {
  readonly lifts: readonly Obstacle['kind'][];
  readonly apply: (near: Near) => Pick<Near, 'agent' | 'asker'>;
  readonly change: (near: Near) => Change;
}

const fixes: readonly Fix[] = [
  {
    lifts: ['FRAMEWORK_INACTIVE'],
    apply: near => ofFramework(near, { present: true, active: true }),
    change: () => ({ change: 'RECONNECT' }),
  },
  {
    lifts: ['NOT_SUBSCRIBED'],
    apply: near => ofClient(near, { subscribed: true }),
    change: ({ asker }) => ({ change: 'SUBSCRIBE', role: asker.client.role }),
  },
  {
    lifts: ['SUPPRESSED', 'FILTERED'],
    apply: near => ofClient(near, { suppressed: false, filtersVoidBefore: Number.POSITIVE_INFINITY }),
    change: ({ asker }) => ({ change: 'REVIVE', role: asker.client.role }),
  },
  {
    lifts: ['CAPABILITY'],
    apply: near => ofFramework(near, capabilitiesOf(near)),
    change: ({ obstacles: [first] }) => ({
      change: 'ADD_CAPABILITY',
      capability: first?.kind === 'CAPABILITY' ? first.capability : 'GPU_RESOURCES',
    }),
  },
  {
    lifts: ['BELOW_MINIMUM'],
    apply: near => ofClient(near, { minimum: { ...near.asker.client.minimum, sets: [] } }),
    change: () => ({ change: 'LOWER_MINIMUM' }),
  },
];

const reactivation: Fix = {
  lifts: ['AGENT_INACTIVE'],
  apply: near => ({ ...near, agent: { ...near.agent, active: true } }),
  change: () => ({ change: 'REACTIVATE_AGENT' }),
};

// Several capabilities may be missing; the change names one, and is told only where that one is all.
function capabilitiesOf({ obstacles: [first] }: Near): Partial<Asker['client']['framework']> {
  if (first?.kind !== 'CAPABILITY') return {};
  switch (first.capability) {
    case 'GPU_RESOURCES':
      return { gpus: true };
    case 'REGION_AWARE':
      return { regions: true };
    case 'REVOCABLE_RESOURCES':
      return { revocable: true };
    case 'SHARED_RESOURCES':
      return { shared: true };
    default:
      return assertNever(first.capability, 'capability');
  }
}

function ofClient({ asker, ...near }: Near, change: Partial<Asker['client']>): Near {
  return { ...near, asker: { ...asker, client: { ...asker.client, ...change } } };
}

function ofFramework(near: Near, change: Partial<Asker['client']['framework']>): Near {
  return ofClient(near, { framework: { ...near.asker.client.framework, ...change } });
}

function fixChange(world: World, nears: readonly Near[], question: Question, fix: Fix): TriedChange[] {
  const byChange = new Map<string, { readonly change: Change; readonly nears: Near[] }>();
  for (const near of nears) {
    if (!onlyOf(near.obstacles, fix.lifts)) continue;
    const { agent, asker } = fix.apply(near);
    if (!fits(world, asker, agent, question)) continue;
    const change = fix.change(near);
    const key = JSON.stringify(change);
    const known = byChange.get(key);
    if (known === undefined) byChange.set(key, { change, nears: [near] });
    else known.nears.push(near);
  }
  return [...byChange.values()].map(({ change, nears: helped }) => ({
    ...change,
    agents: helped.length,
    examples: firstIds(helped),
  }));
}

// For each resource that alone is short somewhere: the most of it that fits on one agent now.
function lessChanges(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  const { wish } = question;
  if (wish === undefined) return [];
  const byKey = new Map<string, { readonly near: Near; readonly allowed: number }[]>();
  for (const near of nears) {
    const key = soleKey(near.obstacles);
    if (key === undefined) continue;
    const allowed = allowedMilli(near, wish, key);
    const list = byKey.get(key);
    if (list === undefined) byKey.set(key, [{ near, allowed }]);
    else list.push({ near, allowed });
  }
  const found: (TriedChange & { readonly change: 'LESS' })[] = [];
  for (const [key, list] of byKey) {
    list.sort((a, b) => b.allowed - a.allowed);
    const most = list[0]?.allowed ?? 0;
    const less = reduced(wish, key, most);
    if (less === undefined) continue;
    const helped = list.filter(
      ({ near, allowed }) => allowed === most && fits(world, near.asker, near.agent, { ...question, wish: less }),
    );
    if (helped.length === 0) continue;
    const nearsHelped = helped.map(({ near }) => near);
    const from = amountOf(wish, key) / 1000;
    found.push({
      change: 'LESS',
      resource: key,
      from,
      to: most / 1000,
      agents: helped.length,
      examples: firstIds(nearsHelped),
    });
  }
  const lost = ({ from, to }: { readonly from: number; readonly to: number }): number => (from - to) / from;
  return found.sort((a, b) => lost(a) - lost(b) || (a.resource < b.resource ? -1 : 1));
}

// The one key that all obstacles are about, when they are all about amounts of it.
function soleKey(obstacles: readonly Obstacle[]): string | undefined {
  let key: string | undefined;
  for (const obstacle of obstacles) {
    const short = shortOf(obstacle);
    if (short === undefined || typeof short.short !== 'number') return undefined;
    if (key !== undefined && key !== short.key) return undefined;
    key = short.key;
  }
  return key;
}

// How much of `key`, which all obstacles are about, could be placed on the agent now, in thousandths; of ports the number times a thousand.
function allowedMilli({ agent, asker, obstacles }: Near, wish: Wish, key: string): number {
  const wanted = amountOf(wish, key);
  let allowed = wanted;
  for (const obstacle of obstacles) {
    // How much too small an agent is says nothing of what is free there now.
    const short =
      obstacle.kind === 'TOO_SMALL' || obstacle.kind === 'RESERVED'
        ? wishShortages(wish, visibleTo(asker.client, agent.free)).find(each => each.key === key)
        : shortOf(obstacle);
    if (typeof short?.short === 'number') allowed = Math.min(allowed, wanted - Math.round(short.short * 1000));
  }
  return Math.max(0, allowed);
}

function amountOf({ resources, ports = 0 }: Wish, key: string): number {
  if (key === 'ports' && ports > 0) return ports * 1000;
  for (const r of resources) if (r.kind === 'scalar' && r.key === key) return r.milli;
  return 0;
}

// Undefined when nothing of the wish would be left.
function reduced(wish: Wish, key: string, milli: number): Wish | undefined {
  if (key === 'ports' && (wish.ports ?? 0) > 0) return { ...wish, ports: milli / 1000 };
  const resources = wish.resources.flatMap(r => {
    if (r.kind !== 'scalar' || r.key !== key) return [r];
    return milli > 0 ? [{ ...r, milli }] : [];
  });
  return resources.length === 0 ? undefined : { ...wish, resources };
}

function constraintChanges(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  const byConstraint = new Map<string, { of: 'REQUEST' | 'FRAMEWORK'; text: string; nears: Near[] }>();
  for (const near of nears) {
    const [first] = near.obstacles;
    if (first?.kind !== 'CONSTRAINT') continue;
    const { of, text } = first;
    if (!near.obstacles.every(each => each.kind === 'CONSTRAINT' && each.of === of && each.text === text)) continue;
    const key = `${of} ${text}`;
    const known = byConstraint.get(key);
    if (known === undefined) byConstraint.set(key, { of, text, nears: [near] });
    else known.nears.push(near);
  }
  const found: TriedChange[] = [];
  for (const { of, text, nears: candidates } of byConstraint.values()) {
    const without = of === 'REQUEST' ? { ...question, constraints: dropped(question.constraints, text) } : question;
    const askers = new Map<Asker, Asker>();
    const helped = candidates.filter(({ asker, agent }) => {
      if (of === 'REQUEST') return fits(world, asker, agent, without);
      const changed = askers.get(asker) ?? relaxed(asker, text);
      askers.set(asker, changed);
      return fits(world, changed, agent, question);
    });
    if (helped.length === 0) continue;
    found.push({ change: 'DROP_CONSTRAINT', constraint: text, of, agents: helped.length, examples: firstIds(helped) });
  }
  return found.sort((a, b) => b.agents - a.agents);
}

function dropped(groups: Groups, text: string): Groups {
  return groups.map(group => group.filter(single => single.text !== text));
}

function relaxed(asker: Asker, text: string): Asker {
  const constraints = dropped(asker.constraints, text);
  const test = compileConstraints(constraints.map(group => group.map(({ constraint }) => constraint)));
  return { client: { ...asker.client, test }, constraints };
}

// The least raise of limits that lets the launch onto one agent.
function quotaChange(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  let best: { readonly near: Near; readonly raises: readonly Raise[]; readonly part: number } | undefined;
  for (const near of nears) {
    if (!onlyOf(near.obstacles, ['QUOTA'])) continue;
    const raises = near.obstacles.flatMap(raiseOf);
    const part = Math.max(...raises.map(({ bound, milli }) => milli / Math.max(1, bound.limitMilli)));
    if (best !== undefined && part >= best.part) continue;
    if (fits(raised(world, raises), near.asker, near.agent, question)) best = { near, raises, part };
  }
  if (best === undefined) return [];
  const then = raised(world, best.raises);
  const helped = nears.filter(
    near => onlyOf(near.obstacles, ['QUOTA']) && fits(then, near.asker, near.agent, question),
  );
  const raises = best.raises.map(({ bound, milli }) => ({
    role: bound.roles[0] ?? '',
    resource: bound.name,
    from: bound.limitMilli / 1000,
    to: (bound.limitMilli + milli) / 1000,
  }));
  return [{ change: 'RAISE_QUOTA', raises, agents: helped.length, examples: firstIds(helped) }];
}

interface Raise {
  readonly bound: Bound;
  readonly milli: number;
}

function raiseOf(obstacle: Obstacle): Raise[] {
  if (obstacle.kind !== 'QUOTA') return [];
  return [{ bound: obstacle.bound, milli: Math.round(Number(obstacle.short.short) * 1000) }];
}

function raised(world: World, raises: readonly Raise[]): World {
  const known = new Map<readonly Bound[], readonly Bound[]>();
  const bounds: World['bounds'] = client => {
    const before = world.bounds(client);
    const after = known.get(before) ?? before.map(bound => lifted(bound, raises));
    known.set(before, after);
    return after;
  };
  return { ...world, bounds };
}

function lifted(bound: Bound, raises: readonly Raise[]): Bound {
  const raise = raises.find(each => sameBound(each.bound, bound));
  if (raise === undefined) return bound;
  return { ...bound, leftMilli: bound.leftMilli + raise.milli, limitMilli: bound.limitMilli + raise.milli };
}

function sameBound(a: Bound, b: Bound): boolean {
  return a.kind === b.kind && a.name === b.name && a.roles[0] === b.roles[0];
}

// Freeing is worked out for so many agents, those that lack least.
const freeTriedMax = 32;

function freeChange(world: World, nears: readonly Near[], question: Question): TriedChange[] {
  const candidates = nears
    .filter(({ obstacles }) =>
      onlyOf(obstacles, ['IN_USE', 'OFFERED', 'OFFERED_TO_ITSELF', 'BELOW_MINIMUM', 'FILTERED']),
    )
    .map(near => ({ near, lack: lackOf(near.obstacles) }))
    .sort((a, b) => a.lack - b.lack)
    .slice(0, freeTriedMax);
  let best: { readonly near: Near; readonly holdings: readonly Holding[] } | undefined;
  for (const { near } of candidates) {
    const holdings = toFree(world, near, question, (best?.holdings.length ?? Number.POSITIVE_INFINITY) - 1);
    if (holdings !== undefined) best = { near, holdings };
    if (best?.holdings.length === 1) break;
  }
  if (best === undefined) return [];
  const { near, holdings } = best;
  const told = holdings.map(({ what, id, frameworkId, role, resources, heldForMs }) => ({
    what,
    id,
    frameworkId,
    role,
    resources: fromBag(resources),
    ...(heldForMs === undefined ? {} : { heldForMs }),
  }));
  return [{ change: 'FREE_AGENT', agentId: near.agent.id, holdings: told, agents: 1, examples: [near.agent.id] }];
}

function lackOf(obstacles: readonly Obstacle[]): number {
  let lack = 0;
  for (const obstacle of obstacles) {
    const short = shortOf(obstacle);
    lack += typeof short?.short === 'number' ? short.short / Number(short.wanted) : 1;
  }
  return lack;
}

// A smallest set of holdings, at most `most`, whose return makes room: one that suffices alone, else the largest first, then without the needless.
function toFree(world: World, near: Near, question: Question, most: number): readonly Holding[] | undefined {
  const { agent, asker } = near;
  const there = [...world.around.offersOn(agent.id), ...world.around.tasksOn(agent.id)];
  const enough = (holdings: readonly Holding[]): boolean => fits(world, asker, withFree(agent, holdings), question);
  const names = near.obstacles.flatMap(obstacle => shortOf(obstacle)?.name ?? []);
  const weight = ({ resources }: Holding): number => {
    let sum = 0;
    for (const name of names) sum += scalarMilli(resources, name) / Math.max(1, scalarMilli(agent.info.total, name));
    return sum;
  };
  const bySize = there.map(holding => ({ holding, size: weight(holding) })).sort((a, b) => a.size - b.size);
  const single = bySize.find(({ holding }) => enough([holding]));
  if (single !== undefined) return [single.holding];
  let chosen: Holding[] = [];
  for (const { holding } of bySize.toReversed()) {
    if (chosen.length >= most) return undefined;
    chosen.push(holding);
    if (!enough(chosen)) continue;
    const all = chosen;
    for (const each of all) {
      const without = chosen.filter(other => other !== each);
      if (without.length > 0 && enough(without)) chosen = without;
    }
    return chosen;
  }
  return undefined;
}

function withFree(agent: PoolAgent, returned: readonly Holding[]): PoolAgent {
  if (returned.length === 0) return agent;
  return { ...agent, free: returned.reduce((free, { resources }) => add(free, resources), agent.free) };
}

// An empty agent of just what is asked for, where no constraint speaks against it.
function newAgent(world: World, { client }: Asker, { wish }: Question): TriedChange[] {
  if (wish === undefined) return [];
  const { ports = 0 } = wish;
  const total = ports === 0 ? wish.resources : add(wish.resources, bagOf({ ports: [[31_000, 30_999 + ports]] }));
  const agent = new AgentPool(new QuotaBook()).add({ id: '', hostname: '', total, attributes: {} });
  const asker: Asker = { client: { ...client, test: undefined }, constraints: [] };
  if (!fits(world, asker, agent, { wish, constraints: [] })) return [];
  return [{ change: 'ADD_AGENT', resources: fromBag(total), agents: 0, examples: [] }];
}
