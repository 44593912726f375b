// How long a whole answer takes: every agent looked at, reasons tallied, changes tried. In: sizes. Out: rows.
import type { ExplainQuery, Explanation, Holding, Surroundings } from '../../src/allocator/index.js';
import type { AgentId } from '../../src/base/ids.js';
import type { AttributeConstraint } from '../../src/protocol/entities.js';
import { bagOf } from '../../src/resources/index.js';
import type { Size } from './allocator-world.js';
import { bigUsed, quotaOf, role, timed, World } from './allocator-world.js';
import type { BenchRow } from './row.js';
import { median, row } from './row.js';

const asking = 'framework-0';
// Of 24 cpus on each agent 16 are in use.
const tooMuch = { frameworkId: asking, role, wish: { resources: bagOf({ cpus: 100, mem: 64 }) } };
const aLittle = { frameworkId: asking, role, wish: { resources: bagOf({ cpus: 8.5, mem: 64 }), ports: 2 } };

const inRack: AttributeConstraint = { attribute: 'rack', predicate: 'TEXT_MATCHES', value: 'r[0-9]+' };

interface Case {
  readonly question: string;
  readonly query: ExplainQuery;
  /** What has become of what is not in use; `refused`: by the one that asks. */
  readonly rest: 'free' | 'offered' | 'refused';
  /** Between them the reasons on all agents. */
  readonly expected: readonly Explanation['reasons'][number]['kind'][];
  readonly change?: Explanation['changes'][number]['change'];
  readonly set?: (world: World, agents: number) => void;
}

const cases: readonly Case[] = [
  { question: 'more than any agent has', query: tooMuch, rest: 'free', expected: ['TOO_SMALL'], change: 'LESS' },
  {
    question: 'more than any agent has',
    query: tooMuch,
    rest: 'offered',
    expected: ['TOO_SMALL'],
    change: 'ADD_AGENT',
  },
  { question: 'half a cpu more than is free', query: aLittle, rest: 'free', expected: ['IN_USE'], change: 'LESS' },
  {
    question: 'half a cpu more than is free',
    query: aLittle,
    rest: 'offered',
    expected: ['IN_USE'],
    change: 'FREE_AGENT',
  },
  { question: 'half a cpu more than is free', query: aLittle, rest: 'refused', expected: ['FILTERED'], change: 'LESS' },
  {
    question: 'more than a quota leaves',
    query: { frameworkId: asking, role, wish: { resources: bagOf({ cpus: 2, mem: 64 }) } },
    rest: 'free',
    expected: ['QUOTA'],
    change: 'RAISE_QUOTA',
    // What is in use counts: one cpu of it is left.
    set: (world, agents) => world.allocator.setQuota(role, quotaOf({ cpus: 16 * agents + 1 }, {})),
  },
  {
    question: 'a constraint, and more than any agent has',
    query: { ...tooMuch, constraints: [[inRack]] },
    rest: 'refused',
    expected: ['CONSTRAINT'],
    change: 'SEVERAL',
  },
  {
    question: 'a constraint, and more than any agent has of two things',
    query: { ...tooMuch, wish: { resources: bagOf({ cpus: 100, mem: 1_000_000 }) }, constraints: [[inRack]] },
    rest: 'offered',
    expected: ['CONSTRAINT'],
    change: 'SEVERAL',
  },
  {
    question: 'more than guarantees leave',
    query: { frameworkId: asking, role, wish: { resources: bagOf({ cpus: 2, mem: 64 }) } },
    rest: 'free',
    expected: ['GUARANTEES'],
    change: 'LOWER_GUARANTEES',
    // Eight cpus are free on each agent.
    set: (world, agents) => world.allocator.setQuota('kept', quotaOf({}, { cpus: 8 * agents - 1 })),
  },
  { question: 'a role', query: { role }, rest: 'free', expected: ['ORDER'] },
  { question: 'a role', query: { role }, rest: 'offered', expected: ['OFFERED', 'OFFERED_TO_ITSELF'] },
];

/** Questions about a busy cluster, in which each agent has tasks and, maybe, an offer of the rest. */
export function explanations([agents, frameworks]: Size): BenchRow[] {
  return cases.map(({ question, query, rest, expected, change, set }) => {
    const world = new World(frameworks);
    world.addAgents(agents);
    set?.(world, agents);
    if (rest === 'offered') world.cycle();
    if (rest === 'refused') world.refuseEverywhere(0, 1);
    const around = surroundingsOf(world, agents);
    let answer: Explanation | undefined;
    const explain = (): number => timed(() => (answer = world.allocator.explain(query, around)));
    for (let round = 0; round < 2; round += 1) explain();
    const ms = median(Array.from({ length: 7 }, explain));
    const told = answer?.reasons.reduce((sum, reason) => sum + (expected.includes(reason.kind) ? reason.agents : 0), 0);
    if (told !== agents) throw new Error(`${question}, ${rest}: ${expected.join(', ')} are reasons on ${told} agents`);
    if (change !== undefined && !answer?.changes.some(each => each.change === change))
      throw new Error(`${question}, ${rest}: ${change} is not among the changes`);
    return row('allocator/explain', { agents, frameworks, question, rest }, ms, 'ms');
  });
}

// What a master would say of the same cluster.
function surroundingsOf(world: World, agents: number): Surroundings {
  const offers = new Map<AgentId, Holding[]>();
  for (const [i, { agentId, frameworkId, role: its, resources }] of world.take().entries()) {
    const offer: Holding = { what: 'OFFER', id: `offer-${i}`, frameworkId, role: its, resources, heldForMs: 1000 };
    offers.set(agentId, [offer]);
  }
  const tasks = new Map<AgentId, Holding[]>();
  for (let i = 0; i < agents; i += 1) {
    const { agentId, frameworkId, role: its } = world.usedBy(i % world.frameworks, `agent-${i}`, bigUsed);
    const task: Holding = {
      what: 'TASK',
      id: `task-${i}`,
      frameworkId,
      role: its,
      resources: bigUsed,
      heldForMs: 60_000,
    };
    tasks.set(agentId, [task]);
  }
  return {
    activityOf: () => undefined,
    absenceOf: () => undefined,
    offersOn: id => offers.get(id) ?? [],
    tasksOn: id => tasks.get(id) ?? [],
    constraintsOf: () => [],
  };
}
